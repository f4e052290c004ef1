package edge

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// A request of a client that polls may come to any node. The node that holds
// the tab answers it: the other one sends the request there and waits for the
// answer under a name of its own, a conn-id of no connection.

// relay is a request that waits for another node.
type relay struct {
	name id.Conn
	home string        // conn-id of the tab's session
	poll bool          // it waits for what comes, and not for what becomes of what it says
	ch   chan response // has room for the one answer
}

// relayTo asks the node that holds a tab, and returns what waits for its answer.
func (n *Node) relayTo(home, what string, body []byte) *relay {
	r := &relay{name: n.ids.Next(n.now().UnixMilli()), home: home, poll: !strings.HasPrefix(what, "say "), ch: make(chan response, 1)}
	n.tabs.relays.Put(r.name.Key(), r)
	n.publishTabBody(home, r.name.String(), what, body, codec.EDN, "")
	return r
}

// take hands the answer to whoever waits for it, if it is the first.
func (r *relay) take(answer response) bool {
	select {
	case r.ch <- answer:
		return true
	default:
		return false
	}
}

// stillEvery is how often a node whose answer is awaited is asked whether it is
// still there: a client whose node was killed hears of it that soon.
const stillEvery = 2 * time.Second

// still is the key of such a question.
type still struct{ relay *relay }

// askStill asks whether the session that a request waits for is still there.
func (n *Node) askStill(r *relay) {
	if c, ok := id.ParseConn(r.home); ok {
		// What the bus does not take now it takes the next time.
		n.bus.Request(&bus.Outgoing{Subject: n.bus.Subjects().Node(c), Tab: "still", Urgent: true}, &still{r}) //nolint:errcheck // see above
	}
}

func (n *Node) answerStill(replyTo string, is bool) {
	if replyTo != "" {
		n.sendTab(&bus.Outgoing{Subject: replyTo, Body: strconv.AppendBool(nil, is)})
	}
}

// stillAnswered ends the wait where nobody is there, or not with that session.
func (n *Node) stillAnswered(r *relay, reply bus.Reply) {
	if errors.Is(reply.Err, bus.ErrNoResponders) || reply.Err == nil && string(reply.Body) == "false" {
		r.take(response{status: statusUnknown})
	}
}

// endRelay stops waiting. An answer that comes later is given back.
func (n *Node) endRelay(r *relay) { n.tabs.relays.Delete(r.name.Key()) }

// relayMessage takes what nodes say about requests. It runs on the goroutine of
// the shard.
func (n *Node) relayMessage(m *bus.Message, verb, arg string) {
	if verb == "answer" {
		n.relayed(m, arg)
		return
	}
	s := n.tabSession(m.Token)
	name, home := m.From, m.Token
	w := &waiter{name: name, answer: func(r response) bool {
		return n.publishTabBody(name, home, "answer "+strconv.Itoa(r.status), r.body, codec.EDN, "")
	}}
	var do func(s *session, p *person)
	switch verb {
	case "poll", "handshake":
		do = func(s *session, p *person) {
			s.vouch(p)
			s.tab().poll(w, verb == "handshake")
		}
	case "say":
		body := m.Body
		do = func(s *session, p *person) { n.say(s, w, p, body) }
	case "still":
		n.answerStill(m.ReplyTo, s != nil)
		return
	case "cancel":
		if s != nil && s.tab().polls != nil {
			s.post(func() { s.tab().cancel(func(w *waiter) bool { return w.name == name }) })
		}
		return
	default:
		return
	}
	uid, word, _ := strings.Cut(arg, " ")
	p, good := n.toldPerson(word)
	if !good || s == nil || s.tab().polls == nil || !s.tab().of(uid) {
		w.answer(response{status: statusUnknown})
		return
	}
	s.post(func() { do(s, p) })
}

// relayed takes the answer of another node.
func (n *Node) relayed(m *bus.Message, arg string) {
	status, err := strconv.Atoi(arg)
	c, ok := id.ParseConn(m.Token)
	switch {
	case err != nil || !ok:
		return
	case status != 0 && (status < http.StatusOK || status > 599):
		status = http.StatusServiceUnavailable
	}
	r := n.tabs.relays.Get(c.Key())
	if r != nil && r.name == c && r.take(response{status, m.Body}) {
		return
	}
	if status == http.StatusOK {
		n.publishTab(m.From, m.Token, "cancel") // nobody waits any more
	}
}
