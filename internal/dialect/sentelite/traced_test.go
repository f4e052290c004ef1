package sentelite_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// around puts an event in a format into a :hoshi/traced.
func around(t testing.TB, f codec.Format, event []byte) []byte {
	t.Helper()
	const hole = "1234567"
	msg := in(t, f, `[:hoshi/traced {:traceparent "`+traceparent+`" :tracestate "a=1" :event `+hole+`}]`)
	before, after, ok := bytes.Cut(msg, in(t, f, hole))
	if !ok {
		t.Fatalf("no %s in %q", hole, msg)
	}
	return bytes.Join([][]byte{before, event, after}, nil)
}

// TestTraced has each command come alone and within a :hoshi/traced, in every
// format: it is the same, but for what is said of the trace.
func TestTraced(t *testing.T) {
	for _, event := range []string{
		`[:app/x]`, `[:app/x {:a ["~b" {:c nil}]}]`, `[:chsk/ws-ping]`, `[:chsk/ws-pong]`, `[:sente-lite/subscribe {:channel-id ["doc" 7]}]`,
		`[:sente-lite/unsubscribe {:channel-id "a"}]`, `[:sente-lite/publish {:channel-id "a" :data {:n [1 nil]} :exclude-sender? true}]`,
		`[:chsk/reply {:cb-uuid "ask-1" :data {:n 1}}]`, `[:hoshi/refresh {:token "ey.J"}]`, `[:sente-lite/publish 7]`,
	} {
		for f := range codec.Format(codec.Formats) {
			for _, callback := range []string{"nil", `"cb-1"`} {
				p := sentelite.New(f, false).NewParser()
				alone, wrapped := in(t, f, "["+event+" "+callback+"]"), in(t, f, `[[:hoshi/traced {:tracestate "a=1" :event `+event+` :x 1 :traceparent "`+traceparent+`"}] `+callback+"]")
				for range 2 { // scratch is used again
					want := parsed(t, f, p, alone)
					if want.Traced != nil {
						t.Fatalf("%s in %s: traced", event, f)
					}
					got := parsed(t, f, p, wrapped)
					if got.Traced == nil || string(got.Traced.Parent) != traceparent || string(got.Traced.State) != "a=1" {
						t.Errorf("%s in %s: traced %+v", event, f, got.Traced)
						break
					}
					got.Traced = nil
					if !same(&got, &want) {
						t.Errorf("%s in %s:\n%+v, want\n%+v", event, f, got, want)
					}
				}
			}
		}
	}
}

// parsed is what a parser makes of a message, which it may then use again.
func parsed(t testing.TB, f codec.Format, p dialect.Parser, msg []byte) dialect.Command {
	t.Helper()
	var cmd dialect.Command
	if err := p.Parse(msg, &cmd); err != nil {
		t.Fatalf("%q in %s: %v", msg, f, err)
	}
	for _, part := range []*[]byte{&cmd.Event, &cmd.ID, &cmd.Callback, &cmd.Channel, &cmd.Sent, &cmd.Data, &cmd.Text, &cmd.AnswerTo} {
		*part = bytes.Clone(*part)
	}
	return cmd
}

func same(a, b *dialect.Command) bool {
	return a.Op == b.Op && a.Form == b.Form && a.BadArgs == b.BadArgs && a.ExcludeSender == b.ExcludeSender &&
		equal(a.Event, b.Event) && equal(a.ID, b.ID) && equal(a.Callback, b.Callback) && equal(a.Channel, b.Channel) &&
		equal(a.Sent, b.Sent) && equal(a.Data, b.Data) && equal(a.Text, b.Text) && equal(a.AnswerTo, b.AnswerTo)
}

func equal(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// TestTracedParts has what is said of the trace be missing, or no good: the event
// counts all the same.
func TestTracedParts(t *testing.T) {
	for _, tt := range []struct{ name, args, parent, state string }{
		{name: "nothing"},
		{name: "no strings", args: `:traceparent 7 :tracestate [1]`},
		{name: "empty", args: `:traceparent "" :tracestate ""`},
		{name: "escaped", args: `:traceparent "a\n\u0041" :tracestate "\""`, parent: "a\nA", state: `"`},
		{name: "longest", args: `:tracestate "` + strings.Repeat("é", dialect.MaxTraced/2) + `"`, state: strings.Repeat("é", dialect.MaxTraced/2)},
		{name: "too long", args: `:traceparent "` + strings.Repeat("x", dialect.MaxTraced+1) + `" :tracestate "` + strings.Repeat("x", 100_000) + `"`},
	} {
		for f := range codec.Format(codec.Formats) {
			cmd := parsed(t, f, sentelite.New(f, false).NewParser(), in(t, f, `[:hoshi/traced {`+tt.args+` :event [:app/x 1]}]`))
			if string(cmd.ID) != ":app/x" || cmd.Traced == nil || string(cmd.Traced.Parent) != tt.parent || string(cmd.Traced.State) != tt.state {
				t.Errorf("%s in %s: %s, %+v", tt.name, f, cmd.ID, cmd.Traced)
			}
		}
	}
}

func TestTracedRefused(t *testing.T) {
	for _, tt := range []struct {
		args string
		want error
	}{
		{`{}`, dialect.BadTraced},
		{`nil`, dialect.BadTraced},
		{`7`, dialect.BadTraced},
		{`[:app/x]`, dialect.BadTraced},
		{`{:event nil}`, dialect.BadTraced},
		{`{:event 7}`, dialect.BadTraced},
		{`{:event []}`, dialect.BadTraced},
		{`{:event ["no-namespace"]}`, dialect.BadTraced},
		{`{:event [[:app/x 1] "cb"]}`, dialect.BadTraced},
		{`{:event [:hoshi/traced {:event [:app/x]}]}`, dialect.BadTraced},
		{`{:event [:hoshi/other]}`, dialect.ReservedID},
		{`{:event [:chsk/handshake 1]}`, dialect.ReservedID},
	} {
		for f := range codec.Format(codec.Formats) {
			p := sentelite.New(f, false).NewParser()
			var cmd dialect.Command
			if err := p.Parse(in(t, f, `[[:hoshi/traced `+tt.args+`] "cb"]`), &cmd); !errors.Is(err, tt.want) {
				t.Errorf("%s in %s: %v, want %v", tt.args, f, err, tt.want)
			}
			if out(t, f, cmd.Callback) != `"cb"` {
				t.Errorf("%s in %s: callback %q", tt.args, f, cmd.Callback)
			}
			// And nothing of it is left.
			if cmd := parsed(t, f, p, in(t, f, `[:app/x 1]`)); cmd.Traced != nil || string(cmd.ID) != ":app/x" {
				t.Errorf("after %s in %s: %+v", tt.args, f, cmd)
			}
		}
	}
}

// TestTracedCacheCodes has parts that mean something in their own message only.
func TestTracedCacheCodes(t *testing.T) {
	p := sentelite.New(codec.Transit, false).NewParser()
	cmd := parsed(t, codec.Transit, p, []byte(`[["~:hoshi/traced",["^ ","~:event",["~:sente-lite/publish",["^ ","~:channel-id","~:chat/room","~:data",["^2",["^ ","^3",1]]]]]],"cb"]`))
	if cmd.Op != dialect.Publish || string(cmd.Channel) != ":chat/room" || out(t, codec.Transit, cmd.Data) != "[:sente-lite/publish {:channel-id 1}]" {
		t.Fatalf("%+v", cmd)
	}
	var s codec.Scanner
	for _, part := range [][]byte{cmd.Event, cmd.Data, cmd.Sent} {
		if _, err := s.Value(codec.Transit, part); err != nil {
			t.Errorf("%q: %v", part, err)
		}
	}
}

func TestTracedAllocations(t *testing.T) {
	msg := around(t, codec.EDN, []byte(`[:sente-lite/publish {:channel-id "news", :data 1}]`))
	p := sentelite.New(codec.EDN, false).NewParser()
	var cmd dialect.Command
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Parse(msg, &cmd); err != nil || cmd.Op != dialect.Publish {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTraced: an event within a :hoshi/traced is what it is alone, in every format.
func FuzzTraced(f *testing.F) {
	for format := range codec.Format(codec.Formats) {
		for _, text := range []string{
			`[:app/x {:a 1}]`, `[:sente-lite/publish {:channel-id [1 2] :data #:a{:b 1}}]`, `[:chsk/reply {:cb-uuid "x" :data 1}]`, `[:a/b 7]`,
			`[:hoshi/refresh {:token "a"}]`,
		} {
			f.Add(uint8(format), in(f, format, text))
		}
	}
	f.Add(uint8(codec.Transit), []byte(`["~:sente-lite/publish",["^ ","~:channel-id","^0","~:data",["^ ","^1",1]]]`))
	f.Fuzz(func(t *testing.T, number uint8, msg []byte) {
		format := codec.Format(number % codec.Formats)
		v := sentelite.New(format, false)
		var plain dialect.Command
		if v.NewParser().Parse(msg, &plain) != nil || plain.Callback != nil || plain.Traced != nil {
			return
		}
		// plain.Event means the same in any message.
		want := parsed(t, format, v.NewParser(), plain.Event)
		got := parsed(t, format, v.NewParser(), around(t, format, plain.Event))
		if got.Traced == nil || string(got.Traced.Parent) != traceparent {
			t.Fatalf("%s %q: %+v", format, msg, got.Traced)
		}
		if !same(&got, &want) {
			t.Fatalf("%s %q:\n%+v, want\n%+v", format, msg, got, want)
		}
	})
}
