package edge_test

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// frozen is a reader that subscribes and then reads nothing, and what it finds
// when it wakes.
type frozen struct {
	*testkit.Client
	t *testing.T

	other   []string       // neither numbered nor a notice
	numbers map[string]int // the last number of each channel or event id
	first   map[string]int // the first ones
	read    int            // numbered ones
	told    int            // dropped, by notices
	notices int
	awake   bool
}

func freeze(t *testing.T, addr string) *frozen {
	return &frozen{
		Client: testkit.DialSlow(t, addr, "/ws?uid=frozen"), t: t,
		numbers: map[string]int{}, first: map[string]int{},
	}
}

// next takes one message. Numbered are channel messages and events whose data
// begins with "[n ": their numbers only rise.
func (f *frozen) next() {
	f.t.Helper()
	if !f.awake {
		f.awake = true
		f.Thaw()
	}
	text := f.Read()
	if count, ok := strings.CutPrefix(text, "[:sente-lite/dropped {:count "); ok {
		count, ok = strings.CutSuffix(count, ", :reason :queue-full}]")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || n <= 0 {
			f.t.Fatalf("got %s", text)
		}
		f.told += n
		f.notices++
		return
	}
	id, data, ok := strings.Cut(text, ", :data [")
	if !ok {
		id, data, ok = strings.Cut(text, " [")
	}
	number, _, _ := strings.Cut(data, " ")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		f.other = append(f.other, text)
		return
	}
	id = id[strings.LastIndexByte(id, ' ')+1:]
	if last, ok := f.numbers[id]; ok && n <= last {
		f.t.Fatalf("%d of %s comes behind %d", n, id, last)
	} else if !ok {
		f.first[id] = n
	}
	f.numbers[id] = n
	f.read++
}

// until reads until so many were read or told of.
func (f *frozen) until(handed int) {
	f.t.Helper()
	for f.read+f.told < handed {
		f.next()
	}
	if f.read+f.told != handed {
		f.t.Errorf("handed over %d, read %d, told of %d", handed, f.read, f.told)
	}
}

func dropped(n *edge.Node) (sum int) {
	for _, v := range n.Stats().Sockets.Dropped {
		sum += int(v)
	}
	return sum
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// numbered is data that a frozen reader's queue does not hold many of.
func numbered(i int) string { return fmt.Sprintf(`[%d "%s"]`, i, strings.Repeat("x", 20_000)) }

// One reader freezes while others are delivered to, under each policy: what it
// reads when it wakes and what it is told of add up to what was published, its
// queue has not grown beyond its bounds, and the others have missed nothing.
func TestFrozenReaderUnderEachPolicy(t *testing.T) {
	const (
		channels = 5
		messages = 1_000
	)
	for _, tt := range []struct {
		policy  edge.Overflow
		reasons []string
		check   func(t *testing.T, f *frozen)
	}{
		{
			policy: edge.DropOldest, reasons: []string{"oldest"},
			check: func(t *testing.T, f *frozen) { wantNewest(t, f, channels, messages) },
		},
		{
			policy: edge.DropNewest, reasons: []string{"newest"},
			check: func(t *testing.T, f *frozen) {
				for ch, n := range f.first {
					if n >= channels {
						t.Errorf("the first in %s is %d", ch, n)
					}
				}
			},
		},
		{
			policy: edge.LatestOnly, reasons: []string{"superseded"},
			check: func(t *testing.T, f *frozen) { wantNewest(t, f, channels, messages) },
		},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			c := testkit.StartCluster(t, 2, func(_ int, o *edge.Options) {
				o.Loops = 1 // the bystander comes behind the frozen reader
				o.Overflow = tt.policy
			})
			node := c.Nodes[0]
			f := freeze(t, node.Addr().String())
			bystander, publisher := c.Dial(t, 0, "/"), c.Dial(t, 1, "/")
			for ch := range channels {
				f.Subscribe(fmt.Sprintf(`"c%d"`, ch))
				bystander.Subscribe(fmt.Sprintf(`"c%d"`, ch))
			}
			before, most := heap(), 0
			for i := range messages {
				channel := fmt.Sprintf(`"c%d"`, i%channels)
				publisher.Publish(channel, numbered(i))
				bystander.Expect(testkit.Message(channel, numbered(i), publisher.ConnID))
				bystander.Nothing() // by now the loop has flushed the frozen reader too
				if i%100 == 99 {
					most = max(most, heap()-before)
				}
			}
			// The queue's 2 MiB, and what the node and this test have under way.
			if most > 5<<20 {
				t.Errorf("the heap grew by %d KiB", most>>10)
			}
			counted := dropped(node)
			f.until(messages)
			if dropped(node) != counted || f.told != counted || counted == 0 {
				t.Errorf("counted %d, then %d, told of %d", counted, dropped(node), f.told)
			}
			for reason := range maps.Keys(node.Stats().Sockets.Dropped) {
				if !strings.Contains(strings.Join(tt.reasons, " "), reason) {
					t.Errorf("dropped %v", node.Stats().Sockets.Dropped)
				}
			}
			tt.check(t, f)
			if len(f.other) > 0 {
				t.Errorf("got %q", f.other)
			}
			f.Nothing() // it is well
			if s := node.Stats().Sockets; s.Overflows != 0 || s.Discarded != 0 {
				t.Errorf("%d overflows, %d discarded", s.Overflows, s.Discarded)
			}
			t.Logf("%d published, %d read, %d told of by %d notices, heap %d KiB", messages, f.read, f.told, f.notices, most>>10)
		})
	}
}

func wantNewest(t *testing.T, f *frozen, channels, messages int) {
	t.Helper()
	for i := messages - channels; i < messages; i++ {
		if ch := fmt.Sprintf(`"c%d"`, i%channels); f.numbers[ch] != i {
			t.Errorf("the last in %s is %d, not %d", ch, f.numbers[ch], i)
		}
	}
}

// One connection has channels under every policy, gets pushes, and asks. What
// may not be dropped arrives whole, in order, with every answer; of the rest
// each message is read or told of.
func TestMixedPolicies(t *testing.T) {
	c := one(t, func(o *edge.Options) {
		o.Loops = 1
		o.Channels.Overflow = []edge.ChannelOverflow{
			{Pattern: "price/*", Overflow: edge.LatestOnly},
			{Pattern: "o", Overflow: edge.DropOldest},
			{Pattern: "n", Overflow: edge.DropNewest},
		}
	})
	node := c.Nodes[0]
	backend := c.Backend(t, 0)
	hear(t, backend, "my.>", "answers", func(e *bus.Event) { must(t, e.Reply(e.Event)) })
	f := freeze(t, node.Addr().String())
	bystander := c.Dial(t, 0, "/")
	lossy := []string{`"price/a"`, `"o"`, `"price/b"`, `"n"`}
	for _, ch := range append([]string{`"keep"`}, lossy...) {
		f.Subscribe(ch)
		bystander.Subscribe(ch)
	}
	const (
		rounds = 500
		kept   = 40 // of those, and of pushes, and of answers: they fit
	)
	handed := 0
	publish := func(ch string, i int) {
		must(t, backend.PublishChannel(bus.String(strings.Trim(ch, `"`)), []byte(numbered(i))))
		bystander.Expect(testkit.Message(ch, numbered(i), ""))
		handed++
	}
	asked := 0
	ask := func() {
		f.Send(fmt.Sprintf(`[[:my/ask %d] "cb%[1]d"]`, asked))
		asked++
	}
	for i := range rounds {
		for _, ch := range lossy {
			publish(ch, i)
		}
		if i < kept {
			publish(`"keep"`, i)
			must(t, backend.PublishUser(bus.String("frozen"), fmt.Appendf(nil, "[:push/n [%d x]]", i)))
			handed++
		}
		if i >= rounds-kept {
			ask() // when its queue is full already
		}
	}
	testkit.Eventually(t, "all is answered", func() bool { return node.Stats().Bus.RequestsPending == 0 })
	f.until(handed)
	for len(f.other) < asked {
		f.next()
	}
	for i, got := range f.other {
		if want := fmt.Sprintf(`[[:my/ask %d] "cb%[1]d"]`, i); got != want {
			t.Fatalf("answer %d is %s", i, got)
		}
	}
	for _, ch := range []string{`"keep"`, "[:push/n"} {
		if f.first[ch] != 0 || f.numbers[ch] != kept-1 {
			t.Errorf("%s goes from %d to %d", ch, f.first[ch], f.numbers[ch])
		}
	}
	for _, ch := range lossy[:3] {
		if f.numbers[ch] != rounds-1 {
			t.Errorf("the last in %s is %d", ch, f.numbers[ch])
		}
	}
	if d := dropped(node); d != f.told || d == 0 {
		t.Errorf("counted %d, told of %d", d, f.told)
	}
	f.Nothing()
	t.Logf("%d published, %d read, dropped %v", handed, f.read, node.Stats().Sockets.Dropped)
}

// Pushes to a user, a connection and everyone are under the node's policy; of
// latest-only, which has a channel's slots, they know drop-oldest.
func TestPushesUnderAPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy edge.Overflow
		reason string
	}{{edge.DropOldest, "oldest"}, {edge.DropNewest, "newest"}, {edge.LatestOnly, "oldest"}} {
		t.Run(string(tt.policy), func(t *testing.T) {
			c := one(t, func(o *edge.Options) { o.Loops, o.Overflow = 1, tt.policy })
			node, backend := c.Nodes[0], c.Backend(t, 0)
			f := freeze(t, node.Addr().String())
			bystander := c.Dial(t, 0, "/")
			handed := 0
			for ; dropped(node) < 100; handed++ {
				event := "[:push/n " + numbered(handed) + "]"
				switch handed % 3 {
				case 0:
					must(t, backend.PublishUser(bus.String("frozen"), []byte(event)))
				case 1:
					must(t, backend.PublishConn(f.ConnID, []byte(event)))
				case 2:
					must(t, backend.PublishAll([]byte(event)))
					bystander.Expect(event)
				}
				bystander.Nothing()
			}
			f.untilPushes(handed)
			if d := node.Stats().Sockets.Dropped; len(d) != 1 || int(d[tt.reason]) != f.told {
				t.Errorf("dropped %v, told of %d", d, f.told)
			}
			f.Nothing()
		})
	}
}

// untilPushes is until for what came by different subjects, in no order.
func (f *frozen) untilPushes(handed int) {
	f.t.Helper()
	for f.read+f.told < handed {
		delete(f.numbers, "[:push/n")
		f.next()
	}
}

// A subscription that ends and comes again while the reader is frozen: still
// nothing before the answer that opens it, or behind the one that ends it.
func TestGatesUnderLatestOnly(t *testing.T) {
	t.Parallel()
	c := one(t, func(o *edge.Options) { o.Loops, o.Overflow = 1, edge.LatestOnly })
	node := c.Nodes[0]
	f := freeze(t, node.Addr().String())
	bystander := c.Dial(t, 0, "/")
	f.Subscribe(`"c"`)
	bystander.Subscribe(`"c"`)
	n := 0
	flood := func(count int) {
		for range count {
			bystander.Publish(`"c"`, numbered(n))
			bystander.Expect(testkit.Message(`"c"`, numbered(n), bystander.ConnID))
			n++
		}
	}
	for dropped(node) == 0 {
		flood(1)
	}
	flood(10)
	f.Send(`[:sente-lite/unsubscribe {:channel-id "c"}]`)
	testkit.Eventually(t, "it has left", func() bool { flood(1); return subscribers(t, node) == 1 })
	ended := n
	flood(10)
	f.Send(`[:sente-lite/subscribe {:channel-id "c"}]`)
	testkit.Eventually(t, "it is back", func() bool { flood(1); return subscribers(t, node) == 2 })
	flood(10)
	for len(f.other) == 0 {
		f.next()
	}
	if f.numbers[`"c"`] >= ended {
		t.Errorf("got %d, published behind the end", f.numbers[`"c"`])
	}
	between := f.read
	for len(f.other) == 1 {
		f.next()
	}
	if f.read != between {
		t.Error("a message between the answers")
	}
	for f.numbers[`"c"`] != n-1 {
		f.next()
	}
	f.Nothing()
}

func subscribers(t *testing.T, n *edge.Node) (count int) {
	t.Helper()
	_, text := get(t, "http://"+n.AdminAddr().String()+"/channels")
	_, text, _ = strings.Cut(text, `"subscribers": `)
	text, _, _ = strings.Cut(text, "\n")
	count, err := strconv.Atoi(text)
	if err != nil {
		return math.MaxInt
	}
	return count
}

// A notice is an event like others for clients that want theirs wrapped.
func TestNoticeIsWrapped(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Loops, o.Overflow, o.WrapRecv = 1, edge.LatestOnly, true })
	f := freeze(t, c.Nodes[0].Addr().String())
	f.Send(`[:sente-lite/subscribe {:channel-id "c"}]`)
	f.Expect(`[:chsk/recv [:sente-lite/subscribed {:channel-id "c", :success true}]]`)
	backend, bystander := c.Backend(t, 0), c.Dial(t, 0, "/")
	for dropped(c.Nodes[0]) == 0 {
		must(t, backend.PublishChannel(bus.String("c"), []byte(numbered(0))))
		bystander.Nothing()
	}
	for {
		text := f.Read()
		if strings.HasPrefix(text, "[:chsk/recv [:sente-lite/dropped {:count ") && strings.HasSuffix(text, ", :reason :queue-full}]]") {
			return
		}
		if !strings.HasPrefix(text, "[:chsk/recv [:sente-lite/channel-msg ") {
			t.Fatalf("got %.100s", text)
		}
	}
}

// Readers who are well lose nothing in a burst far beyond their queues, under a
// policy that drops.
func TestBurstUnderAPolicy(t *testing.T) {
	for _, policy := range []edge.Overflow{edge.DropOldest, edge.DropNewest} {
		t.Run(string(policy), func(t *testing.T) {
			c := one(t, func(o *edge.Options) { o.QueueMessages, o.Overflow = 100, policy })
			var clients []*testkit.Client
			for range 50 {
				cl := c.Dial(t, 0, "/")
				cl.Subscribe(`"c"`)
				clients = append(clients, cl)
			}
			backend := c.Backend(t, 0)
			const count = 2000
			for i := range count {
				must(t, backend.PublishChannel(bus.String("c"), []byte(strconv.Itoa(i))))
			}
			for _, cl := range clients {
				for i := range count {
					cl.Expect(testkit.Message(`"c"`, strconv.Itoa(i), ""))
				}
			}
			if n := dropped(c.Nodes[0]); n != 0 {
				t.Errorf("%d dropped", n)
			}
		})
	}
}

// A client that asks and asks but reads nothing of what it is sent is closed
// when the system has got rid of nothing for the stall timeout, and backends
// hear why.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			c := one(t, func(o *edge.Options) {
				o.Portable, o.Overflow = portable, edge.DropOldest
				o.StallTimeout, o.CloseTimeout = 500*time.Millisecond, 200*time.Millisecond
			})
			node, backend := c.Nodes[0], c.Backend(t, 0)
			closed := hear(t, backend, "chsk.conn-close", "life", nil)
			f := freeze(t, node.Addr().String())
			f.Subscribe(`"c"`)
			bystander := c.Dial(t, 0, "/")
			for node.Stats().Sockets.Closed["stalled"] == 0 {
				must(t, backend.PublishChannel(bus.String("c"), []byte(numbered(0))))
				if _, err := f.Conn.Write(testkit.AppendFrame(nil, 1, []byte("[:chsk/ws-ping]"))); err != nil {
					t.Log(err) // it was closed in between
				}
				bystander.Nothing()
			}
			if got := next(t, closed); !strings.Contains(got, f.ConnID) || !strings.Contains(got, `:reason "stalled", :code 1013`) {
				t.Errorf("got %s", got)
			}
			if s := node.Stats().Sockets; s.Discarded == 0 || s.Overflows != 0 {
				t.Errorf("%d discarded, %d overflows", s.Discarded, s.Overflows)
			}
		})
	}
}

func TestPolicyOfAChannel(t *testing.T) {
	rules := []edge.ChannelOverflow{
		{Pattern: "price/slow", Overflow: edge.DropNewest},
		{Pattern: "price/*", Overflow: edge.LatestOnly},
		{Pattern: ":chat/*", Overflow: edge.Disconnect},
		{Pattern: "[:doc *]", Overflow: edge.DropNewest},
	}
	for _, tt := range []struct {
		name    string
		node    edge.Overflow
		rules   []edge.ChannelOverflow
		channel string // EDN
		want    string
		own     bool
	}{
		{name: "nothing said", channel: `"a"`, want: "disconnect"},
		{name: "of the node", node: edge.DropOldest, channel: `"a"`, want: "drop-oldest"},
		{name: "a slot for each channel", node: edge.LatestOnly, channel: `"a"`, want: "latest-only", own: true},
		{name: "the first that matches", node: edge.DropOldest, rules: rules, channel: `"price/slow"`, want: "drop-newest"},
		{name: "the next", node: edge.DropOldest, rules: rules, channel: `"price/eur"`, want: "latest-only", own: true},
		{name: "a keyword", node: edge.DropOldest, rules: rules, channel: ":chat/lobby", want: "disconnect"},
		{name: "a string that looks like it", node: edge.DropOldest, rules: rules, channel: `":chat/lobby"`, want: "disconnect"},
		{name: "any value", node: edge.DropOldest, rules: rules, channel: "[:doc 7]", want: "drop-newest"},
		{name: "none matches", node: edge.DropOldest, rules: rules, channel: `"a"`, want: "drop-oldest"},
		{name: "none matches, nothing said", rules: rules, channel: `"a"`, want: "disconnect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := bus.AppendToken(nil, []byte(tt.channel))
			must(t, err)
			o := edge.Options{Overflow: tt.node, Channels: edge.ChannelOptions{Overflow: tt.rules}}
			if got, own := edge.PolicyOf(o, string(token)); got != tt.want || own != tt.own {
				t.Errorf("got %s, own slot %v", got, own)
			}
		})
	}
}

func TestWrongPolicies(t *testing.T) {
	_, err := edge.Start(t.Context(), edge.Options{
		Overflow: "drop",
		Channels: edge.ChannelOptions{Overflow: []edge.ChannelOverflow{{Pattern: "price/*", Overflow: "newest"}, {Pattern: "b"}}},
	})
	if err == nil {
		t.Fatal("started")
	}
	want := `overflow policy must be one of ["disconnect" "drop-oldest" "drop-newest" "latest-only"], not "drop"
channels "price/*": overflow policy must be one of ["disconnect" "drop-oldest" "drop-newest" "latest-only"], not "newest"`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
