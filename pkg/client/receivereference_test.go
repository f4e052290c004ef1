package client_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// row is one check of the reference: what it plays, and what is looked at then.
type row struct {
	name    string
	options func(*client.Options)
	play    func(s *scene)
	look    func(s *scene) any
	want    any
	differs string // how we differ from the reference, and why
}

func (r *row) run(t *testing.T) {
	t.Run(r.name, func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newScene(t, r.options)
			r.play(s)
			synctest.Wait()
			if got := r.look(s); got != r.want {
				t.Errorf("got %v, want %v", got, r.want)
			}
		})
	})
}

// What rows look at.
func logged(s *scene) any   { return s.logged() }
func received(s *scene) any { return s.stats().Received }
func taken(s *scene) any    { return s.stats().Taken }
func buffered(s *scene) any { return s.stats().Buffered }
func dropped(s *scene) any  { return s.stats().Dropped }
func timeouts(s *scene) any { return s.stats().Timeouts }
func told(s *scene) any     { return s.stats().Closed }
func depth(s *scene) any    { return s.stats().Depth }
func waiters(s *scene) any  { return s.stats().Waiters }
func count(s *scene) any    { return s.Handlers() }

func loggedBy(name string) func(*scene) any {
	return func(s *scene) any {
		for _, line := range s.lines() {
			if rest, ok := cutName(line, name); ok {
				return rest
			}
		}
		return ""
	}
}

func cutName(line, name string) (string, bool) {
	if len(line) > len(name) && line[:len(name)] == name && line[len(name)] == ' ' {
		return line[len(name)+1:], true
	}
	return "", false
}

// The 39 checks of the reference's receive queue, one row each.
func TestReceiveReference(t *testing.T) {
	buffer := func(n int) func(*client.Options) {
		return func(o *client.Options) { o.ReceiveBuffer = n }
	}

	one := func(s *scene) { s.waiter("w", `:id "123"`, 0) }
	matched := func(s *scene) {
		one(s)
		s.put(`{:id "123" :data "hello"}`)
	}
	timed := func(s *scene) { s.waiter("w", "", 5*time.Second) }
	timedOut := func(s *scene) {
		timed(s)
		s.advance(4999 * time.Millisecond)
		s.advance(2 * time.Millisecond)
	}
	cancelled := func(s *scene) {
		timed(s)
		s.handlers["w"].Remove()
		s.advance(6 * time.Second)
	}
	three := func(s *scene) {
		for _, kind := range []string{"A", "B", "C"} {
			s.waiter(kind, fmt.Sprintf(":type %q", kind), 0)
		}
		s.put(`{:type "B" :data "bee"}`)
	}
	threeAndA := func(s *scene) {
		three(s)
		s.put(`{:type "A" :data "ayy"}`)
	}
	full := func(s *scene) { s.put("{:id 1}", "{:id 2}", "{:id 3}") }
	fromBuffer := func(s *scene) {
		full(s)
		s.waiter("w", ":id 2", 0)
	}
	overflow := func(s *scene) { s.put("{:id 1}", "{:id 2}", "{:id 3}", "{:id 4}") }
	closing := func(s *scene) {
		s.put("{:id 1}")
		for _, name := range []string{"a", "b", "c"} {
			s.waiter(name, "nothing", 0)
		}
		s.Renew(lost)
	}
	stopped := func(s *scene) { s.StopReceiving(client.ErrStopped) }
	late := func(s *scene) {
		stopped(s)
		one(s)
	}
	putLate := func(s *scene) {
		stopped(s)
		s.put("{:id 1}")
	}
	rpc := func(id string, timeout time.Duration) func(s *scene) {
		return func(s *scene) { s.handle("rpc", client.RPCWaiter(id, timeout, func(client.Message, error) {})) }
	}
	faulty := func(s *scene) {
		s.handle("w", client.Handler{Take: true, Once: true, Match: func(m client.Message) bool {
			if m.Data == `{:id "bad"}` {
				panic("boom")
			}
			return m.Data == `{:id "good"}`
		}})
		s.put(`{:id "bad"}`)
	}

	for _, r := range []row{
		{name: "1 take: a waiter is registered", play: one, look: waiters, want: 1},
		{name: "2 take: nothing comes yet", play: one, look: logged, want: ""},
		{name: "3 take: the message comes", play: matched, look: logged, want: `w {:id "123" :data "hello"}`},
		{name: "4 take: one received", play: matched, look: received, want: uint64(1)},
		{name: "5 take: one matched", play: matched, look: taken, want: uint64(1)},
		{name: "6 take: no waiter is left", play: matched, look: waiters, want: 0},

		{name: "7 timeout: nothing at first", play: timed, look: logged, want: ""},
		{name: "8 timeout: nothing after 4,999 ms of 5,000", play: func(s *scene) {
			timed(s)
			s.advance(4999 * time.Millisecond)
		}, look: logged, want: ""},
		{name: "9 timeout: told after 5,001 ms", play: timedOut, look: logged, want: "w timeout"},
		{name: "10 timeout: counted", play: timedOut, look: timeouts, want: uint64(1)},

		{name: "11 cancel: nothing is told, however long", play: cancelled, look: logged, want: ""},
		{name: "12 cancel: no waiter is left", play: cancelled, look: waiters, want: 0},

		{name: "13 predicates: the one that matches gets it", play: three, look: loggedBy("B"), want: `{:type "B" :data "bee"}`},
		{name: "14 predicates: the one before it does not", play: three, look: loggedBy("A"), want: ""},
		{name: "15 predicates: the one behind it does not", play: three, look: loggedBy("C"), want: ""},
		{name: "16 predicates: the other gets the other", play: threeAndA, look: loggedBy("A"), want: `{:type "A" :data "ayy"}`},
		{name: "17 predicates: two matched", play: threeAndA, look: taken, want: uint64(2)},
		{name: "18 predicates: one waiter is left", play: threeAndA, look: waiters, want: 1},

		{name: "19 buffer: three went in", options: buffer(3), play: full, look: buffered, want: uint64(3)},
		{name: "20 buffer: three are in it", options: buffer(3), play: full, look: depth, want: 3},
		{name: "21 buffer: a new waiter takes from it", options: buffer(3), play: fromBuffer, look: logged, want: "w {:id 2}"},
		{name: "22 buffer: two are left", options: buffer(3), play: fromBuffer, look: depth, want: 2},

		{
			name:    "23 overflow: two are dropped, these are kept",
			options: buffer(2),
			play: func(s *scene) {
				overflow(s)
				s.handle("rest", client.Handler{Take: true})
			},
			look:    logged,
			want:    "rest {:id 3}, rest {:id 4}",
			differs: "the reference drops the newest and keeps 1 and 2; here the oldest goes, since what came last is what a waiter is for",
		},
		{name: "24 overflow: two are counted", options: buffer(2), play: overflow, look: dropped, want: uint64(2)},

		{
			name: "25 close: the statistics stay", play: closing, look: received, want: uint64(1),
			differs: "the reference returns them from close; here they can be read at any time",
		},
		{
			name: "26 close: what was in the buffer is accounted for", play: closing, look: dropped, want: uint64(1),
			differs: "the reference returns the messages; here they are dropped and counted, since the connection ends by itself",
		},
		{name: "27 close: every waiter is told", play: closing, look: func(s *scene) any { return len(s.lines()) }, want: 3},
		{name: "28 close: in order, and why", play: closing, look: logged, want: "a closed:lost, b closed:lost, c closed:lost"},
		{
			name: "29 close: it is closed",
			play: func(s *scene) {
				closing(s)
				s.put("{:id 2}")
				s.waiter("next", ":id 2", 0)
			},
			look:    func(s *scene) any { return s.lines()[3] },
			want:    "next {:id 2}",
			differs: "the reference makes a new queue for the next connection; here it is the same one, fresh",
		},
		{name: "30 close: three told are counted", play: closing, look: told, want: uint64(3)},

		{
			name: "31 take after the end: there is nothing to cancel", play: late,
			look: func(s *scene) any { return s.handlers["w"].Remove() }, want: false,
			differs: "the reference returns nil for the function that cancels; here Remove says that it had ended",
		},
		{name: "32 take after the end: told at once", play: late, look: logged, want: "w stopped"},
		{name: "33 put after the end: not received", play: putLate, look: received, want: uint64(0)},
		{name: "34 put after the end: not in the buffer", play: putLate, look: depth, want: 0},

		{name: "35 rpc: the answer with the request's id", play: func(s *scene) {
			rpc("req-abc", 5*time.Second)(s)
			s.put(`{:request-id "req-abc" :result "success"}`)
		}, look: logged, want: `rpc {:request-id "req-abc" :result "success"}`},
		{name: "36 rpc: timeout", play: func(s *scene) {
			rpc("req-xyz", 3*time.Second)(s)
			s.advance(3001 * time.Millisecond)
		}, look: logged, want: "rpc timeout"},

		{name: "37 order: the first waiter gets the first message", play: func(s *scene) {
			for _, name := range []string{"first", "second", "third"} {
				s.waiter(name, "", 0)
			}
			s.put("{:n 1}", "{:n 2}", "{:n 3}")
		}, look: logged, want: "first {:n 1}, second {:n 2}, third {:n 3}"},

		{name: "38 a predicate that panics says no", play: faulty, look: func(s *scene) any {
			return fmt.Sprint(s.logged(), s.stats().Depth)
		}, want: "1"},
		{name: "39 and its waiter waits on", play: func(s *scene) {
			faulty(s)
			s.put(`{:id "good"}`)
		}, look: logged, want: `w {:id "good"}`},
	} {
		r.run(t)
	}
}

// The reference's checks of handlers, one row each; those of its server and of
// connecting are not about handlers.
func TestHandlerReference(t *testing.T) {
	const echo = "sente-lite/echo"
	hear := func(s *scene, data ...client.EDN) {
		for _, d := range data {
			s.Put(client.Message{ID: ":" + echo, Data: d})
		}
		synctest.Wait()
	}
	lasting := func(s *scene) { s.handle("h", client.Handler{ID: echo}) }
	heard := func(s *scene) {
		lasting(s)
		hear(s, `"hello"`)
	}
	once := func(s *scene) { s.handle("h", client.Handler{ID: echo, Once: true}) }
	onceHeard := func(s *scene) {
		once(s)
		hear(s, `"once"`, `"twice"`)
	}
	picky := func(s *scene) { s.handle("h", client.Handler{Match: has("req-123")}) }
	abc := func(s *scene) {
		for _, id := range []string{"a", "b", "c"} {
			s.handle(id, client.Handler{ID: id})
		}
	}
	foos := func(s *scene) {
		s.handle("foo1", client.Handler{ID: "foo"})
		s.handle("foo2", client.Handler{ID: ":foo"})
		s.handle("bar", client.Handler{ID: "bar"})
	}
	never := func(s *scene) {
		s.handle("h", client.Handler{ID: "never/happens", Once: true, Timeout: 200 * time.Millisecond})
	}
	over := func(s *scene) {
		never(s)
		s.advance(350 * time.Millisecond)
	}
	registered := func(s *scene) any { return s.handlers["h"] != nil }

	for _, r := range []row{
		{name: "1 lasting: registered", play: lasting, look: registered, want: true},
		{name: "2 lasting: counted", play: lasting, look: count, want: 1},
		{name: "3 lasting: it hears", play: heard, look: func(s *scene) any { return len(s.lines()) }, want: 1},
		{name: "4 lasting: the event id", play: heard, look: logged, want: `h :sente-lite/echo "hello"`},
		{name: "5 lasting: it stays", play: heard, look: count, want: 1},
		{name: "6 removed: it says so", play: heard, look: func(s *scene) any { return s.handlers["h"].Remove() }, want: true},
		{name: "7 removed: not counted", play: func(s *scene) {
			heard(s)
			s.handlers["h"].Remove()
		}, look: count, want: 0},
		{name: "8 once: registered", play: once, look: registered, want: true},
		{name: "9 once: counted", play: once, look: count, want: 1},
		{name: "10 once: it hears once", play: onceHeard, look: logged, want: `h :sente-lite/echo "once"`},
		{name: "11 once: it is gone", play: onceHeard, look: count, want: 0},
		{name: "12 predicate: registered", play: picky, look: registered, want: true},
		{name: "13 predicate: not what does not match", play: func(s *scene) {
			picky(s)
			hear(s, `{:id "req-456"}`)
		}, look: logged, want: ""},
		{name: "14 predicate: what matches", play: func(s *scene) {
			picky(s)
			hear(s, `{:id "req-456"}`, `{:id "req-123"}`)
		}, look: logged, want: `h :sente-lite/echo {:id "req-123"}`},
		{name: "15 every event: registered", play: func(s *scene) { s.handle("h", client.Handler{ID: "*"}) }, look: registered, want: true},
		{name: "16 every event: it hears", play: func(s *scene) {
			s.handle("h", client.Handler{ID: ":*"})
			hear(s, "1")
			s.put("2")
		}, look: logged, want: "h :sente-lite/echo 1, h 2"},
		{name: "17 all: three", play: abc, look: count, want: 3},
		{name: "18 all: removed", play: abc, look: func(s *scene) any { return s.OffAll() }, want: 3},
		{name: "19 all: none is left", play: func(s *scene) {
			abc(s)
			s.OffAll()
		}, look: count, want: 0},
		{name: "20 by id: three", play: foos, look: count, want: 3},
		{name: "21 by id: removed", play: foos, look: func(s *scene) any { return s.Off(":foo") }, want: 2},
		{name: "22 by id: the other is left", play: func(s *scene) {
			foos(s)
			s.Off("foo")
		}, look: count, want: 1},
		{name: "23 timeout: registered", play: never, look: registered, want: true},
		{name: "24 timeout: counted", play: never, look: count, want: 1},
		{name: "25 timeout: told", play: over, look: func(s *scene) any { return len(s.lines()) }, want: 1},
		{name: "26 timeout: what", play: over, look: logged, want: "h timeout"},
		{name: "27 timeout: it is gone", play: over, look: count, want: 0},
	} {
		r.run(t)
	}
}

func TestRPCWaiter(t *testing.T) {
	type tt struct {
		name string
		id   string
		data string
		want bool
	}
	for _, tt := range []tt{
		{name: "the id", id: "a-1", data: `{:request-id "a-1" :ok true}`, want: true},
		{name: "behind others", id: "a-1", data: `{:x {:request-id "b"} :request-id "a-1"}`, want: true},
		{name: "a longer one", id: "a-1", data: `{:request-id "a-11"}`},
		{name: "another key", id: "a-1", data: `{:request "a-1"}`},
		{name: "inside of a value", id: "a-1", data: `{:x {:request-id "a-1"}}`},
		{name: "a keyword", id: "a-1", data: `{:request-id :a-1}`},
		{name: "a symbol", id: "a-1", data: `{:request-id a-1}`},
		{name: "nil", id: "nil", data: `{:request-id nil}`},
		{name: "no map", id: "a-1", data: `["a-1"]`},
		{name: "no data", id: "a-1"},
		{name: "escapes", id: "a-1", data: `{:request-id "a\u002d1"}`, want: true},
		{name: "escapes in ours", id: "a\"\n", data: `{:request-id "a\"\n"}`, want: true},
		{name: "a key of a namespaced map", id: "a-1", data: `#:x{:_/request-id "a-1"}`, want: true},
		{name: "an empty id", id: "", data: `{:request-id ""}`, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := client.RPCWaiter(tt.id, 0, func(client.Message, error) {})
			if got := h.Match(client.Message{ID: ":t/m", Data: client.EDN(tt.data)}); got != tt.want || !h.Take || !h.Once {
				t.Errorf("matches: %v, want %v", got, tt.want)
			}
		})
	}
}

// What is found without making the text canonical is what one finds with it.
func TestChannelOfMessage(t *testing.T) {
	for _, id := range []string{
		`"room"`, `""`, `"a b"`, `"~ !"`, `"ro\u006fm"`, `"\n"`, "\"\n\"", "\"\t\"", `"é"`, "\"\x7f\"", `"\""`,
		":room", ":a/b", "{:b 1, :a 2}", "#{3 1}", "0x10", `^:m [1]`, "room", "[]", "1.0",
	} {
		data := fmt.Sprintf(`{:x 1 :channel-id %s :data {:from "no"} :from "con\u006e-%d"}`, id, len(id))
		c, ok := client.Message{ID: client.ChannelMessageID, Data: client.EDN(data)}.Channel()
		name, err := edn.AppendCanonical(nil, []byte(id))
		if err != nil {
			t.Fatal(err)
		}
		want := client.ChannelMessage{Channel: client.EDN(name), Data: `{:from "no"}`, From: fmt.Sprintf("conn-%d", len(id))}
		if !ok || c != want {
			t.Errorf("%s: %+v %v, want %+v", data, c, ok, want)
		}
	}
	for _, data := range []client.EDN{"", "nil", "{}", `{:data 1}`, `{:channel-id ##NaN}`, `["room"]`} {
		if c, ok := (client.Message{ID: client.ChannelMessageID, Data: data}).Channel(); ok {
			t.Errorf("%q is %+v", data, c)
		}
	}
}

func TestChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		on := func(name string, channel any) *client.Registration {
			t.Helper()
			r, err := s.OnChannel(channel, func(m client.ChannelMessage) {
				s.note(fmt.Sprintf("%s %s %s %q", name, m.Channel, m.Data, m.From))
			})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		publish := func(text string) {
			s.Put(client.Message{ID: client.ChannelMessageID, Data: client.EDN(text)})
		}
		room := on("room", "room")
		s.handle("all", client.Handler{ID: client.ChannelMessageID, Match: has("vip")})
		on("map", client.EDN("{:b 2, :a 1}"))
		on("room2", client.EDN(`"ro\u006fm"`))
		on("key", client.Keyword("room"))
		match, err := client.MatchChannel(client.EDN("{:a 1 :b 2}"))
		if err != nil {
			t.Fatal(err)
		}
		publish(`{:channel-id "room" :data {:n 1} :from "conn-1"}`)
		publish(`{:channel-id {:a 1,:b 2} :data vip}`)
		publish(`{:channel-id :room :data nil :from nil}`)
		publish(`{:channel-id "other" :data 1}`)
		publish(`{:data 1}`)
		s.Put(client.Message{ID: ":t/m", Data: `{:channel-id "room" :data 1}`})
		synctest.Wait()
		s.handle("w", client.Handler{Match: match, Take: true, Once: true})
		want := `room "room" {:n 1} "conn-1", room2 "room" {:n 1} "conn-1", ` +
			`all :sente-lite/channel-msg {:channel-id {:a 1,:b 2} :data vip}, map {:a 1 :b 2} vip "", key :room nil "", ` +
			`w :sente-lite/channel-msg {:channel-id {:a 1,:b 2} :data vip}`
		if got := s.logged(); got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		room.Remove()
		publish(`{:channel-id "room" :data 2}`)
		s.Renew(lost) // handlers stay
		publish(`{:channel-id "room" :data 3}`)
		if got, want := s.logged(), `room2 "room" 2 "", room2 "room" 3 ""`; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		if n := s.Off(client.ChannelMessageID); n != 4 {
			t.Errorf("Off removed %d, want 4", n)
		}
		for _, bad := range []any{nil, client.EDN("{:a"), client.EDN("a b"), client.Keyword(""), func() {}} {
			if _, err := s.OnChannel(bad, func(client.ChannelMessage) {}); !errors.Is(err, client.ErrBadEvent) {
				t.Errorf("OnChannel(%#v): %v", bad, err)
			}
			if _, err := client.MatchChannel(bad); !errors.Is(err, client.ErrBadEvent) {
				t.Errorf("MatchChannel(%#v): %v", bad, err)
			}
		}
	})
}
