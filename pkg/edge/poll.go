package edge

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// polls makes a session of a client that polls: it has no socket and no loop,
// so what would run on its loop runs one after the other on whoever's goroutine
// comes.
type polls struct {
	serial serial

	// Owned by serial.
	spend   spend        // what it has sent lately
	place   wsconn.Place // if counted
	counted bool         // as a connection

	// Requests with messages that wait behind a question. Owned by serial.
	behind []func()

	// Callbacks of requests that wait for their answer. Any goroutine.
	mu struct {
		sync.Mutex
		last  uint64
		calls map[string]*waiter
	}
}

// serial runs functions one at a time, in order.
type serial struct {
	mu struct {
		sync.Mutex
		queue   []func()
		running bool
	}
}

// do runs fn now, or behind what is running. fn must not block.
func (e *serial) do(fn func()) {
	e.mu.Lock()
	e.mu.queue = append(e.mu.queue, fn)
	if e.mu.running {
		e.mu.Unlock()
		return
	}
	e.mu.running = true
	for len(e.mu.queue) > 0 {
		next := e.mu.queue[0]
		e.mu.queue = e.mu.queue[1:]
		e.mu.Unlock()
		next()
		e.mu.Lock()
	}
	e.mu.queue, e.mu.running = nil, false
	e.mu.Unlock()
}

// waiter is a HTTP request that waits for its answer, at this node or another.
// answer is called once at most, on any goroutine and under locks: it hands over
// only. It is false where that cannot be.
type waiter struct {
	name   string // conn-id of a request at another node; empty for one of this
	answer func(response) bool
}

// response is the answer to a request of Ajax.
type response struct {
	status int // of HTTP; 0 for none at all
	body   []byte
}

// statusUnknown is the answer about a tab that is not here any more.
const statusUnknown = http.StatusGone

// pollState is what a tab that polls knows of its requests. Guarded by tab.mu.
type pollState struct {
	waiting *waiter
	timeout *time.Timer // of waiting
	leaving bool        // it has been let go: another node shall take the tab over
	gather  *time.Timer // nil unless what waits is being gathered

	// The last answers that may turn out not to have arrived, the newest last.
	sent []sent
}

// sent is what a poll was answered with.
type sent struct {
	w   *waiter
	box []kept
}

// maxSent bounds the answers that are remembered: a client that polls again has
// mostly heard the last one, but not always.
const maxSent = 2

// endLocked answers the poll that waits, if there is one, with a status. With
// statusUnknown it asks again, and hears where the tab is now.
func (p *pollState) endLocked(status int) {
	w := p.waiting
	p.stopLocked()
	p.sent = nil
	if w != nil {
		w.answer(response{status, endTexts[status]})
	}
}

// endTexts are what polls that wait hear at the end, where it is no node's fault.
var endTexts = map[int][]byte{
	http.StatusUnauthorized: []byte(refuseRevoked.body),
	http.StatusForbidden:    []byte("The application has closed this connection.\n"),
}

func (p *pollState) stopLocked() {
	p.waiting = nil
	for _, timer := range [...]*time.Timer{p.timeout, p.gather} {
		if timer != nil {
			timer.Stop()
		}
	}
	p.timeout, p.gather = nil, nil
}

// Bounds of one answer: what is beyond waits for the next poll, so that another
// node can be given it in one message. And of what is gathered.
const (
	maxAnswer      = 256 << 10
	gatherMessages = 16
	gatherBytes    = 16 << 10
)

// offer keeps something for the client, if the gate, which may be nil, is open,
// and answers the poll that waits: at once, or when enough has been gathered. It
// reports whether it does. Any goroutine.
func (t *tab) offer(k kept, gate *bool, flush bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.state == tabGone:
		if t.firstLocked(&k) {
			t.passOnLocked(k)
		}
		return false
	case gate != nil && !*gate && t.mu.state != tabOpening:
		return false
	case t.firstLocked(&k):
		t.offerLocked(k, flush)
	}
	return true
}

func (t *tab) offerLocked(k kept, flush bool) {
	n := t.session.node
	t.keepLocked(k)
	switch {
	case t.mu.waiting == nil:
	case flush, n.opts.Sente.SendBufAjax < 0, len(t.mu.box) >= gatherMessages, t.mu.bytes >= gatherBytes:
		t.answerLocked()
	case t.mu.gather == nil:
		w := t.mu.waiting
		t.mu.gather = time.AfterFunc(n.opts.Sente.SendBufAjax, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.mu.waiting == w {
				t.answerLocked()
			}
		})
	}
}

// answerLocked answers the poll that waits with what has been kept, and waits
// for the next one. A waiter's answer only hands over, so it may be called under
// the lock: so the order of answers is that of the box.
func (t *tab) answerLocked() {
	w := t.mu.waiting
	t.mu.stopLocked()
	t.graceLocked(t.session.node.opts.Sente.ReconnectAjax)
	events := make([][]byte, 0, len(t.mu.box)+1)
	v := t.session.voice()
	if t.mu.dropped > 0 {
		events = append(events, v.AppendDropped(nil, t.mu.dropped))
	}
	i := 0
	for size := 0; i < len(t.mu.box); i++ {
		p := t.mu.box[i].frame.Payload()
		if size += len(p); size > maxAnswer && i > 0 {
			break
		}
		events = append(events, p)
	}
	if !w.answer(response{http.StatusOK, v.wire(v.AppendPush(nil, t.form, events...))}) {
		return // for the next one
	}
	if len(t.mu.sent) == maxSent {
		t.mu.sent = append([]sent(nil), t.mu.sent[1:]...)
	}
	t.mu.sent = append(t.mu.sent, sent{w, slices.Clone(t.mu.box[:i])})
	t.mu.dropped = 0
	for range i {
		t.dropFirstLocked()
	}
}

// poll lets w wait for what comes, in place of the one that waits now, which is
// not answered but ended: a client has one, and no more of what polls share.
// Loop only.
func (t *tab) poll(w *waiter, handshake bool) {
	s := t.session
	n := s.node
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state != tabParked || t.mu.yielded {
		w.answer(response{status: statusUnknown})
		return
	}
	t.stopGraceLocked()
	old := t.mu.waiting
	t.mu.stopLocked()
	if old != nil {
		old.answer(response{})
	}
	if handshake {
		t.graceLocked(n.opts.Sente.ReconnectAjax)
		w.answer(response{http.StatusOK, s.handshakeText()})
		return
	}
	t.mu.waiting = w
	if len(t.mu.box) > 0 || t.mu.dropped > 0 {
		t.answerLocked()
		return
	}
	if t.mu.leaving {
		t.dismissLocked()
		return
	}
	t.mu.timeout = time.AfterFunc(n.opts.Sente.LPTimeout, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.mu.waiting != w {
			return
		}
		if len(t.mu.box) > 0 { // being gathered
			t.answerLocked()
			return
		}
		t.mu.stopLocked()
		t.graceLocked(n.opts.Sente.ReconnectAjax)
		w.answer(response{http.StatusOK, s.keywordText(":chsk/timeout")})
	})
}

// cancel takes back a poll whose client has gone away: what it was answered with
// is kept again. It follows poll. Loop only.
func (t *tab) cancel(is func(*waiter) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == tabGone {
		return
	}
	if t.mu.waiting != nil && is(t.mu.waiting) {
		t.mu.stopLocked()
		t.graceLocked(t.session.node.opts.Sente.ReconnectAjax)
		return
	}
	for i, a := range t.mu.sent {
		if is(a.w) {
			t.mu.sent = slices.Delete(t.mu.sent, i, i+1)
			t.giveBackLocked(a.box)
			return
		}
	}
}

// arrived notes that a poll has been answered for good. Any goroutine.
func (t *tab) arrived(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.sent = slices.DeleteFunc(t.mu.sent, func(a sent) bool { return a.w == w })
}

// giveBackLocked keeps again what has not arrived, before everything else.
func (t *tab) giveBackLocked(box []kept) {
	for i := range box {
		t.mu.bytes += box[i].size()
	}
	t.mu.box = append(box, t.mu.box...)
	if t.mu.waiting != nil && len(t.mu.box) > 0 {
		t.answerLocked()
	}
}

// say takes a message of the client, which p has sent. Loop only.
func (n *Node) say(s *session, w *waiter, p *person, msg []byte) {
	t := s.tab()
	if s.closed || !s.open {
		w.answer(response{status: statusUnknown})
		return
	}
	if s.asking() {
		t.polls.behind = append(t.polls.behind, func() { n.say(s, w, p, msg) })
		return
	}
	if !n.limits.maySay(&t.polls.spend, time.Since(n.started), len(msg)) {
		n.forbidden(s, secLimit, refuseAjaxRate.reason)
		w.answer(response{refuseAjaxRate.status, []byte(refuseAjaxRate.body)})
		return
	}
	n.said(s, w, p, msg)
}

// said goes on with a message whose turn has come, again where it was held back.
// Loop only.
func (n *Node) said(s *session, w *waiter, p *person, msg []byte) {
	t := s.tab()
	if s.closed {
		w.answer(response{status: statusUnknown})
		return
	}
	s.vouch(p)
	v := s.voice()
	r, err := v.read(msg, n.maxMessage.Load())
	defer v.done(r)
	cmd := &r.cmd
	asked := cmd.Callback != nil
	switch {
	case err == nil:
	case asked:
		s.hears(cmd.Form)
		n.refusedMessage(s, reasonOf(err))
		w.answer(response{http.StatusOK, s.keywordText(chskError)})
		return
	default:
		n.refusedMessage(s, reasonOf(err))
		w.answer(response{http.StatusBadRequest, []byte("This is no message: in the format of the connection it is [[:ns/name data] callback].\n")})
		return
	}
	s.hears(cmd.Form)
	if asked {
		cmd.Callback = t.polls.wait(w)
	}
	if n.route(s, cmd) == wsconn.Hold {
		if s.asking() { // it comes first when there is an answer
			if asked {
				t.polls.take(cmd.Callback)
			}
			t.polls.behind = slices.Insert(t.polls.behind, 0, func() { n.said(s, w, p, msg) })
			return
		}
		if !asked || t.polls.take(cmd.Callback) != nil {
			w.answer(response{http.StatusServiceUnavailable, []byte("This node has too much to do at the moment. Try again.\n")})
		}
		return
	}
	if !asked {
		w.answer(response{http.StatusOK, s.keywordText(":chsk/dummy-cb-200")})
	}
}

// hears learns in which form the client writes, from its first message. Loop
// only.
func (s *session) hears(form dialect.Form) {
	t := s.tab()
	if t.heard {
		return
	}
	t.heard = true
	t.mu.Lock()
	t.form = form
	t.mu.Unlock()
	if t.polls == nil {
		s.SetKeepalive(s.voice().keepalive[form])
	}
}

// passing reports whether the session is of one POST only, whose client is not
// known: it can hear nothing. Loop only.
func (s *session) passing() bool { return s.socketless() != nil && s.user == nil }

// wait keeps w for the answer to a callback, and returns what stands for it.
func (p *polls) wait(w *waiter) (callback []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.last++
	callback = strconv.AppendUint(nil, p.mu.last, 36)
	if p.mu.calls == nil {
		p.mu.calls = map[string]*waiter{}
	}
	p.mu.calls[string(callback)] = w
	return callback
}

// take returns who waits for the answer to a callback, once.
func (p *polls) take(callback []byte) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.mu.calls[string(callback)]
	delete(p.mu.calls, string(callback))
	return w
}
