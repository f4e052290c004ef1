package poller

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	portableRead  = 4 << 10         // of who sends much
	portableIdle  = 512             // of who does not: what a reader that waits holds on to
	portableWrite = 256 << 10       // what stands in for the system's send buffer; of a quarter readers who are well overflowed
	portableDrain = 2 * time.Second // how long Close lets the writer finish
	acceptRetry   = 100 * time.Millisecond
)

// portable is the backend without readiness: one goroutine reads for each socket and waits until the loop has
// taken what it read; a writer goroutine lives while a buffer is being written. All callbacks are on the loop.
type portable struct {
	l       *Loop
	conns   []*pconn // by slot; loop only
	signal  chan struct{}
	timer   *time.Timer
	events  []pevent // taken; events[at:] are to be dispatched
	at      int
	redo    *pconn // its callback panicked: the reader is still to be told
	listens []net.Listener
	wg      sync.WaitGroup // every goroutine of the backend; shutdown waits for it

	mu struct {
		sync.Mutex
		events []pevent
	}
}

type pkind uint8

const (
	evRead pkind = iota
	evHangup
	evWritable
	evAccept
	evAcceptError
)

type pevent struct {
	kind pkind
	c    *pconn
	p    []byte
	err  error
	conn net.Conn
	o    ListenOptions
}

func newPortable(l *Loop) *portable {
	return &portable{l: l, signal: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
}

func (b *portable) wait(deadline time.Time) {
	if b.at < len(b.events) || !b.l.park() {
		return
	}
	var due <-chan time.Time
	if !deadline.IsZero() {
		b.timer.Reset(time.Until(deadline))
		due = b.timer.C
	}
	select {
	case <-b.signal:
	case <-due:
	}
	b.l.parked.Store(false)
}

func (b *portable) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

func (b *portable) post(ev pevent) {
	b.mu.Lock()
	b.mu.events = append(b.mu.events, ev)
	b.mu.Unlock()
	b.l.Wake()
}

func (b *portable) dispatch() {
	if c := b.redo; c != nil {
		b.redo = nil
		c.deliver()
	}
	if b.at == len(b.events) {
		clear(b.events)
		b.mu.Lock()
		b.events, b.mu.events = b.mu.events, b.events[:0]
		b.mu.Unlock()
		b.at = 0
	}
	for b.at < len(b.events) {
		ev := b.events[b.at]
		b.at++
		switch ev.kind {
		case evAccept:
			ev.o.OnAccept(Endpoint{conn: ev.conn})
		case evAcceptError:
			if ev.o.OnError != nil {
				ev.o.OnError(ev.err, false)
			}
		case evWritable:
			if s := ev.c.socket(); s != nil && s.bits&bitWrite != 0 {
				b.l.current = ev.c.h
				ev.c.h.OnWritable()
				b.l.current = nil
			}
		case evRead, evHangup:
			ev.c.reading, ev.c.waiting = false, ev.kind == evRead
			ev.c.held, ev.c.heldErr = ev.p, ev.err
			ev.c.deliver()
		}
	}
}

func (b *portable) attach(ep Endpoint, s *Socket) error {
	conn := ep.conn
	if conn == nil {
		f := os.NewFile(uintptr(ep.fd), "socket")
		c, err := net.FileConn(f)
		_ = f.Close() // c has a duplicate of its own
		if err != nil {
			return fmt.Errorf("poller: attach: %w", err)
		}
		conn = c
	}
	for int(s.slot) >= len(b.conns) {
		b.conns = append(b.conns, nil)
	}
	c := &pconn{b: b, h: b.l.table.at(s.slot).h, conn: conn, more: make(chan bool, 1), gone: make(chan struct{}), reading: true}
	b.conns[s.slot] = c
	if n := b.l.opt.MaxUnsent; n > 0 {
		limitUnsentOf(c.socketConn(), n)
	}
	b.wg.Go(c.read) // ends with an error of Read, or when told so by close and detach
	return nil
}

func (b *portable) interest(s *Socket) {
	c := b.conns[s.slot]
	if s.bits&bitRead != 0 && !c.reading {
		// Not at once: the caller may be in a callback of this very socket.
		b.l.Post(c.deliver)
	}
	if s.bits&bitWrite != 0 {
		c.mu.Lock()
		ready := len(c.mu.out) < portableWrite || c.mu.err != nil
		c.mu.short = true
		c.mu.Unlock()
		if ready {
			b.post(pevent{kind: evWritable, c: c})
		}
	}
}

func (b *portable) write(s *Socket, p []byte) (int, error) {
	c := b.conns[s.slot]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeLocked(p)
}

func (b *portable) writev(s *Socket, bufs [][]byte) (int, error) {
	c := b.conns[s.slot]
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for _, p := range bufs {
		n, err := c.writeLocked(p)
		total += n
		if err != nil || n < len(p) {
			return total, err
		}
	}
	return total, nil
}

func (b *portable) closeWrite(s *Socket) error {
	c := b.conns[s.slot]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.fin = true
	c.finishLaterLocked()
	return nil
}

func (b *portable) unsent(s *Socket) int {
	c := b.conns[s.slot]
	c.mu.Lock()
	n := len(c.mu.out)
	c.mu.Unlock()
	return n + outq(c.socketConn())
}

// forget ends the reader and takes the connection out of the table.
func (b *portable) forget(s *Socket) *pconn {
	c := b.conns[s.slot]
	b.conns[s.slot] = nil
	c.dead = true
	c.waiting = false
	c.more <- false // a reader in Read finds it afterwards
	return c
}

func (b *portable) close(s *Socket, reset bool) {
	c := b.forget(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	raw := c.socketConn()
	sec, _ := c.conn.(*secured)
	if reset {
		if lc, ok := raw.(interface{ SetLinger(int) error }); ok {
			_ = lc.SetLinger(0)
		}
	} else if c.mu.writing || sec != nil && sec.done.Load() {
		// As a system would, deliver what was accepted.
		c.mu.end = true
		_ = raw.SetReadDeadline(time.Unix(1, 0))
		_ = raw.SetWriteDeadline(time.Now().Add(portableDrain))
		c.finishLaterLocked()
		return
	}
	_ = raw.Close()
}

func (b *portable) detach(s *Socket) (net.Conn, error) {
	c := b.forget(s)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // a reader that is in Read returns at once
	<-c.gone
	_ = c.conn.SetReadDeadline(time.Time{})
	rest := c.held
	b.mu.Lock()
	for _, ev := range b.mu.events {
		if ev.c == c && len(ev.p) > 0 {
			rest = ev.p
		}
	}
	b.mu.Unlock()
	if len(rest) > 0 {
		return &replayed{Conn: c.conn, rest: rest}, nil
	}
	return c.conn, nil
}

func (b *portable) localAddr(s *Socket) netip.AddrPort {
	return netAddrPort(b.conns[s.slot].conn.LocalAddr())
}

func (b *portable) remoteAddr(s *Socket) netip.AddrPort {
	return netAddrPort(b.conns[s.slot].conn.RemoteAddr())
}

func netAddrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

func (b *portable) listen(ln net.Listener, o ListenOptions) error {
	b.listens = append(b.listens, ln)
	b.wg.Go(func() { b.accept(ln, o) }) // ends when the listener is closed
	return nil
}

func (b *portable) accept(ln net.Listener, o ListenOptions) {
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			b.post(pevent{kind: evAccept, conn: c, o: o})
		case closed(err):
			return
		default:
			b.post(pevent{kind: evAcceptError, err: err, o: o})
			if outOfDescriptors(err) {
				select {
				case <-b.l.done:
				case <-time.After(acceptRetry):
				}
			}
		}
	}
}

func (b *portable) stopListen() {
	for _, ln := range b.listens {
		_ = ln.Close()
	}
	b.listens = nil
}

func (b *portable) shutdown() {
	b.wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ev := range b.mu.events {
		if ev.kind == evAccept {
			_ = ev.conn.Close()
		}
	}
	b.mu.events = nil
	b.timer.Stop()
}
