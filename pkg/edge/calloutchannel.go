package edge

import (
	"errors"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// keyword is what refuses an operation on a channel, empty where it is allowed.
func (r ruling) keyword() string {
	switch r.end {
	case calloutAllowed:
		return ""
	case calloutDenied:
		return dialect.Forbidden
	default:
		return dialect.Unavailable
	}
}

// consult asks whether a session may do something in a channel. It is known
// where that is; otherwise then hears it on the session's loop, unless there is an
// error of the bus. Loop only.
func (n *Node) consult(kind bus.CalloutKind, s *session, token string, then func(ruling)) (r ruling, known bool, err error) {
	c := n.callouts
	body, key := c.channel(kind, s, token)
	if r, known = c.cached(kind, key); known {
		n.ruled(s, kind, r)
		return r, true, nil
	}
	return ruling{}, false, c.ask(kind, body, key, func(r ruling) {
		s.post(func() {
			n.ruled(s, kind, r)
			then(r)
		})
	})
}

// ruled writes of what a backend has denied. Loop only.
func (n *Node) ruled(s *session, kind bus.CalloutKind, r ruling) {
	if r.end != calloutDenied {
		return
	}
	event := secSubscribe
	if kind == bus.CalloutPublish {
		event = secPublish
	}
	n.forbidden(s, event, "callout")
}

// askSubscribe asks about a subscribe, if backends are to be: wait is nil where
// there is nothing to wait for, and then the keyword refuses it. Loop only.
func (n *Node) askSubscribe(s *session, token string) (wait *awaited, keyword string) {
	if !n.callouts.about(bus.CalloutSubscribe, token) {
		return nil, ""
	}
	w := &awaited{token: token}
	r, known, err := n.consult(bus.CalloutSubscribe, s, token, func(r ruling) { n.subscribeRuled(s, w, r) })
	switch {
	case err != nil:
		return nil, dialect.Unavailable
	case known:
		return nil, r.keyword()
	}
	return w, ""
}

// subscribeRuled goes on with a subscribe that has waited for a backend. Loop
// only.
func (n *Node) subscribeRuled(s *session, w *awaited, r ruling) {
	if s.closed {
		return
	}
	a := s.waiting().of(w)
	if a == nil {
		return
	}
	a.wait, a.ready = nil, true
	if a.keyword = r.keyword(); a.keyword == "" {
		a.sub, a.keyword, a.ready = n.joinLate(s, w.token, false)
	}
	n.tellDue(s)
}

// askPublish asks about a publish, if backends are to be. The message is to be
// held back where it is true; otherwise the keyword refuses it. Loop only.
func (n *Node) askPublish(s *session, token string) (keyword string, hold bool) {
	if !n.callouts.about(bus.CalloutPublish, token) {
		return "", false
	}
	q := &question{channel: token, held: true}
	var r ruling
	var known bool
	err := n.handOver(s, func() (err error) {
		r, known, err = n.consult(bus.CalloutPublish, s, token, func(r ruling) {
			q.keyword = r.keyword()
			s.answered(q)
		})
		return err
	})
	switch {
	case known:
		return r.keyword(), false
	case err == nil:
		s.ask(q)
		return "", true
	case errors.Is(err, bus.ErrFull):
		return "", true
	}
	return dialect.Unavailable, false
}

// greet has a session that has just opened join what a backend has said, behind the
// handshake. Loop only.
func (n *Node) greet(s *session) {
	if w := s.extra.welcome; w != nil && len(w.channels) > 0 {
		s.post(func() { n.enroll(s, w.channels) })
	}
}

// handshakeData is what the handshake says beside, nil for nothing. Loop only.
func (s *session) handshakeData() []byte {
	if s.extra == nil || s.extra.welcome == nil {
		return nil
	}
	return s.extra.welcome.data
}

// enroll subscribes a session to what a backend has said when it let it connect.
// Loop only.
func (n *Node) enroll(s *session, channels []string) {
	if s.closed {
		return
	}
	for _, token := range channels {
		a := answer{channel: s.voice().AppendName(nil, channelText(token)), ready: true}
		a.sub, a.keyword, a.ready = n.joinLate(s, token, true)
		n.giveOrOwe(s, a)
	}
}
