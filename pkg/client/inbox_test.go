package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestMessageOrder(t *testing.T) {
	type tt struct {
		name string
		play func(s *scene)
		want string
	}
	for _, tt := range []tt{
		{
			name: "handlers in order of registration, whatever finds them",
			play: func(s *scene) {
				s.handle("id", client.Handler{ID: "t/m"})
				s.handle("pred", client.Handler{Match: has("1")})
				s.handle("id2", client.Handler{ID: ":t/m"})
				s.handle("all", client.Handler{ID: "*"})
				s.handle("none", client.Handler{})
				s.handle("id3", client.Handler{ID: "t/m"})
				s.handle("other", client.Handler{ID: "t/other"})
				s.put("1")
			},
			want: "id 1, pred 1, id2 1, all 1, none 1, id3 1",
		},
		{
			name: "handlers before waiters, one waiter, and only the first",
			play: func(s *scene) {
				s.handle("w1", client.Handler{Take: true, Once: true, ID: "t/m"})
				s.handle("w2", client.Handler{Take: true, Once: true})
				s.handle("h", client.Handler{})
				s.put("1", "2", "3")
			},
			want: "h 1, w1 1, h 2, w2 2, h 3",
		},
		{
			name: "a waiter by predicate before one by id",
			play: func(s *scene) {
				s.handle("w1", client.Handler{Take: true, Once: true, Match: has("")})
				s.handle("w2", client.Handler{Take: true, Once: true, ID: "t/m"})
				s.put("1")
			},
			want: "w1 1",
		},
		{
			name: "a lasting waiter takes all, also from the buffer",
			play: func(s *scene) {
				s.put("1", "2", "x")
				s.handle("w", client.Handler{Take: true, Match: func(m client.Message) bool { return m.Data != "x" }})
				s.put("3", "4")
				s.handle("rest", client.Handler{Take: true})
			},
			want: "w 1, w 2, w 3, w 4, rest x",
		},
		{
			name: "a once-handler sees its message and leaves it to others",
			play: func(s *scene) {
				s.handle("once", client.Handler{Once: true})
				s.put("1", "2")
				s.handle("w", client.Handler{Take: true})
			},
			want: "once 1, w 1, w 2",
		},
		{
			name: "a handler does not look in the buffer",
			play: func(s *scene) {
				s.put("1")
				s.handle("h", client.Handler{})
				s.handle("once", client.Handler{Once: true})
				s.put("2")
			},
			want: "h 2, once 2",
		},
		{
			name: "who is registered by a callback sees the next message, not the one at hand",
			play: func(s *scene) {
				s.handle("h", client.Handler{Once: true, Func: func(client.Message, error) {
					s.handle("inner", client.Handler{})
				}})
				s.put("1", "2")
			},
			want: "h 1, inner 2",
		},
		{
			name: "but a waiter finds it in the buffer",
			play: func(s *scene) {
				s.handle("h", client.Handler{Once: true, Func: func(client.Message, error) {
					s.handle("inner", client.Handler{Take: true, Once: true})
				}})
				s.put("1", "2")
			},
			want: "h 1, inner 1",
		},
		{
			name: "what a hook registers sees what has come meanwhile",
			play: func(s *scene) {
				gate := make(chan bool)
				s.Post(func() {
					<-gate
					s.handle("h", client.Handler{})
				})
				s.put("1", "2")
				close(gate)
			},
			want: "h 1, h 2",
		},
		{
			name: "posts keep their place among messages",
			play: func(s *scene) {
				s.handle("h", client.Handler{})
				s.Put(client.Message{ID: ":t/m", Data: "1"})
				s.Post(func() { s.note("post") })
				s.Put(client.Message{ID: ":t/m", Data: "2"})
			},
			want: "h 1, post, h 2",
		},
		{
			name: "an id with and without its colon",
			play: func(s *scene) {
				s.handle("a", client.Handler{ID: "chat/hi"})
				s.handle("b", client.Handler{ID: ":chat/hi"})
				s.Put(client.Message{ID: ":chat/hi", Data: "1"})
			},
			want: "a :chat/hi 1, b :chat/hi 1",
		},
		{
			name: "a predicate beats the id",
			play: func(s *scene) {
				s.handle("h", client.Handler{ID: "chat/other", Match: has("1")})
				s.handle("w", client.Handler{ID: "chat/other", Match: has("1"), Take: true})
				s.put("1", "2")
			},
			want: "h 1, w 1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newScene(t, nil)
				tt.play(s)
				if got := s.logged(); got != tt.want {
					t.Errorf("called back: %s\nwant: %s", got, tt.want)
				}
			})
		})
	}
}

func TestRemove(t *testing.T) {
	type tt struct {
		name string
		play func(s *scene)
		want string
	}
	for _, tt := range []tt{
		{
			name: "by itself, in its callback",
			play: func(s *scene) {
				s.handle("h", client.Handler{Func: func(client.Message, error) {
					s.note(fmt.Sprint(s.handlers["h"].Remove(), s.handlers["h"].Remove()))
				}})
				s.put("1", "2")
			},
			want: "h 1, true false",
		},
		{
			name: "of a later one, by an earlier one, for the message at hand",
			play: func(s *scene) {
				s.handle("h1", client.Handler{Func: func(client.Message, error) {
					s.handlers["h2"].Remove()
					s.handlers["w1"].Remove()
				}})
				s.handle("h2", client.Handler{})
				s.handle("w1", client.Handler{Take: true, Once: true})
				s.handle("w2", client.Handler{Take: true, Once: true})
				s.put("1", "2")
			},
			want: "h1 1, w2 1, h1 2",
		},
		{
			name: "by its own predicate",
			play: func(s *scene) {
				for _, h := range []client.Handler{{}, {Once: true}, {Take: true}, {Take: true, Once: true}} {
					h.Match = func(client.Message) bool { s.handlers["h"].Remove(); return true }
					s.handle("h", h)
					s.put("1")
				}
			},
			want: "",
		},
		{
			name: "of a once-handler in its callback: it had ended",
			play: func(s *scene) {
				s.handle("h", client.Handler{Once: true, Func: func(client.Message, error) {
					s.note(fmt.Sprint(s.handlers["h"].Remove()))
				}})
				s.put("1")
			},
			want: "h 1, false",
		},
		{
			name: "from another goroutine, while the callback runs",
			play: func(s *scene) {
				entered, leave := make(chan bool), make(chan bool)
				s.handle("h", client.Handler{Func: func(client.Message, error) {
					entered <- true
					<-leave
				}})
				s.Put(client.Message{ID: ":t/m", Data: "1"})
				s.Put(client.Message{ID: ":t/m", Data: "2"})
				<-entered
				s.handlers["h"].Remove()
				close(leave)
			},
			want: "h 1",
		},
		{
			name: "before it has been admitted",
			play: func(s *scene) {
				gate := make(chan bool)
				s.Post(func() { <-gate })
				s.handle("h", client.Handler{})
				s.handle("w", client.Handler{Take: true})
				s.handlers["h"].Remove()
				s.handlers["w"].Remove()
				close(gate)
				s.put("1")
			},
			want: "",
		},
		{
			name: "of half, and of the other half",
			play: func(s *scene) {
				for i := range 8 {
					s.handle(fmt.Sprint(i), client.Handler{ID: "t/m"})
				}
				for _, i := range []string{"0", "7", "3", "4", "5"} {
					s.handlers[i].Remove()
				}
				s.put("a")
				for _, i := range []string{"1", "2", "6"} {
					s.handlers[i].Remove()
				}
				s.handle("8", client.Handler{ID: "t/m"})
				s.put("b")
			},
			want: "1 a, 2 a, 6 a, 8 b",
		},
		{
			name: "by event id",
			play: func(s *scene) {
				s.handle("a", client.Handler{ID: "t/m"})
				s.handle("w", client.Handler{ID: ":t/m", Take: true})
				s.handle("p", client.Handler{ID: "t/m", Match: has("")})
				s.handle("nameless", client.Handler{Match: has("")})
				s.handle("all", client.Handler{})
				s.handle("star", client.Handler{ID: "*"})
				s.note(fmt.Sprint(s.Off("t/m"), s.Off("t/m")))
				s.put("1")
				s.note(fmt.Sprint(s.Off("*"), s.Off("")))
				s.put("2")
			},
			want: "3 0, nameless 1, all 1, star 1, 2 0, nameless 2",
		},
		{
			name: "of all",
			play: func(s *scene) {
				s.handle("a", client.Handler{ID: "t/m"})
				s.handle("w", client.Handler{Take: true, Timeout: time.Minute})
				s.handle("p", client.Handler{Match: has("")})
				s.note(fmt.Sprint(s.Handlers(), s.OffAll(), s.OffAll(), s.Handlers()))
				s.put("1")
				s.advance(time.Hour)
			},
			want: "3 3 0 0",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newScene(t, nil)
				tt.play(s)
				if got := s.logged(); got != tt.want {
					t.Errorf("called back: %s\nwant: %s", got, tt.want)
				}
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	type tt struct {
		name string
		play func(s *scene)
		want string
	}
	for _, tt := range []tt{
		{
			name: "in the order of their time, each once",
			play: func(s *scene) {
				s.handle("late", client.Handler{Take: true, Once: true, Timeout: 2 * time.Second})
				s.handle("early", client.Handler{Once: true, Timeout: time.Second})
				s.handle("never", client.Handler{Take: true, Once: true})
				s.advance(time.Hour)
				s.put("1", "2")
			},
			want: "early timeout, late timeout, never 1",
		},
		{
			name: "not after the message",
			play: func(s *scene) {
				s.handle("w", client.Handler{Take: true, Once: true, Timeout: time.Second})
				s.handle("h", client.Handler{Once: true, Timeout: time.Second})
				s.put("1")
				s.advance(time.Hour)
			},
			want: "h 1, w 1",
		},
		{
			name: "a message already there comes first",
			play: func(s *scene) {
				s.Post(func() { time.Sleep(time.Minute) })
				s.handle("w", client.Handler{Take: true, Once: true, Timeout: time.Second})
				s.Put(client.Message{ID: ":t/m", Data: "1"})
				s.advance(time.Hour)
			},
			want: "w 1",
		},
		{
			name: "at once, but the buffer is looked at",
			play: func(s *scene) {
				s.put("1")
				for range 2 {
					s.handle("w", client.Handler{Take: true, Once: true, Timeout: -1})
					s.advance(0)
				}
			},
			want: "w 1, w timeout",
		},
		{
			name: "of a lasting waiter: silence",
			play: func(s *scene) {
				s.handle("w", client.Handler{Take: true, Timeout: time.Second})
				for range 3 {
					s.advance(900 * time.Millisecond)
					s.put("1")
				}
				s.advance(999 * time.Millisecond)
				s.note("-")
				s.advance(time.Millisecond)
				s.put("2")
				s.advance(time.Hour)
			},
			want: "w 1, w 1, w 1, -, w timeout",
		},
		{
			name: "not of a lasting handler",
			play: func(s *scene) {
				s.handle("h", client.Handler{Timeout: time.Second})
				s.advance(time.Hour)
				s.put("1")
			},
			want: "h 1",
		},
		{
			name: "not after the end of the connection, nor of the client",
			play: func(s *scene) {
				s.handle("w", client.Handler{Take: true, Once: true, Timeout: time.Second})
				s.Renew(lost)
				s.handle("h", client.Handler{Once: true, Timeout: time.Second})
				s.StopReceiving(client.ErrStopped)
				s.handle("x", client.Handler{Once: true, Timeout: time.Second})
				s.advance(time.Hour)
			},
			want: "w closed:lost, h stopped, x stopped",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newScene(t, nil)
				tt.play(s)
				if got := s.logged(); got != tt.want {
					t.Errorf("called back: %s\nwant: %s", got, tt.want)
				}
			})
		})
	}
}

func TestConnectionEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		s.handle("lasting", client.Handler{})
		s.handle("w", client.Handler{Take: true, Once: true, ID: "t/none"})
		s.handle("taker", client.Handler{Take: true, ID: "t/none"})
		s.handle("once", client.Handler{Once: true, ID: "t/none"})
		s.put("1", "2")
		s.Renew(lost)
		s.handle("next", client.Handler{Take: true, Once: true})
		if got, want := s.logged(), "lasting 1, lasting 2, w closed:lost, taker closed:lost, once closed:lost"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		st := s.stats()
		want := client.ReceiveStats{Received: 2, Handled: 2, Buffered: 2, Dropped: 2, Closed: 3, Waiters: 1, Handlers: 1}
		if st != want {
			t.Errorf("statistics %+v\nwant       %+v", st, want)
		}
		s.put("3", "4")
		s.handle("last", client.Handler{Take: true, Once: true})
		if got, want := s.logged(), "lasting 3, next 3, lasting 4, last 4"; got != want {
			t.Errorf("on the next connection: %s\nwant: %s", got, want)
		}
	})
}

// A waiter that comes between the end of a connection and the moment when its
// turn comes to be told belongs to the next one.
func TestConnectionEndsMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		gate := make(chan bool)
		s.Post(func() { <-gate })
		s.handle("old", client.Handler{Take: true, Once: true})
		for _, m := range []client.EDN{"1", "2", "3"} {
			s.Put(client.Message{ID: ":t/m", Data: m})
		}
		s.Renew(lost)
		s.handle("new", client.Handler{Take: true, Once: true})
		s.handle("lasting", client.Handler{})
		close(gate)
		if got, want := s.logged(), "lasting 1, old 1, lasting 2, lasting 3"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		s.put("4")
		if got, want := s.logged(), "lasting 4, new 4"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
	})
}

func TestStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		s.handle("lasting", client.Handler{})
		s.handle("w", client.Handler{Take: true, Once: true, ID: "t/none", Func: func(client.Message, error) {
			s.handle("again", client.Handler{Once: true}) // must not go on forever
		}})
		s.Put(client.Message{ID: ":t/m", Data: "1"})
		s.StopReceiving(fmt.Errorf("%w: in a test", client.ErrStopped))
		s.StopReceiving(errors.New("a second time"))
		s.put("2")
		late := s.handle("late", client.Handler{Take: true, Once: true})
		s.handle("late lasting", client.Handler{})
		s.Post(func() { s.note("post") })
		if got, want := s.logged(), "lasting 1, w stopped, again stopped, late stopped, post"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		if late.Remove() {
			t.Error("what has been told could be removed")
		}
		_, err := s.Take(t.Context(), nil)
		if !errors.Is(err, client.ErrStopped) {
			t.Errorf("Take afterwards: %v", err)
		}
		want := client.ReceiveStats{Received: 1, Handled: 1, Buffered: 1, Dropped: 1, Closed: 4}
		if st := s.stats(); st != want {
			t.Errorf("statistics %+v\nwant       %+v", st, want)
		}
	})
}

func TestPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		boom := func(client.Message) bool { panic("boom") }
		s.handle("p", client.Handler{Match: boom})
		s.handle("pw", client.Handler{Match: boom, Take: true, Once: true})
		s.handle("h", client.Handler{Func: func(client.Message, error) { panic("bang") }})
		s.handle("after", client.Handler{})
		s.handle("w", client.Handler{Take: true, Once: true, Func: func(client.Message, error) { panic(errors.New("whiz")) }})
		s.Post(func() { panic("post") })
		s.put("1", "2")
		if got, want := s.logged(), "h 1, after 1, w 1, h 2, after 2"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		if st := s.stats(); st.Panics != 8 || st.Depth != 1 || st.Handlers != 3 || st.Waiters != 1 {
			t.Errorf("%+v", st)
		}
		if len(s.errs) != 8 {
			t.Fatalf("OnError was told %d times: %v", len(s.errs), s.errs)
		}
		for _, err := range s.errs {
			var p *client.PanicError
			if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "inbox_test.go") {
				t.Errorf("OnError was told %v", err)
			}
		}
	})
}

// A callback may end its goroutine, as a failing test does: the dispatcher goes
// on with what comes after it.
func TestGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t, nil)
		s.handle("h", client.Handler{Match: has("1"), Func: func(client.Message, error) { runtime.Goexit() }})
		s.handle("w1", client.Handler{Take: true, Once: true, ID: "t/none", Func: func(client.Message, error) { runtime.Goexit() }})
		s.handle("w2", client.Handler{Take: true, Once: true, ID: "t/none"})
		s.handle("all", client.Handler{})
		s.Put(client.Message{ID: ":t/m", Data: "1"})
		s.Put(client.Message{ID: ":t/m", Data: "2"})
		s.Renew(lost)
		s.Post(func() { s.note("post") })
		if got, want := s.logged(), "h 1, all 2, w1 closed:lost, w2 closed:lost, post"; got != want {
			t.Errorf("called back: %s\nwant: %s", got, want)
		}
		s.Settle(context.Background())
	})
}
