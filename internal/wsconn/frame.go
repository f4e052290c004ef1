package wsconn

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

const (
	kindData    uint8 = iota // counted when discarded
	kindAnswer               // the same, and a gate was opened or shut with it
	kindControl              // of our own making: ping, pong, close, HTTP responses
	kindNotice               // of drops
)

// Frame is an encoded server frame. It is immutable, so any number of connections and goroutines may share it.
type Frame struct {
	wire   []byte
	slot   uint32 // 0: none, as for all but LatestOnly
	head   uint8  // length of the header in wire
	kind   uint8
	policy Policy
	group  uint8 // of connections, for Broadcast
}

// counts reports whether f is counted when it is discarded.
func (f *Frame) counts() bool { return f.kind <= kindAnswer }

// NewText returns a text frame whose payload is parts, one behind the other. They must make up valid UTF-8, and are
// copied.
func NewText(parts ...[]byte) *Frame { return newFrame(ws.OpText, kindData, parts...) }

// NewDelivery is NewText for what may be dropped where the queue of a slow reader has no room for it.
func NewDelivery(c Class, parts ...[]byte) *Frame {
	f := newFrame(ws.OpText, kindData, parts...)
	f.group = uint8(c >> 40)
	if f.policy = c.Policy(); f.policy == LatestOnly {
		f.slot = uint32(c >> 8)
		if f.slot == 0 {
			f.policy = DropOldest
		}
	}
	return f
}

// NewBinary returns a binary frame whose payload is parts, one behind the other. They are copied.
func NewBinary(parts ...[]byte) *Frame { return newFrame(ws.OpBinary, kindData, parts...) }

// NewPing returns a ping frame with at most 125 bytes of payload; what is beyond is cut off.
func NewPing(payload []byte) *Frame {
	return newFrame(ws.OpPing, kindControl, payload[:min(len(payload), ws.MaxControlFramePayloadSize)])
}

func newPong(payload []byte) *Frame { return newFrame(ws.OpPong, kindControl, payload) }

// newClose returns a close frame; code 0 makes an empty one (RFC 6455 section 7.1.5). The reason is cut to fit, at a
// whole rune.
func newClose(code ws.StatusCode, reason string) *Frame {
	if code == 0 {
		return newFrame(ws.OpClose, kindControl)
	}
	for len(reason) > ws.MaxControlFramePayloadSize-2 {
		cut := ws.MaxControlFramePayloadSize - 2
		for cut > 0 && reason[cut]&0xc0 == 0x80 {
			cut--
		}
		reason = reason[:cut]
	}
	return newFrame(ws.OpClose, kindControl, binary.BigEndian.AppendUint16(nil, uint16(code)), []byte(reason))
}

func newFrame(op ws.OpCode, kind uint8, parts ...[]byte) *Frame {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	head := 2
	switch {
	case n > 0xffff:
		head = 10
	case n > 125:
		head = 4
	}
	w := make([]byte, 0, head+n)
	w = append(w, 0x80|byte(op))
	switch head {
	case 2:
		w = append(w, byte(n))
	case 4:
		w = binary.BigEndian.AppendUint16(append(w, 126), uint16(n))
	default:
		w = binary.BigEndian.AppendUint64(append(w, 127), uint64(n))
	}
	for _, p := range parts {
		w = append(w, p...)
	}
	return &Frame{wire: w, head: uint8(head), kind: kind}
}

// Len returns the number of bytes on the wire.
func (f *Frame) Len() int { return len(f.wire) }

// Payload returns the payload, which must not be changed.
func (f *Frame) Payload() []byte { return f.wire[f.head:] }
