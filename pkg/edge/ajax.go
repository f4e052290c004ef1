package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// maxBodies bounds the bodies of POSTs that are read at once, in bytes.
const maxBodies = 64 << 20

// serveAjax serves clients of Sente that poll: GET waits for what comes, POST
// sends. A request costs a goroutine for as long as it waits.
func (n *Node) serveAjax(w http.ResponseWriter, r *http.Request) {
	n.allowOrigin(w, r)
	w = ajaxWriter{w, r}
	form := r.URL.Query()
	var body []byte
	if r.Method == http.MethodPost {
		var refused *refusal
		in := &bodyReader{Reader: http.MaxBytesReader(w, r.Body, max(r.ContentLength, 0)), all: &n.tabs.bodies}
		defer in.release()
		if body, refused = n.readBody(in, r, form); refused != nil {
			n.refuseAjax(w, refused)
			return
		}
	}
	from := &caller{Request: auth.HTTP(r), host: r.Host, query: form, certificate: certificateOf(r), addr: addrOf(r)}
	if r.Method == http.MethodPost {
		from.csrf = form.Get("csrf-token")
	}
	if n.callouts.opts.Connect && !awaitLonger(w, n.callouts.opts.Timeout) {
		return
	}
	who, refused := n.admitHTTP(r, from)
	switch {
	case refused != nil:
		n.refuseAjax(w, refused)
		return
	case who.client == "":
		n.refuseAjax(w, refusePath)
		return
	}
	who.addr = from.addr
	v := n.voices[who.voice]
	if r.Method == http.MethodPost {
		n.serveSay(w, r, who, body)
		return
	}
	if n.tabs.polling.Add(1) > int32(n.opts.Sente.MaxPolls) {
		n.tabs.polling.Add(-1)
		n.refuseAjax(w, refusePolls)
		return
	}
	defer n.tabs.polling.Add(-1)
	// It waits elsewhere than the plain requests, and longer.
	n.handoff.open.Add(-1)
	defer n.handoff.open.Add(1)
	wait := n.opts.Sente.LPTimeout + answerTimeout
	if !awaitLonger(w, wait) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	n.servePoll(ctx, w, v, who, form.Has("handshake?"))
}

// answerTimeout is how long the answer of another node may take beyond what the
// request itself waits for.
const answerTimeout = 2 * time.Second

// awaitLonger lets a request be answered after some time: those of plain requests
// are short. It is false where the connection has ended.
func awaitLonger(w http.ResponseWriter, wait time.Duration) bool {
	rc := http.NewResponseController(w)
	return rc.SetReadDeadline(time.Time{}) == nil && rc.SetWriteDeadline(time.Now().Add(wait+answerTimeout)) == nil
}

// admitHTTP admits a request of net/http, on its goroutine.
func (n *Node) admitHTTP(r *http.Request, from *caller) (identity, *refusal) {
	type end struct {
		who     *identity
		refused *refusal
	}
	ch := make(chan end, 1)
	n.admit(&admission{
		path: r.URL.Path, from: from, repeats: true, protocols: func(func(string) bool) {},
		post: func(fn func()) { fn() },
		done: func(who *identity, refused *refusal) { ch <- end{who, refused} },
	})
	select {
	case e := <-ch:
		if e.refused != nil {
			return identity{}, e.refused
		}
		return *e.who, nil
	case <-r.Context().Done(): // its client has gone, or the node stops
		return identity{}, refuseUnavailable
	}
}

// bodyReader counts what is read of a body among all bodies, as it comes: what a
// client only says that it will send takes nobody's room.
type bodyReader struct {
	io.Reader

	all  *atomic.Int64
	took int64
}

// Read implements io.Reader. There is no more of it where there is no room.
func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.took += int64(n)
	if b.all.Add(int64(n)) > maxBodies {
		return n, errBusy
	}
	return n, err
}

// release gives the room back.
func (b *bodyReader) release() { b.all.Add(-b.took) }

var errBusy = errors.New("edge: no room for a body")

// readBody returns the message in a POST, whose length is known. The fields of a
// form are added to those of the query.
func (n *Node) readBody(in *bodyReader, r *http.Request, form url.Values) ([]byte, *refusal) {
	if r.ContentLength > 3*n.maxMessage.Load()+4096 { // all of it escaped, and some fields
		return nil, refuseTooLarge
	}
	p, err := io.ReadAll(in)
	switch {
	case errors.Is(err, errBusy):
		return nil, refuseBusy
	case err != nil:
		return nil, refuseBody
	}
	if form.Get("binary?") != "true" {
		fields, err := url.ParseQuery(string(p))
		if err != nil || len(fields["ppstr"]) != 1 {
			return nil, refuseBody
		}
		p = []byte(fields.Get("ppstr"))
		for name, values := range fields {
			if name != "ppstr" && !form.Has(name) {
				form[name] = values
			}
		}
	}
	if int64(len(p)) > n.maxMessage.Load() {
		return nil, refuseTooLarge
	}
	return p, nil
}

// servePoll answers with the handshake where the client asks for it or is not
// known, and else with what comes.
func (n *Node) servePoll(ctx context.Context, w http.ResponseWriter, v *voice, who identity, handshake bool) {
	for range 3 { // a tab can go away between two steps
		if !n.attached() {
			break
		}
		var (
			s    *session
			home string
			r    response
		)
		end := func(bool) {} // is told whether the answer has left
		if !n.draining() {
			s, home = n.findTab(ctx, who, who.uidOrNil())
		}
		switch {
		case n.draining():
			var refused *refusal
			if r, end, refused = n.pollDraining(ctx, who, handshake); refused != nil {
				n.refuseAjax(w, refused)
				return
			}
		case s != nil:
			r, end = n.pollHere(ctx, s, who, handshake)
		case home != "":
			r, end = n.pollThere(ctx, home, who, handshake)
		default:
			var refused *refusal
			if r, refused = n.openPolls(ctx, who); refused != nil {
				n.refuseAjax(w, refused)
				return
			}
		}
		if r.status == statusUnknown {
			pause(ctx, unknownPause)
			continue
		}
		if r.status == statusElsewhere {
			n.writeAjax(w, v, response{http.StatusOK, n.newPolls(who).keywordText(":chsk/timeout")})
			end(false) // or what comes would still be sent here
			return
		}
		// Where its client is gone, or has sent a newer one, or another node is
		// silent, it is never answered.
		left := r.status != 0 && ctx.Err() == nil && n.writeAjax(w, v, r)
		end(left)
		if !left {
			panic(http.ErrAbortHandler)
		}
		return
	}
	n.refuseAjax(w, refuseUnavailable)
}

// unknownPause is the time after which a tab that is moving is looked for again.
const unknownPause = 20 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// findTab returns who holds a tab that polls: a session of this node, or the
// conn-id of another's.
func (n *Node) findTab(ctx context.Context, who identity, uid string) (s *session, home string) {
	if s = n.holderHere(who.clientToken, uid, nil); s != nil {
		if s.tab().polls == nil {
			return nil, ""
		}
		return s, ""
	}
	found := make(chan holder, 1)
	if n.locate(who.clientToken, uid, func(h holder) { found <- h }) != nil {
		return nil, ""
	}
	select {
	case h := <-found:
		if h.polls {
			return nil, h.conn
		}
	case <-ctx.Done():
	}
	return nil, ""
}

// pollHere waits at a session of this node. end must follow.
func (n *Node) pollHere(ctx context.Context, s *session, who identity, handshake bool) (r response, end func(left bool)) {
	ch := make(chan response, 1)
	w := &waiter{answer: func(r response) bool { ch <- r; return true }}
	t, p := s.tab(), n.personOf(&who)
	s.post(func() {
		s.vouch(p)
		t.poll(w, handshake)
	})
	select {
	case r = <-ch:
	case <-ctx.Done():
	}
	return r, func(left bool) {
		if left {
			t.arrived(w)
			return
		}
		s.post(func() { t.cancel(func(other *waiter) bool { return other == w }) })
	}
}

// pollThere is pollHere for a session of another node.
func (n *Node) pollThere(ctx context.Context, home string, who identity, handshake bool) (r response, end func(left bool)) {
	verb := "poll "
	if handshake {
		verb = "handshake "
	}
	relay := n.relayTo(home, verb+who.uidOrNil()+" "+n.tellPerson(n.personOf(&who)), nil)
	return n.awaitRelay(ctx, relay, stillEvery), func(left bool) {
		if !left {
			n.publishTab(home, relay.name.String(), "cancel")
		}
	}
}

// awaitRelay waits for the answer of another node, and asks in every so often
// whether that is still there.
func (n *Node) awaitRelay(ctx context.Context, r *relay, every time.Duration) response {
	defer n.endRelay(r)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case answer := <-r.ch:
			return answer
		case <-tick.C:
			n.askStill(r)
		case <-ctx.Done():
			return response{}
		}
	}
}

// openPolls makes a session for a client that is not known, and returns its
// handshake.
func (n *Node) openPolls(ctx context.Context, who identity) (response, *refusal) {
	s := n.newPolls(who)
	if refused := n.countPolls(s, &who); refused != nil {
		return response{}, refused
	}
	ch := make(chan response, 1)
	s.post(func() {
		n.open(s, func() {
			n.tabs.sessions.Add(1)
			s.open = true
			n.revoker.watch(s)
			n.publishOpen(s)
			n.greet(s)
			ch <- response{http.StatusOK, s.handshakeText()}
		}, func(r *refusal) { ch <- response{r.status, []byte(r.body)} })
	})
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		return response{}, nil // it expires like any other
	}
}

// newPolls makes a session without a socket.
func (n *Node) newPolls(who identity) *session {
	s := &session{node: n, id: who.conn}
	s.SetGroup(who.voice)
	t := &tab{session: s, id: who.client, client: who.clientToken, uid: who.uidOrNil(), polls: &polls{}}
	s.extra = &extra{tab: t}
	s.extra.welcome = who.welcome
	s.believe(who.who, who.until, who.as)
	return s
}

// serveSay answers a POST.
func (n *Node) serveSay(w http.ResponseWriter, r *http.Request, who identity, msg []byte) {
	v := n.voices[who.voice]
	wait := max(n.opts.RequestTimeout, bus.DefaultRequestTimeout) + answerTimeout
	if !awaitLonger(w, wait) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	uid := who.uidOrNil()
	if who.uid == "" && n.opts.InsecureUIDParam != "" {
		uid = anyUID // clients from 1.21 on leave the application's parameters out of a POST
	}
	s, home := n.findTab(ctx, who, uid)
	var answer response
	switch {
	case s != nil:
		answer = n.sayHere(ctx, s, who, msg)
	case home != "":
		// Not asked in between: what was said may have been done, and is not done again.
		answer = n.awaitRelay(ctx, n.relayTo(home, "say "+uid+" "+n.tellPerson(n.personOf(&who)), msg), 2*wait)
	default:
		answer.status = statusUnknown
	}
	if answer.status == statusUnknown {
		// It has not polled yet, or its node is gone. What it says counts all the
		// same, as in the reference; there is no connection that it comes from.
		if over := n.ws.Knock(who.addr); over != nil {
			n.refuseAjax(w, asRefusal(over))
			return
		}
		s = n.newPolls(who)
		s.open = true
		answer = n.sayHere(ctx, s, who, msg)
	}
	if answer.status == 0 {
		answer = response{http.StatusOK, n.newPolls(who).keywordText(":chsk/timeout")}
	}
	// What it sends is in the format of its tab, which a POST need not name.
	switch {
	case s != nil:
		v = s.voice()
	case home != "" && r.URL.Query().Get("binary?") == "true":
		v = n.voices[voiceNumber(true, codec.MessagePack, false)]
	}
	n.writeAjax(w, v, answer)
}

func (n *Node) sayHere(ctx context.Context, s *session, who identity, msg []byte) response {
	ch := make(chan response, 1)
	w := &waiter{answer: func(r response) bool { ch <- r; return true }}
	p := n.personOf(&who)
	s.post(func() { n.say(s, w, p, msg) })
	select {
	case r := <-ch:
		return r
	case <-ctx.Done():
		return response{}
	}
}

// writeAjax writes an answer, and reports whether the system has taken it.
func (n *Node) writeAjax(w http.ResponseWriter, v *voice, r response) bool {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch {
	case r.status != http.StatusOK:
		h.Set("Content-Type", "text/plain; charset=utf-8")
	case v.binary:
		h.Set("Content-Type", "application/octet-stream")
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	retryAfter(h, r.status)
	w.WriteHeader(r.status)
	if _, err := w.Write(r.body); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

func (n *Node) refuseAjax(w http.ResponseWriter, r *refusal) {
	n.counts.refusedRequest(r.reason)
	n.limitedAjax(w, r)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	for i := 0; i+1 < len(r.header); i += 2 {
		h.Set(r.header[i], r.header[i+1])
	}
	w.WriteHeader(r.status)
	fmt.Fprint(w, r.body)
}
