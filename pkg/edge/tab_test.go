package edge_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// numbers are publishers that push numbers to one user, and how far each is.
type numbers struct {
	sent []atomic.Int64
	done sync.WaitGroup
}

// pushNumbers has each backend push total numbers, pace apart in tens.
func pushNumbers(t *testing.T, total int, pace time.Duration, backends ...*bus.Client) *numbers {
	n := &numbers{sent: make([]atomic.Int64, len(backends))}
	for p, b := range backends {
		n.done.Go(func() { // ends with the last number
			for i := range total {
				n.sent[p].Store(int64(i + 1))
				if err := b.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:p%d/n %d]", p, i)); err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				if i%10 == 9 {
					time.Sleep(pace) // the rate; nothing waits for it
				}
			}
			if err := b.Flush(t.Context()); err != nil {
				t.Errorf("flush: %v", err)
			}
		})
	}
	return n
}

// marks returns how far the publishers are.
func (n *numbers) marks() []int64 {
	m := make([]int64, len(n.sent))
	for p := range m {
		m[p] = n.sent[p].Load()
	}
	return m
}

var numberPattern = regexp.MustCompile(`\[:p(\d+)/n (\d+)\]`)

// ledger checks that what one client has been told is every number, in the
// order of each publisher.
type ledger struct {
	t       *testing.T
	next    []int64
	allowed []int64 // numbers below may have been lost
	lost    int64
	where   string // what the client is doing
}

func (l *ledger) take(frame string) {
	l.t.Helper()
	for _, m := range numberPattern.FindAllStringSubmatch(frame, -1) {
		p, _ := strconv.Atoi(m[1])
		i, _ := strconv.ParseInt(m[2], 10, 64)
		switch {
		case i < l.next[p]:
			l.t.Errorf("%s: publisher %d: %d again, or late, after %d", l.where, p, i, l.next[p]-1)
			continue
		case i > l.next[p] && i > l.allowed[p]:
			l.t.Errorf("%s: publisher %d: %d to %d lost, of which below %d may be", l.where, p, l.next[p], i-1, l.allowed[p])
		case i > l.next[p]:
			l.lost += i - l.next[p]
		}
		l.next[p] = i + 1
	}
}

// closings hears which sockets have ended, and how far the publishers were.
type closings struct {
	mu sync.Mutex
	at map[string][]int64
}

func hearClosings(t *testing.T, b *bus.Client, marks func() []int64) *closings {
	t.Helper()
	c := &closings{at: map[string][]int64{}}
	_, err := b.Take(t.Context(), "chsk.conn-close", "test", func(e *bus.Event) {
		m := marks()
		c.mu.Lock()
		c.at[e.Conn] = m
		c.mu.Unlock()
	})
	must(t, err)
	return c
}

func (c *closings) of(t *testing.T, conn string) []int64 {
	t.Helper()
	var m []int64
	testkit.Eventually(t, "conn-close", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		m = c.at[conn]
		return m != nil
	})
	return m
}

// A client comes back again and again, at any node and in every way, while
// numbers are pushed to its user: none is doubled or out of order, and lost are
// only those that were pushed before the node knew that a socket was cut.
func TestReconnectingClientMissesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		nodes      int
		publishers int
	}{
		{"one node", 1, 1},
		{"three nodes, one publisher", 3, 1},
		{"three nodes, three publishers", 3, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const total = 5_000
			c := senteNode(t, tt.nodes, func(o *edge.Options) {
				o.Sente.WSKalive = time.Hour        // nobody reads what the steady one is told
				o.BarrierTimeout = testkit.Patience // a server that is only slow is not passed over
				edge.Patient(o, testkit.Patience)   // nor is a node, when it has the tab
			})
			var backends []*bus.Client
			for p := range tt.publishers {
				backends = append(backends, c.Backend(t, p%tt.nodes))
			}
			var n *numbers
			var started sync.WaitGroup
			started.Add(1)
			ends := hearClosings(t, c.Backend(t, 0), func() []int64 { started.Wait(); return n.marks() })
			steady := c.Dial(t, 0, "/chsk?uid=alice&client-id=steady")
			rng := rand.New(rand.NewPCG(7, uint64(tt.publishers)))
			dial := func() *testkit.Client {
				return c.Dial(t, rng.IntN(tt.nodes), "/chsk?uid=alice&client-id=tab-1")
			}
			cl := dial()
			n = pushNumbers(t, total/tt.publishers, time.Duration(8*tt.publishers)*time.Millisecond, backends...)
			started.Done()
			want := int64(total / tt.publishers)
			book := &ledger{t: t, next: make([]int64, tt.publishers), allowed: make([]int64, tt.publishers)}
			all := func() bool {
				for _, next := range book.next {
					if next < want {
						return false
					}
				}
				return true
			}
			rest := func(cl *testkit.Client) { // until it is closed
				for {
					s, err := cl.TryRead(testkit.Patience)
					if err != nil {
						return
					}
					book.take(s)
				}
			}
			hops := 0
			for !all() && !t.Failed() {
				for range 1 + rng.IntN(8) {
					if all() {
						break
					}
					s, err := cl.TryRead(testkit.Patience)
					if err != nil {
						t.Fatalf("%s: %v at %v", book.where, err, book.next)
					}
					book.take(s)
				}
				hops++
				old := cl
				way := rng.IntN(3)
				if slices.Max(n.marks()) > want-want/10 {
					way = 0 // what is lost could not be told from what is to come
				}
				switch way {
				case 0:
					book.where = "closed"
					old.Write(testkit.AppendFrame(nil, ws.OpClose, []byte{3, 232}))
					rest(old)
					cl = dial()
				case 1:
					book.where = "cut"
					old.Conn.Close()
					if rng.IntN(2) == 0 {
						ends.of(t, old.ConnID)
					}
					cl = dial()
					book.allowed = ends.of(t, old.ConnID)
				case 2:
					book.where = "overlapping"
					cl = dial()
					rest(old)
				}
			}
			n.done.Wait()
			t.Logf("%d sockets, %d of %d lost in cuts", hops, book.lost, total)
			if hops < 25 {
				t.Errorf("only %d sockets", hops)
			}
			seen := 0
			for seen < int(want)*tt.publishers {
				seen += len(numberPattern.FindAllString(steady.Read(), -1))
			}
			steady.Nothing()
			cl.Nothing()
		})
	}
}
