package edge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// asked reads one frame that asks, [event "cb"] in EDN or JSON, and returns its
// parts.
func asked(t *testing.T, c *testkit.Client) (event, callback string) {
	t.Helper()
	text := c.Read()
	at := strings.LastIndexByte(strings.TrimSuffix(text, `"]`), '"')
	if at < 2 || text[0] != '[' || !strings.HasPrefix(text[at+1:], "ask-") {
		t.Fatalf("%s asks nothing", text)
	}
	return text[1 : at-1], text[at+1 : len(text)-2]
}

// reply answers an ask.
func reply(c *testkit.Client, callback, data string) {
	if c.JSON {
		c.Send(`["chsk/reply",{"cb-uuid":"` + callback + `","data":` + data + `}]`)
		return
	}
	c.Send(`[:chsk/reply {:cb-uuid "` + callback + `" :data ` + data + `}]`)
}

// outcome is what an ask came to.
type outcome struct {
	bus.Answers
	err  error
	took time.Duration
}

// asking asks in the background.
func asking(ask func() (bus.Answers, error)) <-chan outcome {
	ch := make(chan outcome, 1)
	began := time.Now()
	go func() {
		a, err := ask()
		ch <- outcome{a, err, time.Since(began)}
	}()
	return ch
}

func ended(t *testing.T, ch <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-ch:
		return o
	case <-time.After(testkit.Patience):
		t.Fatal("the ask does not end")
		return outcome{}
	}
}

// data are the answers, sorted.
func data(a bus.Answers) []string {
	var all []string
	for i := range a.All {
		all = append(all, string(a.All[i].Data))
	}
	slices.Sort(all)
	return all
}

func checkCounts(t *testing.T, o outcome, asked, answered, missing int) {
	t.Helper()
	if o.err != nil || o.Asked != asked || len(o.All) != answered || o.Missing != missing {
		t.Fatalf("asked %d, answered %d, missing %d, error %v; want %d, %d, %d", o.Asked, len(o.All), o.Missing, o.err, asked, answered, missing)
	}
}

// A channel over three nodes answers whole, and early; with one who says nothing
// it is on time.
func TestAskChannel(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 3, nil)
	backend := c.Backend(t, 0)
	var all []*testkit.Client
	for i := range c.Nodes {
		for j := range 2 {
			cl := c.Dial(t, i, fmt.Sprintf("/ws?uid=u%d%d", i, j))
			cl.Subscribe(`"room"`)
			all = append(all, cl)
		}
	}
	stranger := c.Dial(t, 1, "/ws?uid=bob")

	const patience = 10 * time.Second
	ask := func(opts ...bus.PublishOption) <-chan outcome {
		return asking(func() (bus.Answers, error) {
			return backend.AskChannel(t.Context(), bus.String("room"), []byte("{:q 1}"), opts...)
		})
	}

	got := ask(bus.AskTime(patience))
	callbacks := map[string]bool{}
	for i, cl := range all {
		event, cb := asked(t, cl)
		if want := testkit.Message(`"room"`, "{:q 1}", ""); event != want {
			t.Errorf("got %s, want %s", event, want)
		}
		callbacks[cb] = true
		reply(cl, cb, fmt.Sprint(i))
	}
	o := ended(t, got)
	checkCounts(t, o, 6, 6, 0)
	if o.took > patience/2 {
		t.Errorf("all have answered, and it took %v", o.took)
	}
	if want := []string{"0", "1", "2", "3", "4", "5"}; !slices.Equal(data(o.Answers), want) {
		t.Errorf("answers %v", data(o.Answers))
	}
	if len(callbacks) != 3 {
		t.Errorf("%d callbacks, want one of each node", len(callbacks))
	}
	for i := range o.All {
		a := &o.All[i]
		at := slices.IndexFunc(all, func(cl *testkit.Client) bool { return cl.ConnID == a.Conn })
		if at < 0 || string(a.UID) != all[at].UID || string(a.Data) != fmt.Sprint(at) || a.Node != c.Nodes[at/2].ID().String() {
			t.Errorf("answer %+v is of nobody", a)
		}
		var n int
		if err := a.Decode(&n); err != nil || n != at {
			t.Errorf("decoded %d, %v", n, err)
		}
	}

	const short = 700 * time.Millisecond
	got = ask(bus.AskTime(short))
	for _, cl := range all[1:] {
		_, cb := asked(t, cl)
		reply(cl, cb, ":yes")
	}
	o = ended(t, got)
	checkCounts(t, o, 6, 5, 1)
	if o.took < short || o.took > short+5*time.Second {
		t.Errorf("one was silent, and it took %v", o.took)
	}
	asked(t, all[0])
	stranger.Nothing()

	// The first answers are enough.
	got = ask(bus.AskTime(patience), bus.Enough(2))
	for _, cl := range all[:2] {
		_, cb := asked(t, cl)
		reply(cl, cb, ":yes")
	}
	o = ended(t, got)
	if o.err != nil || len(o.All) != 2 || o.took > patience/2 {
		t.Errorf("%d answers after %v, %v", len(o.All), o.took, o.err)
	}
	for _, cl := range all[2:] {
		asked(t, cl)
	}
	// Who is left out is not asked.
	got = ask(bus.AskTime(patience), bus.Exclude(all[3].ConnID))
	for i, cl := range all {
		if i != 3 {
			_, cb := asked(t, cl)
			reply(cl, cb, ":yes")
		}
	}
	checkCounts(t, ended(t, got), 5, 5, 0)
	all[3].Nothing()
}

func TestAskUserAndConn(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 2, nil)
	backend := c.Backend(t, 1)
	one, two := c.Dial(t, 0, "/ws?uid=alice"), c.Dial(t, 1, "/ws?uid=alice")
	anonymous := c.Dial(t, 0, "/")
	event := []byte("[:my/ask {:n 1}]")

	got := asking(func() (bus.Answers, error) { return backend.AskUser(t.Context(), bus.String("alice"), event) })
	for _, cl := range []*testkit.Client{one, two} {
		e, cb := asked(t, cl)
		if e != string(event) {
			t.Errorf("got %s", e)
		}
		reply(cl, cb, "{:ok true}")
	}
	checkCounts(t, ended(t, got), 2, 2, 0)

	for name, ask := range map[string]func() (bus.Answers, error){
		"connection": func() (bus.Answers, error) {
			return backend.AskConn(t.Context(), anonymous.ConnID, event, bus.AskTime(bus.MaxAsk))
		},
		"user without a uid": func() (bus.Answers, error) {
			return backend.AskUser(t.Context(), bus.String(anonymous.ConnID), event, bus.AskTime(bus.MaxAsk))
		},
	} {
		got := asking(ask)
		_, cb := asked(t, anonymous)
		reply(anonymous, cb, `"me"`)
		o := ended(t, got)
		checkCounts(t, o, 1, 1, 0)
		if a := o.All[0]; a.Conn != anonymous.ConnID || string(a.UID) != anonymous.UID || string(a.Data) != `"me"` {
			t.Errorf("%s: answer %+v", name, a)
		}
	}

	// An answer without a value, and one with a callback of its own.
	got = asking(func() (bus.Answers, error) { return backend.AskConn(t.Context(), one.ConnID, event) })
	_, cb := asked(t, one)
	one.Send(`[[:chsk/reply {:cb-uuid "` + cb + `"}] "mine"]`)
	one.Expect(`[{:success true} "mine"]`)
	o := ended(t, got)
	checkCounts(t, o, 1, 1, 0)
	if string(o.All[0].Data) != "nil" {
		t.Errorf("got %s", o.All[0].Data)
	}
}
