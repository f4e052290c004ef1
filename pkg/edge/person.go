package edge

import (
	"net/http"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/auth/rules"
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// The operations that rules are about.
const (
	opSubscribe = rules.Subscribe
	opPublish   = rules.Publish
)

// person is who a token says that a session's client is. Owned by the session's
// loop.
type person struct {
	auth.Identity
	grant rules.Grant
	// Fixed before revocations can find it.
	session *session
	token   string // of the uid

	as string // the uid that a backend has said in place of the token's; empty where it has not

	until  time.Time   // when the certificate expires that was shown, or a backend's word, whatever tokens say; zero without one
	expiry *time.Timer // closes the session; nil where the token does not expire
}

// Close codes of access, of the range that RFC 6455 leaves to applications.
const (
	// StatusTokenExpired ends a connection whose token has expired: come back with
	// a new one.
	StatusTokenExpired = wsconn.StatusCode(4401)
)

// believe notes who the client is, until when that is good whatever tokens say,
// and as whom it goes by a backend's word, empty without one. Loop only.
func (s *session) believe(who *auth.Identity, until time.Time, as string) {
	if p := s.node.newPerson(who, until, as); p != nil {
		s.more().person = p
	}
}

// newPerson is who that is, nil for nobody.
func (n *Node) newPerson(who *auth.Identity, until time.Time, as string) *person {
	if who == nil {
		return nil
	}
	p := &person{Identity: *who, until: until, as: as}
	p.Expires = sooner(p.Expires, until)
	p.grant = n.access.policy.Grant(p.name(), who.Claims)
	p.Claims = nil // the grant has what matters of them
	return p
}

// name is the uid as which rules see it.
func (p *person) name() string {
	if p.as != "" {
		return p.as
	}
	return p.UID
}

// watchExpiry closes the session when its token expires, from when it is accepted
// on: unknow must follow. A client that polls is told with its next request. Loop
// only.
func (s *session) watchExpiry() {
	p := s.person()
	if p == nil || p.Expires.IsZero() || s.socketless() != nil {
		return
	}
	// A timer stands for no goroutine until it ends.
	p.expiry = time.AfterFunc(time.Until(p.Expires), func() { s.post(func() { s.lapse(p) }) })
}

// lapse closes the session of somebody whose token has expired, if that is still
// what counts. Loop only.
func (s *session) lapse(p *person) {
	switch {
	case s.person() != p || s.closed:
	case time.Now().Before(p.Expires): // the clock was set back
		s.watchExpiry()
	default:
		s.node.counts.refused("token-expired")
		s.Close(StatusTokenExpired, "token has expired")
	}
}

// person returns who a token says the client is, nil where there is none. Loop
// only.
func (s *session) person() *person {
	if s.extra == nil {
		return nil
	}
	return s.extra.person
}

// unknow ends the wait for the token's expiry. Loop only.
func (s *session) unknow() {
	if p := s.person(); p != nil && p.expiry != nil {
		p.expiry.Stop()
	}
}

// grant returns what rules are asked with. Loop only.
func (s *session) grant() rules.Grant {
	if p := s.person(); p != nil {
		return p.grant
	}
	return rules.Grant{}
}

// refresh takes a new token of the same user in place of the old one, so that
// the connection lives on. What comes behind waits, if that takes long. It runs on
// the loop.
func (n *Node) refresh(s *session, cmd *dialect.Command) wsconn.Verdict {
	keyword := dialect.BadRequest
	if p := s.person(); p != nil && n.access.verifier != nil {
		q := s.takeAnswer()
		if q == nil {
			q = &question{}
			s.ask(q)
			n.verify(string(cmd.Text), s.post, func(who auth.Identity, refused *refusal) {
				q.who, q.refused = who, refused
				s.answered(q)
			})
			if !q.answered {
				q.held = true
				return wsconn.Hold
			}
			s.forgetQuestion()
		}
		keyword = s.renew(p, q)
	}
	if keyword != "" {
		n.refusedMessage(s, refusedRefresh)
		n.forbidden(s, secRefresh, keyword[1:])
	}
	n.answerResult(s, cmd.Callback, keyword)
	return wsconn.Done
}

// renew returns the keyword that refuses a new token, empty where it is taken.
func (s *session) renew(p *person, q *question) string {
	switch r := q.refused; {
	case r != nil && r.status == http.StatusServiceUnavailable:
		return dialect.Unavailable
	case r != nil:
		return dialect.InvalidToken
	case q.who.UID != p.UID:
		return dialect.Forbidden
	case s.node.revoker.revoked(&q.who, p.token):
		return dialect.InvalidToken
	}
	s.unknow()
	s.believe(&q.who, p.until, p.as)
	s.watchExpiry()
	s.node.revoker.watch(s)
	return ""
}
