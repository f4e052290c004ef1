package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// maxBodies bounds the bodies of POSTs that are read at once, in bytes.
const maxBodies = 64 << 20

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

// release gives the room back. Again it does nothing.
func (b *bodyReader) release() {
	b.all.Add(-b.took)
	b.took = 0
}

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

// maxUnread bounds what is read away of a body that is refused, as in net/http.
const maxUnread = 256 << 10

// discardBody reads away, behind an answer, what has not been read of a body. A
// system resets what is closed with input unread, and the client may not have read
// its answer by then. net/http sees to that, but for requests that say Connection:
// close, as those of a proxy may.
func discardBody(w http.ResponseWriter, r *http.Request) {
	if http.NewResponseController(w).Flush() == nil {
		io.CopyN(io.Discard, r.Body, maxUnread) //nolint:errcheck // the client has gone, or is slow
	}
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
