package edge

import (
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// observer is Node as package bus asks it about itself. Its answers are snapshots: no
// loop waits for anybody who asks, and what only a loop knows is gathered by posted
// functions with a deadline.
type observer Node

var _ bus.Observer = (*observer)(nil)

// Stats implements bus.Observer.
func (o *observer) Stats(q bus.StatsQuery) bus.NodeView {
	n := (*Node)(o)
	s := n.ws.Stats()
	v := bus.NodeView{
		Node:        n.opts.ID.String(),
		Host:        hostname(),
		Version:     n.opts.Version,
		UptimeMS:    time.Since(n.started).Milliseconds(),
		Ready:       n.Ready(),
		Draining:    n.draining() || n.stopping.Load(),
		Connections: n.Connections(),
		Users:       n.users.Len(),
		Channels:    n.channels.Len(),
		Throttled:   s.Throttled,
		FramesIn:    s.FramesIn,
		FramesOut:   s.FramesOut,
		BytesIn:     s.BytesIn,
		BytesOut:    s.BytesOut,
		WriteCalls:  s.WriteCalls,
		Overflows:   s.Overflows,
		Stalled:     s.Closed[wsconn.CloseStalled.String()],
		Process:     processView(),
	}
	for _, k := range s.Dropped {
		v.Dropped += k
	}
	v.Dropped += n.tabs.dropped.Load()
	if q.Slow > 0 {
		v.Slow, v.Blocked = n.observed.slow(n, q.Slow)
	}
	return v
}

// hostname is the name of the machine, asked for once.
var hostname = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
})

// processView is ProcessStats, and what the system says.
func processView() bus.ProcessView {
	p := processStats()
	v := bus.ProcessView{Goroutines: p.Goroutines, HeapBytes: p.HeapBytes}
	v.RSSBytes, v.CPUMS = usage()
	return v
}

// slowEvery is how often queues are looked at, at most: one look at 100,000 takes some
// ten milliseconds of another goroutine than any loop.
const slowEvery = 2 * time.Second

// observed is what looking at a node leaves behind.
type observed struct {
	mu struct {
		sync.Mutex
		at      time.Time      // when somebody last began to look
		slow    []bus.SlowView // the largest first, bus.MaxSlow at most
		blocked int
	}
}

// slow returns those whose clients take nothing, those with most in their queues first,
// and how many they are. Any goroutine.
func (o *observed) slow(n *Node, most int) (list []bus.SlowView, blocked int) {
	if o.due() {
		slow, count := n.findSlow()
		o.mu.Lock()
		o.mu.slow, o.mu.blocked = slow, count
		o.mu.Unlock()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.mu.slow[:min(most, len(o.mu.slow))]), o.mu.blocked
}

// due has its caller look, and everybody else take what there is until then.
func (o *observed) due() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := o.mu.at.IsZero() || time.Since(o.mu.at) >= slowEvery
	if due {
		o.mu.at = time.Now()
	}
	return due
}

// findSlow looks at every queue, each for an instant under its own lock.
func (n *Node) findSlow() (list []bus.SlowView, blocked int) {
	bySize := func(a, b bus.SlowView) int {
		if a.QueuedBytes != b.QueuedBytes {
			return b.QueuedBytes - a.QueuedBytes
		}
		return strings.Compare(a.Conn, b.Conn)
	}
	var sessions []*session // of list
	for s := range n.conns.All() {
		q := s.Queued()
		if !q.Blocked {
			continue
		}
		blocked++
		if len(list) == bus.MaxSlow && q.Bytes <= list[len(list)-1].QueuedBytes {
			continue
		}
		v := bus.SlowView{Conn: s.id.String(), QueuedMessages: q.Messages, QueuedBytes: q.Bytes, Frozen: q.Frozen}
		i, _ := slices.BinarySearchFunc(list, v, bySize)
		list, sessions = slices.Insert(list, i, v), slices.Insert(sessions, i, s)
		if len(list) > bus.MaxSlow {
			list, sessions = list[:bus.MaxSlow], sessions[:bus.MaxSlow]
		}
	}
	// Who they are their loops know.
	uids := gather(sessions, func(s *session) string {
		if s.user == nil {
			return ""
		}
		return string(s.uidText())
	})
	for i := range list {
		list[i].UID = clip(uids[i].value)
	}
	return list, blocked
}

// patience is how long sessions are waited for.
const patience = 500 * time.Millisecond

// gathered is what a session has said, if it has in time.
type gathered[T any] struct {
	value T
	said  bool
}

// gather asks sessions on their loops, and returns what they have said in time, in
// their order. Not for loops.
func gather[T any](sessions []*session, ask func(s *session) T) []gathered[T] {
	type answer struct {
		i     int
		value T
	}
	answers := make(chan answer, len(sessions)) // nobody waits for who is late
	for i, s := range sessions {
		s.post(func() { answers <- answer{i, ask(s)} })
	}
	all := make([]gathered[T], len(sessions))
	over := time.NewTimer(patience)
	defer over.Stop()
	for range sessions {
		select {
		case a := <-answers:
			all[a.i] = gathered[T]{a.value, true}
		case <-over.C:
			return all
		}
	}
	return all
}

// Channels implements bus.Observer.
func (o *observer) Channels(q bus.ChannelsQuery) bus.ChannelsView {
	n := (*Node)(o)
	v := bus.ChannelsView{Node: n.opts.ID.String(), Channels: []bus.ChannelView{}}
	type channel struct {
		token       string
		subscribers int
	}
	var list []channel
	byCount := func(a, b channel) int {
		if a.subscribers != b.subscribers {
			return b.subscribers - a.subscribers
		}
		return strings.Compare(a.token, b.token)
	}
	for token, subscribers := range n.channels.All() {
		if subscribers == 0 || q.Match != "" && !matches(q.Match, displayName(token)) {
			continue
		}
		v.Total++
		v.Subscribers += subscribers
		list = append(list, channel{token, subscribers})
		if len(list) >= 2*q.Limit { // so each is sorted a few times at most
			slices.SortFunc(list, byCount)
			list = list[:q.Limit]
		}
	}
	slices.SortFunc(list, byCount)
	list = list[:min(q.Limit, len(list))]
	for _, c := range list {
		v.Channels = append(v.Channels, bus.ChannelView{Channel: string(channelText(c.token)), Subscribers: c.subscribers})
	}
	v.More = v.Total - len(list)
	return v
}

// Drain implements bus.Observer.
func (o *observer) Drain() error {
	n := (*Node)(o)
	if !n.askDrain() {
		return n.refuses(&bus.RemoteError{Keyword: ":unavailable"})
	}
	if e := n.security.line(secDrained, "asked"); e != nil {
		e.Msg(msgCarried)
	}
	return nil
}

// Level implements bus.Observer.
func (o *observer) Level(q bus.LevelQuery) error {
	n := (*Node)(o)
	if n.opts.OnLogLevel == nil {
		return n.refuses(&bus.RemoteError{Keyword: ":unavailable"})
	}
	// Before it is done: what comes after must not depend on it. Where it fails the next
	// line says so.
	if e := n.security.line(secLevel, "asked"); e != nil {
		e.Str("log_level", clip(q.Level)).Dur("time_ms", q.For).Msg(msgAsked)
	}
	if n.opts.OnLogLevel(q.Level, q.For) != nil {
		return n.refuses(&bus.RemoteError{Keyword: ":bad-request"})
	}
	return nil
}

// refuses writes that an administrator is refused.
func (n *Node) refuses(err *bus.RemoteError) error {
	if e := n.security.line(secAdmin, err.Keyword[1:]); e != nil {
		e.Msg(msgRefused)
	}
	return err
}
