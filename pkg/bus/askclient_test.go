package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// said is one message of a node, after a while.
type said struct {
	after  time.Duration
	header nats.Header
	body   string
}

func says(node, key, value string) said {
	return said{header: nats.Header{bus.HeaderNode: {node}, key: {value}}}
}

func answers(node, body string) said {
	return said{header: nats.Header{bus.HeaderNode: {node}, bus.HeaderConn: {askConn}}, body: body}
}

// script answers asks to user x as nodes would.
func script(t *testing.T, nc *nats.Conn, lines []said) {
	t.Helper()
	sub, err := nc.Subscribe("hoshi.user.x", func(m *nats.Msg) {
		for _, l := range lines {
			if l.after > 0 { // a node that is far away
				<-time.After(l.after)
			}
			if err := nc.PublishMsg(&nats.Msg{Subject: m.Reply, Header: l.header, Data: []byte(l.body)}); err != nil {
				return // the test is over
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestAskGathers(t *testing.T) {
	late := func(s said) said { s.after = 250 * time.Millisecond; return s }
	with := func(s said, key, value string) said { s.header[key] = []string{value}; return s }
	tests := []struct {
		name           string
		opts           []bus.PublishOption
		lines          []said
		asked, missing int
		answers        []string
		err            error
		remote         bool // a *RemoteError
		invalid        uint64
		atLeast        time.Duration
		atMost         time.Duration // 0: a second
	}{
		{
			name:  "two nodes",
			lines: []said{says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("b", bus.HeaderAsked, "2"), says("a", bus.HeaderAnswered, "1"), answers("b", "2"), answers("b", "3"), says("b", bus.HeaderAnswered, "2")},
			asked: 3, answers: []string{"1", "2", "3"}, atLeast: bus.DefaultSettle,
		},
		{
			name:  "an answer before its number",
			lines: []said{answers("a", "1"), says("a", bus.HeaderAnswered, "1"), late(says("a", bus.HeaderAsked, "1"))},
			asked: 1, answers: []string{"1"},
		},
		{
			name:  "a node that is slow to speak, within the settle time",
			opts:  []bus.PublishOption{bus.Settle(600 * time.Millisecond)},
			lines: []said{says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("a", bus.HeaderAnswered, "1"), late(says("b", bus.HeaderAsked, "1")), answers("b", "2"), says("b", bus.HeaderAnswered, "1")},
			asked: 2, answers: []string{"1", "2"}, atLeast: 850 * time.Millisecond, atMost: 5 * time.Second,
		},
		{
			name:  "a node that is slow to speak, beyond it",
			lines: []said{says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("a", bus.HeaderAnswered, "1"), {after: 2 * time.Second}},
			asked: 1, answers: []string{"1"},
		},
		{
			name:  "a node that speaks in time and is slow to answer",
			opts:  []bus.PublishOption{bus.Settle(400 * time.Millisecond)},
			lines: []said{says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("a", bus.HeaderAnswered, "1"), {after: 100 * time.Millisecond, header: says("b", bus.HeaderAsked, "1").header}, {after: 800 * time.Millisecond, header: answers("b", "").header, body: "2"}, says("b", bus.HeaderAnswered, "1")},
			asked: 2, answers: []string{"1", "2"}, atLeast: 1200 * time.Millisecond,
		},
		{
			name:  "no settling",
			opts:  []bus.PublishOption{bus.Settle(0), bus.AskTime(300 * time.Millisecond)},
			lines: []said{says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("a", bus.HeaderAnswered, "1")},
			asked: 1, answers: []string{"1"}, atLeast: 300 * time.Millisecond,
		},
		{
			name:  "silence",
			opts:  []bus.PublishOption{bus.AskTime(200 * time.Millisecond)},
			lines: []said{says("a", bus.HeaderAsked, "5"), answers("a", "1")},
			asked: 5, missing: 4, answers: []string{"1"}, atLeast: 200 * time.Millisecond,
		},
		{
			name:  "enough",
			opts:  []bus.PublishOption{bus.Enough(2)},
			lines: []said{says("a", bus.HeaderAsked, "9"), answers("a", "1"), answers("a", "2"), answers("a", "3")},
			asked: 9, missing: 7, answers: []string{"1", "2"},
		},
		{
			name:  "nobody there",
			lines: []said{with(says("a", bus.HeaderAsked, "0"), bus.HeaderAnswered, "0")},
			err:   bus.ErrNobody,
		},
		{
			name:  "nobody speaks",
			opts:  []bus.PublishOption{bus.AskTime(100 * time.Millisecond)},
			lines: nil,
			err:   bus.ErrNobody, atLeast: 100 * time.Millisecond,
		},
		{
			name:   "refused",
			lines:  []said{{header: nats.Header{bus.HeaderError: {":too-many-asks"}}}},
			remote: true,
		},
		{
			name:  "refused by one of two",
			lines: []said{{header: nats.Header{bus.HeaderError: {":too-many-asks"}}}, says("a", bus.HeaderAsked, "1"), answers("a", "1"), says("a", bus.HeaderAnswered, "1")},
			asked: 1, answers: []string{"1"},
		},
		{
			name: "nonsense",
			lines: []said{
				{header: nats.Header{}, body: "x"},
				says("a", bus.HeaderAsked, "-1"),
				says("a", bus.HeaderAsked, "99999999999999999999"),
				says("a", bus.HeaderAsked, "2"),
				says("a", bus.HeaderAsked, "2"), // twice
				answers("a", "{:a"),
				with(answers("a", "1"), bus.HeaderConn, "conn-x"),
				with(answers("a", "1"), bus.HeaderUID, "%41"),
				with(answers("a", "1"), bus.HeaderContentType, "text/plain"),
				answers("a", "1"),
				says("a", bus.HeaderAnswered, "2"),
			},
			asked: 2, missing: 1, answers: []string{"1"}, invalid: 8,
		},
		{
			name:  "json",
			lines: []said{says("a", bus.HeaderAsked, "1"), with(answers("a", `["a",1.5]`), bus.HeaderContentType, bus.ContentTypeJSON), says("a", bus.HeaderAnswered, "1")},
			asked: 1, answers: []string{`["a" 1.5]`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, natsd.Options{})
			script(t, raw(t, s), tt.lines)
			c := client(t, s)
			var each []string
			opts := append([]bus.PublishOption{bus.AskTime(10 * time.Second), bus.EachAnswer(func(a *bus.Answer) { each = append(each, string(a.Data)) })}, tt.opts...)
			began := time.Now()
			got, err := c.AskUser(t.Context(), bus.String("x"), []byte("[:a/b]"), opts...)
			took := time.Since(began)
			if _, isRemote := errors.AsType[*bus.RemoteError](err); isRemote != tt.remote || (!isRemote && !errors.Is(err, tt.err)) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if got.Asked != tt.asked || got.Missing != tt.missing || len(got.All) != len(tt.answers) || len(each) != len(got.All) {
				t.Fatalf("got %+v, %d in turn", got, len(each))
			}
			for i, want := range tt.answers {
				if string(got.All[i].Data) != want || each[i] != want {
					t.Errorf("answer %d is %s, want %s", i, got.All[i].Data, want)
				}
			}
			if n := c.Stats().Invalid; n != tt.invalid {
				t.Errorf("%d invalid, want %d", n, tt.invalid)
			}
			// Far from the 10 s that it could take.
			if took < tt.atLeast || took > max(tt.atMost, 4*time.Second) {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What is known when an ask is cut short is returned with the reason.
func TestAskEnds(t *testing.T) {
	lines := []said{says("a", bus.HeaderAsked, "2"), answers("a", "1")}
	s := server(t, natsd.Options{})
	script(t, raw(t, s), lines)
	p := newProxy(t, s)
	check := func(what string, got bus.Answers, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || len(got.All) != 1 || got.Asked != 2 || got.Missing != 1 {
			t.Errorf("%s: got %+v, %v", what, got, err)
		}
	}
	ask := func(ctx context.Context, c *bus.Client, first func()) (bus.Answers, error) {
		return c.AskUser(ctx, bus.String("x"), []byte("[:a/b]"), bus.AskTime(bus.MaxAsk), bus.EachAnswer(func(*bus.Answer) { first() }))
	}

	c := client(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("enough of it")
	got, err := ask(ctx, c, func() { cancel(over) })
	check("context", got, err, over)

	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	got, err = ask(ctx, c, func() {})
	if !errors.Is(err, context.DeadlineExceeded) && err != nil {
		t.Errorf("deadline: %v", err)
	}
	if len(got.All) != 1 {
		t.Errorf("deadline: %+v", got)
	}

	far, err := bus.Connect(t.Context(), bus.Options{URLs: []string{p.url()}})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Stop()
	got, err = ask(t.Context(), far, p.cut)
	check("lost connection", got, err, bus.ErrUnavailable)

	near := client(t, s)
	got, err = ask(t.Context(), near, near.Stop)
	check("stop", got, err, bus.ErrUnavailable)
}

func TestAskRefusesOptions(t *testing.T) {
	s := server(t, natsd.Options{})
	c := client(t, s)
	for _, d := range []time.Duration{0, -time.Second, time.Minute + time.Millisecond, 100 * time.Microsecond} {
		if _, err := c.AskUser(t.Context(), bus.String("x"), []byte("[:a/b]"), bus.AskTime(d)); !errors.Is(err, bus.ErrBadOption) {
			t.Errorf("%v: %v", d, err)
		}
	}
	for name, err := range map[string]error{
		"conn": second(c.AskConn(t.Context(), "conn-x", []byte("[:a/b]"))),
		"user": second(c.AskUser(t.Context(), bus.String(""), []byte("[:a/b]"))),
		"chan": second(c.AskChannel(t.Context(), bus.EDN("nil"), []byte("1"))),
		"tab":  second(c.AskClient(t.Context(), "", []byte("[:a/b]"))),
	} {
		if !errors.Is(err, bus.ErrBadName) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.AskUser(t.Context(), bus.String("x"), []byte("7")); !errors.Is(err, bus.ErrBadEvent) {
		t.Errorf("no event: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
