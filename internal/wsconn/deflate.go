package wsconn

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// spareScratch is the largest buffer that a loop keeps for compressing or inflating.
const spareScratch = 64 << 10

// maxWindow is the base-2 logarithm of how far back DEFLATE can refer at all.
const maxWindow = 15

// syncMark is what a flush of DEFLATE ends with, and what a message leaves out (RFC 7692 section 7.2.1).
var syncMark = []byte{0, 0, 0xff, 0xff}

// agree accepts what r offers, and returns the answer to it.
func (c *Conn) agree(r *handshake.Request, no bool) string {
	if !c.loop.srv.opt.Deflate || no {
		return ""
	}
	d, ok := r.Deflate()
	if !ok {
		return ""
	}
	c.flags |= uint16(d.Window-7) << deflateShift
	return d.Answer()
}

// window returns how far back, in bytes, what is sent to c compressed may refer.
func (c *Conn) window() int { return 1 << (c.flags>>deflateShift + 7) }

// packed is the compressed form of a Frame, kept with it and shared as it is. It is smaller than the Frame, and not
// charged to any queue: what waits there is charged in full, so that a queue's bounds mean the same whatever its peer
// has agreed to.
type packed struct {
	mu    sync.Mutex            // held while frame is being made, by the loop that needs it first; a leaf
	frame atomic.Pointer[Frame] // the Frame itself if compressing does not make it smaller
}

// packer is what a loop needs for compressing. There is no state between messages, and the compressor has none either:
// it takes its 0.3 MiB of tables from a pool of its own, for as long as it runs.
type packer struct{ buf []byte }

// Write appends to the buffer.
func (k *packer) Write(p []byte) (int, error) {
	k.buf = append(k.buf, p...)
	return len(p), nil
}

// pack has what is to be written to c replaced by its compressed form in l.out, where it is worth it, and reports
// whether anything was: then l.stands says how many frames of the queue each of l.out stands for. out is l.snap, or
// l.out if that is joined already.
func (l *loop) pack(c *Conn, out []*Frame, off int, joined bool) (mapped bool) {
	least, window := l.srv.opt.DeflateMin, c.window()
	for i, f := range out {
		if len(f.wire) < least || f.bits&frameControl != 0 || i == 0 && off > 0 { // what has begun to leave stays
			continue
		}
		// Within a window that is smaller than usual the compressor cannot be held. What fits it whole refers back no
		// further, as each message begins anew.
		if n := len(f.Payload()); n < least || n > window && window < 1<<maxWindow {
			continue
		}
		p := l.packedForm(f)
		if p == f {
			continue
		}
		if !joined && !mapped {
			l.out = append(l.out[:0], out...)
			l.stands = append(l.stands[:0], make([]uint8, len(out))...)
		}
		mapped = true
		l.out[i], l.stands[i] = p, max(l.stands[i], 1)
	}
	return mapped
}

// packedForm returns the compressed form of f, made if this is the first time that somebody asks. Of loops that ask at
// once one makes it, and the others wait: as long as it would take themselves.
func (l *loop) packedForm(f *Frame) *Frame {
	p := f.packed.Load()
	if p == nil {
		if p = new(packed); !f.packed.CompareAndSwap(nil, p) {
			p = f.packed.Load()
		}
	}
	if form := p.frame.Load(); form != nil {
		return form
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	form := p.frame.Load()
	if form == nil {
		form = l.packer.compress(f)
		p.frame.Store(form)
		l.n.deflated++
	}
	return form
}

// compress returns f compressed, or f if that is not smaller.
func (k *packer) compress(f *Frame) *Frame {
	payload := f.Payload()
	k.buf = k.buf[:0]
	if err := flate.StatelessDeflate(k, payload, false, nil); err != nil {
		return f // cannot be: Write never fails
	}
	z := bytes.TrimSuffix(k.buf, syncMark)
	form := f
	if len(z) < len(payload) && len(z)+len(syncMark) == len(k.buf) {
		form = newFrame(ws.OpCode(f.wire[0]&0x0f|rsv1), 0, z)
	}
	if cap(k.buf) > spareScratch {
		k.buf = nil
	}
	return form
}

// extent returns how many bytes frames are, and whether one of them is large.
func extent(frames []*Frame) (size int, vector bool) {
	for _, f := range frames {
		size += len(f.wire)
		vector = vector || len(f.wire) >= largeFrame
	}
	return size, vector
}
