package edge

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// tab is what a session of a Sente client has beyond its socket. The client is
// a browser's tab, which comes back under its client-id, and what is pushed to
// it in between waits here. A client that polls has no socket at all: all of
// its messages wait here. A tab is known by its client-id and uid together, and
// one node holds it.
type tab struct {
	// Fixed before others know of the session.
	session *session
	id      string // client-id as it was given
	client  string // its token
	uid     string // token of the uid, that of :sente/nil-uid where nobody vouches for another
	polls   *polls // nil where there is a socket

	// Owned by the session's loop.
	sub     *subscription // in the hub of clients
	form    dialect.Form  // in which the client writes and is answered; replies that follow a message may read it
	heard   bool          // form is known
	opening *opening      // nil once the client has been answered
	gone    bool          // forgotten

	mu struct {
		sync.Mutex
		state   tabState
		box     []kept
		bytes   int
		dropped int         // for want of room, since the client was last told
		grace   *time.Timer // ends the tab
		pollState
	}
}

type tabState uint8

const (
	tabOpening tabState = iota // the client has not been answered: deliveries wait for that
	tabOpen                    // deliveries go to the socket
	tabParked                  // there is no socket at the moment, or never: deliveries wait for the client
	tabGone                    // somebody else has taken over, or nobody has come
)

// kept is a delivery that waits for the client. What came from the bus is kept
// as it came too, so that another node can be given it, or a connection in
// another format.
type kept struct {
	frame *wsconn.Frame // in the session's voice

	body   []byte // nil where it is for this session alone
	id     string
	format codec.Format
	at     time.Time
	key    uint64 // keyOf(id, body)
}

func (k *kept) size() int { return k.frame.Len() + len(k.body) }

// newKept keeps what was delivered; m is nil for what is for the session alone.
func newKept(f *wsconn.Frame, m *bus.Message) kept {
	k := kept{frame: f, at: time.Now()}
	if m != nil && m.Kind != bus.KindChan {
		k.body, k.id, k.format, k.key = m.Body, m.ID, m.Format, keyOf(m.ID, m.Body)
	}
	return k
}

// keySeed makes keys that are compared in this process only.
var keySeed = maphash.MakeSeed()

// keyOf tells messages of the bus apart, by what their publishers call them and
// by what is in them.
func keyOf(id string, body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(keySeed)
	h.WriteString(id) //nolint:errcheck // never fails, like the next two
	h.WriteByte(0)    //nolint:errcheck // see above
	h.Write(body)     //nolint:errcheck // see above
	return h.Sum64()
}

// tabs is what a node keeps of all its tabs.
type tabs struct {
	// away are the sessions without a socket: opening, parked, and those that
	// poll. By conn-id, as Node.conns.
	away *hub.Table[*session]

	relays *hub.Table[*relay] // HTTP requests that wait for another node

	// Of clients that poll.
	polling  atomic.Int32 // requests that wait
	bodies   atomic.Int64 // bytes of POSTs
	sessions atomic.Int64 // open ones without a socket

	kept, dropped, expired, handed atomic.Uint64 // deliveries
	replaced                       atomic.Uint64 // sessions
}

// tab returns the tab of a Sente client's session, nil for other dialects. Any
// goroutine.
func (s *session) tab() *tab {
	if !s.voice().sente {
		return nil
	}
	return s.extra.tab
}

// form returns the form that the client reads.
func (s *session) form() dialect.Form {
	if t := s.tab(); t != nil {
		return t.form
	}
	return dialect.FormTwo
}

// keep takes a delivery that the socket has not taken, as it said with r, and
// reports whether it has: if not, the socket is to be asked again. Any
// goroutine.
func (t *tab) keep(f *wsconn.Frame, m *bus.Message, r wsconn.Result) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.mu.state {
	case tabGone:
		return true // whoever has taken over hears of it by himself
	case tabOpen:
		if r == wsconn.Shut {
			return false // it has been opened in between
		}
	case tabOpening, tabParked:
	}
	t.keepLocked(newKept(f, m))
	return true
}

func (t *tab) keepLocked(k kept) {
	n := t.session.node
	size := k.size()
	// One message always fits, as in the queue of a connection.
	for i := len(t.mu.box); i > 0 && (i >= n.opts.QueueMessages || t.mu.bytes+size > n.opts.QueueBytes); i = len(t.mu.box) {
		t.mu.bytes -= t.mu.box[0].size()
		t.mu.box[0] = kept{}
		t.mu.box = t.mu.box[1:]
		t.mu.dropped++
		n.tabs.dropped.Add(1)
	}
	t.mu.box = append(t.mu.box, k)
	t.mu.bytes += size
	n.tabs.kept.Add(1)
}

// takeLocked empties the box; dropped is how much found no room in it.
func (t *tab) takeLocked() (box []kept, dropped int) {
	box, dropped = t.mu.box, t.mu.dropped
	t.mu.box, t.mu.bytes, t.mu.dropped = nil, 0, 0
	return box, dropped
}

// surrender ends the tab here and returns what it has kept, for whoever has
// taken over. ok is false where it has ended before. session.replaced or forget
// must follow on the loop. Any goroutine.
func (t *tab) surrender() (box []kept, dropped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == tabGone {
		return nil, 0, false
	}
	t.mu.state = tabGone
	t.stopGraceLocked()
	t.mu.pollState.endLocked()
	box, dropped = t.takeLocked()
	return box, dropped, true
}

func (t *tab) graceLocked(d time.Duration) {
	t.stopGraceLocked()
	t.mu.grace = time.AfterFunc(d, func() { t.session.node.expire(t) })
}

func (t *tab) stopGraceLocked() {
	if t.mu.grace != nil {
		t.mu.grace.Stop()
		t.mu.grace = nil
	}
}

// park keeps the tab of a socket that has closed, for the grace time, and
// reports whether it does. Loop only.
func (t *tab) park() bool {
	n := t.session.node
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state != tabOpen || n.stopping.Load() {
		return false
	}
	t.mu.state = tabParked
	t.graceLocked(n.opts.Sente.ReconnectWS)
	return true
}

// expire ends a tab whose client has not come back. It runs on a timer's
// goroutine.
func (n *Node) expire(t *tab) {
	if box, dropped, ok := t.surrender(); ok {
		n.tabs.expired.Add(uint64(len(box)))
		_ = dropped // counted when it was
		t.session.post(t.session.forget)
	}
}

// endTabs ends all sessions without a socket, whose clients find another node.
func (n *Node) endTabs() {
	for s := range n.tabs.away.All() {
		if _, _, ok := s.tab().surrender(); ok {
			s.post(s.forget)
		}
	}
}

// forget takes a session that is not coming back out of everything. Loop only.
func (s *session) forget() {
	n, t := s.node, s.tab()
	if t.gone {
		return
	}
	t.gone, s.closed = true, true
	s.leaveChannels()
	n.tabs.away.Delete(s.id.Key())
	n.speakers[s.Group()].Add(-1)
	n.asks.leave(s)
	if t.polls != nil && s.open {
		s.open = false
		n.tabs.sessions.Add(-1)
		n.publishClose(s, wsconn.CloseInfo{Code: uint16(wsconn.StatusNormal), Reason: wsconn.CloseIdle})
	}
	if s.user != nil {
		n.leave(bus.KindUser, n.users, s.user)
		s.user = nil
	}
	if t.sub != nil {
		n.leave(bus.KindClient, n.clients, t.sub)
		t.sub = nil
	}
}

// replaced ends the session of a tab that somebody else has taken over. Loop
// only.
func (s *session) replaced() {
	s.node.tabs.replaced.Add(1)
	t := s.tab()
	switch {
	case t.opening != nil:
		t.opening.fail(refuseReplaced)
	case t.polls == nil && !s.closed:
		s.Close(wsconn.StatusNormal, "replaced by a newer connection of the same client")
	default:
		s.forget()
	}
}

// merge returns what a client is to be given whose tab was held elsewhere: what
// was kept there, and then what has come here, without what both were told. For
// a moment both listen: from shortly before since, when this side began, until
// the other side stopped.
func merge(handed, here []kept, since time.Time) []kept {
	both := map[uint64]int{}
	for i := range handed {
		if k := &handed[i]; k.body != nil && !k.at.Before(since.Add(-skew)) {
			both[k.key]++
		}
	}
	out := handed
	for i := range here {
		k := &here[i]
		if k.body != nil && both[k.key] > 0 {
			both[k.key]--
			continue
		}
		out = append(out, *k)
	}
	return out
}

// skew is how much earlier than here a message that both are told can come
// there.
const skew = 250 * time.Millisecond
