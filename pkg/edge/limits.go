package edge

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// Defaults of [LimitOptions].
const (
	DefaultMaxEventRate = 2000
	DefaultMaxByteRate  = 4 << 20
	DefaultMaxNesting   = 512
)

// LimitOptions are what clients may have and may do, beside what [Options] and
// [ChannelOptions] bound. Zero is the default, negative no limit. An address of
// IPv6 stands for its /64; behind a proxy all clients have its address, unless
// Options.ProxyFrom or ForwardedFrom name it.
type LimitOptions struct {
	// MaxConnections bounds the connections of the node, those of clients that
	// poll included: beyond it new ones are refused with 503. The default is what
	// the limit of descriptors of the process leaves, less 64 and a twentieth.
	// MaxConnectionsPerAddress bounds those of an address, MaxConnectionsPerUser
	// those of a uid on this node, but not of Sente's nil-uid: beyond them 429.
	// No limit by default.
	MaxConnections, MaxConnectionsPerAddress, MaxConnectionsPerUser int

	// MaxHandshakeRate and MaxHandshakeRatePerAddress bound the handshakes in a
	// second, of which twice as many may come at once: beyond them 503 and 429. No
	// limit by default.
	MaxHandshakeRate, MaxHandshakeRatePerAddress int

	// MaxHeads bounds the sockets whose request has not come, or is refused, and
	// MaxHeadsPerAddress those of an address: what is beyond is closed at once.
	// Defaults 10,000, or a quarter of the descriptors, and half of that.
	MaxHeads, MaxHeadsPerAddress int

	// MaxEventRate and MaxByteRate bound what a connection sends in a second: frames
	// of any kind, and bytes of payload. Twice as much may come at once. Who sends
	// more is not read for a while; a POST of a client that polls is refused with
	// 429. Defaults [DefaultMaxEventRate] and [DefaultMaxByteRate].
	MaxEventRate, MaxByteRate int

	// MaxCallbacks bounds the callbacks of a connection that wait for backends: who
	// has more is not read until one has ended. The default, and the most, is half
	// of Options.QueueMessages: all may be answered in one moment, when NATS goes
	// away, and then they must fit the send queue.
	MaxCallbacks int

	// MaxNesting bounds how deep values of a message may nest, the vectors of the
	// message counted: a deeper one is refused as one that is not legal. Default, and
	// the most that other formats could say, [DefaultMaxNesting]; at least 8.
	MaxNesting int

	// MaxFragments bounds the frames of one message, beyond which the connection is
	// closed with 1009. Default 1,024, and one for each 16 bytes of
	// Options.MaxMessage.
	MaxFragments int
}

// withDefaults fills what is 0, and reports what is wrong.
func (l *LimitOptions) withDefaults(queueMessages int) error {
	l.MaxEventRate = cmp.Or(l.MaxEventRate, DefaultMaxEventRate)
	l.MaxByteRate = cmp.Or(l.MaxByteRate, DefaultMaxByteRate)
	most := max(queueMessages/2, 1)
	l.MaxCallbacks = cmp.Or(l.MaxCallbacks, most)
	if l.MaxCallbacks < 1 || l.MaxCallbacks > most {
		return fmt.Errorf("MaxCallbacks must be from 1 to %d, half of QueueMessages, not %d", most, l.MaxCallbacks)
	}
	if l.MaxNesting = cmp.Or(l.MaxNesting, DefaultMaxNesting); l.MaxNesting < 8 || l.MaxNesting > DefaultMaxNesting {
		return fmt.Errorf("MaxNesting must be from 8 to %d, not %d", DefaultMaxNesting, l.MaxNesting)
	}
	if l.MaxFragments < 0 {
		return fmt.Errorf("MaxFragments must be at least 1, not %d", l.MaxFragments)
	}
	return nil
}

// ofSockets are those that package wsconn keeps.
func (l *LimitOptions) ofSockets() wsconn.Limits {
	return wsconn.Limits{
		Conns: l.MaxConnections, ConnsPerAddr: l.MaxConnectionsPerAddress,
		HandshakeRate: l.MaxHandshakeRate, HandshakeRatePerAddr: l.MaxHandshakeRatePerAddress,
		Heads: l.MaxHeads, HeadsPerAddr: l.MaxHeadsPerAddress,
		EventRate: l.MaxEventRate, ByteRate: l.MaxByteRate,
		Fragments: l.MaxFragments,
	}
}

// LimitStats is about the limits that the node itself keeps; those of sockets are
// in Stats.Sockets.
type LimitStats struct {
	Users            int    `json:"users"`             // that have connections, where those of a user are limited
	CallbacksHeld    uint64 `json:"callbacks_held"`    // how often a client had as many callbacks waiting as it may
	MaxSubscriptions uint64 `json:"max_subscriptions"` // subscribes refused since the connection had as many as it may
	MaxSubscribers   uint64 `json:"max_subscribers"`   // and since the channel had
	AjaxRate         uint64 `json:"ajax_rate"`         // POSTs refused since the client sends too fast
}

// limits is what the node keeps of them. Any goroutine.
type limits struct {
	// Fixed after setUp.
	perUser int
	events  limit.Rate // of a client that polls
	bytes   limit.Rate

	callbacksHeld    atomic.Uint64
	maxSubscriptions atomic.Uint64
	maxSubscribers   atomic.Uint64
	ajaxRate         atomic.Uint64

	// Of connections with a uid, where those of a user are limited.
	mu struct {
		sync.Mutex
		users    map[string]int // by token
		sessions map[*session]string
	}
}

func (l *limits) setUp(o *Options) {
	l.perUser = max(o.Limits.MaxConnectionsPerUser, 0)
	l.events = limit.NewRate(int64(o.Limits.MaxEventRate), 2*int64(o.Limits.MaxEventRate))
	l.bytes = limit.NewRate(int64(o.Limits.MaxByteRate), max(2*int64(o.Limits.MaxByteRate), int64(o.MaxMessage)))
	l.mu.users, l.mu.sessions = map[string]int{}, map[*session]string{}
}

func (l *limits) stats() LimitStats {
	l.mu.Lock()
	users := len(l.mu.users)
	l.mu.Unlock()
	return LimitStats{
		Users: users, CallbacksHeld: l.callbacksHeld.Load(), AjaxRate: l.ajaxRate.Load(),
		MaxSubscriptions: l.maxSubscriptions.Load(), MaxSubscribers: l.maxSubscribers.Load(),
	}
}

// Refusals by limits of the node itself.
var (
	refuseUser = &refusal{
		status: http.StatusTooManyRequests, reason: "user-connections",
		body:   "This user has as many connections to this node as one may have.\n",
		header: []string{"Retry-After", "5"},
	}
	refuseAjaxRate = &refusal{
		status: http.StatusTooManyRequests, reason: "ajax-rate",
		body:   "This client sends too much. Try again.\n",
		header: []string{"Retry-After", "1"},
	}
)

// enter counts a session of a user, or says that it has too many; leave must
// follow. One that takes the place of another that counts is let in: that one
// goes. Tabs that wait for their client have no connection to give.
func (l *limits) enter(s *session, uid string, replaces ...*session) *refusal {
	if l.perUser == 0 || uid == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := func(old *session) bool { return l.mu.sessions[old] == uid }
	if n := l.mu.users[uid]; n >= l.perUser && !slices.ContainsFunc(replaces, counts) {
		return refuseUser
	}
	l.mu.users[uid]++
	l.mu.sessions[s] = uid
	return nil
}

// leave gives back what enter has counted, if it has and nobody else did.
func (l *limits) leave(s *session) {
	if l.perUser == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	uid, counted := l.mu.sessions[s]
	if !counted {
		return
	}
	delete(l.mu.sessions, s)
	if l.mu.users[uid]--; l.mu.users[uid] == 0 {
		delete(l.mu.users, uid)
	}
}

// countUser counts who comes as a connection of its user, or refuses it.
func (n *Node) countUser(s *session, who *identity) *refusal {
	if n.limits.perUser == 0 {
		return nil
	}
	refused := n.limits.enter(s, who.uid)
	if refused == nil || who.client == "" {
		return refused
	}
	return n.limits.enter(s, who.uid, slices.Collect(n.holdersHere(who.clientToken, who.uidOrNil(), s))...)
}

// countPolls counts a session without a socket as a connection of the node, the
// address and the user, or refuses it. endPolls gives all back.
func (n *Node) countPolls(s *session, who *identity) *refusal {
	if refused := n.countUser(s, who); refused != nil {
		return refused
	}
	place, over := n.ws.Open(who.addr)
	if over != nil {
		n.limits.leave(s)
		return asRefusal(over)
	}
	p := s.socketless().polls
	p.place, p.counted = place, true
	return nil
}

// uncountPolls gives back what countPolls has counted, once. Loop only.
func (n *Node) uncountPolls(s *session) {
	n.limits.leave(s)
	if p := s.socketless().polls; p.counted {
		p.counted = false
		n.ws.Leave(p.place)
	}
}

// recovered is to be deferred by what runs for a session without a socket, in the
// place of its loop: a panic costs that session.
func (s *session) recovered() {
	v := recover()
	if v == nil {
		return
	}
	n := s.node
	n.panics.Add(1)
	n.badPush.Error().Stringer("conn", s.id).Type("value", v).Bytes("stack", debug.Stack()).Msg("panic in a session that polls")
	n.endTab(s.tab(), statusUnknown)
}

// asRefusal is a refusal of the server of sockets, which has counted it.
func asRefusal(r *wsconn.Refusal) *refusal {
	return &refusal{status: r.Status, reason: r.Reason, body: r.Body, header: r.Header}
}

// spend is what a client that polls has sent lately. Owned by the session's loop.
type spend struct{ events, bytes limit.Bucket }

// maySay takes a message of so many bytes of the client's budget, if that has as
// much.
func (l *limits) maySay(s *spend, now time.Duration, size int) bool {
	events := s.events // taken back if the bytes are too many
	if events.Allow(now, 1, l.events) && s.bytes.Allow(now, int64(size), l.bytes) {
		s.events = events
		return true
	}
	l.ajaxRate.Add(1)
	return false
}

// retryAfter is the header of an answer about a session of another node, which
// sends status and body alone.
func retryAfter(h http.Header, status int) {
	if status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
}
