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
		yielded bool // somebody newer is taking over: what comes is kept for him
		box     []kept
		bytes   int
		dropped int // for want of room, since the client was last told

		handed  []kept         // while opening: what the last holder had kept
		last    string         // conn-id of the last holder
		since   time.Time      // when this side began to listen
		owed    map[uint64]int // the same: see owedLocked
		pairs   map[uint64]int // nil unless pushes may come twice; see pairLocked
		window  *time.Timer    // ends that
		shut    bool           // the gates are, although the tab is open
		next    successor      // once it is gone: gets what still comes
		lingers bool           // gone, and still listening for the successor

		grace  *time.Timer // ends the tab
		graces int         // number of that timer
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

// successor is who has taken over a tab: a tab of this node, or the conn-id of a
// session at another one.
type successor struct {
	local  *tab
	remote string
}

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
	all    bool   // everyone is told: nobody needs to pass it on
}

func (k *kept) size() int { return k.frame.Len() + len(k.body) }

// newKept keeps what was delivered; m is nil for what is for the session alone.
func newKept(f *wsconn.Frame, m *bus.Message) kept {
	k := kept{frame: f.Unstamped(), at: time.Now()} // how long a client is away says nothing of the node
	if m != nil && outlives(m.Kind) {
		k.body, k.id, k.format, k.key = m.Body, m.ID, m.Format, keyOf(m.ID, m.Body)
		k.all = m.Kind == bus.KindAll
	}
	return k
}

// outlives reports whether what is delivered is for the tab, and not for one
// connection of it alone.
func outlives(kind bus.Kind) bool { return kind != bus.KindChan && kind != bus.KindConn }

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

	barriers barriers

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

// verdict is what becomes of a delivery that the socket has not taken.
type verdict uint8

const (
	settled verdict = iota // there is nothing left to do
	again                  // ask the socket once more
	handed                 // the socket has been given it, and may be crowded
)

// keep takes a delivery that the socket has not taken, as it said with r. Any
// goroutine.
func (t *tab) keep(f *wsconn.Frame, m *bus.Message, r wsconn.Result) verdict {
	k := newKept(f, m)
	t.mu.Lock()
	defer t.mu.Unlock()
	open := t.mu.state == tabOpen
	switch {
	case open && r == wsconn.Shut && !t.mu.shut:
		return again // it has been opened in between
	case !t.firstLocked(&k):
		return settled
	case open && r == wsconn.Shut && t.mu.pairs != nil:
		// Under the lock, or what the last holder hands over could come between: then
		// what follows this one would be told before it.
		if t.session.Enqueue(f) != wsconn.Rejected {
			return handed
		}
		t.keepLocked(k)
	case t.mu.state != tabGone:
		t.keepLocked(k)
	default:
		t.passOnLocked(k)
	}
	return settled
}

// passOnLocked gives what still comes to whoever has taken over.
func (t *tab) passOnLocked(k kept) {
	n := t.session.node
	switch next := t.mu.next; {
	case k.all || k.body == nil:
	case next.local != nil:
		// A tab is locked before those that come after it.
		if k.adapt(t.session, next.local.session) {
			next.local.late(k, t.session.id.String())
		}
	case next.remote != "":
		n.publishPart(next.remote, t.session, &k, time.Now())
	}
}

// adapt makes what was kept for one session fit for another, and reports whether
// that can be.
func (k *kept) adapt(from, to *session) bool {
	if k.body == nil {
		return false // for that session alone
	}
	if from.Group() == to.Group() {
		return true
	}
	frame, err := to.node.pushFrame(to.voice(), k.body, k.format)
	k.frame = frame
	return err == nil
}

// late takes what a holder of the tab hands over: from the conn-id of the last
// one, or of one that was not known when this session opened. Any goroutine.
func (t *tab) late(k kept, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	opening := t.mu.state == tabOpening
	switch {
	case !opening && t.mu.pairs == nil:
		if !k.at.Before(t.mu.since) {
			return // it was heard here too
		}
	case !opening && from != t.mu.last:
		if t.recentLocked(&k) && !t.newLocked(k.key) {
			return
		}
	case !opening && t.recentLocked(&k) && !t.pairLocked(k.key, -1):
		return
	}
	if opening {
		t.mu.handed = append(t.mu.handed, k)
		return
	}
	t.session.node.tabs.handed.Add(1)
	switch {
	case t.mu.state == tabGone:
		t.passOnLocked(k)
	case t.polls != nil:
		t.offerLocked(k, false)
	case t.mu.state == tabOpen && t.session.Enqueue(k.frame) != wsconn.Rejected:
	default:
		t.keepLocked(k)
	}
}

func (t *tab) keepLocked(k kept) {
	n := t.session.node
	size := k.size()
	// One message always fits, as in the queue of a connection.
	for i := len(t.mu.box); i > 0 && (i >= n.opts.QueueMessages || t.mu.bytes+size > n.opts.QueueBytes); i = len(t.mu.box) {
		t.dropFirstLocked()
		t.mu.dropped++
		n.tabs.dropped.Add(1)
	}
	t.mu.box = append(t.mu.box, k)
	t.mu.bytes += size
	n.tabs.kept.Add(1)
}

func (t *tab) dropFirstLocked() {
	t.mu.bytes -= t.mu.box[0].size()
	t.mu.box[0] = kept{}
	if t.mu.box = t.mu.box[1:]; len(t.mu.box) == 0 {
		t.mu.box = nil
	}
}

// takeLocked empties the box; dropped is how much found no room in it.
func (t *tab) takeLocked() (box []kept, dropped int) {
	box, dropped = t.mu.box, t.mu.dropped
	t.mu.box, t.mu.bytes, t.mu.dropped = nil, 0, 0
	return box, dropped
}

// yield stops what the tab has been delivering: from now on all is kept, for
// somebody newer who is taking over. The socket is closed. ok is false where the
// tab has ended. Any goroutine.
func (t *tab) yield() (form dialect.Form, owed map[uint64]int, ok bool) {
	s := t.session
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == tabGone {
		return form, nil, false
	}
	if !t.mu.yielded {
		t.mu.yielded = true
		s.node.tabs.replaced.Add(1)
		if t.mu.state != tabOpening { // else see settle
			t.yieldLocked()
		}
	}
	return t.form, t.owedLocked(), true
}

func (t *tab) yieldLocked() {
	s := t.session
	o := &s.node.opts.Sente
	if t.polls != nil {
		t.mu.pollState.endLocked(0) // its client has moved on
		t.graceLocked(o.ReconnectAjax)
		return
	}
	if t.mu.state == tabOpen {
		t.mu.state = tabParked
		s.Conn.Shut(&s.user.Open, nil)
		s.Conn.Shut(&t.sub.Open, nil)
		s.CloseAsync(wsconn.StatusNormal, closedByNewer)
	}
	t.graceLocked(o.ReconnectWS)
}

// closedByNewer is the close reason of a socket whose client has another one.
const closedByNewer = "replaced by a newer connection of the same client"
