package board

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// goneFor is how long a node that has vanished is shown.
const goneFor = 10 * time.Second

// Board is what is known of nodes.
type Board struct {
	nodes map[string]*node
	at    time.Time // of the last Update, or Lost
	lost  bool      // nobody could be asked then
}

// node is one of them, by its last two views.
type node struct {
	last, before bus.NodeView
	seen         time.Time // of last
	two          bool      // before is there
	silent       bool      // it has not answered the last time
}

// Update takes what nodes have answered at that time. Silent are those that are there
// and have not answered.
func (b *Board) Update(now time.Time, views map[string]bus.NodeView, silent []string) {
	if b.nodes == nil {
		b.nodes = map[string]*node{}
	}
	b.at, b.lost = now, false
	for id, v := range views {
		n := b.nodes[id]
		if n == nil {
			n = &node{}
			b.nodes[id] = n
		} else {
			// One that was silent at first has said nothing yet.
			n.before, n.two = n.last, n.last.UptimeMS > 0 && v.UptimeMS > n.last.UptimeMS
		}
		n.last, n.seen, n.silent = v, now, false
	}
	for _, id := range silent {
		n := b.nodes[id]
		if n == nil {
			n = &node{seen: now}
			n.last.Node = id
			b.nodes[id] = n
		}
		n.silent = true
	}
	for id, n := range b.nodes {
		n.silent = n.silent && slices.Contains(silent, id)
		if now.Sub(n.seen) > goneFor && !slices.Contains(silent, id) {
			delete(b.nodes, id)
		}
	}
}

// Lost is in place of an Update where nobody could be asked: of nodes that were there
// nothing is known.
func (b *Board) Lost(now time.Time) {
	b.at, b.lost = now, true
	for _, n := range b.nodes {
		n.silent, n.seen = true, now
	}
}

// Rates are what a node does in a second, or all nodes together. Known is false where
// there are not two views yet, and of a node that has not answered the last time.
type Rates struct {
	Known      bool    `json:"known"`
	FramesIn   float64 `json:"frames_in"`
	FramesOut  float64 `json:"frames_out"`
	BytesIn    float64 `json:"bytes_in"`
	BytesOut   float64 `json:"bytes_out"`
	WriteCalls float64 `json:"write_calls"`
	Dropped    float64 `json:"dropped"`
	Overflows  float64 `json:"overflows"`
	CPU        float64 `json:"cpu"` // processors
}

func (b *Board) rates(n *node) (r Rates) {
	if !n.two || !b.answered(n) {
		return r
	}
	seconds := float64(n.last.UptimeMS-n.before.UptimeMS) / 1000
	per := func(last, before uint64) float64 {
		if last < before {
			return 0
		}
		return float64(last-before) / seconds
	}
	l, p := &n.last, &n.before
	return Rates{
		Known:    true,
		FramesIn: per(l.FramesIn, p.FramesIn), FramesOut: per(l.FramesOut, p.FramesOut),
		BytesIn: per(l.BytesIn, p.BytesIn), BytesOut: per(l.BytesOut, p.BytesOut), WriteCalls: per(l.WriteCalls, p.WriteCalls),
		Dropped: per(l.Dropped, p.Dropped), Overflows: per(l.Overflows+l.Stalled, p.Overflows+p.Stalled),
		CPU: per(l.Process.CPUMS, p.Process.CPUMS) / 1000,
	}
}

// answered reports whether what is known of a node is of the last Update.
func (b *Board) answered(n *node) bool { return !n.silent && !n.seen.Before(b.at) }

// state is a word for how a node is.
func (b *Board) state(n *node) string {
	switch {
	case b.lost:
		return "unknown"
	case n.silent:
		return "silent"
	case n.seen.Before(b.at):
		return "gone"
	case n.last.Draining:
		return "drain"
	case !n.last.Ready:
		return "unready"
	}
	return "ready"
}

// sorted are the nodes in the order of their ids.
func (b *Board) sorted() []*node {
	return slices.SortedFunc(maps.Values(b.nodes), func(x, y *node) int { return cmp.Compare(x.last.Node, y.last.Node) })
}

// total is all nodes that have answered, as one.
func (b *Board) total() *node {
	sum := &node{seen: b.at}
	sum.last.Ready = true
	for _, n := range b.sorted() {
		if !b.answered(n) {
			continue
		}
		s, l := &sum.last, &n.last
		s.Connections += l.Connections
		s.Throttled += l.Throttled
		s.Blocked += l.Blocked
		s.NATS.PendingMessages += l.NATS.PendingMessages
		s.Process.Goroutines += l.Process.Goroutines
		s.Process.HeapBytes += l.Process.HeapBytes
		s.Process.RSSBytes += l.Process.RSSBytes
	}
	return sum
}

// totalRates adds up those that are known.
func (b *Board) totalRates() (r Rates) {
	for _, n := range b.sorted() {
		one := b.rates(n)
		r.Known = r.Known || one.Known
		r.FramesIn += one.FramesIn
		r.FramesOut += one.FramesOut
		r.BytesIn += one.BytesIn
		r.BytesOut += one.BytesOut
		r.WriteCalls += one.WriteCalls
		r.Dropped += one.Dropped
		r.Overflows += one.Overflows
		r.CPU += one.CPU
	}
	return r
}

// Report is the board for machines.
type Report struct {
	At    time.Time    `json:"at"`
	Nodes []NodeReport `json:"nodes"`
	Total Rates        `json:"total_per_second"`
}

// NodeReport is a node in it.
type NodeReport struct {
	State string `json:"state"` // ready, drain, unready, silent, gone or unknown
	bus.NodeView
	Rates Rates `json:"per_second"`
}

// Report returns the board for machines.
func (b *Board) Report() Report {
	r := Report{At: b.at.UTC(), Nodes: []NodeReport{}, Total: b.totalRates()}
	for _, n := range b.sorted() {
		r.Nodes = append(r.Nodes, NodeReport{b.state(n), n.last, b.rates(n)})
	}
	return r
}

// slowest are the connections of all nodes with most in their queues, and how many are
// blocked.
func (b *Board) slowest(most int) (list []bus.SlowView, blocked int) {
	for _, n := range b.sorted() {
		if !b.answered(n) {
			continue
		}
		blocked += n.last.Blocked
		list = append(list, n.last.Slow...)
	}
	slices.SortStableFunc(list, func(x, y bus.SlowView) int {
		return cmp.Or(cmp.Compare(y.QueuedBytes, x.QueuedBytes), cmp.Compare(x.Conn, y.Conn))
	})
	return list[:min(most, len(list))], blocked
}
