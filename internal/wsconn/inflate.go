package wsconn

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// ending is put behind a compressed message: what the sender has left out (RFC 7692 section 7.2.2), and an empty last
// block, behind which the reader knows that all was there.
var ending = append(slices.Clone(syncMark), 1, 0, 0, 0xff, 0xff)

// restarts is how many blocks with BFINAL a message may have, and one more for each restartBytes that it is long.
// Behind each the reader begins anew, which costs it as much as tens of kilobytes of data.
const (
	restarts     = 16
	restartBytes = 256
)

// packedRoom is by how much a compressed message may be longer than the message itself: what cannot be compressed
// grows a little.
func packedRoom(limit int64) int64 { return limit>>8 + 64 }

// unpacker is what a loop needs for inflating: one message at a time, whole, so that no connection ever has a reader
// of its own. The reader, 39 KiB, is made with the first.
type unpacker struct {
	src   bytes.Reader
	flate io.ReadCloser
	in    []byte // a message that lies in the read buffer, and its ending
	out   []byte
}

// unpack inflates a message and delivers it. in is not nil if the payload is in.msg.
func (c *Conn) unpack(op ws.OpCode, payload []byte, in *inbound) {
	l := c.loop
	u := &l.unpacker
	l.n.inflated++
	if in != nil { // it may be large, and is our own
		payload = append(payload, ending...)
	} else {
		u.in = append(append(u.in[:0], payload...), ending...)
		payload = u.in
	}
	bad := u.inflate(payload, int(c.maxMessage()))
	l.took = max(l.took, int64(len(u.out))) // what it costs
	if in != nil {
		in.forget()
	}
	if bad == nil && op == ws.OpText && !utf8.Valid(u.out) {
		bad = errUTF8
	}
	if bad != nil {
		c.violate(bad)
	} else {
		c.deliver(op, u.out, nil)
	}
	if cap(u.in) > spareScratch {
		u.in = nil
	}
	if cap(u.out) > spareScratch {
		u.out = nil
	}
}

// inflate puts what src, with its ending, holds into u.out, but no more than limit.
func (u *unpacker) inflate(src []byte, limit int) *violation {
	out := u.out[:0]
	defer func() { u.out = out; u.src.Reset(nil) }() // out is kept as large as it has become
	if len(src) == len(ending) {
		return nil // a message without any data, where there should be an empty block: nothing else can be meant
	}
	u.src.Reset(src)
	u.restart(nil)
	for left := restarts + len(src)/restartBytes; ; {
		if len(out) > limit {
			return errTooBig
		}
		if len(out) == cap(out) {
			out = slices.Grow(out, max(len(out), 4<<10)) // twice as large, from what has come
		}
		n, err := u.flate.Read(out[len(out):min(cap(out), limit+1)])
		out = out[:len(out)+n]
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return errDeflate
		case len(out) > limit:
			return errTooBig
		case u.src.Len() == 0, u.src.Len() == len(ending): // the latter: its last block said that it was the last
			return nil
		case left == 0:
			return errDeflate
		default: // more behind a block with BFINAL (RFC 7692 section 7.2.3.4), which may refer back beyond it
			left--
			u.restart(out[max(0, len(out)-1<<maxWindow):])
		}
	}
}

// restart makes the reader read on in src.
func (u *unpacker) restart(before []byte) {
	if u.flate == nil {
		u.flate = flate.NewReader(&u.src)
		return
	}
	_ = u.flate.(flate.Resetter).Reset(&u.src, before) // its error is always nil
}
