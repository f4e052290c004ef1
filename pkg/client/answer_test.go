package client_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestAnswer(t *testing.T) {
	tests := []struct {
		name  string
		frame string
		value any
		sent  string
	}{
		{
			name:  "a value",
			frame: `[[:my/ask {:n 1}] "ask-1"]`,
			value: client.EDN("{:ok true}"),
			sent:  `[:chsk/reply {:cb-uuid "ask-1", :data {:ok true}}]`,
		},
		{
			name:  "nothing",
			frame: `[[:my/ask] "ask-1"]`,
			value: nil,
			sent:  `[:chsk/reply {:cb-uuid "ask-1", :data nil}]`,
		},
		{
			name:  "a string",
			frame: `[[:my/ask] "ask-1"]`,
			value: `a "b"`,
			sent:  `[:chsk/reply {:cb-uuid "ask-1", :data "a \"b\""}]`,
		},
		{
			name:  "a callback that is no string, a keyword",
			frame: `[[:my/ask] 7]`,
			value: client.Keyword("a/b"),
			sent:  `[:chsk/reply {:cb-uuid 7, :data :a/b}]`,
		},
		{
			name:  "a comment at the end",
			frame: `[[:my/ask] "ask-1"]`,
			value: client.EDN("1 ; one"),
			sent:  "[:chsk/reply {:cb-uuid \"ask-1\", :data 1 ; one\n}]",
		},
		{
			name:  "wrapped",
			frame: `[[:chsk/recv [:my/ask 1]] "ask-1"]`,
			value: 2,
			sent:  `[:chsk/reply {:cb-uuid "ask-1", :data 2}]`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				o := n.options()
				o.FlushInterval = time.Hour // an answer does not wait for it
				c := mustNew(t, o)
				came := make(chan client.Message, 1)
				c.On("my/ask", func(m client.Message) { came <- m })
				c.Start()
				p := n.accept()
				p.write(tt.frame)
				m := <-came
				if !m.Asks() || m.ID != ":my/ask" {
					t.Fatalf("got %+v", m)
				}
				if err := m.Answer(t.Context(), tt.value); err != nil {
					t.Fatal(err)
				}
				p.want(tt.sent)
				if err := m.Answer(t.Context(), tt.value); !errors.Is(err, client.ErrAnswered) {
					t.Errorf("a second answer: %v", err)
				}
				stopNow(c)
			})
		})
	}
}

func TestAnswerOfAChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		c := mustNew(t, n.options())
		came := make(chan client.ChannelMessage, 1)
		if _, err := c.OnChannel("news", func(m client.ChannelMessage) { came <- m }); err != nil {
			t.Fatal(err)
		}
		c.Start()
		p := n.accept()
		p.write(`[[:sente-lite/channel-msg {:channel-id "news", :data 1}] "ask-1"]`)
		m := <-came
		if !m.Asks() || m.Data != "1" {
			t.Fatalf("got %+v", m)
		}
		if err := m.Answer(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		p.want(`[:chsk/reply {:cb-uuid "ask-1", :data 2}]`)
		p.write(`[:sente-lite/channel-msg {:channel-id "news", :data 1}]`)
		m = <-came
		if err := m.Answer(t.Context(), 2); m.Asks() || !errors.Is(err, client.ErrNotAsked) {
			t.Errorf("asks %v, answer: %v", m.Asks(), err)
		}
		stopNow(c)
	})
}

// A value that is no good can be made good.
func TestAnswerAgainAfterABadValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.MaxSend = 100
		c := mustNew(t, o)
		came := make(chan client.Message, 1)
		c.On("my/ask", func(m client.Message) { came <- m })
		c.Start()
		p := n.accept()
		p.write(`[[:my/ask] "ask-1"]`)
		m := <-came
		if err := m.Answer(t.Context(), client.EDN("{:a")); !errors.Is(err, client.ErrBadEvent) {
			t.Errorf("bad EDN: %v", err)
		}
		if err := m.Answer(t.Context(), string(make([]byte, 100))); !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
		if err := m.Answer(t.Context(), 1); err != nil {
			t.Error(err)
		}
		p.want(`[:chsk/reply {:cb-uuid "ask-1", :data 1}]`)
		stopNow(c)
	})
}

// The next connection was not asked: an answer never reaches it.
func TestAnswerBelongsToItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		hold := make(chan struct{})
		o := n.options()
		o.OnSend = func(e client.Event) error {
			if e.String() == "[:a/first]" {
				<-hold
			}
			return nil
		}
		c := mustNew(t, o)
		came := make(chan client.Message, 2)
		c.On("my/ask", func(m client.Message) { came <- m })
		c.Start()
		p := n.accept()
		p.write(`[[:my/ask] "ask-1"]`)
		p.write(`[[:my/ask] "ask-2"]`)
		first, second := <-came, <-came
		// The answer is taken while the flusher stands still, and then the connection ends.
		c.Enqueue(client.MustEvent("a/first", nil))
		time.Sleep(time.Minute / 100)
		if err := first.Answer(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		p.hangUp()
		synctest.Wait()
		close(hold)
		p = n.accept()
		p.want("[:a/first]")
		if err := second.Answer(t.Context(), 1); !errors.Is(err, client.ErrClosed) {
			t.Errorf("answer after the end: %v", err)
		}
		c.Enqueue(client.MustEvent("a/last", nil))
		p.want("[:a/last]")
		s := stopNow(c)
		if s.Send.Dropped != 1 {
			t.Errorf("%d dropped, want the answer", s.Send.Dropped)
		}
	})
}
