package wsconn

import (
	"bytes"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// QueueLen returns what is queued. Any goroutine.
func QueueLen(c *Conn) (frames, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.mu.count), int(c.mu.bytes)
}

// Idle reports whether the connection holds no buffer. Loop only.
func Idle(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in == nil && c.mu.tail == nil && c.mu.one == nil
}

// ConnSize is the size of a Conn in bytes.
const ConnSize = unsafe.Sizeof(Conn{})

// FrameSize is the size of a Frame without its bytes.
const FrameSize = unsafe.Sizeof(Frame{})

// RawWrite writes around everything; only for the ceiling of a benchmark.
func RawWrite(c *Conn, p []byte) { _, _ = c.loop.p.Write(&c.sock, p) }

// Parser is a parser without a socket.
type Parser struct{ c Conn }

type parserOwner struct {
	message func(ws.OpCode, []byte)
}

func (o *parserOwner) OnRequest(*handshake.Request) {}
func (o *parserOwner) OnMessage(op ws.OpCode, p []byte) Verdict {
	o.message(op, p)
	return Done
}
func (o *parserOwner) OnClosed(CloseInfo) {}

// NewParser returns a parser of an open connection.
func NewParser(message func(ws.OpCode, []byte)) *Parser {
	opt, _ := Options{NewConn: func() (Handler, *Conn) { return nil, nil }}.withDefaults()
	l := &loop{srv: &Server{opt: opt, gate: newGate(&opt), epoch: time.Now()}, maxFrames: 1000, maxBytes: 2 << 20}
	l.srv.maxMessage.Store(int64(opt.MaxMessage))
	l.p, _ = poller.New(poller.Options{Portable: true})
	p := &Parser{}
	p.c.loop, p.c.h, p.c.state = l, &parserOwner{message}, stateOpen
	p.c.mu.bits = queueOpen
	return p
}

// NewDeflateParser is NewParser with compression agreed.
func NewDeflateParser(message func(ws.OpCode, []byte)) *Parser {
	p := NewParser(message)
	p.c.flags |= (maxWindow - 7) << deflateShift
	return p
}

// Inflater inflates messages without a connection.
type Inflater struct{ u unpacker }

// Inflate returns a message, and the close code of a violation, or 0. What it returns is gone with the next call.
func (f *Inflater) Inflate(message []byte, limit int) ([]byte, uint16) {
	if bad := f.u.inflate(append(bytes.Clone(message), ending...), limit); bad != nil {
		return nil, uint16(bad.code)
	}
	return f.u.out, 0
}

// Compressed returns the compressed form of f, or f.
func Compressed(f *Frame) *Frame {
	var k packer
	return k.compress(f)
}

// Wire returns a frame as it is sent.
func Wire(f *Frame) []byte { return []byte(f.wire) }

// Feed is one read. It reports the close code of a violation, or 0.
func (p *Parser) Feed(b []byte) uint16 {
	p.c.onRead(b)
	if p.c.state != stateOpen {
		return p.c.code
	}
	return 0
}

// Buffered returns how much memory the parser's buffers have.
func (p *Parser) Buffered() int {
	if p.c.in == nil {
		return 0
	}
	return cap(p.c.in.msg) + cap(p.c.in.rest) + cap(p.c.in.ctl)
}

// Queue is a send queue without a socket.
type Queue struct {
	c     Conn
	snap  []*Frame
	parts bool // in snap
	call  call // of the last Push
}

// NewQueue returns an open queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.c.loop = &loop{srv: &Server{opt: Options{Join: JoinText}}, maxFrames: 1000, maxBytes: 2 << 20}
	q.c.mu.bits = queueOpen
	return q
}

// NewBoundedQueue returns an open queue with bounds of its own.
func NewBoundedQueue(frames, bytes int) *Queue {
	q := NewQueue()
	q.c.loop.maxFrames, q.c.loop.maxBytes = uint32(frames), uint32(bytes)
	return q
}

// Frames returns what is queued, the oldest first, and how many bytes of that are written.
func (q *Queue) Frames() (all []*Frame, off int) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	q.c.mu.eachLocked(func(_ int, p **Frame) bool {
		all = append(all, *p)
		return true
	})
	return all, int(q.c.mu.off)
}

// JoinText is a Join: the parts in brackets, with bars between them.
func JoinText(_ *Conn, parts []*Frame) *Frame {
	text := []byte("[")
	for i, p := range parts {
		if i > 0 {
			text = append(text, '|')
		}
		text = append(text, p.Payload()...)
	}
	return NewText(append(text, ']'))
}

// BeginWrite does what the loop does before a write, and returns how many frames it would write, and what for them.
func (q *Queue) BeginWrite() (held int, out []*Frame) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	var kinds uint8
	q.snap, _, _, kinds = q.c.mu.peekLocked(q.snap[:0])
	q.parts = kinds&framePart != 0
	q.c.mu.bits |= queueWriting
	l := q.c.loop
	l.writing = len(q.snap)
	if !q.parts {
		return len(q.snap), q.snap
	}
	l.snap = q.snap
	if _, _, ok := l.join(&q.c); !ok {
		panic("not joined")
	}
	return len(q.snap), l.out
}

// EndWrite does what the loop does after a write that took n bytes.
func (q *Queue) EndWrite(n int) (frames int, notice bool) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	if q.parts {
		frames, notice = q.c.mu.advanceJoinedLocked(n, q.c.loop.out, q.c.loop.stands)
	} else {
		frames, notice = q.c.mu.advanceLocked(n)
	}
	q.c.mu.bits &^= queueWriting
	if q.c.mu.count == 0 {
		q.c.mu.bits &^= queueScheduled
	}
	return frames, notice
}

// Scheduled reports whether the loop knows that there is something to send.
func (q *Queue) Scheduled() bool { return q.c.mu.bits&queueScheduled != 0 }

// Waiting is what a lane holds.
type Waiting struct{ w waiter }

// Told returns what the last Push had to tell the loop: nothing, that there is something to send, or that there will be
// in so many milliseconds.
func (q *Queue) Told() (now bool, later int, w Waiting) {
	if q.call&callLater != 0 {
		later = int(q.call & 0xffff)
	}
	return q.call == callNow, later, Waiting{waiter{&q.c, q.call}}
}

// Due is the end of a wait, and reports whether it was still one.
func (w Waiting) Due() bool { return w.w.due() }

// Discard empties the queue as the end of a connection does, and returns what was counted.
func (q *Queue) Discard() int {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	q.c.mu.discarded = 0
	q.c.discardLocked()
	return int(q.c.mu.discarded)
}

// Answer appends what opens a gate.
func (q *Queue) Answer(f *Frame) Result {
	r, call := q.c.gated(new(bool), true, f)
	q.call = call
	return r
}

// Tell puts a notice, which is a part or a frame, where the loop would, and reports false if one waits already.
func (q *Queue) Tell(payload string, part bool) bool {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	if q.c.mu.noticeLocked() {
		return false
	}
	f := NewText([]byte(payload))
	if part {
		f = NewPart(0, []byte(payload))
	}
	f.bits |= frameNotice
	q.c.mu.insertLocked(f)
	return true
}

// Reopen makes a queue that has overflowed as if the frame had never come.
func (q *Queue) Reopen() {
	q.c.mu.Lock()
	q.c.mu.bits = q.c.mu.bits&^(queueOver|queueOverData) | queueOpen
	q.c.mu.Unlock()
}

// Dropped returns what was dropped, by reason, and how much of it is to be told.
func (q *Queue) Dropped() (reasons map[string]uint64, owed int) {
	s := &Server{gate: newGate(&Options{})}
	s.totals.measures = newMeasures()
	for i := range q.c.loop.srv.totals.dropped {
		s.totals.dropped[i].Store(q.c.loop.srv.totals.dropped[i].Load())
	}
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	return s.Stats().Dropped, int(q.c.mu.dropped)
}

// Waited reports whether the batch has ever considered to wait for a peer that takes nothing.
func Waited(b *Batch) bool { return !b.creditAt.IsZero() }

// Push appends.
func (q *Queue) Push(f *Frame, gate *bool) Result {
	r, call := q.c.push(f, gate)
	q.call = call
	return r
}

// Take takes everything.
func (q *Queue) Take() int {
	n := 0
	q.c.mu.Lock()
	for q.c.mu.count > 0 {
		var size int
		q.snap, size, _, _ = q.c.mu.peekLocked(q.snap[:0])
		frames, _ := q.c.mu.advanceLocked(size - int(q.c.mu.off))
		n += frames
	}
	q.c.mu.bits &^= queueScheduled
	q.c.mu.Unlock()
	return n
}

// TakeSome takes some of the frames in the queue.
func (q *Queue) TakeSome(n int) (took []*Frame) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	frames, _, _, _ := q.c.mu.peekLocked(nil)
	frames = frames[:min(n, len(frames))]
	size := 0
	for _, f := range frames {
		size += f.Len()
	}
	half := size / 2 // in two steps, the first of which ends anywhere
	first, _ := q.c.mu.advanceLocked(half)
	second, _ := q.c.mu.advanceLocked(size - half)
	if first+second != len(frames) {
		panic("count of frames is wrong")
	}
	return frames
}

// Len returns what is queued.
func (q *Queue) Len() (frames, bytes int) { return QueueLen(&q.c) }

// OnLoop runs f on a loop with the number of sockets that are attached to it.
func OnLoop(s *Server, i int, f func(attached int)) {
	l := s.loops[i]
	l.p.Post(func() { f(l.p.Len()) })
}

// StopReading does what happens when a peer does not take its answers, and ReadOn what happens when it does. Loop only.
func StopReading(c *Conn) { c.pauseFor(pauseHigh) }

// ReadOn ends StopReading.
func ReadOn(c *Conn) { c.unpause(pauseHigh) }

// BreakOff ends a connection at once, before what is queued is flushed. Loop only.
func BreakOff(c *Conn) { c.end(CloseError, true) }

// Spends returns of how many connections the loops know that they have sent something.
func (s *Server) Spends() (n int) {
	for _, l := range s.loops {
		got := make(chan int)
		l.post(job{kind: jobFunc, fn: func() { got <- len(l.spends) }})
		n += <-got
	}
	return n
}

// KeepAlive has c look for signs of life, as its timer does. Loop only.
func KeepAlive(c *Conn) { c.keepAlive() }

// CloseCodes are the names under which close codes are counted.
func CloseCodes() []string { return codeNames[:] }

// CloseCodeName is that of one of them.
func CloseCodeName(code uint16) string { return codeNames[codeOf(code)] }
