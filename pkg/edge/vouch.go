package edge

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

// A session that polls has no connection that somebody has been let in on: each of
// its requests brings a token of its own, is asked about by itself, and may come
// to another node. What one of them may do is what is known of who has sent it.

// vouch makes the session's person that of the request which is about to be
// carried out, nil for a stranger. Loop only, of a session that polls.
func (s *session) vouch(p *person) {
	now := s.person()
	if s.closed || !s.open || now.same(p) {
		return
	}
	s.node.revoker.forget(s)
	if p != nil {
		mine := *p // it may be vouched for again, when others have found this one
		p = &mine
	}
	s.more().person = p
	s.node.revoker.watch(s)
	s.tidy()
}

// same reports whether two are the same in all that anybody asks for. Both may be
// nil.
func (p *person) same(q *person) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.UID == q.UID && p.ID == q.ID && p.Issuer == q.Issuer && p.as == q.as && p.grant == q.grant &&
		p.IssuedAt.Equal(q.IssuedAt) && p.Expires.Equal(q.Expires) && p.until.Equal(q.until)
}

// personOf is who sends a request, nil for a stranger.
func (n *Node) personOf(w *identity) *person {
	return n.newPerson(w.who, w.until, w.as)
}

// vouched is a person as one node tells another: of the claims only what the rules
// ask for, as nodes have the same.
type vouched struct {
	UID     string      `json:"u,omitempty"`
	ID      string      `json:"i,omitempty"`
	Issuer  string      `json:"s,omitempty"`
	As      string      `json:"a,omitempty"`
	Issued  moment      `json:"t"`
	Expires moment      `json:"e"`
	Until   moment      `json:"n"`
	Claims  heldByOther `json:"c,omitempty"`
}

// moment is a time in seconds since 1970, and nanoseconds. The year does not
// matter, as it does in text.
type moment [2]int64

func momentOf(t time.Time) moment { return moment{t.Unix(), int64(t.Nanosecond())} }

func (m moment) time() time.Time {
	t := time.Unix(m[0], m[1])
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

// heldByOther are names of claims with values that they equal or contain. It
// implements rules.Claims.
type heldByOther [][2]string

// Holds reports whether the pair is among them.
func (h heldByOther) Holds(name, value string) bool {
	return slices.Contains(h, [2]string{name, value})
}

// tellPerson is the word for a person in what one node says to another; empty for
// a stranger.
func (n *Node) tellPerson(p *person) string {
	if p == nil {
		return ""
	}
	text, err := json.Marshal(vouched{
		UID: p.UID, ID: p.ID, Issuer: p.Issuer, As: p.as,
		Issued: momentOf(p.IssuedAt), Expires: momentOf(p.Expires), Until: momentOf(p.until),
		Claims: n.access.policy.Held(p.grant),
	})
	if err != nil { // it has nothing that cannot be written
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// toldPerson reads that word.
func (n *Node) toldPerson(word string) (p *person, ok bool) {
	if word == "" {
		return nil, true
	}
	text, err := base64.RawURLEncoding.DecodeString(word)
	var v vouched
	if err != nil || json.Unmarshal(text, &v) != nil {
		return nil, false
	}
	p = &person{
		Identity: auth.Identity{UID: v.UID, ID: v.ID, Issuer: v.Issuer, IssuedAt: v.Issued.time(), Expires: v.Expires.time()},
		until:    v.Until.time(),
		as:       v.As,
	}
	p.grant = n.access.policy.Grant(p.name(), v.Claims)
	return p, true
}
