package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Invocation is what a program is started with.
type Invocation struct {
	Args   []string // without the program's name
	Env    []string // as os.Environ returns it
	Stdout io.Writer
	Exit   func(int) // called after help was printed

	Summary, About string // what help says of the program: a line, and more

	// Sources, where set, is told where values come from.
	Sources Sources

	// CheckEDN, where set, says what of a file is not EDN and where, and is
	// nil for what can be read. The error begins with a verb and quotes
	// nothing, since a file may hold secrets.
	CheckEDN func(text []byte) error
}

// Checker is implemented by a grammar whose options depend on each other. Check
// is called with a pointer to the struct of the selected command once every value
// could be read on its own, unless the command is alone.
type Checker interface {
	Check(command any, report Report)
}

// Report takes a fault of the named option ("nats-routes").
type Report func(option, problem string)

// Parse fills grammar, a pointer to a struct with kong's tags, and returns the
// selected command. Whatever is wrong comes back as an *[Error] that holds every
// fault; any other error is a broken grammar.
//
// Help is printed to Stdout and ends in Exit(0); Parse then returns no error, and a
// command that does nothing.
func Parse(grammar any, in Invocation) (command Command, err error) {
	s := &session{env: map[string]string{}, source: map[string]string{}, blamed: map[string]bool{}, checkEDN: in.CheckEDN}
	for _, pair := range in.Env {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			s.env[name] = value
		}
	}
	exited := false
	opts := append(s.mappers(),
		kong.Name("hoshi"),
		kong.Description(in.Summary),
		kong.NoDefaultHelp(),
		kong.Help(printHelp),
		kong.Writers(in.Stdout, io.Discard),
		kong.Exit(func(code int) { exited = true; in.Exit(code) }),
		kong.Resolvers(s),
		kong.WithBeforeResolve(s.load),
	)
	k, err := kong.New(grammar, opts...)
	if err != nil {
		return command, fmt.Errorf("build the command line: %w", err)
	}
	k.Model.Detail = in.About
	s.known = optionsOf(k.Model.Node)

	args, unknown := s.strip(k.Model.Node, in.Args)
	ctx, err := k.Parse(args)
	if exited {
		return command, nil
	}
	if err != nil && !unknown {
		s.faults = append(s.faults, Fault{Problem: s.reword(s.commandIn(k.Model.Node, in.Args), err)})
	}
	if err != nil && !s.loaded {
		if pe, ok := errors.AsType[*kong.ParseError](err); ok && pe.Context != nil {
			_ = s.load(pe.Context)
		}
	}
	if ctx != nil {
		command = Command{Name: commandOf(ctx), ctx: ctx}
		s.tell(in.Sources, ctx)
	}
	if c, ok := grammar.(Checker); ok && err == nil && !isAlone(ctx) {
		c.Check(structOf(ctx), s.fault)
	}
	if len(s.faults) > 0 {
		slices.SortStableFunc(s.faults, func(a, b Fault) int { return cmp.Compare(rank(a), rank(b)) })
		return command, &Error{s.faults}
	}
	return command, nil
}

// rank puts what stands on the command line first: it is what was just typed.
func rank(f Fault) int {
	switch {
	case f.Source == "" || strings.HasPrefix(f.Source, "-"):
		return 0
	case strings.HasPrefix(f.Source, envPrefix):
		return 1
	}
	return 2
}

// optionsOf lists every option of the grammar by name, those of all commands.
func optionsOf(node *kong.Node) map[string]*kong.Flag {
	known := map[string]*kong.Flag{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[f.Name] = f
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(node)
	return known
}

// strip takes options that exist nowhere out of args, a fault for each, since
// kong would stop at the first and hide what else is wrong.
func (s *session) strip(root *kong.Node, args []string) (rest []string, unknown bool) {
	command := s.commandIn(root, args)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(rest, args[i:]...), unknown
		}
		if isNegative(arg) && i > 0 && s.wantsValue(args[i-1]) && len(rest) > 0 {
			rest[len(rest)-1] += "=" + arg // so that kong takes it for the value, whose bounds then say what is wrong
			continue
		}
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		dashes := len(arg) - len(strings.TrimLeft(arg, "-"))
		if dashes == 0 || arg == "-" || arg == "-h" || dashes == 2 && s.known[name] != nil {
			rest = append(rest, arg)
			continue
		}
		unknown = true
		given, _, _ := strings.Cut(arg, "=")
		before := s.commandIn(root, args[:i])
		s.faults = append(s.faults, Fault{Problem: "unknown option " + given + unknownOption(command, name, before == command)})
		if s.hasValue(before, args, i) {
			i++
		}
	}
	return rest, unknown
}

// isNegative reports whether arg is a number, or a duration, below 0.
func isNegative(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
}

// wantsValue reports whether arg is an option whose value comes next.
func (s *session) wantsValue(arg string) bool {
	name, long := strings.CutPrefix(arg, "--")
	f := s.known[name]
	return long && f != nil && !f.IsBool()
}

// reword says in this program's words what kong found wrong with the shape of
// the command line, which asks for that command.
func (s *session) reword(node *kong.Node, err error) string {
	text := err.Error()
	if word, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		word, _, _ = strings.Cut(word, ",")
		var names []string
		for _, c := range node.Children {
			if !c.Hidden {
				names = append(names, c.Name)
			}
		}
		if len(names) == 0 {
			text := fmt.Sprintf("%s does not take a further argument %s", node.FullPath(), word)
			if slices.ContainsFunc(node.Positional, func(p *kong.Positional) bool { return p.Name == "event" || p.Name == "data" }) {
				text += "; quote an event that holds spaces"
			}
			return text
		}
		hint := didYouMean(word, names, func(n string) string { return node.FullPath() + " " + n })
		if slices.Contains(optionsFor(node), word) {
			hint = ", did you mean --" + word + "?"
		}
		if word == "true" || word == "false" {
			hint = ": a switch takes its value like --echo=" + word
		}
		if hint == "" {
			hint = ": want one of " + strings.Join(names, ", ")
		}
		return fmt.Sprintf("unknown command %s%s", word, hint)
	}
	if word, ok := strings.CutPrefix(text, "unknown flag "); ok {
		word, _, _ = strings.Cut(word, ",")
		return s.misplaced(node, word)
	}
	if word, ok := strings.CutPrefix(text, "flag "); ok { // of the node, before another command
		word, _, _ = strings.Cut(word, " ")
		if slices.Contains(optionsFor(node), strings.TrimLeft(word, "-")) {
			return s.misplaced(node, word)
		}
		return fmt.Sprintf("%s is an option of hoshi, not of its commands", word)
	}
	if strings.HasPrefix(text, "expected ") {
		return "want " + usage(node)
	}
	return text
}

// usage writes how a command is called: "hoshi pub user UID EVENT".
func usage(node *kong.Node) string {
	var b strings.Builder
	b.WriteString(node.FullPath())
	if len(node.Children) > 0 && node.Parent != nil {
		for i, c := range node.Children {
			b.WriteString([]string{" ", "|"}[min(i, 1)] + c.Name)
		}
		b.WriteString(" ...")
	}
	for _, p := range node.Positional {
		name := strings.ToUpper(p.Name)
		if !p.Required {
			name = "[" + name + "]"
		}
		b.WriteString(" " + name)
	}
	return b.String()
}
