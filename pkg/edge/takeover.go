package edge

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// What nodes say to each other about tabs, in the header Hoshi-Tab, the verb
// first. On hoshi.client.<client-id>, which every node that holds the tab hears:
//
//	locate UID    a request: who holds this tab? Answered ["conn-.." :ws] or ["conn-.." :ajax]
//	here UID      the connection in Hoshi-From has the tab now
//
// and on hoshi.conn.<node>.<conn-id>, to the session, or to the request, with
// that id; Hoshi-From says where the answer goes:
//
//	take UID      give the tab to Hoshi-From: part, part, .., end
//	part MS       the body is a push that came so long ago
//	end N         that was all; N found no room while they waited
//
// and for clients that poll, see relay.go:
//
//	poll UID, handshake UID, say UID, cancel, return, answer STATUS
//
// UID is a token. A tab is of one uid: a session with another is not meant.

// holder is where a tab is held, a conn-id; empty where nobody holds it.
type holder struct {
	conn  string
	polls bool
}

// locating is the key of a request for the holder of a tab.
type locating struct {
	found func(holder)
	timer *time.Timer
}

// locate asks the other nodes who holds a tab and calls found once, on any
// goroutine. This node must have no interest in the client. An error says that
// nobody can be asked.
func (n *Node) locate(client, uid string, found func(holder)) error {
	// A session with another uid is silent, and then there is no "no responders".
	var once sync.Once
	l := &locating{found: func(h holder) { once.Do(func() { found(h) }) }}
	l.timer = time.AfterFunc(handoverTimeout, func() { l.found(holder{}) })
	err := n.bus.Request(&bus.Outgoing{Subject: n.bus.Subjects().Client(client), Tab: "locate " + uid}, l)
	if err != nil {
		l.timer.Stop()
	}
	return err
}

// located is the end of a request of locate.
func (n *Node) located(l *locating, r bus.Reply) {
	l.timer.Stop()
	var h holder
	if r.Err == nil {
		h.conn, h.polls = parseHolder(r.Body)
	}
	l.found(h)
}

// parseHolder reads ["conn-.." :ws].
func parseHolder(body []byte) (conn string, polls bool) {
	text, ok := bytes.CutPrefix(body, []byte(`["`))
	if !ok || len(text) < id.TextLen {
		return "", false
	}
	if _, ok = id.ParseConn(text[:id.TextLen]); !ok {
		return "", false
	}
	return string(text[:id.TextLen]), bytes.Contains(text[id.TextLen:], []byte(":ajax"))
}

// publishTab says something about a tab to the session or request with a
// conn-id, on whichever node.
func (n *Node) publishTab(to, from, what string) {
	n.publishTabBody(to, from, what, nil, codec.EDN, "")
}

func (n *Node) publishTabBody(to, from, what string, body []byte, format codec.Format, msgID string) {
	c, ok := id.ParseConn(to)
	if !ok {
		return
	}
	n.sendTab(&bus.Outgoing{Subject: n.bus.Subjects().Conn(c), From: from, Tab: what, Body: body, Format: format, ID: msgID})
}

// publishTabHere tells whoever holds the tab of s that s has it.
func (n *Node) publishTabHere(s *session) {
	t := s.tab()
	n.sendTab(&bus.Outgoing{Subject: n.bus.Subjects().Client(t.client), From: s.id.String(), Tab: "here " + t.uid})
}

func (n *Node) sendTab(out *bus.Outgoing) {
	out.Urgent = true // bounded by what is kept, and nobody can wait
	if err := n.bus.Publish(out); err != nil {
		n.counts.lostEvent(reasonOf(err))
		n.badPush.Warn().Err(err).Str("subject", out.Subject).Msg("message between nodes not sent")
	}
}

// tabMessage takes what another node says about a tab. It runs on the goroutine
// of the shard.
func (n *Node) tabMessage(m *bus.Message) {
	verb, arg, _ := strings.Cut(m.Tab, " ")
	if m.Kind == bus.KindClient {
		switch verb {
		case "locate":
			n.answerLocate(m, arg)
		case "here":
			n.heardHere(m, arg)
		}
		return
	}
	switch verb {
	case "take":
		n.giveAway(m.Token, arg, m.From)
	case "part":
		n.takePart(m, arg)
	case "end":
		n.takeEnd(m.Token, arg)
	default:
		n.relayMessage(m, verb, arg)
	}
}

func (n *Node) answerLocate(m *bus.Message, uid string) {
	s := n.holderHere(m.Token, uid, nil)
	if s == nil || m.ReplyTo == "" {
		return
	}
	body := append([]byte(`["`), s.id.String()...)
	if s.tab().polls != nil {
		body = append(body, `" :ajax]`...)
	} else {
		body = append(body, `" :ws]`...)
	}
	n.sendTab(&bus.Outgoing{Subject: m.ReplyTo, Body: body})
}

// heardHere yields to a newer session of the same tab, which has not found this
// one when it came.
func (n *Node) heardHere(m *bus.Message, uid string) {
	for _, sub := range n.clients.Snapshot(m.Token) {
		s := sub.Conn
		if s.tab().uid == uid && s.id.String() < m.From {
			n.giveAway(s.id.String(), uid, m.From)
		}
	}
}

// tabSession returns the session of this node with that conn-id that has a tab,
// nil where there is none. Any goroutine.
func (n *Node) tabSession(connID string) *session {
	c, ok := id.ParseConn(connID)
	if !ok || c.Node() != n.opts.ID {
		return nil
	}
	s := n.conns.Get(c.Key())
	if s == nil {
		s = n.tabs.away.Get(c.Key())
	}
	if s == nil || s.id != c || s.tab() == nil {
		return nil
	}
	return s
}

// giveAway hands the tab of a session over to another node.
func (n *Node) giveAway(connID, uid, to string) {
	s := n.tabSession(connID)
	if s != nil && s.tab().uid == uid {
		box, dropped, ok := s.tab().surrender()
		if ok {
			s.post(s.replaced)
		}
		now := time.Now()
		for _, k := range box {
			if k.body != nil {
				n.publishTabBody(to, connID, "part "+strconv.FormatInt(now.Sub(k.at).Milliseconds(), 10), k.body, k.format, k.id)
			}
		}
		n.publishTab(to, connID, "end "+strconv.Itoa(dropped))
		return
	}
	n.publishTab(to, connID, "end 0")
}

// takePart takes a push that the last holder of a tab has kept.
func (n *Node) takePart(m *bus.Message, arg string) {
	s := n.tabSession(m.Token)
	age, err := strconv.Atoi(arg)
	if s == nil || err != nil || age < 0 {
		return
	}
	frame, err := n.pushFrame(s.voice(), m.Body, m.Format)
	if err != nil {
		return // counted
	}
	k := kept{frame: frame, body: m.Body, id: m.ID, format: m.Format, key: keyOf(m.ID, m.Body)}
	k.at = time.Now().Add(-time.Duration(age) * time.Millisecond)
	s.post(func() {
		t := s.tab()
		if o := t.opening; o != nil {
			o.handed = append(o.handed, k)
			return
		}
		// It comes late, or was asked for by "here".
		if t.polls != nil {
			t.offer(k, nil, false)
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case t.mu.state == tabGone:
		case t.mu.state == tabOpen && s.Send(k.frame) != wsconn.Rejected:
		default:
			t.keepLocked(k)
		}
	})
}

func (n *Node) takeEnd(connID, arg string) {
	s := n.tabSession(connID)
	dropped, err := strconv.Atoi(arg)
	if s == nil || err != nil {
		return
	}
	s.post(func() {
		if o := s.tab().opening; o != nil && o.asked {
			n.handedOver(s, o, dropped)
		}
	})
}

// pushFrame returns a push as those who speak v are told it. Any goroutine.
func (n *Node) pushFrame(v *voice, body []byte, format codec.Format) (*wsconn.Frame, error) {
	p := pushers.Get().(*pusher)
	defer pushers.Put(p)
	if err := p.parser.Parse(format, body, &p.env); err != nil {
		n.counts.refusedPush(reasonOf(err))
		return nil, err
	}
	event := p.env.Event
	if format != v.format {
		var err error
		p.text, err = p.converter.AppendEvent(p.text[:0], &p.env, format, v.format)
		n.replies.count(format, v.format, err)
		if err != nil {
			return nil, err
		}
		event = p.text
	}
	return v.delivery(n.pushes, v.AppendEvent(nil, event)), nil
}
