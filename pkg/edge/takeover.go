package edge

import (
	"bytes"
	"cmp"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// What nodes say to each other about tabs, in the header Hoshi-Tab, the verb
// first. On hoshi.client.<client-id>, which every node that holds the tab hears:
//
//	locate UID    a request: who holds this tab? Answered ["conn-.." :ws] or ["conn-.." :ajax];
//	                :ajax has polls sent there, and a tab that is let go says :ws: it is taken over
//	here UID      the connection in Hoshi-From has the tab now, it says: backends can
//	              publish there too, so it is asked
//
// and on hoshi.node.<node>.<conn-id>, where backends may not publish, to the session, or to the request, with
// that id; Hoshi-From says where the answer goes:
//
//	really CLIENT UID   do you have this tab? Answered, if so, by
//	mine UID      I have
//	take UID      keep what comes for the tab: somebody newer wants it. Answered by
//	quiet FORM    that is done; the client writes in that form
//	give UID      hand the tab over: part, part, .., end
//	part MS       the body is a push that came so long ago
//	end N         that was all; N found no room while they waited
//
// and for clients that poll, see relay.go:
//
//	poll UID WHO, handshake UID WHO, say UID WHO, cancel, answer STATUS
//	still         a request: is the session there? Answered true or false
//
// Between quiet and give, and between give and the parts, each side waits for a
// barrier: then both listen, and have heard all that was on its way to one of
// them alone. What is late all the same follows as parts behind the end.
//
// UID is a token. A tab is of one uid: a session with another is not meant. WHO is
// what a token and a backend say of who sends the request (vouch.go), empty where
// nobody does.

// holder is where a tab is held, a conn-id; empty where nobody holds it.
type holder struct {
	conn   string
	polls  bool
	unsure bool // somebody may have been silent
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
	l.timer = time.AfterFunc(cmp.Or(n.opts.locate, locateTimeout), func() { l.found(holder{unsure: true}) })
	err := n.bus.Request(&bus.Outgoing{Subject: n.bus.Subjects().Client(client), Tab: "locate " + uid, Urgent: true}, l)
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
	} else {
		h.unsure = !errors.Is(r.Err, bus.ErrNoResponders)
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
func (n *Node) publishTab(to, from, what string) bool {
	return n.publishTabBody(to, from, what, nil, codec.EDN, "")
}

func (n *Node) publishTabBody(to, from, what string, body []byte, format codec.Format, msgID string) bool {
	c, ok := id.ParseConn(to)
	return ok && n.sendTab(&bus.Outgoing{Subject: n.bus.Subjects().Node(c), From: from, Tab: what, Body: body, Format: format, ID: msgID})
}

// publishTabHere tells whoever holds the tab of s that s has it.
func (n *Node) publishTabHere(s *session) {
	t := s.tab()
	n.sendTab(&bus.Outgoing{Subject: n.bus.Subjects().Client(t.client), From: s.id.String(), Tab: "here " + t.uid})
}

// publishPart hands over a push that is kept. It may be called under the lock of
// a tab, like all that publishes here: the bus takes it, or counts it, at once.
func (n *Node) publishPart(to string, from *session, k *kept, now time.Time) {
	if k.body != nil { // else it is for that session alone
		age := max(now.Sub(k.at).Milliseconds(), 0)
		n.publishTabBody(to, from.id.String(), "part "+strconv.FormatInt(age, 10), k.body, k.format, k.id)
	}
}

func (n *Node) sendTab(out *bus.Outgoing) bool {
	out.Urgent = true // bounded by what is kept, and nobody can wait
	err := n.bus.Publish(out)
	if err != nil {
		n.counts.lostEvent(reasonOf(err))
	}
	return err == nil
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
	case "really":
		client, uid, _ := strings.Cut(arg, " ")
		n.answerReally(m.Token, client, uid, m.From)
	case "mine":
		n.heardMine(m.Token, arg, m.From)
	case "take":
		n.holdStill(m.Token, arg, m.From)
	case "quiet":
		n.heardQuiet(m, arg)
	case "give":
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
	if s.tab().stays() {
		body = append(body, `" :ajax]`...)
	} else {
		body = append(body, `" :ws]`...)
	}
	n.sendTab(&bus.Outgoing{Subject: m.ReplyTo, Body: body})
}

// heardHere asks a session that says to have a tab of this node whether it really
// has it: on that subject anybody could say so.
func (n *Node) heardHere(m *bus.Message, uid string) {
	for _, sub := range n.clients.Snapshot(m.Token) {
		if s := sub.Conn; s.tab().uid == uid && s.id.String() != m.From {
			n.publishTab(m.From, s.id.String(), "really "+m.Token+" "+uid)
		}
	}
}

// answerReally tells a session of the same tab that this node's has it.
func (n *Node) answerReally(connID, client, uid, to string) {
	s := n.tabSession(connID)
	if s == nil || s.tab().client != client || s.tab().uid != uid {
		return
	}
	if now := s.tab().standing(); now == tabOpen || now == tabParked {
		n.publishTab(to, connID, "mine "+uid)
	}
}

// heardMine yields to a newer session of the same tab, which has not found this
// one when it came, and insists on being the newer one where it is.
func (n *Node) heardMine(connID, uid, from string) {
	s := n.tabSession(connID)
	if s == nil || from == "" || s.tab().uid != uid {
		return
	}
	switch s.tab().standing() {
	case tabOpen:
		if connID > from {
			n.publishTabHere(s)
			return
		}
	case tabParked:
	case tabOpening, tabGone:
		return // it will say so by itself, or has said so
	}
	s.tab().yield()
	n.afterBarrier(func() { n.handTab(s, successor{}, from) })
}

// standing is the state of the tab, in which a client that polls has it open.
func (t *tab) standing() tabState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.polls != nil && t.mu.state == tabParked && !t.mu.yielded {
		return tabOpen
	}
	return t.mu.state
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

// holdStill keeps what comes for a tab that another node will take.
func (n *Node) holdStill(connID, uid, to string) {
	if s := n.tabSession(connID); s != nil && s.tab().uid == uid {
		if form, _, ok := s.tab().yield(); ok {
			n.publishTab(to, connID, "quiet "+strconv.Itoa(int(form)))
			return
		}
	}
	n.publishTab(to, connID, "end 0")
}

// heardQuiet goes on once all has come that the last holder has told its client:
// from then on what comes here is kept there too.
func (n *Node) heardQuiet(m *bus.Message, arg string) {
	s := n.tabSession(m.Token)
	form, err := strconv.Atoi(arg)
	if s == nil || err != nil || form < 0 || form >= formCount {
		return
	}
	t, holder, asked := s.tab(), m.From, time.Now()
	n.afterBarrier(func() {
		t.mu.Lock()
		if t.mu.state == tabOpening {
			t.takeLocked()
			t.mu.since = asked // what was published before has come by now
		}
		t.mu.Unlock()
		s.post(func() {
			if o := t.opening; o != nil && o.remote.conn == holder {
				t.adoptForm(dialect.Form(form))
				n.publishTab(holder, s.id.String(), "give "+t.uid)
			}
		})
	})
}

// giveAway hands the tab of a session over to another node.
func (n *Node) giveAway(connID, uid, to string) {
	s := n.tabSession(connID)
	if s == nil || s.tab().uid != uid || to == "" {
		n.publishTab(to, connID, "end 0")
		return
	}
	n.afterBarrier(func() { n.handTab(s, successor{remote: to}, to) })
}

// handTab ends a tab of this node and gives what it has kept to a session at
// another one. What still comes is passed on behind that to next.
func (n *Node) handTab(s *session, next successor, to string) {
	_, _, ok := s.tab().surrender(next, 0, func(box []kept, dropped int) {
		now := time.Now()
		for i := range box {
			n.publishPart(to, s, &box[i], now)
		}
		n.publishTab(to, s.id.String(), "end "+strconv.Itoa(dropped))
	})
	if ok {
		s.post(s.leave)
	} else {
		n.publishTab(to, s.id.String(), "end 0")
	}
}

// takePart takes a push that the last holder of a tab has kept.
func (n *Node) takePart(m *bus.Message, arg string) {
	s := n.tabSession(m.Token)
	age, err := strconv.ParseUint(arg, 10, 31)
	if s == nil || err != nil {
		return
	}
	frame, err := n.pushFrame(s.voice(), m.Body, m.Format)
	if err != nil {
		return // counted
	}
	s.tab().late(kept{
		frame: frame, body: m.Body, id: m.ID, format: m.Format, key: keyOf(m.ID, m.Body),
		at: time.Now().Add(-time.Duration(age) * time.Millisecond),
	}, m.From)
}

func (n *Node) takeEnd(connID, arg string) {
	s := n.tabSession(connID)
	dropped, err := strconv.ParseUint(arg, 10, 31)
	if s == nil || err != nil {
		return
	}
	s.post(func() {
		t := s.tab()
		if o := t.opening; o != nil && o.asked {
			t.mu.Lock()
			t.mu.dropped += int(dropped)
			t.mu.Unlock()
			n.handedOver(s, o)
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
