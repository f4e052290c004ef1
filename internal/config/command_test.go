package config_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// saying is a grammar whose commands can be run.
type saying struct {
	config.Help

	Quiet quietCmd `cmd:"" hidden:"" default:"withargs"`
	Say   struct {
		Twice twiceCmd `cmd:"" help:"Say it twice."`
		Wrong wrongCmd `cmd:"" help:"Ask for what there is not."`
	} `cmd:"" help:"Say something."`
}

type (
	quietCmd struct{}
	twiceCmd struct {
		Word string `arg:"" name:"word"`
	}
	wrongCmd struct{}

	said struct{ text string }
)

var errSaid = errors.New("it is said")

func (quietCmd) Run(s *said) error { s.text = "nothing"; return nil }

func (c *twiceCmd) Run(ctx context.Context, g *saying, s *said) error {
	s.text = c.Word + g.Say.Twice.Word
	return errors.Join(errSaid, ctx.Err())
}

func (wrongCmd) Run(int) error { return nil }

// TestCommandRun holds that the command is run that was asked for, with what it asks
// for.
func TestCommandRun(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		command string
		said    string
		errs    []error
		message string
	}{
		{name: "default", said: "nothing"},
		{name: "one in another", args: []string{"say", "twice", "ha"}, command: "say twice", said: "haha", errs: []error{errSaid, context.Canceled}},
		{name: "what is not bound", args: []string{"say", "wrong"}, command: "say wrong", message: "couldn't find binding of type int for parameter 0 of func(int) error(), use kong.Bind(int)"},
		{name: "help, which does nothing more", args: []string{"say", "--help"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			command, err := config.Parse(&saying{}, config.Invocation{Args: tt.args, Stdout: t.Output(), Exit: func(int) {}})
			if err != nil || command.Name != tt.command {
				t.Fatalf("command %q, %v", command.Name, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var got said
			err = command.Run(ctx, &got)
			if got.text != tt.said || (err != nil) != (tt.errs != nil || tt.message != "") || tt.message != "" && err.Error() != tt.message {
				t.Errorf("said %q, %v", got.text, err)
			}
			for _, want := range tt.errs {
				if !errors.Is(err, want) {
					t.Errorf("%v is not %v", err, want)
				}
			}
		})
	}
}
