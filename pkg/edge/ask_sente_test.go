package edge_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// askedSente takes a push [[[:hoshi/ask {:cb-uuid "cb", :event e}]] nil] apart.
func askedSente(t *testing.T, text string) (event, callback string) {
	t.Helper()
	rest, ok := strings.CutPrefix(text, `[[[:hoshi/ask {:cb-uuid "`)
	callback, event, cut := strings.Cut(rest, `", :event `)
	event, end := strings.CutSuffix(event, "}]] nil]")
	if !ok || !cut || !end {
		t.Fatalf("%s asks nothing", text)
	}
	return event, callback
}

// Clients of both dialects, one with a socket and one that polls at the other
// node, are asked together; each by its client-id, too.
func TestAskSente(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) { // what is gathered would wait for longer than the test does
		o.Sente.SendBufWS, o.Sente.SendBufAjax = time.Hour, time.Hour
	})
	backend := c.Backend(t, 1)
	socket := c.Dial(t, 0, "/chsk?client-id=tab-1&uid=alice")
	plain := c.Dial(t, 1, "/ws?uid=alice")
	at := 0
	p := newPoller(t, c, "tab-2", func() int { return at })
	p.query.Set("uid", "alice")
	p.Open()
	at = 1 // from now on through the node that does not hold the tab
	polling := func() <-chan string {
		ch := make(chan string, 1)
		go func() { // ends with the poll
			got, err := p.poll(context.Background(), "")
			if err != nil {
				got = err.Error()
			}
			ch <- got
		}()
		return ch
	}
	answerSocket := func(want string) {
		t.Helper()
		event, cb := askedSente(t, socket.Read())
		if event != want {
			t.Errorf("got %s, want %s", event, want)
		}
		socket.Send(`[[:chsk/reply {:cb-uuid "` + cb + `" :data :socket}] nil]`)
	}
	answerPoll := func(poll <-chan string, want string) {
		t.Helper()
		event, cb := askedSente(t, <-poll)
		if event != want {
			t.Errorf("got %s, want %s", event, want)
		}
		if got := p.Post(`[[:chsk/reply {:cb-uuid "` + cb + `" :data :poll}] nil]`); got != "[:chsk/dummy-cb-200 nil]" {
			t.Errorf("the answer is answered %s", got)
		}
	}

	poll := polling()
	got := asking(func() (bus.Answers, error) {
		return backend.AskUser(t.Context(), bus.String("alice"), []byte("[:my/ask 1]"), bus.AskTime(bus.MaxAsk))
	})
	answerSocket("[:my/ask 1]")
	answerPoll(poll, "[:my/ask 1]")
	event, cb := asked(t, plain)
	if event != "[:my/ask 1]" {
		t.Errorf("got %s", event)
	}
	reply(plain, cb, ":plain")
	o := ended(t, got)
	checkCounts(t, o, 3, 3, 0)
	if o.took > testkit.Patience {
		t.Errorf("it took %v", o.took)
	}
	if got := strings.Join(data(o.Answers), " "); got != ":plain :poll :socket" {
		t.Errorf("answers %s", got)
	}
	tabs := map[string]string{":plain": "", ":socket": "tab-1", ":poll": "tab-2"}
	for i := range o.All {
		a := &o.All[i]
		if a.Client != tabs[string(a.Data)] || string(a.UID) != `"alice"` {
			t.Errorf("%s is of client %q, uid %s", a.Data, a.Client, a.UID)
		}
	}

	for client, answer := range map[string]func(){
		"tab-1": func() { answerSocket("[:my/ask 2]") },
		"tab-2": func() { answerPoll(polling(), "[:my/ask 2]") },
	} {
		got := asking(func() (bus.Answers, error) {
			return backend.AskClient(t.Context(), client, []byte("[:my/ask 2]"), bus.AskTime(bus.MaxAsk))
		})
		answer()
		o := ended(t, got)
		checkCounts(t, o, 1, 1, 0)
		if o.All[0].Client != client {
			t.Errorf("asked %s, answered by %q", client, o.All[0].Client)
		}
	}
}
