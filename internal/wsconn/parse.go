package wsconn

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

const maxHeader = 14 // RFC 6455 section 5.2: 2, up to 8 of length, 4 of mask

// Reserved bits of a frame's first byte.
const (
	rsv1   = 0x40
	rsvAll = 0x70
)

// header is a frame's header as a client sends it.
type header struct {
	length int64
	mask   [4]byte
	op     ws.OpCode
	fin    bool
	packed bool // the message that it begins is compressed
}

// inbound is what a connection keeps while something is incomplete, held or unparsed; nil otherwise. All of it grows
// with what has arrived, never with what was announced.
type inbound struct {
	// request head while it is read; then the payload so far of the message that is being assembled or held,
	// unmasked
	msg     []byte
	rest    []byte             // read but not parsed: reading is paused
	request *handshake.Request // waits for the handler's answer
	frags   int                // frames of the message so far
	valid   int                // msg[:valid] is UTF-8 of whole runes
	seen    int                // of a request head: bytes looked at for its end
	got     int64              // payload bytes of the current frame that have come
	since   time.Duration      // when the message, or what else is incomplete, was begun or last went on; 0: it was not
	mark    int                // len(msg) then
	cur     header
	ctl     []byte // payload so far of a control frame that came in pieces
	hdr     [maxHeader]byte
	hn      uint8      // bytes in hdr
	op      ws.OpCode  // of the message that is being assembled or held
	inside  bool       // cur is valid: its payload is awaited
	inMsg   bool       // a message is being assembled: its next frame is a continuation
	held    bool       // msg is a whole message that the handler has not consumed
	packed  bool       // the message that is being assembled is compressed
	proxy   uint8      // of a head: whether a header of PROXY is awaited before it
	peer    netip.Addr // what that says; not valid where it says nothing
}

// partial reports whether the peer has begun something that it has not ended.
func (in *inbound) partial() bool { return in.inside || in.inMsg || in.hn > 0 }

func (in *inbound) idle() bool {
	return !in.inside && !in.inMsg && !in.held && in.hn == 0 && len(in.rest) == 0 && in.request == nil
}

// parseHeader reads a header. n = 0 means that it is not all there; want is how many bytes it takes as far as can be
// told. What the first two bytes tell is judged at once: reserved are those bits of the first that must be 0. A mistake
// is a violation, which carries the close code.
func parseHeader(p []byte, reserved byte) (h header, n, want int, bad *violation) {
	if len(p) < 2 {
		return h, 0, 2, nil
	}
	h.fin = p[0]&0x80 != 0
	h.op = ws.OpCode(p[0] & 0x0f)
	switch {
	case p[0]&reserved != 0:
		return h, 0, 0, errReserved
	case h.op > ws.OpBinary && h.op < ws.OpClose || h.op > ws.OpPong:
		return h, 0, 0, errOpCode
	case p[1]&0x80 == 0:
		return h, 0, 0, errUnmasked
	}
	if p[0]&rsv1 != 0 { // RFC 7692 section 6: on the first frame of a message alone
		if h.op == ws.OpContinuation || h.op.IsControl() {
			return h, 0, 0, errReserved
		}
		h.packed = true
	}
	n = 2
	switch l := p[1] & 0x7f; l {
	case 126:
		n += 2
	case 127:
		n += 8
	default:
		h.length = int64(l)
	}
	if h.op.IsControl() && (!h.fin || n > 2) {
		return h, 0, 0, errControl
	}
	want = n + 4
	if len(p) < want {
		return h, 0, want, nil
	}
	switch n {
	case 4:
		h.length = int64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		u := binary.BigEndian.Uint64(p[2:])
		if u>>63 != 0 {
			return h, 0, 0, errLength
		}
		h.length = int64(u)
	}
	h.mask = [4]byte(p[n:])
	return h, want, want, nil
}

// judge checks a header against what came before, before any of its payload is taken.
func (c *Conn) judge(h *header) *violation {
	if h.op.IsControl() {
		return nil
	}
	in := c.in
	inMsg := in != nil && in.inMsg
	limit := c.maxMessage()
	if h.packed || inMsg && in.packed {
		limit += packedRoom(limit)
	}
	if inMsg != (h.op == ws.OpContinuation) {
		return errContinuation
	}
	if !inMsg {
		if h.length > limit {
			return errTooBig
		}
		return nil
	}
	// A frame without payload adds no length but takes time; nothing is kept for it, so a count is enough.
	switch {
	case h.length > limit-int64(len(in.msg)):
		return errTooBig
	case in.frags >= c.maxFragments(limit):
		return errFragments
	}
	return nil
}

const minFrags = 1024

// maxFragments returns how many frames a message may have, where it may have so many bytes.
func (c *Conn) maxFragments(limit int64) int {
	if n := c.loop.srv.gate.limits.Fragments; n > 0 {
		return n
	}
	return minFrags + int(limit>>4)
}

// maxMessage returns how large a message may be, in bytes.
func (c *Conn) maxMessage() int64 {
	if c.flags&flagFullSize != 0 {
		return int64(c.loop.srv.opt.MaxMessage)
	}
	return c.loop.srv.maxMessage.Load()
}

// onRead is OnRead of the poller.
func (c *Conn) onRead(p []byte) {
	c.alive()
	c.loop.n.bytesIn += uint64(len(p))
	switch c.state {
	case stateHead:
		c.readHead(p)
	case stateOpen:
		if p = c.parse(p); len(p) > 0 {
			in := c.inbound()
			in.rest = append(in.rest, p...)
		}
	default: // what comes behind a close is read away
	}
}

// parse handles all frames in p, which it changes, and returns what is left when parsing must pause.
func (c *Conn) parse(p []byte) []byte {
	c.flags |= flagParsing
	l := c.loop
	budget := l.spender(c)
	for len(p) > 0 && c.state == stateOpen && c.pause == 0 && c.flags&flagResume == 0 {
		in := c.in
		frames := l.n.framesIn
		l.took = 0
		if in == nil || in.hn == 0 && !in.inside {
			p = c.parseFrame(p)
		} else {
			p = c.parseMore(in, p)
		}
		if budget != nil {
			budget.charge(l.n.framesIn-frames, l.took)
		}
		if c.flags&flagHigh != 0 {
			c.relieve()
		}
	}
	c.flags &^= flagParsing
	if c.state != stateOpen {
		return nil
	}
	c.release()
	if in := c.in; in != nil && in.since == 0 && in.partial() {
		c.begun(in)
	}
	return p
}

// reserved returns the bits of a frame's first byte that must be 0.
func (c *Conn) reserved() byte {
	if c.flags&flagDeflate != 0 {
		return rsvAll &^ rsv1
	}
	return rsvAll
}

// parseFrame handles the frame at the beginning of p, of which nothing came before, and returns what is behind it.
func (c *Conn) parseFrame(p []byte) []byte {
	h, n, _, bad := parseHeader(p, c.reserved())
	if bad == nil && n > 0 {
		bad = c.judge(&h)
	}
	if bad != nil {
		c.violate(bad)
		return nil
	}
	if n == 0 {
		in := c.inbound()
		in.hn = uint8(copy(in.hdr[:], p))
		return nil
	}
	p = p[n:]
	if int64(len(p)) < h.length {
		in := c.inbound()
		in.cur, in.got, in.inside = h, 0, true
		return c.payload(in, p)
	}
	payload := p[:h.length]
	c.loop.took = h.length
	ws.Cipher(payload, h.mask, 0)
	if h.op.IsControl() {
		c.control(h.op, payload)
		return p[h.length:]
	}
	if h.fin && h.op != ws.OpContinuation { // the usual: a whole message that needs no copy
		if h.packed {
			c.loop.n.framesIn++
			c.unpack(h.op, payload, nil)
			return p[h.length:]
		}
		if h.op == ws.OpText && !utf8.Valid(payload) {
			c.violate(errUTF8)
			return nil
		}
		c.message(h.op, payload)
		return p[h.length:]
	}
	in := c.inbound()
	in.cur, in.got, in.inside = h, 0, true
	c.assemble(in, payload)
	return p[h.length:]
}

// parseMore goes on with a frame whose beginning came earlier.
func (c *Conn) parseMore(in *inbound, p []byte) []byte {
	if in.inside {
		return c.payload(in, p)
	}
	for {
		h, n, want, bad := parseHeader(in.hdr[:in.hn], c.reserved())
		if bad == nil && n > 0 {
			bad = c.judge(&h)
		}
		if bad != nil {
			c.violate(bad)
			return nil
		}
		if n > 0 {
			in.hn = 0
			in.cur, in.got, in.inside = h, 0, true
			return c.payload(in, p)
		}
		if len(p) == 0 {
			return nil
		}
		took := copy(in.hdr[in.hn:want], p)
		in.hn += uint8(took)
		p = p[took:]
	}
}

// payload takes what has come of the current frame's payload: each byte is unmasked, checked and copied once, so a
// message costs linear time however it arrives.
func (c *Conn) payload(in *inbound, p []byte) []byte {
	part := p[:min(int64(len(p)), in.cur.length-in.got)]
	c.loop.took = int64(len(part))
	ws.Cipher(part, in.cur.mask, int(in.got&3))
	p = p[len(part):]
	if !in.cur.op.IsControl() {
		c.assemble(in, part)
		return p
	}
	in.ctl = append(in.ctl, part...)
	in.got += int64(len(part))
	if in.got == in.cur.length {
		in.inside = false
		ctl := in.ctl
		if in.ctl = nil; !in.inMsg {
			in.since = 0
		}
		c.control(in.cur.op, ctl)
	}
	return p
}

// assemble appends part to the message, and delivers it when it is complete.
func (c *Conn) assemble(in *inbound, part []byte) {
	if in.got == 0 { // the header is new
		if !in.inMsg {
			in.inMsg, in.op, in.packed, in.frags, in.valid = true, in.cur.op, in.cur.packed, 0, 0
			in.msg = in.msg[:0]
		}
		if len(part) > 0 || in.cur.length == 0 {
			in.frags++
		}
	}
	in.msg = append(in.msg, part...)
	in.got += int64(len(part))
	end := in.got == in.cur.length
	if end {
		in.inside = false
		c.loop.n.framesIn++
	}
	last := end && in.cur.fin
	if in.op == ws.OpText && !in.packed {
		n, ok := validPrefix(in.msg[in.valid:])
		in.valid += n
		if !ok || last && in.valid != len(in.msg) {
			c.violate(errUTF8)
			return
		}
	}
	if !last {
		return
	}
	in.inMsg, in.since = false, 0
	if in.packed {
		in.packed = false
		c.unpack(in.op, in.msg, in)
		return
	}
	c.deliver(in.op, in.msg, in)
}

// validPrefix returns how much of p is UTF-8 in whole runes. What is left, at most three bytes, can still become a
// rune; if it cannot, or the prefix is wrong, ok is false.
func validPrefix(p []byte) (n int, ok bool) {
	if utf8.Valid(p) {
		return len(p), true
	}
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) || !utf8.Valid(p[:len(p)-i]) {
				return 0, false
			}
			return len(p) - i, true
		}
	}
	return 0, false
}

// inbound returns c.in, made if need be.
func (c *Conn) inbound() *inbound {
	if c.in == nil {
		c.in = c.loop.getInbound()
	}
	return c.in
}

// release gives back what an idle connection does not need.
func (c *Conn) release() {
	if c.in != nil && c.in.idle() {
		c.loop.putInbound(c.in)
		c.in = nil
	}
}
