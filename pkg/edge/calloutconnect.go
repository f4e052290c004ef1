package edge

import (
	"errors"
	"net/http"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// Refusals of the connect call-out. Where no backend has decided, others may yet.
var refuseDenied = &refusal{
	status: http.StatusUnauthorized, reason: "callout-denied",
	body:   "Unauthorized request",
	header: []string{"WWW-Authenticate", "Bearer"},
}

var refuseRulings = func() (all [calloutEnds]*refusal) {
	for end, name := range calloutEndNames {
		all[end] = &refusal{
			status: http.StatusServiceUnavailable, reason: "callout-" + name,
			body:   "Nobody can say at the moment whether you may connect. Try again.\n",
			header: []string{"Retry-After", "1"},
		}
	}
	all[calloutDenied] = refuseDenied
	return all
}()

// welcome is what a backend has said to somebody whom it let connect.
type welcome struct {
	data     []byte   // for the handshake, in the session's format; nil for none
	channels []string // tokens of those to subscribe to
}

// callOut asks a backend, if one is to be asked, and is the last step of an
// admission.
func (a *admission) callOut() {
	c := a.node.callouts
	if !c.opts.Connect {
		a.done(&a.who, nil)
		return
	}
	body, key := c.connect(a)
	if key != "" {
		if r, known := c.cached(bus.CalloutConnect, key); known {
			a.ruled(r)
			return
		}
	}
	err := c.ask(bus.CalloutConnect, body, key, func(r ruling) { a.post(func() { a.ruled(r) }) })
	if err != nil {
		if errors.Is(err, bus.ErrFull) {
			c.counts[bus.CalloutConnect][calloutUnavailable].Add(1)
		}
		a.refuse(refuseRulings[calloutUnavailable])
	}
}

// ruled goes on with what the backend has said.
func (a *admission) ruled(r ruling) {
	if r.end != calloutAllowed {
		a.refuse(refuseRulings[r.end])
		return
	}
	n, who, g := a.node, &a.who, r.granted
	if g.uid != "" {
		who.uid, who.as = g.uid, displayName(g.uid)
		if who.who == nil {
			who.who = &auth.Identity{UID: who.as}
		}
	}
	if g.expires > 0 {
		who.until = sooner(who.until, n.now().Add(g.expires))
		if who.who == nil {
			who.who = &auth.Identity{} // a stranger, until then
		}
	}
	if g.data != nil || g.channels != nil {
		w := &welcome{channels: g.channels}
		if g.data != nil {
			var err error
			if w.data, err = n.replies.convert(nil, g.data, g.format, n.voices[who.voice].format); err != nil {
				n.badPush.Warn().Err(err).Msg("handshake data not converted")
				a.refuse(refuseRulings[calloutMalformed])
				return
			}
		}
		who.welcome = w
	}
	a.done(who, nil)
}
