package bus

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// The headers of an ask. On what a backend publishes stands [HeaderAsk]; nodes
// say the others on its reply subject, where each message has [HeaderNode].
const (
	HeaderAsk      = "Hoshi-Ask"      // milliseconds in which answers are gathered
	HeaderAsked    = "Hoshi-Asked"    // how many connections of a node have been asked
	HeaderAnswered = "Hoshi-Answered" // how many of them have answered: the node is done
	HeaderNode     = "Hoshi-Node"     // node-id of who says so
)

// HeaderFlush is on a push that what has been gathered for a client must not
// wait with: its only value is 1.
const HeaderFlush = "Hoshi-Flush"

// MinAsk and MaxAsk are the times that an ask may take.
const (
	MinAsk = time.Millisecond
	MaxAsk = time.Minute
)

// maxAskDigits is the length of the longest number of milliseconds.
const maxAskDigits = 5

// parseAsk returns the time of an ask. There is one text for each number, so
// that nothing else can be meant by it.
func parseAsk(s string) (time.Duration, bool) {
	n, ok := parseCount(s)
	d := time.Duration(n) * time.Millisecond
	return d, ok && len(s) <= maxAskDigits && d >= MinAsk && d <= MaxAsk
}

// parseCount reads decimal digits as strconv writes them.
func parseCount(s string) (int, bool) {
	if s == "" || len(s) > 9 || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// readAsk fills in what the headers of a push say about how it is to be
// delivered. Who asks must say where answers go, and everyone is too many.
func readAsk(msg *Message, h nats.Header) (drop, bool) {
	if v := h[HeaderFlush]; len(v) > 0 {
		if msg.Flush = v[0] == "1"; !msg.Flush {
			return dropHeader, false
		}
	}
	v := h[HeaderAsk]
	if len(v) == 0 {
		return 0, true
	}
	var ok bool
	msg.Ask, ok = parseAsk(v[0])
	ok = ok && len(v) == 1 && msg.ReplyTo != "" && msg.Kind != KindAll
	return dropAsk, ok
}

// askHeaderBytes bounds what the headers of an askSaid take on the wire.
const askHeaderBytes = 3*24 + 12 + 2*10

// askSaid is what a node says on the reply subject of an ask beside a body.
type askSaid struct {
	node            string
	asked, answered int // negative: not said
}

// headers returns the values of HeaderAsked and HeaderAnswered.
func (s *askSaid) headers() (asked, answered string) {
	if s.asked >= 0 {
		asked = strconv.Itoa(s.asked)
	}
	if s.answered >= 0 {
		answered = strconv.Itoa(s.answered)
	}
	return asked, answered
}

// Asked tells who has asked how many connections of this node that reached, and
// is called once for each ask. 0 says that the node is done, too; any other number
// is accepted whatever waits already, since its sender cannot wait. Errors as of
// Publish. It never blocks.
func (n *Node) Asked(replyTo string, count int) error {
	said := &askSaid{node: n.answer.node, asked: count, answered: -1}
	if count == 0 {
		said.answered = 0
	}
	return n.Publish(&Outgoing{Subject: replyTo, Urgent: count > 0, ask: said})
}

// Answered tells who has asked that the node is done, and how many of its
// connections have answered. It is accepted whatever waits already.
func (n *Node) Answered(replyTo string, count int) error {
	return n.Publish(&Outgoing{Subject: replyTo, Urgent: true, ask: &askSaid{node: n.answer.node, asked: -1, answered: count}})
}

// Answer passes on what one connection has answered: p.Subject is the reply
// subject of the ask, p.Body one valid value in p.Format, and p.Conn, p.UID and
// p.Client say who answers. Errors as of Publish. It never blocks.
func (n *Node) Answer(p *Outgoing) error {
	out := *p
	out.ask = &n.answer
	return n.Publish(&out)
}

// contentTypeOfAnswer declares what is not EDN: unlike an event's, a body that is
// only data does not tell.
func contentTypeOfAnswer(f codec.Format) string {
	if f == codec.EDN {
		return ""
	}
	return contentTypes[f]
}

// newAnswer is what all answers of a node say.
func newAnswer(node id.Node) askSaid { return askSaid{node: node.String(), asked: -1, answered: -1} }
