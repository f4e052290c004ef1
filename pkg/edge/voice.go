package edge

import (
	"strings"
	"sync"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/gzip"
)

// A voice is a dialect in one format, with or without the gzip wrapper. A
// session has the number of its own as the group of its connection, so that
// deliveries find it where they find the send queue.
const voiceCount = 2 * codec.Formats * 2

// formCount is how many forms there are.
const formCount = int(dialect.FormPrefixed) + 1

func voiceNumber(sente bool, f codec.Format, zipped bool) uint8 {
	n := int(f) * 2
	if zipped {
		n++
	}
	if sente {
		n += 2 * codec.Formats
	}
	return uint8(n)
}

// voice is a dialect.Voice with what a node keeps for it. Fixed after Start.
type voice struct {
	dialect.Voice
	name    string // for counters, such as sente/transit-gzip
	suffix  string // of the subprotocol, such as transit-gzip
	number  uint8
	sente   bool
	zipped  bool
	binary  bool         // its messages are binary
	format  codec.Format // of what is in its messages
	carried codec.Format // the same, as it is sent on NATS
	readers sync.Pool    // *reading

	keepalive [formCount]*wsconn.Keepalive // by the form of the client
	unheard   *wsconn.Keepalive            // while that is not known
}

// zippedSuffix ends the name of a format with the gzip wrapper.
const zippedSuffix = "-gzip"

// setUpVoices makes the voices.
func (n *Node) setUpVoices() {
	for f := range codec.Format(codec.Formats) {
		for _, zipped := range []bool{false, true} {
			n.setUpVoice(sentelite.New(f, n.opts.WrapRecv), false, zipped)
			n.setUpVoice(sente.New(f), true, zipped)
		}
	}
}

func (n *Node) setUpVoice(d dialect.Voice, isSente, zipped bool) {
	f := d.Format()
	v := &voice{
		Voice:   d,
		suffix:  f.String(),
		number:  voiceNumber(isSente, f, zipped),
		sente:   isSente,
		zipped:  zipped,
		binary:  zipped || f.Binary(),
		format:  f,
		carried: f.Carried(),
	}
	if zipped {
		v.suffix += zippedSuffix
	}
	v.name = d.Dialect() + "/" + v.suffix
	v.readers.New = func() any {
		p := d.NewParser()
		p.SetMaxDepth(n.opts.Limits.MaxNesting)
		return &reading{parser: p}
	}
	for form := range dialect.FormPrefixed + 1 {
		v.keepalive[form] = n.keepaliveOf(v, form, form == dialect.FormTwo)
	}
	v.unheard = v.keepalive[dialect.FormTwo]
	if isSente {
		v.unheard = n.keepaliveOf(v, dialect.FormTwo, false)
	}
	n.voices[v.number] = v
}

// keepaliveOf returns how silence is dealt with. Clients of Sente up to 1.18 do
// not answer the ping of their own dialect, so those that may be one of them get
// a ping of RFC 6455 with it, which their system answers.
func (n *Node) keepaliveOf(v *voice, form dialect.Form, answers bool) *wsconn.Keepalive {
	ping := v.wrapped([]byte(v.Ping(form)))
	if !v.sente {
		return &wsconn.Keepalive{Ping: ping, Interval: n.opts.PingInterval, Idle: n.opts.IdleTimeout}
	}
	if !answers {
		ping = wsconn.Concat(ping, wsconn.NewPing(nil))
	}
	interval := n.opts.Sente.WSKalive / 2 // as the reference counts
	return &wsconn.Keepalive{Ping: ping, Interval: interval, Idle: interval + n.opts.Sente.WSPingTimeout, Quiet: true}
}

// parseVoice returns the format with that name, and whether it has the gzip
// wrapper.
func parseVoice(name string) (f codec.Format, zipped, ok bool) {
	name, zipped = strings.CutSuffix(name, zippedSuffix)
	f, ok = codec.ParseFormat(name)
	return f, zipped, ok
}

// byVoice returns a number of each voice that has one, by its name.
func (n *Node) byVoice(number func(i int) uint64) map[string]uint64 {
	m := map[string]uint64{}
	for i, v := range n.voices {
		if u := number(i); u > 0 {
			m[v.name] = u
		}
	}
	return m
}

// voiceOf returns the voice of a connection.
func (n *Node) voiceOf(c *wsconn.Conn) *voice { return n.voices[c.Group()] }

// wire returns a whole message as it is sent.
func (v *voice) wire(text []byte) []byte {
	if v.zipped {
		return gzip.Wrap(nil, text)
	}
	return text
}

// wrapped returns a whole message as a frame.
func (v *voice) wrapped(text []byte) *wsconn.Frame {
	if v.binary {
		return wsconn.NewBinary(v.wire(text))
	}
	return wsconn.NewText(text)
}

// event returns an event that is for one connection alone.
func (v *voice) event(text []byte) *wsconn.Frame {
	if v.sente {
		return wsconn.NewPart(0, text)
	}
	return v.wrapped(text)
}

// message returns a message that is no event: a reply, the handshake.
func (v *voice) message(form dialect.Form, text []byte) *wsconn.Frame {
	return v.wrapped(v.framed(form, text))
}

// framed returns a whole message, still without the gzip wrapper, as clients
// of that form read it.
func (v *voice) framed(form dialect.Form, text []byte) []byte {
	if form == dialect.FormTwo {
		return text
	}
	return v.AppendFramed(nil, form, text)
}

// delivery returns a message of a channel, or a push, for all who speak v.
func (v *voice) delivery(c wsconn.Class, text []byte) *wsconn.Frame {
	c = c.For(v.number)
	switch {
	case v.sente:
		return wsconn.NewPart(c, text)
	case v.binary:
		return wsconn.NewBinaryDelivery(c, v.wire(text))
	default:
		return wsconn.NewDelivery(c, text)
	}
}

// patience returns the class of a delivery with how long it may wait for
// others: what its channel says, and for a push what clients of Sente are used
// to.
func (n *Node) patience(v *voice, c wsconn.Class, m *bus.Message) wsconn.Class {
	switch {
	case m.Flush:
		return c.Within(0)
	case v.sente && m.Kind != bus.KindChan:
		return c.Within(n.opts.Sente.SendBufWS)
	}
	return c
}

// voice returns the voice of the session.
func (s *session) voice() *voice { return s.node.voiceOf(&s.Conn) }

// reading reads one message of a client, and may be used for another one.
type reading struct {
	parser  dialect.Parser
	scratch []byte // what was unzipped
	cmd     dialect.Command
}

// read reads one message. reading.done must follow, and until then the command
// is valid. The error is as of dialect.Parser.
func (v *voice) read(msg []byte, limit int64) (*reading, error) {
	r := v.readers.Get().(*reading)
	r.cmd = dialect.Command{}
	if v.zipped {
		p, err := gzip.Unwrap(r.scratch[:0], msg, int(limit))
		if err != nil {
			return r, errWrapper
		}
		if cap(p) <= maxScratch && len(msg) > 0 && msg[0] != 0 {
			r.scratch = p[:0]
		}
		msg = p
	}
	return r, r.parser.Parse(msg, &r.cmd)
}

func (v *voice) done(r *reading) {
	r.cmd = dialect.Command{}
	v.readers.Put(r)
}
