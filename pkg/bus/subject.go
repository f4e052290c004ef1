package bus

import (
	"strings"

	"github.com/hoshi-ws/hoshi/internal/id"
)

// MaxSubject is the longest subject in bytes that is ever sent. The server
// ends the connection of a client whose control line exceeds 4,096 bytes, and
// that connection carries a whole node.
const MaxSubject = 1024

// Subjects makes the subjects of one prefix. It is a small value and safe for
// concurrent use. Tokens come from [AppendToken] or [StringToken].
type Subjects struct {
	// Fixed.
	chanDot, userDot, clientDot, connDot, nodeDot, eventDot, apiDot, all string
	prefix                                                               string
}

// NewSubjects returns the subjects below prefix, which is one token.
func NewSubjects(prefix string) Subjects {
	return Subjects{
		prefix:    prefix,
		chanDot:   prefix + ".chan.",
		userDot:   prefix + ".user.",
		clientDot: prefix + ".client.",
		connDot:   prefix + ".conn.",
		nodeDot:   prefix + ".node.",
		eventDot:  prefix + ".event.",
		apiDot:    prefix + ".api.",
		all:       prefix + ".all",
	}
}

// Chan is the subject of a channel.
func (s *Subjects) Chan(token string) string { return s.chanDot + token }

// User is the subject of a user.
func (s *Subjects) User(token string) string { return s.userDot + token }

// Client is the subject of a client-id.
func (s *Subjects) Client(token string) string { return s.clientDot + token }

// Conn is the subject of one connection, whose node is read off its id.
func (s *Subjects) Conn(c id.Conn) string {
	return s.connDot + c.Node().String() + "." + c.String()
}

// Node is the subject of what nodes say to each other about one connection,
// with [Message.Tab].
func (s *Subjects) Node(c id.Conn) string {
	return s.nodeDot + c.Node().String() + "." + c.String()
}

// All is the subject of everyone.
func (s *Subjects) All() string { return s.all }

// Event is the subject of an event with this id, a keyword's text with its
// colon. The error matches ErrBadName.
func (s *Subjects) Event(id []byte) (string, error) {
	var scratch [256]byte
	b, err := AppendEventSubject(append(scratch[:0], s.eventDot...), id)
	if err != nil {
		return "", err
	}
	if len(b) > MaxSubject {
		return "", ErrBadSubject
	}
	return string(b), nil
}

// Interest is the subject of what [Node.Want] takes, a channel, user or client, and
// its token as a part of it: who keeps that keeps one string with the bus, and not two.
// Both are empty for other kinds.
func (s *Subjects) Interest(k Kind, token string) (subject, part string) {
	switch k {
	case KindChan:
		subject = s.chanDot + token
	case KindUser:
		subject = s.userDot + token
	case KindClient:
		subject = s.clientDot + token
	case KindNone, KindConn, KindAll, KindEvent, KindNode, KindAPI:
		return "", ""
	}
	return subject, subject[len(subject)-len(token):]
}

// parseSubject takes prefix.kind.token apart without a copy; conn and node have
// one more level. Kinds that nobody is handed are KindNone.
func parseSubject(prefix, subject string) (Kind, string) {
	if len(subject) <= len(prefix)+1 || subject[len(prefix)] != '.' || subject[:len(prefix)] != prefix {
		return KindNone, ""
	}
	rest := subject[len(prefix)+1:]
	level, token, dotted := strings.Cut(rest, ".")
	k := KindNone
	switch level {
	case "chan":
		k = KindChan
	case "user":
		k = KindUser
	case "client":
		k = KindClient
	case "api":
		k = KindAPI
	case "all":
		if !dotted {
			return KindAll, ""
		}
		return KindNone, ""
	case "conn", "node":
		i := strings.IndexByte(token, '.')
		if i < 0 {
			return KindNone, ""
		}
		k, token = KindConn, token[i+1:]
		if level == "node" {
			k = KindNode
		}
	}
	// A token has no dots: one more level is nothing of ours.
	if k == KindNone || token == "" || strings.IndexByte(token, '.') >= 0 {
		return KindNone, ""
	}
	return k, token
}

// goodToken says whether a token can stand in a subject that is published or
// subscribed. Tokens come from AppendToken; this guards the connection against
// everything else.
func goodToken(s string) bool { return s != "" && len(s) <= MaxToken && goodLevels(s, false) }

// goodLevels checks the bytes of one token, or of several levels.
func goodLevels(s string, dots bool) bool {
	if s == "" {
		return false
	}
	prev := byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if !dots || prev == '.' {
				return false
			}
		case c <= ' ', c >= 0x7f, c == '*', c == '>':
			return false
		}
		prev = c
	}
	return prev != '.'
}

// fnv1a is the hash that pins a subject to a shard. It must not depend on the
// process: operators compare nodes.
func fnv1a(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
