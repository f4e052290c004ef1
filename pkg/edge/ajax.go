package edge

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

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
			in.release()
			n.refuseAjax(w, refused)
			discardBody(w, r)
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
	h.Set("Content-Length", strconv.Itoa(len(r.body))) // complete before the handler ends
	for i := 0; i+1 < len(r.header); i += 2 {
		h.Set(r.header[i], r.header[i+1])
	}
	w.WriteHeader(r.status)
	fmt.Fprint(w, r.body)
}
