package edge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// checker publishes numbered messages through all nodes and counts what
// arrives: for each publisher and channel no gap, no double, in order.
type checker struct {
	publishers, channels int
	each                 int // messages of each publisher
	window               int // published and not yet received by every steady subscriber

	t       *testing.T
	cluster *testkit.Cluster
	steady  []*steady
	stop    chan struct{}
	churned atomic.Int64 // messages that came-and-go subscribers have checked
}

// steady is subscribed to everything from before the first message on.
type steady struct {
	client   *testkit.Client
	received atomic.Int64
}

func (c *checker) total() int64 { return int64(c.publishers) * int64(c.each) }

func channelName(i int) string { return fmt.Sprintf(`"check-%d"`, i) }

// message is a parsed [:sente-lite/channel-msg ..] of the checker.
type message struct{ channel, publisher, number int }

func parseMessage(s string) (m message, ok bool) {
	rest, ok := strings.CutPrefix(s, `[:sente-lite/channel-msg {:channel-id "check-`)
	if !ok {
		return m, false
	}
	for _, f := range []struct {
		into *int
		end  string
	}{{&m.channel, `", :data [`}, {&m.publisher, " "}, {&m.number, "]"}} {
		var text string
		if text, rest, ok = strings.Cut(rest, f.end); !ok {
			return m, false
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return m, false
		}
		*f.into = n
	}
	return m, true
}

// sequences checks the numbers of one subscriber, for each publisher and
// channel.
type sequences map[[2]int]int

// follows reports an error unless m is the next of its publisher and channel,
// or the first that is heard.
func (q sequences) follows(m message) error {
	key := [2]int{m.publisher, m.channel}
	if want, heard := q[key]; heard && m.number != want {
		return fmt.Errorf("publisher %d, channel %d: number %d, want %d", m.publisher, m.channel, m.number, want)
	}
	q[key] = m.number + 1
	return nil
}

// run publishes everything while others come and go, calling meanwhile, if
// not nil, when a quarter has been published.
func (c *checker) run(churners int, meanwhile func()) {
	c.t.Helper()
	c.stop = make(chan struct{})
	for i := range c.cluster.Nodes {
		s := &steady{client: c.cluster.Dial(c.t, i, "/")}
		for ch := range c.channels {
			s.client.Subscribe(channelName(ch))
		}
		c.steady = append(c.steady, s)
	}
	var readers, others, pubs sync.WaitGroup
	for _, s := range c.steady {
		readers.Go(func() { c.readAll(s) })
	}
	for i := range churners {
		cl := c.cluster.Dial(c.t, i%len(c.cluster.Nodes), "/")
		others.Go(func() { c.comeAndGo(cl, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	var published atomic.Int64
	quarter := make(chan struct{})
	for p := range c.publishers {
		cl := c.cluster.Dial(c.t, p%len(c.cluster.Nodes), "/")
		pubs.Go(func() { c.publish(cl, p, &published, quarter) })
	}
	if meanwhile != nil {
		<-quarter
		meanwhile()
	}
	pubs.Wait()
	readers.Wait()
	close(c.stop)
	others.Wait()
	for i, s := range c.steady {
		if got := s.received.Load(); got != c.total() {
			c.t.Errorf("steady subscriber %d received %d of %d", i, got, c.total())
		}
		s.client.Nothing()
	}
	c.t.Logf("%d messages, %d deliveries checked by steady subscribers, %d by those who come and go",
		c.total(), c.total()*int64(len(c.steady)), c.churned.Load())
}

func (c *checker) readAll(s *steady) {
	seen := sequences{}
	for p := range c.publishers {
		for ch := range c.channels {
			seen[[2]int{p, ch}] = 0 // it must hear the first
		}
	}
	for s.received.Load() < c.total() {
		text, err := s.client.TryRead(testkit.Patience)
		if err != nil {
			c.t.Errorf("steady subscriber, after %d: %v", s.received.Load(), err)
			return
		}
		m, ok := parseMessage(text)
		if !ok {
			c.t.Errorf("steady subscriber got %s", text)
			return
		}
		if err := seen.follows(m); err != nil {
			c.t.Errorf("steady subscriber: %v", err)
			return
		}
		s.received.Add(1)
	}
}

// publish sends the messages of publisher p, one channel after the other, and
// never has the window exceeded: what is checked is that nothing is lost where
// no queue overflows.
func (c *checker) publish(cl *testkit.Client, p int, published *atomic.Int64, quarter chan struct{}) {
	next := make([]int, c.channels)
	for i := range c.each {
		ch := (i + p) % c.channels
		n := published.Add(1)
		if n == c.total()/4 {
			close(quarter)
		}
		for deadline := time.Now().Add(5 * testkit.Patience); c.behind(n); {
			if time.Now().After(deadline) {
				c.t.Errorf("publisher %d: the subscribers do not follow", p)
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
		cl.Publish(channelName(ch), fmt.Sprintf("[%d %d]", p, next[ch]))
		next[ch]++
	}
	cl.Nothing()
}

func (c *checker) behind(published int64) bool {
	for _, s := range c.steady {
		if published-s.received.Load() > int64(c.window) {
			return true
		}
	}
	return false
}

// comeAndGo subscribes and unsubscribes all the time: from each answer to the
// next it must hear every message, and none outside.
func (c *checker) comeAndGo(cl *testkit.Client, r *rand.Rand) {
	read := func() (string, bool) {
		text, err := cl.TryRead(testkit.Patience)
		if err != nil {
			c.t.Errorf("subscriber that comes and goes: %v", err)
			return "", false
		}
		return text, true
	}
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		ch := r.IntN(c.channels)
		answer := "[:sente-lite/subscribed {:channel-id " + channelName(ch) + ", :success true}]"
		cl.Send("[:sente-lite/subscribe {:channel-id " + channelName(ch) + "}]")
		if text, ok := read(); !ok || text != answer {
			c.t.Errorf("got %s before the answer to a subscribe", text)
			return
		}
		seen := sequences{}
		hold := time.Duration(r.IntN(20)) * time.Millisecond
		timer := time.AfterFunc(hold, func() {
			// The socket is written to by nobody else at this moment.
			cl.Send("[:sente-lite/unsubscribe {:channel-id " + channelName(ch) + "}]")
		})
		for {
			text, ok := read()
			if !ok {
				timer.Stop()
				return
			}
			if text == answer {
				break
			}
			m, ok := parseMessage(text)
			if !ok || m.channel != ch {
				c.t.Errorf("subscribed to %d, got %s", ch, text)
				return
			}
			if err := seen.follows(m); err != nil {
				c.t.Errorf("subscriber that comes and goes: %v", err)
				return
			}
			c.churned.Add(1)
		}
	}
}

func newChecker(t *testing.T, each int) *checker {
	return &checker{publishers: 20, channels: 50, each: each, window: 600, t: t}
}

// listen lets subscribers of the checker only listen, however long a busy
// machine takes: they send nothing, and would be taken for dead after a minute.
func listen(_ int, o *edge.Options) { o.IdleTimeout = 10 * time.Minute }

func TestCheckerEveryMessageOnceInOrder(t *testing.T) {
	c := newChecker(t, scaled(10_000, 4_000))
	c.cluster = testkit.StartCluster(t, 3, listen)
	c.run(6, nil)
}

// A frozen reader among them: when it wakes, what it read and what was counted
// add up to what was handed to it before its close, and the others miss
// nothing meanwhile.
func TestCheckerWithAFrozenReader(t *testing.T) {
	c := newChecker(t, scaled(2_500, 1_500))
	c.cluster = testkit.StartCluster(t, 3, func(i int, o *edge.Options) { listen(i, o); o.Loops = 1 })
	node := c.cluster.Nodes[0]
	frozen := testkit.DialSlow(t, node.Addr().String(), "/")
	frozen.Subscribe(`"flood"`)
	// The bystander comes behind the frozen reader in every delivery.
	bystander := c.cluster.Dial(t, 0, "/")
	bystander.Subscribe(`"flood"`)
	flood := c.cluster.Dial(t, 1, "/")
	payload := `"` + strings.Repeat("x", 2_000) + `"`
	data := func(i int) string { return fmt.Sprintf("[%d %s]", i, payload) }

	c.run(3, func() {
		handed := 0
		for node.Stats().Sockets.Overflows == 0 {
			if handed == 20_000 {
				t.Fatal("a reader that does not read was never closed")
			}
			flood.Publish(`"flood"`, data(handed))
			bystander.Expect(testkit.Message(`"flood"`, data(handed), flood.ConnID))
			bystander.Nothing() // by now the loop has flushed the frozen reader too
			handed++
		}
		read := 0
		for {
			text, err := frozen.TryRead(testkit.Patience)
			if err != nil {
				if closed, ok := errors.AsType[*testkit.Closed](err); !ok || closed.Code != 1013 {
					t.Errorf("after %d messages: %v", read, err)
				}
				break
			}
			if text != testkit.Message(`"flood"`, data(read), flood.ConnID) {
				t.Errorf("message %d is %.80s", read, text)
				break
			}
			read++
		}
		frozen.Conn.Close()
		testkit.Eventually(t, "the close is counted", func() bool { return node.Stats().Sockets.Closed["overflow"] == 1 })
		discarded := int(node.Stats().Sockets.Discarded)
		if read+discarded != handed {
			t.Errorf("%d read and %d counted, but %d were handed over", read, discarded, handed)
		}
		t.Logf("%d handed over, %d read, %d counted", handed, read, discarded)
	})
}

// A NATS server that stands still for three seconds costs those who were
// subscribed before nothing.
func TestCheckerWithAStoppedNATSServer(t *testing.T) {
	t.Parallel()
	c := newChecker(t, scaled(2_500, 1_500))
	c.cluster = testkit.StartClusterWithProcess(t, 3, listen)
	c.run(0, func() {
		c.cluster.Process.Stop(t)
		time.Sleep(3 * time.Second)
		c.cluster.Process.Continue(t)
	})
	for i, n := range c.cluster.Nodes {
		if s := n.Stats().Bus; s.Connects != 1 {
			t.Errorf("node %d needed %d NATS connections", i, s.Connects)
		}
	}
}
