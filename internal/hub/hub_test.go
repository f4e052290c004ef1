package hub_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/hoshi-ws/hoshi/internal/hub"
)

type conn struct{ n int }

func living(h *hub.Hub[*conn], key string) (out []int) {
	for _, sub := range h.Snapshot(key) {
		if sub.Open {
			out = append(out, sub.Conn.n)
		}
	}
	return out
}

func TestJoinTellsWhoMustAsk(t *testing.T) {
	h := hub.New[*conn](nil)
	a, first := h.Join("news", &conn{1}, 0)
	b, second := h.Join("news", &conn{2}, 0)
	if first != hub.Created || second != hub.Pending {
		t.Fatalf("joined %v, %v", first, second)
	}
	if got := h.Confirm(a.Topic()); !slices.Equal(got, []*hub.Sub[*conn]{a, b}) {
		t.Fatalf("confirmed %v", got)
	}
	if got := h.Confirm(a.Topic()); got != nil {
		t.Fatalf("confirmed twice: %v", got)
	}
	if _, third := h.Join("news", &conn{3}, 0); third != hub.Confirmed {
		t.Fatalf("joined %v", third)
	}
	if _, full := h.Join("news", &conn{4}, 3); full != hub.Full {
		t.Fatalf("joined %v beyond the limit", full)
	}
	if n := h.Subscribers("news"); n != 3 {
		t.Fatalf("%d subscribers", n)
	}
}

func TestLeaveReportsTheLastOnce(t *testing.T) {
	h := hub.New[*conn](nil)
	a, _ := h.Join("x", &conn{1}, 0)
	b, _ := h.Join("x", &conn{2}, 0)
	steps := []struct {
		name string
		sub  *hub.Sub[*conn]
		last bool
	}{
		{"first of two", a, false},
		{"again", a, false},
		{"last", b, true},
		{"last again", b, false},
	}
	for _, s := range steps {
		if got := h.Leave(s.sub); got != s.last {
			t.Errorf("%s: last = %v", s.name, got)
		}
	}
	if h.Len() != 0 || h.Snapshot("x") != nil {
		t.Errorf("%d topics left, snapshot %v", h.Len(), h.Snapshot("x"))
	}
	if got := h.Confirm(a.Topic()); got != nil {
		t.Errorf("a topic that is gone confirmed %v", got)
	}
}

func TestLeaveWhilePendingIsNotConfirmed(t *testing.T) {
	h := hub.New[*conn](nil)
	a, _ := h.Join("x", &conn{1}, 0)
	b, _ := h.Join("x", &conn{2}, 0)
	h.Leave(a)
	if got := h.Confirm(b.Topic()); !slices.Equal(got, []*hub.Sub[*conn]{b}) {
		t.Errorf("confirmed %v", got)
	}
}

func TestAbandon(t *testing.T) {
	h := hub.New[*conn](nil)
	a, _ := h.Join("x", &conn{1}, 0)
	if got := h.Abandon(a.Topic()); !slices.Equal(got, []*hub.Sub[*conn]{a}) {
		t.Fatalf("abandoned %v", got)
	}
	if _, joined := h.Join("x", &conn{2}, 0); joined != hub.Created {
		t.Errorf("joined %v after the topic was abandoned", joined)
	}
	if h.Leave(a) {
		t.Error("an abandoned subscription was the last of its topic")
	}
	if n := h.Subscribers("x"); n != 1 {
		t.Errorf("%d subscribers of the new topic", n)
	}
}

func TestSnapshotKeepsOrderThroughGrowthAndCompaction(t *testing.T) {
	h := hub.New[*conn](nil)
	var subs []*hub.Sub[*conn]
	for i := range 1000 {
		s, _ := h.Join("x", &conn{i}, 0)
		s.Open = true
		subs = append(subs, s)
	}
	var want []int
	for i, s := range subs {
		if i%3 != 0 {
			s.Open = false
			h.Leave(s)
		} else {
			want = append(want, i)
		}
	}
	if got := living(h, "x"); !slices.Equal(got, want) {
		t.Fatalf("%d living, want %d, or out of order", len(got), len(want))
	}
	if n := len(h.Snapshot("x")); n > len(want)*4/3+1 {
		t.Errorf("%d slots for %d living", n, len(want))
	}
}

// A delivery that has its snapshot sees every subscriber that was there from
// before it began, whatever others do meanwhile.
func TestSnapshotIsStableUnderChurn(t *testing.T) {
	h := hub.New[*conn](nil)
	const steady = 50
	for i := range steady {
		h.Join("x", &conn{i}, 0)
	}
	var (
		wg   sync.WaitGroup
		stop atomic.Bool
	)
	for g := range 3 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				s, _ := h.Join("x", &conn{1000 + g}, 0)
				k, _ := h.Join(fmt.Sprint("other", i%7), &conn{2000}, 0)
				h.Leave(s)
				h.Leave(k)
			}
		})
	}
	for range 2000 {
		seen := 0
		for _, s := range h.Snapshot("x") {
			if s.Conn.n < steady {
				seen++
			}
		}
		if seen != steady {
			t.Errorf("%d of %d steady subscribers seen", seen, steady)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if n := h.Subscribers("x"); n != steady {
		t.Errorf("%d subscribers left", n)
	}
	if n := h.Len(); n != 1 {
		t.Errorf("%d topics left", n)
	}
}

func TestSubStaysSmall(t *testing.T) {
	if n := unsafe.Sizeof(hub.Sub[*conn]{}); n > 32 {
		t.Errorf("a subscription takes %d bytes", n)
	}
}

func TestTable(t *testing.T) {
	tab := hub.NewTable[*conn]()
	for i := range 200 {
		tab.Put(uint64(i), &conn{i})
	}
	tab.Delete(7)
	if tab.Get(7) != nil || tab.Get(8).n != 8 || tab.Len() != 199 {
		t.Errorf("get 7 %v, get 8 %v, len %d", tab.Get(7), tab.Get(8), tab.Len())
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("subs=%d", n), func(b *testing.B) {
			h := hub.New[*conn](nil)
			for i := range n {
				h.Join("news", &conn{i}, 0)
			}
			b.ReportAllocs()
			sum := 0
			for b.Loop() {
				for _, s := range h.Snapshot("news") {
					sum += s.Conn.n
				}
			}
			_ = sum
		})
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	h := hub.New[*conn](nil)
	for i := range 10000 {
		h.Join("news", &conn{i}, 0)
	}
	c := &conn{}
	b.ReportAllocs()
	for b.Loop() {
		s, _ := h.Join("news", c, 0)
		h.Leave(s)
	}
}

// A topic keeps what classify has said, also while many join at once, and the
// next topic of that key asks anew.
func TestClassify(t *testing.T) {
	var asked atomic.Int64
	h := hub.New[*conn](func(key string) uint64 {
		asked.Add(1)
		return uint64(len(key))
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if sub, _ := h.Join("four", &conn{i}, 0); sub.Topic().Class() != 4 {
				t.Errorf("class %d", sub.Topic().Class())
			}
		})
	}
	wg.Wait()
	before := asked.Load()
	sub, _ := h.Join("four", &conn{50}, 0)
	if asked.Load() != before {
		t.Error("asked about a topic that is there")
	}
	for _, sub := range h.Snapshot("four") {
		h.Leave(sub)
	}
	if h.Snapshot("four") != nil {
		t.Fatal("still there")
	}
	if h.Join("four", sub.Conn, 0); asked.Load() != before+1 {
		t.Error("did not ask about a new topic")
	}
}

func TestAll(t *testing.T) {
	h := hub.New[*conn](nil)
	for i := range 300 {
		for k := range i%3 + 1 {
			h.Join(fmt.Sprint(i), &conn{k}, 0)
		}
	}
	h.Leave(h.Snapshot("2")[1])
	got := map[string]int{}
	for key, live := range h.All() {
		got[key] += live
		h.Join(key, &conn{9}, 0) // no lock is held
	}
	if len(got) != 300 || got["0"] != 1 || got["1"] != 2 || got["2"] != 2 || got["5"] != 3 {
		t.Errorf("%d keys, %d %d %d %d", len(got), got["0"], got["1"], got["2"], got["5"])
	}
	for range h.All() {
		break
	}
}
