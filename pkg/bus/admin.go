package bus

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// The tokens of [KindAPI] that a node hears: what an administrator asks of all
// nodes. Backends may publish there only if they have been granted it.
const (
	APIRevoke = "revoke"
	APIKick   = "kick"
)

// API is the subject of a request to all nodes.
func (s *Subjects) API(token string) string { return s.apiDot + token }

// NodeRevoked is the subject on which nodes tell one of them, by its node-id, what
// has been revoked, with [Message.Tab]: no connection is meant.
func (s *Subjects) NodeRevoked(node string) string { return s.nodeDot + node + "." + TokenRevoked }

// TokenRevoked is the last token of that subject, which is no conn-id.
const TokenRevoked = "revoked"

// subscribeAPI is the part of subscribeBase that hears administrators. On the
// shard of the connections, as what nodes tell each other: that keeps its order.
func (n *Node) subscribeAPI(nc *nats.Conn, shard chan *nats.Msg) error {
	for _, token := range [...]string{APIRevoke, APIKick} {
		if _, err := nc.ChanSubscribe(n.subjects.API(token), shard); err != nil {
			return err
		}
	}
	return nil
}

// Told answers a request of [KindAPI], in its format: how many connections of this
// node it has closed. It is accepted whatever waits already. It never blocks.
func (n *Node) Told(replyTo string, f codec.Format, closed int) error {
	var body []byte
	if f == codec.JSON {
		body = append(body, `{"closed": `...)
	} else {
		f, body = codec.EDN, append(body, `{:closed `...)
	}
	body = append(strconv.AppendInt(body, int64(closed), 10), '}')
	return n.Publish(&Outgoing{Subject: replyTo, Body: body, Format: f, Urgent: true, ask: &n.answer})
}

// Refused answers a request of [KindAPI] that is not done, as [Node.ReplyError], and
// says who does not.
func (n *Node) Refused(replyTo, keyword string) {
	if !n.goodSubject(replyTo) || n.pub.put(item{Outgoing: Outgoing{Subject: replyTo, ask: &n.answer}, err: keyword}) != nil {
		n.pub.lost.add(lostReplyError)
	}
}

// Others are the node-ids of the nodes that have said in the last time that they
// are there, this one not among them; in the beginning of a connection those that
// have answered it.
func (n *Node) Others() []string { return n.control.others() }

// known are the other nodes that have been heard of. Guarded by mu; only the
// control goroutine changes it.
type known struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// forgetAfter is the number of heartbeats without which a node is not counted on
// any more, maxKnown bounds the nodes.
const (
	forgetAfter = 3
	maxKnown    = 4096
)

// heardOf notes that a node is there, and reports whether that is news.
func (k *known) heardOf(node string, now time.Time, forget time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	last, is := k.seen[node]
	if !is {
		if len(k.seen) >= maxKnown {
			return false
		}
		if k.seen == nil {
			k.seen = map[string]time.Time{}
		}
	}
	k.seen[node] = now
	return !is || now.Sub(last) > forget
}

// clear forgets all: they are asked for again.
func (k *known) clear() {
	k.mu.Lock()
	clear(k.seen)
	k.mu.Unlock()
}

// list returns who is there, in order.
func (k *known) list(now time.Time, forget time.Duration) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var nodes []string
	for node, last := range k.seen {
		if now.Sub(last) <= forget {
			nodes = append(nodes, node)
		} else {
			delete(k.seen, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// forgetNodes is the time after which a silent node is not counted on. A client does
// not know how often nodes speak.
func (c *control) forgetNodes() time.Duration {
	beat := c.o.heartbeat
	if beat <= 0 {
		beat = DefaultHeartbeat
	}
	return forgetAfter*beat + 500*time.Millisecond
}

func (c *control) others() []string { return c.known.list(time.Now(), c.forgetNodes()) }
