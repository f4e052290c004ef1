package bus

import (
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// CalloutKind is what a node asks a backend to decide.
type CalloutKind uint8

// The call-outs.
const (
	CalloutConnect   CalloutKind = iota // may this client connect, and as whom?
	CalloutSubscribe                    // may it subscribe to this channel?
	CalloutPublish                      // may it publish in this channel?
	CalloutKinds     = iota             // how many there are
)

var calloutNames = [CalloutKinds]string{"connect", "subscribe", "publish"}

// String is the kind's level in a subject, as in hoshi.auth.connect.
func (k CalloutKind) String() string {
	if k < CalloutKinds {
		return calloutNames[k]
	}
	return "unknown"
}

// Callout is the subject that nodes ask on and backends answer.
func (s *Subjects) Callout(k CalloutKind) string { return s.prefix + ".auth." + k.String() }

// MaxCalloutAnswer is the largest answer that a node looks at, in bytes.
const MaxCalloutAnswer = 64 << 10

// MaxHandshakeData is the largest :handshake-data that it tells a client, in
// bytes of the format in which it comes.
const MaxHandshakeData = 16 << 10

// CallID names a request that waits, for Cancel.
type CallID uint64

// Call is [Node.Request] whose sender may give up before the node's
// RequestTimeout: by Cancel. Reply may be called before it returns. It may wait where
// clients' own requests are too many.
func (n *Node) Call(subject string, f codec.Format, body []byte, key any) (CallID, error) {
	if !n.goodSubject(subject) {
		n.pub.refused.add(refusedSubject)
		return 0, ErrBadSubject
	}
	id, err := n.requests.add(key, true)
	if err != nil {
		n.pub.refused.add(refusedRequests)
		return 0, err
	}
	if err := n.pub.put(item{Outgoing: Outgoing{Subject: subject, Body: body, Format: f}, request: id}); err != nil {
		if _, ok := n.requests.take(id); ok {
			return 0, err
		}
		return 0, nil // lost in between: the key has had its Reply
	}
	n.requests.made.Add(1)
	return CallID(id), nil
}

// Cancel ends a Call and reports true, or false if it has ended: then
// Handler.Reply has been called for it, or is being called. After true it is not.
func (n *Node) Cancel(id CallID) bool {
	_, ok := n.requests.take(uint64(id))
	if ok {
		n.requests.outcome.add(outcomeTimeout)
	}
	return ok
}

// Admission is what a backend may say of a client that it lets connect. The zero
// value says nothing beside.
type Admission struct {
	// UID is the user that the client is, in place of whom its token says. The
	// zero value leaves that as it is.
	UID Name
	// HandshakeData is a value for the client's application, EDN text of at most
	// [MaxHandshakeData] bytes; nil is none.
	HandshakeData []byte
	// Channels are those that the client is subscribed to from the start.
	Channels []Name
	// ExpiresIn is when the connection ends, with 4401, in whole seconds rounded
	// up; 0 is never.
	ExpiresIn time.Duration
}
