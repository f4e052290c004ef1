package wsconn

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/gobwas/ws"
)

// Frame.bits: the Policy, and what kind of frame it is. Without one of these it is data.
const (
	framePolicy  uint8 = 3
	frameAnswer  uint8 = 1 << (iota + 1) // a gate was opened or shut with it
	frameControl                         // of our own making: ping, pong, close, HTTP responses
	frameNotice                          // of drops
	framePart                            // leaves only joined with its neighbours
	frameJoined                          // made of parts, and begun to leave
	frameTimed                           // published is set
)

// Frame is an encoded server frame, or a part of one that is yet to be made (NewPart). It is immutable, so any number
// of connections and goroutines may share it.
type Frame struct {
	wire   string                 // of a part: the payload
	packed atomic.Pointer[packed] // made by the first loop that sends it to a peer with whom compression is agreed
	slot   uint32                 // 0: none, as for all but LatestOnly
	wait   uint16                 // milliseconds that it may wait for others
	group  uint8                  // of connections, for Broadcast; in a joined one: how many messages were joined
	bits   uint8

	// Of Stamp, by Server.Clock: when it was made, 0 where that does not matter, and with frameTimed when the message was
	// published.
	made, published int64
}

// Stamp notes, for Stats, when a delivery came to the server, by Server.Clock, and where it is known for how long the
// message had been on its way by then (else negative), in nanoseconds. Before f is queued anywhere.
func (f *Frame) Stamp(made, age int64) {
	f.made = made
	if age >= 0 {
		f.published = made - age
		f.bits |= frameTimed
	}
}

// Unstamped returns f without what Stamp has noted: for a delivery that waits elsewhere before it is queued.
func (f *Frame) Unstamped() *Frame {
	if f.made == 0 {
		return f
	}
	return &Frame{wire: f.wire, slot: f.slot, wait: f.wait, group: f.group, bits: f.bits &^ frameTimed}
}

// freeze returns p, which must never be changed again, as what a Frame holds: a slice's capacity, which is of
// no use here, would make it 56 bytes long, for which 64 are taken, instead of 48.
func freeze(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// view returns s as what system calls and readers take, which must not be changed.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func (f *Frame) policy() Policy { return Policy(f.bits & framePolicy) }

// messages returns how many messages are lost with f when it is discarded.
func (f *Frame) messages() uint32 {
	switch {
	case f.bits&frameJoined != 0:
		return uint32(f.group)
	case f.bits&(frameControl|frameNotice) != 0:
		return 0
	}
	return 1
}

// NewText returns a text frame whose payload is parts, one behind the other. They must make up valid UTF-8, and are
// copied.
func NewText(parts ...[]byte) *Frame { return newFrame(ws.OpText, 0, parts...) }

// NewDelivery is NewText for what may be dropped where the queue of a slow reader has no room for it, and may wait.
func NewDelivery(c Class, parts ...[]byte) *Frame {
	f := newFrame(ws.OpText, 0, parts...)
	f.classify(c)
	return f
}

// NewBinaryDelivery is NewDelivery with a binary frame.
func NewBinaryDelivery(c Class, parts ...[]byte) *Frame {
	f := newFrame(ws.OpBinary, 0, parts...)
	f.classify(c)
	return f
}

// NewPart returns a message that does not leave by itself: when its turn to leave has come, Options.Join makes a frame
// of it and the parts behind it. Until then it is queued, and dropped, as a delivery of class c. payload is copied.
func NewPart(c Class, payload []byte) *Frame {
	f := &Frame{wire: string(payload)}
	f.classify(c)
	f.bits |= framePart
	return f
}

func (f *Frame) classify(c Class) {
	f.group, f.wait = uint8(c>>classGroup), uint16(c>>classWait)
	policy := c.Policy()
	if policy == LatestOnly {
		f.slot = uint32(c >> classSlot)
		if f.slot == 0 {
			policy = DropOldest
		}
	}
	f.bits = f.bits&^framePolicy | uint8(policy)
}

// NewBinary returns a binary frame whose payload is parts, one behind the other. They are copied.
func NewBinary(parts ...[]byte) *Frame { return newFrame(ws.OpBinary, 0, parts...) }

// NewPing returns a ping frame with at most 125 bytes of payload; what is beyond is cut off.
func NewPing(payload []byte) *Frame {
	return newFrame(ws.OpPing, frameControl, payload[:min(len(payload), ws.MaxControlFramePayloadSize)])
}

// Concat returns several frames as one, which leaves whole and is not counted when it is discarded: what a Keepalive
// sends. None of them may be a part.
func Concat(frames ...*Frame) *Frame {
	all := &Frame{bits: frameControl}
	for _, f := range frames {
		if f.bits&framePart != 0 {
			panic("wsconn: a part is no frame")
		}
		all.wire += f.wire
	}
	return all
}

func newPong(payload []byte) *Frame { return newFrame(ws.OpPong, frameControl, payload) }

// newClose returns a close frame; code 0 makes an empty one (RFC 6455 section 7.1.5). The reason is cut to fit, at a
// whole rune.
func newClose(code ws.StatusCode, reason string) *Frame {
	if code == 0 {
		return newFrame(ws.OpClose, frameControl)
	}
	for len(reason) > ws.MaxControlFramePayloadSize-2 {
		cut := ws.MaxControlFramePayloadSize - 2
		for cut > 0 && reason[cut]&0xc0 == 0x80 {
			cut--
		}
		reason = reason[:cut]
	}
	return newFrame(ws.OpClose, frameControl, binary.BigEndian.AppendUint16(nil, uint16(code)), []byte(reason))
}

func newFrame(op ws.OpCode, bits uint8, parts ...[]byte) *Frame {
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
	return &Frame{wire: freeze(w), bits: bits}
}

// Len returns the number of bytes on the wire; of a part, those of its payload.
func (f *Frame) Len() int { return len(f.wire) }

// Payload returns the payload of a single frame or part, which must not be changed.
func (f *Frame) Payload() []byte {
	switch {
	case f.bits&framePart != 0:
		return view(f.wire)
	case f.wire[1] == 126:
		return view(f.wire[4:])
	case f.wire[1] == 127:
		return view(f.wire[10:])
	}
	return view(f.wire[2:])
}
