package edge

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// A watch is a trace that somebody has asked for: lines of what passes for a user, a
// tab, a connection or a channel, without anything that was said. Without a watch each
// message costs one atomic load. With one, each delivery to a subscriber, and each
// message of a client, costs a look into a map more, and what is watched a line, which
// the rate bounds.

const (
	// maxWatches bounds the watches of a node.
	maxWatches = 16
	// maxWatched bounds the sessions that are watched at once. Of those of a user that
	// has more, some are.
	maxWatched = 10_000
)

// watches are those of a node.
type watches struct {
	// active is nil where there are none; what it points to is fixed.
	active atomic.Pointer[watchSet]

	// sessions are those that are watched: *session -> []*watch, which is fixed. Written
	// on the session's loop, read by any goroutine.
	sessions sync.Map
	count    atomic.Int32 // of sessions

	mu struct {
		sync.Mutex
		list []*watch
	}
}

// watchSet finds watches by what they watch: tokens of users, client-ids and channels,
// and conn-ids.
type watchSet struct {
	users, clients, conns, channels map[string][]*watch
}

// watch gathers the lines of one trace.
type watch struct {
	// Fixed after Trace.
	node  *Node
	query bus.TraceQuery
	token string // of what is watched, or its conn-id
	rate  limit.Rate
	begun time.Time

	mu struct {
		sync.Mutex
		over       bool
		bucket     limit.Bucket
		lines      []bus.TraceLine
		suppressed int
		told, left uint64 // in all
	}
}

var _ bus.Gatherer = (*watch)(nil)

// Trace implements bus.Observer.
func (o *observer) Trace(q bus.TraceQuery) (bus.Gatherer, error) {
	n := (*Node)(o)
	w := &watch{node: n, query: q, rate: limit.NewRate(int64(q.Rate), int64(q.Rate)), begun: time.Now()}
	var err error
	switch {
	case q.ConnID != "":
		w.token = q.ConnID
	case q.ClientID != "":
		w.token, err = bus.StringToken(q.ClientID)
	case q.Channel != (bus.Name{}):
		w.token, err = q.Channel.Token()
	default:
		w.token, err = q.UID.Token()
	}
	if err != nil {
		return nil, n.refuses(&bus.RemoteError{Keyword: ":bad-request"})
	}
	if !n.watches.add(w) {
		return nil, n.refuses(&bus.RemoteError{Keyword: ":too-many-traces"})
	}
	if e := n.security.line(secTraced, "asked"); e != nil {
		w.name(e).Dur("time_ms", q.Time).Int("rate", q.Rate).Msg(msgCarried)
	}
	// Who opens from now on sees the watch itself.
	if q.Channel == (bus.Name{}) {
		sessions, _ := n.find(&q.Target, maxWatched)
		for _, s := range sessions {
			s.post(func() { n.watches.join(s, w) })
		}
	}
	return w, nil
}

// name says on a line of the log who is watched.
func (w *watch) name(e *zerolog.Event) *zerolog.Event {
	switch q := &w.query; {
	case q.ConnID != "":
		return e.Str("conn", q.ConnID)
	case q.ClientID != "":
		return e.Str("client", clip(q.ClientID))
	case q.Channel != (bus.Name{}):
		return e.Str("channel", nameOf(w.token))
	default:
		return e.Str("uid", nameOf(w.token))
	}
}

// Take implements bus.Gatherer.
func (w *watch) Take() (lines []bus.TraceLine, suppressed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, suppressed = w.mu.lines, w.mu.suppressed
	w.mu.lines, w.mu.suppressed = nil, 0
	return lines, suppressed
}

// Stop implements bus.Gatherer.
func (w *watch) Stop() {
	w.mu.Lock()
	w.mu.over = true
	w.mu.lines = nil
	told, left := w.mu.told, w.mu.left
	w.mu.Unlock()
	w.node.watches.remove(w)
	if e := w.node.security.line(secTraced, "over"); e != nil {
		w.name(e).Uint64("lines", told).Uint64("left_out", left).Msg(msgCarried)
	}
}

func (w *watch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.over
}

// may takes a line of the rate, and counts it where there is none. Any goroutine.
func (w *watch) may(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mu.over:
		return false
	case w.mu.bucket.Allow(now.Sub(w.begun), 1, w.rate):
		w.mu.told++
		return true
	}
	w.mu.suppressed++
	w.mu.left++
	return false
}

// add adds a line that may has allowed.
func (w *watch) add(l bus.TraceLine) {
	w.mu.Lock()
	if !w.mu.over {
		w.mu.lines = append(w.mu.lines, l)
	}
	w.mu.Unlock()
}

// tell has each watch that may tell it be given a line. line is not called where none
// may.
func tell(list []*watch, line func() bus.TraceLine) {
	now := time.Now()
	var l bus.TraceLine
	for _, w := range list {
		if !w.may(now) {
			continue
		}
		if l.At.IsZero() {
			l = line()
			l.At = now.UTC()
		}
		w.add(l)
	}
}

// add makes a watch count, and is false where there are as many as may be.
func (ws *watches) add(w *watch) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.mu.list) >= maxWatches {
		return false
	}
	ws.mu.list = append(ws.mu.list, w)
	ws.publishLocked()
	return true
}

// remove undoes add of a watch that is over, and has the sessions forget it.
func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	ws.mu.list = slices.DeleteFunc(ws.mu.list, func(other *watch) bool { return other == w })
	ws.publishLocked()
	ws.mu.Unlock()
	for key, list := range ws.sessions.Range {
		if s := key.(*session); slices.Contains(list.([]*watch), w) {
			s.post(func() { ws.part(s, w) })
		}
	}
}

func (ws *watches) publishLocked() {
	if len(ws.mu.list) == 0 {
		ws.active.Store(nil)
		return
	}
	set := &watchSet{map[string][]*watch{}, map[string][]*watch{}, map[string][]*watch{}, map[string][]*watch{}}
	for _, w := range ws.mu.list {
		m := set.users
		switch q := &w.query; {
		case q.ConnID != "":
			m = set.conns
		case q.ClientID != "":
			m = set.clients
		case q.Channel != (bus.Name{}):
			m = set.channels
		}
		m[w.token] = append(m[w.token], w)
	}
	ws.active.Store(set)
}

// of returns the watches of a session, nil for none. Any goroutine.
func (ws *watches) of(s *session) []*watch {
	if ws.active.Load() == nil {
		return nil
	}
	return ws.watching(s)
}

func (ws *watches) watching(s *session) []*watch {
	if ws.count.Load() == 0 {
		return nil // a channel is watched, or somebody who is not here
	}
	list, _ := ws.sessions.Load(s)
	all, _ := list.([]*watch)
	return all
}

// join has a session be watched. Loop only.
func (ws *watches) join(s *session, w *watch) {
	list := ws.watching(s)
	if slices.Contains(list, w) || s.closed && s.tab() == nil || s.tab() != nil && s.tab().gone {
		return
	}
	ws.begin(s, append(slices.Clone(list), w))
}

// begin notes who watches a session. A watch is over before remove looks for its
// sessions, so one that remove does not find here is found to be over. Loop only.
func (ws *watches) begin(s *session, list []*watch) {
	ws.set(s, list)
	if slices.ContainsFunc(list, (*watch).over) {
		ws.set(s, slices.DeleteFunc(slices.Clone(list), (*watch).over))
	}
}

// part undoes join. Loop only.
func (ws *watches) part(s *session, w *watch) {
	ws.set(s, slices.DeleteFunc(slices.Clone(ws.watching(s)), func(other *watch) bool { return other == w }))
}

// forget has a session that has ended be watched by nobody. Loop only.
func (ws *watches) forget(s *session) {
	if ws.count.Load() > 0 {
		ws.set(s, nil)
	}
}

// set notes who watches a session. Loop only.
func (ws *watches) set(s *session, list []*watch) {
	switch {
	case len(list) == 0:
		if _, was := ws.sessions.LoadAndDelete(s); was {
			ws.count.Add(-1)
		}
	case len(ws.watching(s)) > 0:
		ws.sessions.Store(s, list)
	case ws.count.Add(1) > maxWatched:
		ws.count.Add(-1)
	default:
		ws.sessions.Store(s, list)
	}
}

// meet has a session that opens be watched by who watches its user, its tab or itself,
// and returns them. Loop only.
func (ws *watches) meet(s *session) []*watch {
	set := ws.active.Load()
	if set == nil {
		return nil
	}
	list := slices.Clone(set.conns[s.id.String()])
	if s.user != nil {
		list = append(list, set.users[s.user.Topic().Key()]...)
	} else {
		list = append(list, set.users[s.id.String()]...)
	}
	if t := s.tab(); t != nil {
		list = append(list, set.clients[t.client]...)
	}
	ws.begin(s, list)
	return ws.watching(s)
}
