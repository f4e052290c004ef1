package wsconn

import (
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
	l := &loop{srv: &Server{opt: opt, epoch: time.Now()}, maxFrames: 1000, maxBytes: 2 << 20}
	l.srv.maxMessage.Store(int64(opt.MaxMessage))
	l.p, _ = poller.New(poller.Options{Portable: true})
	p := &Parser{}
	p.c.loop, p.c.h, p.c.state = l, &parserOwner{message}, stateOpen
	p.c.mu.bits = queueOpen
	return p
}

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
	c    Conn
	snap []*Frame
}

// NewQueue returns an open queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.c.loop = &loop{maxFrames: 1000, maxBytes: 2 << 20}
	q.c.mu.bits = queueOpen
	return q
}

// Push appends.
func (q *Queue) Push(f *Frame, gate *bool) Result {
	r, _ := q.c.push(f, gate)
	return r
}

// Take takes everything.
func (q *Queue) Take() int {
	n := 0
	q.c.mu.Lock()
	for q.c.mu.count > 0 {
		var size int
		q.snap, size, _ = q.c.mu.peekLocked(q.snap[:0])
		n += q.c.mu.advanceLocked(size - int(q.c.mu.off))
	}
	q.c.mu.bits &^= queueScheduled
	q.c.mu.Unlock()
	return n
}

// TakeSome takes some of the frames in the queue.
func (q *Queue) TakeSome(n int) (took []*Frame) {
	q.c.mu.Lock()
	defer q.c.mu.Unlock()
	frames, _, _ := q.c.mu.peekLocked(nil)
	frames = frames[:min(n, len(frames))]
	size := 0
	for _, f := range frames {
		size += f.Len()
	}
	half := size / 2 // in two steps, the first of which ends anywhere
	if q.c.mu.advanceLocked(half)+q.c.mu.advanceLocked(size-half) != len(frames) {
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
