package edge

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// The security log: one line for each thing that an operator may have to look
// into, at a bounded rate for each kind, in which nothing stands that opens a
// door: no token, cookie, query or payload. See docs/access.md.

// securityEvent is a kind of line.
type securityEvent uint8

const (
	secHandshake securityEvent = iota
	secToken
	secOrigin
	secCSRF
	secCallout
	secLimit
	secSubscribe
	secPublish
	secEvent
	secRefresh
	// The audit trail: what administrators have done, or wanted to. It is written
	// whatever the log level, which is theirs to change.
	secRevoked
	secKicked
	secAdmin
	secTraced
	secDrained
	secLevel
	secEvents // keep last
)

// securityNames are what the field event says.
var securityNames = [secEvents]string{
	secHandshake: "handshake-refused",
	secToken:     "token-refused",
	secOrigin:    "origin-refused",
	secCSRF:      "csrf-refused",
	secCallout:   "callout-denied",
	secLimit:     "limit-reached",
	secSubscribe: "subscribe-forbidden",
	secPublish:   "publish-forbidden",
	secEvent:     "event-forbidden",
	secRefresh:   "refresh-refused",
	secRevoked:   "revoked",
	secKicked:    "kicked",
	secAdmin:     "request-refused",
	secTraced:    "traced",
	secDrained:   "drained",
	secLevel:     "log-level-set",
}

// Of each kind a burst of lines is written, and then one a second.
const (
	securityBurst = 5
	securityEvery = time.Second
)

// securityLog writes those lines. Safe for concurrent use; what is left out costs
// a clock and two atomic operations.
type securityLog struct {
	// Fixed after setUp.
	log     zerolog.Logger
	started time.Time

	kinds [secEvents]struct {
		// next is when the kind has used up none of its burst, in nanoseconds since
		// started: each line puts it off by securityEvery.
		next       atomic.Int64
		suppressed atomic.Uint64 // since the last line
	}
}

func (l *securityLog) setUp(log *zerolog.Logger, started time.Time) {
	l.log = log.With().Str("component", "security").Logger()
	l.started = started
}

// line begins a line, nil where it is to be left out: then nothing needs to be
// formatted.
func (l *securityLog) line(kind securityEvent, reason string) *zerolog.Event {
	k := &l.kinds[kind]
	now := int64(time.Since(l.started))
	for {
		next := k.next.Load()
		if next-now > int64((securityBurst-1)*securityEvery) {
			k.suppressed.Add(1)
			return nil
		}
		if k.next.CompareAndSwap(next, max(next, now)+int64(securityEvery)) {
			break
		}
	}
	return l.begin(kind).Str("event", securityNames[kind]).Str("reason", reason).Func(func(e *zerolog.Event) {
		if left := k.suppressed.Swap(0); left > 0 {
			e.Uint64("suppressed", left)
		}
	})
}

// begin is a line at the level of its kind, nil where that is not written.
func (l *securityLog) begin(kind securityEvent) *zerolog.Event {
	if kind < secRevoked {
		return l.log.Warn() //nolint:zerologlint // who has asked for the line sends it
	}
	level := zerolog.LevelInfoValue
	if kind == secAdmin {
		level = zerolog.LevelWarnValue
	}
	return l.log.Log().Str(zerolog.LevelFieldName, level) //nolint:zerologlint // see above
}

// Messages of the lines, by what they are about.
const (
	msgRefused = "refused"
	msgCarried = "carried out"
	msgAsked   = "asked for"
)

// maxLogged bounds each text in a line that somebody else has chosen, in bytes.
const maxLogged = 128

// clip bounds a text that somebody else has chosen, and leaves out of it what
// could disturb a terminal.
func clip(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged] + ".."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

// kindOf returns the kind of line about a refused request, and false for what is no
// matter of security: that NATS is away, or a node stops.
func kindOf(r *refusal) (securityEvent, bool) {
	switch {
	case r.reason == refuseCSRF.reason:
		return secCSRF, true
	case r.reason == refuseOrigin.reason:
		return secOrigin, true
	case r == refuseKeys, r == refuseUnavailable, r == refuseDraining:
		return 0, false
	case r.reason == refuseNoToken.reason, strings.HasPrefix(r.reason, "token-"):
		return secToken, true
	case strings.HasPrefix(r.reason, "callout"):
		return secCallout, true
	case r.status == http.StatusTooManyRequests, r.status == http.StatusServiceUnavailable:
		return secLimit, true
	}
	return secHandshake, true
}

// refusedRequest writes of a request that was refused.
func (l *securityLog) refusedRequest(r *refusal, from netip.Addr, path, origin string) {
	kind, ok := kindOf(r)
	if !ok {
		return
	}
	e := l.line(kind, r.reason)
	if e == nil {
		return
	}
	if from.IsValid() {
		e = e.Stringer("address", from)
	}
	if path != "" {
		e = e.Str("path", clip(path))
	}
	if origin != "" {
		e = e.Str("origin", hostOf(origin))
	}
	e.Msg(msgRefused)
}

// hostOf returns of an origin the host alone: what calls itself an origin can be a
// url with anything in it.
func hostOf(origin string) string {
	if len(origin) > 1024 {
		return "malformed"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return "malformed"
	}
	return clip(u.Host)
}

// guard lets nobody in whose identity has been revoked, whoever vouches for it, and
// writes of who is not let in.
func (n *Node) guard(a *admission) {
	done := a.done
	a.done = func(who *identity, refused *refusal) {
		if refused == nil {
			if refused = n.revoker.judge(who); refused == nil {
				done(who, nil)
				return
			}
		}
		if kind, _ := kindOf(refused); kind != secLimit { // see refuse, and refuseAjax
			origin := ""
			for v := range a.from.Values("Origin") {
				origin = v
				break
			}
			n.security.refusedRequest(refused, a.from.addr, a.path, origin)
		}
		done(nil, refused)
	}
}

// limited writes of a request that was refused because a limit is reached. Loop
// only.
func (n *Node) limited(s *session, refused *refusal) {
	if kind, is := kindOf(refused); is && kind == secLimit {
		n.security.refusedRequest(refused, s.RemoteAddr().Addr().Unmap(), "", "")
	}
}

// ajaxWriter remembers of which request an answer is.
type ajaxWriter struct {
	http.ResponseWriter

	r *http.Request
}

// Unwrap is for http.ResponseController.
func (w ajaxWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// limitedAjax is limited for a request of net/http, whose address is that of the
// client.
func (n *Node) limitedAjax(w http.ResponseWriter, refused *refusal) {
	if kind, is := kindOf(refused); !is || kind != secLimit {
		return
	}
	var from netip.Addr
	path := ""
	if a, ok := w.(ajaxWriter); ok {
		from, path = addrOf(a.r), a.r.URL.Path
	}
	n.security.refusedRequest(refused, from, path, "")
}

// addrOf is the address of a client of net/http.
func addrOf(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // invalid where it is none
	return from.Addr().Unmap()
}

// forbidden writes of a session that may not do what it wants. Loop only.
func (n *Node) forbidden(s *session, kind securityEvent, reason string) {
	e := n.security.line(kind, reason)
	if e == nil {
		return
	}
	if from := s.RemoteAddr().Addr().Unmap(); s.socketless() == nil && from.IsValid() {
		e = e.Stringer("address", from)
	}
	n.who(e, s).Msg(msgRefused)
}

// who names a session. Loop only.
func (n *Node) who(e *zerolog.Event, s *session) *zerolog.Event {
	e = e.Stringer("conn", s.id)
	if s.user != nil {
		e = e.Str("uid", nameOf(s.user.Topic().Key()))
	}
	return e
}

// nameOf is the name behind a token, for people.
func nameOf(token string) string {
	text, err := bus.ParseToken(token)
	if err != nil {
		return clip(token)
	}
	return clip(string(text))
}

// refusedByServer writes of what the server of sockets has refused, and of limits
// that were reached there. Any goroutine.
func (n *Node) refusedByServer(from netip.Addr, reason string, limit bool) {
	kind := secHandshake
	if limit {
		kind = secLimit
	}
	e := n.security.line(kind, reason)
	if e == nil {
		return
	}
	if from.IsValid() {
		e = e.Stringer("address", from)
	}
	e.Msg(msgRefused)
}
