package wsconn

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/hoshi-ws/hoshi/internal/limit"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// Limits are what clients may have and may do. The zero value of each field is its default.
type Limits struct {
	// Conns bounds the connections of the server: upgrades that a handler has been given or has accepted, and what
	// Server.Open adds. An upgrade beyond it is refused with 503; plain requests are not. Default: what the limit of
	// descriptors of the process leaves, see DefaultConns. Negative is no limit.
	Conns int
	// ConnsPerAddr bounds those of one address, and refuses with 429. Default no limit. Where there is a proxy in front,
	// all clients have its address unless Options.ProxyFrom or ForwardedFrom say otherwise.
	ConnsPerAddr int
	// HandshakeRate and HandshakeRatePerAddr bound upgrades in a second, of which twice as many may come at once. Beyond
	// them they are refused with 503 and 429. Default no limit.
	HandshakeRate        int
	HandshakeRatePerAddr int
	// Heads bounds the sockets that have not been upgraded: those whose request has not come, is being refused, or is
	// too late. What is beyond is closed at once. Default 10,000, or a quarter of the descriptors. Negative is no limit.
	Heads int
	// HeadsPerAddr bounds those of one address, other than of proxies. Default half of Heads. Negative is no limit.
	HeadsPerAddr int
	// EventRate and ByteRate bound what is read of each connection in a second: frames, of any kind, and bytes of their
	// payload, or of what that inflates to. Twice as much may come at once, and one message of the largest size. Who
	// sends more is not read for a while. Default no limit.
	EventRate int
	ByteRate  int
	// Fragments bounds the frames of one message: beyond it the connection is closed with 1009. Default 1,024, and one
	// for each 16 bytes of the largest message: who needs more sends less than a frame's header costs in each.
	Fragments int
}

// descriptorReserve is kept of the descriptors of the process for what is no client, and a twentieth of them on top. Of
// that, half is for sockets that are not upgraded yet.
const descriptorReserve = 64

// DefaultConns is how many connections a process may have that may open so many descriptors: the rest is for NATS,
// files, plain requests, and for those who are told that the server is full.
func DefaultConns(descriptors int) int {
	return max(descriptors-descriptorReserve-descriptors/20, descriptors/2, 1)
}

// defaultHeads is how many sockets may be without an upgrade.
const defaultHeads = 10_000

// withDefaults returns l with 0 for no limit, and how many sockets there may be in all, which is 0 for the same.
func (l Limits) withDefaults() (_ Limits, sockets int) {
	descriptors := descriptorLimit()
	def := func(v *int, d int) {
		switch {
		case *v == 0:
			*v = d
		case *v < 0:
			*v = 0
		}
	}
	conns, heads := 0, defaultHeads
	if descriptors > 0 {
		conns, heads = DefaultConns(descriptors), min(heads, max(descriptors/4, 1))
		sockets = conns + (descriptors-conns)/2
	}
	def(&l.Conns, conns)
	def(&l.ConnsPerAddr, 0)
	def(&l.HandshakeRate, 0)
	def(&l.HandshakeRatePerAddr, 0)
	def(&l.Heads, heads)
	def(&l.HeadsPerAddr, (l.Heads+1)/2)
	def(&l.EventRate, 0)
	def(&l.ByteRate, 0)
	return l, sockets
}

// Refusal is how an upgrade beyond a limit is answered.
type Refusal struct {
	Reason string // a small set, fit for a metric label
	Status int
	Body   string
	Header []string // names and values in turn
	count  int      // where it is counted
}

// The refusals of limits.
var (
	refuseFull = &Refusal{
		Reason: "full", Status: http.StatusServiceUnavailable, count: refusedFull,
		Body:   "This node has as many connections as it may. Try again, or another node.\n",
		Header: []string{"Retry-After", "5"},
	}
	refuseRate = &Refusal{
		Reason: "handshake-rate", Status: http.StatusServiceUnavailable, count: refusedRate,
		Body:   "Too many come to this node at once. Try again.\n",
		Header: []string{"Retry-After", "1"},
	}
	refuseAddrFull = &Refusal{
		Reason: "address-connections", Status: http.StatusTooManyRequests, count: refusedAddrFull,
		Body:   "There are as many connections from this address as it may have.\n",
		Header: []string{"Retry-After", "5"},
	}
	refuseAddrRate = &Refusal{
		Reason: "address-handshake-rate", Status: http.StatusTooManyRequests, count: refusedAddrRate,
		Body:   "Too many come from this address at once. Try again.\n",
		Header: []string{"Retry-After", "1"},
	}
)

// shed is why a socket is closed without an answer.
type shed uint8

const (
	shedSockets   shed = iota // there are as many as descriptors allow
	shedHeads                 // so many have not been upgraded
	shedAddrHeads             // so many of one address
	shedCount
)

// String returns the name that metrics use.
func (w shed) String() string { return [...]string{"sockets", "heads", "address-heads"}[w] }

// gate is what a server's limits are kept with. Any goroutine.
type gate struct {
	limits  Limits
	sockets int // at most, 0: no limit
	rate    limit.Rate
	bucket  limit.Shared
	places  *limit.Places
	events  limit.Rate
	bytes   limit.Rate
}

func newGate(o *Options) *gate {
	l, sockets := o.Limits.withDefaults()
	twice := func(perSecond, least int) limit.Rate {
		return limit.NewRate(int64(perSecond), max(2*int64(perSecond), int64(least)))
	}
	return &gate{
		limits:  l,
		sockets: sockets,
		rate:    twice(l.HandshakeRate, 1),
		places:  limit.NewPlaces(limit.PlaceLimits{Conns: l.ConnsPerAddr, Waiting: l.HeadsPerAddr, Rate: twice(l.HandshakeRatePerAddr, 1)}),
		events:  twice(l.EventRate, 1),
		bytes:   twice(l.ByteRate, o.MaxMessage),
	}
}

// now is the time that limits are measured in. Any goroutine.
func (s *Server) now() time.Duration { return time.Since(s.epoch) }

// Place is a connection that Open has counted.
type Place struct{ at limit.Place }

// Open counts a connection of the owner's that has no socket here, such as one that polls, as an upgrade of this address:
// beyond a limit it says how to answer, and else Leave must follow, once. Any goroutine.
func (s *Server) Open(addr netip.Addr) (Place, *Refusal) {
	at, refused := s.open(addr, s.now())
	if refused != nil {
		s.totals.refused[refused.count].Add(1)
	}
	return Place{at}, refused
}

// Leave gives back what Open has counted. Any goroutine.
func (s *Server) Leave(p Place) {
	s.totals.conns.Add(-1)
	s.gate.places.Close(p.at, s.now())
}

// Knock counts a request as a handshake and no more: beyond a limit it says how to answer. Any goroutine.
func (s *Server) Knock(addr netip.Addr) *Refusal {
	now := s.now()
	var refused *Refusal
	switch {
	case !s.gate.places.Knock(addr, now):
		refused = refuseAddrRate
	case !s.gate.bucket.Allow(now, 1, s.gate.rate):
		refused = refuseRate
	default:
		return nil
	}
	s.totals.refused[refused.count].Add(1)
	return refused
}

// open counts a connection, or says why not.
func (s *Server) open(addr netip.Addr, now time.Duration) (limit.Place, *Refusal) {
	g := s.gate
	at, verdict := g.places.Open(addr, now) // first: one address must not use up what all have together
	switch verdict {
	case limit.TooOften:
		return 0, refuseAddrRate
	case limit.TooMany:
		return 0, refuseAddrFull
	default:
	}
	refused := refuseRate
	if g.bucket.Allow(now, 1, g.rate) {
		if n := s.totals.conns.Add(1); g.limits.Conns == 0 || n <= int64(g.limits.Conns) {
			return at, nil
		}
		s.totals.conns.Add(-1)
		refused = refuseFull
	}
	g.places.Close(at, now)
	return 0, refused
}

// enter counts a socket that has been accepted, or reports false: then it is to be closed. Only the first loop accepts.
func (s *Server) enter(first *loop) bool {
	g, t := s.gate, &s.totals
	var why shed
	switch {
	case g.sockets > 0 && t.sockets.Load() >= int64(g.sockets):
		why = shedSockets
	case g.limits.Heads > 0 && t.heads.Load() >= int64(g.limits.Heads):
		why = shedHeads
	default:
		t.sockets.Add(1)
		t.heads.Add(1)
		return true
	}
	first.n.shed[why]++
	first.tellLimit(netip.Addr{}, why.String())
	return false
}

// turnAway gives back what enter has counted, for a socket that is on no loop.
func (s *Server) turnAway() {
	s.totals.sockets.Add(-1)
	s.totals.heads.Add(-1)
}

// enter takes a socket among those that are not upgraded, or reports false: then it is to be closed.
func (l *loop) enter(c *Conn) bool {
	s := l.srv
	l.heads[c] = 0
	if s.gate.limits.HeadsPerAddr == 0 {
		return true
	}
	addr := l.headAddr(c)
	head, ok := s.gate.places.Wait(addr, l.uptime())
	if !ok {
		l.n.shed[shedAddrHeads]++
		l.tellLimit(addr, shedAddrHeads.String())
		return false
	}
	l.heads[c] = head
	return true
}

// headAddr returns the address whose head c is, which is its socket's; not valid where that is a proxy, which speaks for
// many.
func (l *loop) headAddr(c *Conn) netip.Addr {
	o := &l.srv.opt
	if addr := l.p.RemoteAddr(&c.sock).Addr(); !within(o.ProxyFrom, addr) && !within(o.ForwardedFrom, addr) {
		return addr
	}
	return netip.Addr{}
}

// admit decides whether a request may go on, and answers it if not. A plain one always may.
func (c *Conn) admit(r *handshake.Request) bool {
	if !r.Upgrade {
		return true
	}
	l := c.loop
	at, refused := l.srv.open(r.Addr, l.uptime())
	if refused != nil {
		l.n.refused[refused.count]++
		l.tellLimit(r.Addr, refused.Reason)
		c.respond(handshake.AppendRefusal(nil, refused.Status, "", refused.Body, r.Method != "HEAD", refused.Header...))
		return false
	}
	l.leaveHeads(c)
	if at != 0 {
		l.setPlace(c.sock.Slot(), at)
	}
	return true
}

// tellLimit tells the owner that a limit is reached.
func (l *loop) tellLimit(addr netip.Addr, reason string) {
	if f := l.srv.opt.Refused; f != nil {
		f(addr, reason, true)
	}
}

// noRequest counts a socket from which no request came that could be taken, and tells the owner; not of one that said
// nothing, as probes do, and browsers that connect in advance.
func (c *Conn) noRequest(why int) {
	l := c.loop
	l.n.refused[why]++
	if f := l.srv.opt.Refused; f != nil && why != refusedEOF && (why != refusedTimeout || c.in != nil) {
		addr := c.RemoteAddr().Addr()
		if c.in != nil && c.in.peer.IsValid() {
			addr = c.in.peer
		}
		f(addr, refusedName(why), false)
	}
}

// leaveHeads takes c out of those that are not upgraded.
func (l *loop) leaveHeads(c *Conn) {
	if head, ok := l.heads[c]; ok {
		delete(l.heads, c)
		l.srv.totals.heads.Add(-1)
		l.srv.gate.places.Leave(head, l.uptime())
	}
}

// demote makes an upgrade that is refused one of those again: it is nobody's connection, however long its peer takes.
func (l *loop) demote(c *Conn) {
	if _, ok := l.heads[c]; ok {
		return
	}
	l.leave(c)
	l.heads[c] = l.srv.gate.places.Return(l.headAddr(c), l.uptime())
	l.srv.totals.heads.Add(1)
}

// leave gives back the connection of c.
func (l *loop) leave(c *Conn) {
	l.srv.totals.conns.Add(-1)
	if slot := c.sock.Slot(); int(slot) < len(l.places) && l.places[slot] != 0 {
		l.srv.gate.places.Close(l.places[slot], l.uptime())
		l.places[slot] = 0
	}
}

// ended gives back all that c has, with its socket. Once for each that was attached.
func (l *loop) ended(c *Conn) {
	l.srv.totals.sockets.Add(-1)
	l.left(c)
}

// left is ended for a socket that others go on with.
func (l *loop) left(c *Conn) {
	delete(l.clients, c)
	if _, ok := l.heads[c]; ok {
		l.leaveHeads(c)
		return
	}
	l.leave(c)
}

// setPlace notes the place of a connection. Addresses are counted only where there is a limit for them, and then a
// connection costs four bytes more.
func (l *loop) setPlace(slot uint32, at limit.Place) {
	if int(slot) >= len(l.places) {
		grown := make([]limit.Place, max(int(slot)+1, len(l.places)+len(l.places)/4, 256))
		copy(grown, l.places)
		l.places = grown
	}
	l.places[slot] = at
}

// addrOf returns the address that c counts for, or else that of its socket.
func (l *loop) addrOf(c *Conn) netip.Addr {
	if slot := c.sock.Slot(); int(slot) < len(l.places) && l.places[slot] != 0 {
		return l.srv.gate.places.Addr(l.places[slot])
	}
	return c.RemoteAddr().Addr().Unmap()
}
