package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type askCmd struct {
	User   askUserCmd   `cmd:"" help:"ask every socket of a user"`
	Conn   askConnCmd   `cmd:"" help:"ask one socket"`
	Client askClientCmd `cmd:"" help:"ask one tab of a Sente client"`
	Chan   askChanCmd   `cmd:"" help:"ask the subscribers of a channel"`
}

type askFlags struct {
	Timeout time.Duration `name:"timeout" default:"5s" min:"1ms" max:"1m" placeholder:"TIME" help:"Time that clients have to answer." meta:""`
}

type askUserCmd struct {
	askFlags

	UID   string `arg:"" name:"uid"`
	Event string `arg:"" name:"event"`
	EDN   bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type askConnCmd struct {
	askFlags

	ConnID string `arg:"" name:"conn-id"`
	Event  string `arg:"" name:"event"`
}

type askClientCmd struct {
	askFlags

	ClientID string `arg:"" name:"client-id"`
	Event    string `arg:"" name:"event"`
}

type askChanCmd struct {
	askFlags

	Channel string `arg:"" name:"channel"`
	Data    string `arg:"" name:"data"`
	EDN     bool   `name:"edn" help:"CHANNEL is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

// Help implements kong.HelpProvider.
func (askUserCmd) Help() string {
	return `  hoshi ask user alice '[:chat/ready?]'
  hoshi ask user alice '[:chat/ready?]' --timeout 30s

Each answer is a line, with the conn-id of who answers and the uid. It ends when
all have answered, or the time is over. Clients that know nothing of asks never
answer.`
}

// Help implements kong.HelpProvider.
func (askConnCmd) Help() string {
	return `  hoshi ask conn conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4 '[:chat/ready?]'`
}

// Help implements kong.HelpProvider.
func (askChanCmd) Help() string {
	return `  hoshi ask chan lobby '{:ready? true}'
  hoshi ask chan --edn '[:doc 7]' :save`
}

// asking does one ask.
type asking func(context.Context, *bus.Client, ...bus.PublishOption) (bus.Answers, error)

func (a *askUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	uid, text, errName := parseName("UID", a.UID, a.EDN)
	if err := errors.Join(errName, checkEvent(a.Event)); err != nil {
		return err
	}
	return a.gather(ctx, s, out, "user "+text, func(ctx context.Context, c *bus.Client, opts ...bus.PublishOption) (bus.Answers, error) {
		return c.AskUser(ctx, uid, []byte(a.Event), opts...)
	})
}

func (a *askConnCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkConnID(a.ConnID), checkEvent(a.Event)); err != nil {
		return err
	}
	return a.gather(ctx, s, out, a.ConnID, func(ctx context.Context, c *bus.Client, opts ...bus.PublishOption) (bus.Answers, error) {
		return c.AskConn(ctx, a.ConnID, []byte(a.Event), opts...)
	})
}

func (a *askClientCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkClientID(a.ClientID), checkEvent(a.Event)); err != nil {
		return err
	}
	return a.gather(ctx, s, out, "client "+printable(a.ClientID), func(ctx context.Context, c *bus.Client, opts ...bus.PublishOption) (bus.Answers, error) {
		return c.AskClient(ctx, a.ClientID, []byte(a.Event), opts...)
	})
}

func (a *askChanCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	channel, text, errName := parseName("CHANNEL", a.Channel, a.EDN)
	if err := errors.Join(errName, checkValue("DATA", a.Data)); err != nil {
		return err
	}
	return a.gather(ctx, s, out, "channel "+text, func(ctx context.Context, c *bus.Client, opts ...bus.PublishOption) (bus.Answers, error) {
		return c.AskChannel(ctx, channel, []byte(a.Data), opts...)
	})
}

// gather asks and prints what comes.
func (f *askFlags) gather(ctx context.Context, s *config.Shared, out output, whom string, ask asking) error {
	ctx, c, end, err := connectFor(ctx, s, f.Timeout+pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	answers, err := ask(ctx, c, bus.AskTime(f.Timeout), bus.EachAnswer(func(a *bus.Answer) {
		fmt.Fprintln(out.stdout, answerLine(a))
	}))
	if remote, ok := errors.AsType[*bus.RemoteError](err); ok {
		return fmt.Errorf("a node refuses it: %s", printable(remote.Keyword))
	}
	nobody := errors.Is(err, bus.ErrNobody)
	switch {
	case err == nil, nobody:
	case errors.Is(err, bus.ErrDenied):
		return denied(s, err, "publish on")
	case errors.Is(err, bus.ErrTooLarge):
		return fmt.Errorf("it is larger than NATS carries (max_payload is %v)", config.Size(c.MaxPayload()))
	case errors.Is(err, bus.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unreachable(s, err)
	default:
		return errors.New(oneLine(err.Error()))
	}
	fmt.Fprintf(out.stdout, "asked %d, answered %d, missing %d\n", answers.Asked, len(answers.All), answers.Missing)
	if nobody {
		fmt.Fprintf(out.stderr, "hoshi: nobody is there: %s\n", whom)
	}
	for keyword, n := range answers.Refused {
		fmt.Fprintf(out.stderr, "hoshi: %d of the nodes refuse it: %s\n", n, printable(keyword))
	}
	return nil
}

// answerLine is who answers, and what.
func answerLine(a *bus.Answer) string {
	var b strings.Builder
	b.WriteString(a.Conn)
	if uid := string(a.UID); uid != `"`+a.Conn+`"` {
		b.WriteString("  " + printable(uid))
	}
	if a.Client != "" {
		b.WriteString("  client " + printable(a.Client))
	}
	b.WriteString("  " + printable(string(a.Data)))
	return b.String()
}

// checkConnID says what is wrong with a conn-id.
func checkConnID(text string) error {
	if _, ok := id.ParseConn(text); ok {
		return nil
	}
	return fmt.Errorf("CONN-ID %s is none: want one like conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4", clip(text))
}

// checkNodeID says what is wrong with a node-id.
func checkNodeID(text string) error {
	if _, err := id.ParseNode(text); err != nil {
		return fmt.Errorf("NODE-ID %s is none: want one like 0b6f1c2a9d3e, hoshi top shows them", clip(text))
	}
	return nil
}

// checkClientID says what is wrong with a client-id.
func checkClientID(text string) error {
	if _, err := bus.StringToken(text); err != nil {
		return badName("CLIENT-ID", text, err)
	}
	return nil
}
