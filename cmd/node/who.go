package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

type whoCmd struct {
	User   whoUserCmd   `cmd:"" help:"list every connection of a user"`
	Conn   whoConnCmd   `cmd:"" help:"describe one connection"`
	Client whoClientCmd `cmd:"" help:"describe one tab of a Sente client"`
}

type whoFlags struct {
	Limit int  `name:"limit" default:"100" placeholder:"NUMBER" help:"Connections that each node describes, at most 1000." meta:""`
	JSON  bool `name:"json" help:"Print JSON." meta:""`
}

type whoUserCmd struct {
	whoFlags

	UID string `arg:"" name:"uid"`
	EDN bool   `name:"edn" help:"UID is EDN. Else it is a string, or with a leading : a keyword." meta:""`
}

type whoConnCmd struct {
	whoFlags

	ConnID string `arg:"" name:"conn-id"`
}

type whoClientCmd struct {
	whoFlags

	ClientID string `arg:"" name:"client-id"`
}

// Help implements kong.HelpProvider.
func (whoUserCmd) Help() string {
	return `  hoshi who user alice
  hoshi who user --edn '[:team 7]' --json`
}

// Help implements kong.HelpProvider.
func (whoConnCmd) Help() string {
	return `  hoshi who conn conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4`
}

// Help implements kong.HelpProvider.
func (whoClientCmd) Help() string { return `  hoshi who client 0a1b2c3d-...` }

func (w *whoUserCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	uid, text, err := parseName("UID", w.UID, w.EDN)
	if err = errors.Join(err, w.check()); err != nil {
		return err
	}
	return w.who(ctx, s, out, "user "+text, bus.Target{UID: uid})
}

func (w *whoConnCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkConnID(w.ConnID), w.check()); err != nil {
		return err
	}
	return w.who(ctx, s, out, w.ConnID, bus.Target{ConnID: w.ConnID})
}

func (w *whoClientCmd) Run(ctx context.Context, s *config.Shared, out output) error {
	if err := errors.Join(checkClientID(w.ClientID), w.check()); err != nil {
		return err
	}
	return w.who(ctx, s, out, "client "+printable(w.ClientID), bus.Target{ClientID: w.ClientID})
}

func (w *whoFlags) check() error { return checkRange("--limit", w.Limit, 1, bus.MaxWho) }

func checkRange(option string, n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("%s: %d cannot be: want %d to %d", option, n, low, high)
	}
	return nil
}

func (w *whoFlags) who(ctx context.Context, s *config.Shared, out output, whom string, target bus.Target) error {
	return look(ctx, s, out, bus.APIWho, w.JSON, func(ctx context.Context, c *bus.Client) (bus.Survey[bus.WhoView], error) {
		return c.Who(ctx, bus.WhoQuery{Target: target, Limit: w.Limit})
	}, func(answer *bus.Survey[bus.WhoView]) error {
		return printWho(out.stdout, whom, answer, time.Now())
	})
}

// look asks nodes something and prints it. Nodes that have not answered are a fault,
// behind what is known.
func look[T any](ctx context.Context, s *config.Shared, out output, endpoint string, asJSON bool,
	ask func(context.Context, *bus.Client) (bus.Survey[T], error), show func(*bus.Survey[T]) error,
) error {
	ctx, c, end, err := connectFor(ctx, s, pubTimeout)
	if err != nil {
		return err
	}
	defer end()
	answer, err := ask(ctx, c)
	if err != nil {
		return lookFault(s, endpoint, err)
	}
	if asJSON {
		err = printJSON(out.stdout, answer)
	} else {
		err = show(&answer)
	}
	return errors.Join(err, missing(answer.Silent, answer.Refused))
}

// missing are the faults of nodes that are not in an answer.
func missing(silent []string, refused map[string]string) error {
	var faults []error
	for _, node := range slices.Sorted(maps.Keys(refused)) {
		faults = append(faults, fmt.Errorf("node %s refuses it: %s", printable(node), printable(refused[node])))
	}
	for _, node := range silent {
		faults = append(faults, fmt.Errorf("node %s has not answered, what it knows is missing", printable(node)))
	}
	return errors.Join(faults...)
}

// nodeFault words why a node has not answered that was asked alone.
func nodeFault(s *config.Shared, endpoint, node string, err error) error {
	if errors.Is(err, bus.ErrNobody) {
		return fmt.Errorf("no node %s is there, see hoshi top", printable(node))
	}
	return lookFault(s, endpoint+"."+node, err)
}

// lookFault words why nobody has answered.
func lookFault(s *config.Shared, endpoint string, err error) error {
	if remote, ok := errors.AsType[*bus.RemoteError](err); ok {
		text := printable(remote.Keyword)
		if remote.Text != "" {
			text += ", " + printable(remote.Text)
		}
		return fmt.Errorf("the nodes refuse it: %s", text)
	}
	switch {
	case errors.Is(err, bus.ErrDenied):
		return denied(s, err, "publish on")
	case errors.Is(err, bus.ErrNobody):
		return errors.New("no node is there")
	case errors.Is(err, bus.ErrSilent):
		return fmt.Errorf("no node has answered: may this user publish on %s.api.%s, and the nodes subscribe to it?", s.Prefix, endpoint)
	case errors.Is(err, bus.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unreachable(s, err)
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return errors.New(oneLine(err.Error()))
}

// printWho prints connections, the oldest first.
func printWho(w io.Writer, whom string, answer *bus.Survey[bus.WhoView], now time.Time) error {
	type row struct {
		node string
		bus.ConnView
	}
	var (
		rows        []row
		total, more int
	)
	for node, v := range answer.Nodes {
		total += v.Total
		more += v.More
		for _, c := range v.Conns {
			rows = append(rows, row{node, c})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Conn, b.Conn)) })
	var b strings.Builder
	for _, r := range rows {
		describe(&b, r.node, &r.ConnView, now)
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %s more\n", grouped(more))
	}
	if total == 0 {
		fmt.Fprintf(&b, "%s: no connection\n", whom)
	} else {
		fmt.Fprintf(&b, "%s: %s\n", whom, counted(total, "connection"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// describe prints one connection.
func describe(b *strings.Builder, node string, c *bus.ConnView, now time.Time) {
	fmt.Fprintf(b, "%s  %s  node %s\n", printable(c.Conn), printable(c.State), printable(node))
	if c.State == bus.StateSilent {
		return
	}
	fmt.Fprintf(b, "  %s/%s over %s", printable(c.Dialect), printable(c.Format), printable(c.Transport))
	if c.Address != "" {
		fmt.Fprintf(b, " from %s", printable(c.Address))
	}
	fmt.Fprintf(b, ", %v, since %s\n", now.Sub(c.Since).Truncate(time.Second), c.Since.UTC().Format(time.RFC3339))
	fmt.Fprintf(b, "  uid %s", printable(c.UID))
	if c.Client != "" {
		fmt.Fprintf(b, ", client %s", printable(c.Client))
	}
	if c.Expires != nil {
		fmt.Fprintf(b, ", token expires in %v", c.Expires.Sub(now).Truncate(time.Second))
	}
	b.WriteByte('\n')
	if c.Channels > 0 {
		fmt.Fprintf(b, "  %s:", counted(c.Channels, "channel"))
		for _, name := range c.ChannelNames {
			b.WriteByte(' ')
			b.WriteString(printable(name))
		}
		if left := c.Channels - len(c.ChannelNames); left > 0 {
			fmt.Fprintf(b, " and %d more", left)
		}
		b.WriteByte('\n')
	}
	var notes []string
	note := func(is bool, format string, args ...any) {
		if is {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	note(c.QueuedMessages > 0, "queue %s, %v", counted(c.QueuedMessages, "message"), config.Size(c.QueuedBytes))
	note(c.KeptMessages > 0, "kept %s, %v", counted(c.KeptMessages, "message"), config.Size(c.KeptBytes))
	note(c.Callbacks > 0, "waits for %s", counted(c.Callbacks, "callback"))
	note(c.Frozen, "frozen: takes nothing for a while")
	note(c.Blocked && !c.Frozen, "blocked: takes nothing now")
	note(c.Throttled, "throttled: sends too fast")
	note(c.Held, "held back: waits for NATS or a backend")
	if len(notes) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(notes, ", "))
	}
}

// counted says how many there are of something.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// grouped writes a number with commas.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
