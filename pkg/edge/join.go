package edge

import (
	"slices"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// joiner makes the frames of Sente's clients on one loop: a push is a vector of
// the events that leave together. Those who speak alike and are sent the same,
// as in a fan-out, share the frame. Owned by the loop.
type joiner struct {
	parts []*wsconn.Frame
	group uint8
	form  dialect.Form
	frame *wsconn.Frame

	events [][]byte
	text   []byte // for one call at a time: what is made of it is a copy
}

// keep keeps what text has grown to for the next time.
func (j *joiner) keep(text []byte) {
	if j.text = text; cap(text) > maxScratch {
		j.text = nil
	}
}

// joinParts is wsconn.Options.Join.
func (n *Node) joinParts(c *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame {
	j := &n.joiners[c.Loop()]
	form := c.Handler().(*session).form()
	if j.group == c.Group() && j.form == form && slices.Equal(j.parts, parts) {
		return j.frame
	}
	v := n.voiceOf(c)
	j.events = j.events[:0]
	for _, p := range parts {
		j.events = append(j.events, p.Payload())
	}
	text := v.AppendPush(j.text[:0], form, j.events...)
	j.frame = v.wrapped(text)
	j.keep(text)
	j.parts = append(j.parts[:0], parts...)
	j.group, j.form = c.Group(), form
	clear(j.events)
	return j.frame
}

// notice is what a client is told of what was dropped.
func (n *Node) notice(c *wsconn.Conn, dropped int) *wsconn.Frame {
	v := n.voiceOf(c)
	if s, ok := c.Handler().(*session); ok {
		n.watchDropped(s, dropped)
	}
	text := v.AppendDropped(nil, dropped)
	if v.sente {
		text = v.AppendPush(nil, c.Handler().(*session).form(), text)
	}
	return v.wrapped(text)
}
