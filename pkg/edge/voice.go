package edge

import (
	"sync"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// The voices of a node. A session has the number of its own as the group of
// its connection, so that deliveries find it where they find the send queue.
const (
	senteliteEDN = iota
	senteliteJSON

	voiceCount = iota
)

// voice is a dialect.Voice with what a node keeps for it. Fixed after Start.
type voice struct {
	dialect.Voice
	name      string // for counters
	number    uint8
	format    codec.Format
	parsers   sync.Pool // dialect.Parser
	keepalive *wsconn.Keepalive
	pong      *wsconn.Frame
}

// setUpVoices makes the voices.
func (n *Node) setUpVoices() {
	all := [voiceCount]dialect.Voice{
		senteliteEDN:  sentelite.New(codec.EDN, n.opts.WrapRecv),
		senteliteJSON: sentelite.New(codec.JSON, n.opts.WrapRecv),
	}
	for i, v := range all {
		n.voices[i] = &voice{
			Voice:     v,
			name:      v.Dialect() + "/" + v.Format().String(),
			number:    uint8(i),
			format:    v.Format(),
			parsers:   sync.Pool{New: func() any { return v.NewParser() }},
			keepalive: &wsconn.Keepalive{Ping: wsconn.NewText([]byte(v.Ping(dialect.FormTwo)))},
			pong:      wsconn.NewText(v.AppendPong(nil, nil)),
		}
	}
}

// senteliteIn returns the voice of sente-lite in a format.
func senteliteIn(f codec.Format) uint8 {
	if f == codec.JSON {
		return senteliteJSON
	}
	return senteliteEDN
}

// byVoice returns a number of each voice, by its name.
func (n *Node) byVoice(number func(i int) uint64) map[string]uint64 {
	m := make(map[string]uint64, voiceCount)
	for i, v := range n.voices {
		m[v.name] = number(i)
	}
	return m
}

// voiceOf returns the voice of a connection.
func (n *Node) voiceOf(c *wsconn.Conn) *voice { return n.voices[c.Group()] }

// event returns an event that is for one connection alone.
func (v *voice) event(text []byte) *wsconn.Frame { return wsconn.NewText(text) }

// message returns a message that is no event: a reply, the handshake.
func (v *voice) message(text []byte) *wsconn.Frame { return wsconn.NewText(text) }

// delivery returns a message of a channel, or a push, for all who speak v.
func (v *voice) delivery(c wsconn.Class, text []byte) *wsconn.Frame {
	return wsconn.NewDelivery(c.For(v.number), text)
}

// voice returns the voice of the session.
func (s *session) voice() *voice { return s.node.voiceOf(&s.Conn) }
