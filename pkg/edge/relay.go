package edge

import (
	"net/http"
	"strconv"
	"strings"

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
	ch   chan response // has room for the one answer
}

// send asks the node that holds a tab, and returns what waits for its answer.
func (n *Node) relayTo(home, what string, body []byte) *relay {
	r := &relay{name: n.ids.Next(n.now().UnixMilli()), home: home, ch: make(chan response, 1)}
	n.tabs.relays.Put(r.name.Key(), r)
	n.publishTabBody(home, r.name.String(), what, body, codec.EDN, "")
	return r
}

// end stops waiting. An answer that comes later is given back.
func (n *Node) endRelay(r *relay) { n.tabs.relays.Delete(r.name.Key()) }

// relayMessage takes what nodes say about requests. It runs on the goroutine of
// the shard.
func (n *Node) relayMessage(m *bus.Message, verb, arg string) {
	if verb == "answer" {
		n.relayed(m, arg)
		return
	}
	s := n.tabSession(m.Token)
	if s == nil || s.tab().polls == nil {
		if verb != "cancel" {
			n.publishTab(m.From, m.Token, "answer "+strconv.Itoa(statusUnknown))
		}
		return
	}
	t := s.tab()
	name := m.From
	if verb == "cancel" {
		t.cancel(func(w *waiter) bool { return w.name == name })
		return
	}
	home := m.Token
	w := &waiter{name: name, answer: func(r response) {
		n.publishTabBody(name, home, "answer "+strconv.Itoa(r.status), r.body, codec.EDN, "")
	}}
	if arg != t.uid {
		w.answer(response{status: statusUnknown})
		return
	}
	switch verb {
	case "poll", "handshake":
		s.post(func() { t.poll(w, verb == "handshake") })
	case "say":
		body := m.Body
		s.post(func() { n.say(s, w, body) })
	}
}

// relayed takes the answer of another node.
func (n *Node) relayed(m *bus.Message, arg string) {
	status, err := strconv.Atoi(arg)
	c, ok := id.ParseConn(m.Token)
	if err != nil || !ok {
		return
	}
	if r := n.tabs.relays.Get(c.Key()); r != nil && r.name == c {
		select {
		case r.ch <- response{status, m.Body}:
			return
		default:
		}
	}
	if status == http.StatusOK && strings.HasPrefix(m.From, "conn-") {
		n.publishTab(m.From, m.Token, "cancel") // nobody waits any more
	}
}
