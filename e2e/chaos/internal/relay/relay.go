package relay

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Relay passes connections on to one address. All methods are safe for concurrent
// use. A connection costs two goroutines.
type Relay struct {
	// Fixed after New.
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu struct {
		sync.Mutex
		delay time.Duration
		moves chan struct{} // closed unless stalled
		pairs map[*pair]struct{}
		over  bool
	}
}

// pair is a connection and the one that it is passed on by.
type pair struct {
	client net.Conn
	gone   chan struct{} // closed with both

	mu struct {
		sync.Mutex
		server net.Conn
		closed bool
	}
}

// New listens on addr and passes on to target. Close ends it.
func New(addr, target string) (*Relay, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, target: target}
	r.mu.pairs = map[*pair]struct{}{}
	r.mu.moves = make(chan struct{})
	close(r.mu.moves)
	r.done.Go(r.accept) // ends with Close
	return r, nil
}

// Addr is where it listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Delay holds everything, in each direction, for d.
func (r *Relay) Delay(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.delay = d
}

// Stall lets nothing through until it is called with false. Connections are taken
// meanwhile, and hear nothing.
func (r *Relay) Stall(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.mu.moves:
		if on {
			r.mu.moves = make(chan struct{})
		}
	default:
		if !on {
			close(r.mu.moves)
		}
	}
}

// Cut closes all connections, Reset with a reset. It returns how many there were.
func (r *Relay) Cut() int   { return r.end(false) }
func (r *Relay) Reset() int { return r.end(true) }

func (r *Relay) end(reset bool) int {
	r.mu.Lock()
	pairs := make([]*pair, 0, len(r.mu.pairs))
	for p := range r.mu.pairs {
		pairs = append(pairs, p)
	}
	r.mu.Unlock()
	for _, p := range pairs {
		p.close(reset)
	}
	return len(pairs)
}

// Close ends the relay and waits for all its goroutines.
func (r *Relay) Close() {
	r.mu.Lock()
	r.mu.over = true
	r.mu.Unlock()
	_ = r.listener.Close()
	r.end(true)
	r.done.Wait()
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: the client will come again
			time.Sleep(10 * time.Millisecond)
			continue
		}
		r.done.Go(func() { r.serve(c) })
	}
}

func (r *Relay) serve(c net.Conn) {
	p := &pair{client: c, gone: make(chan struct{})}
	r.mu.Lock()
	over, moves := r.mu.over, r.mu.moves
	r.mu.pairs[p] = struct{}{}
	r.mu.Unlock()
	defer func() {
		p.close(false)
		r.mu.Lock()
		delete(r.mu.pairs, p)
		r.mu.Unlock()
	}()
	if over {
		return
	}
	select { // a client that comes while all stands still
	case <-moves:
	case <-p.gone:
		return
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	s, err := d.Dial("tcp", r.target)
	if err != nil {
		p.close(true)
		return
	}
	if !p.join(s) {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { r.carry(p, s, c) })
	ways.Go(func() { r.carry(p, c, s) })
	ways.Wait()
}

// carry passes on in one direction, until either end is gone.
func (r *Relay) carry(p *pair, to, from net.Conn) {
	defer p.close(false)
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, syscall.ECONNRESET) { // and what has not been sent is dropped
			p.close(true)
		}
		if err != nil || n == 0 {
			return
		}
		r.mu.Lock()
		delay, moves := r.mu.delay, r.mu.moves
		r.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-p.gone:
				return
			}
		}
		select {
		case <-moves:
		case <-p.gone:
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// join adds the other connection, unless the pair has ended.
func (p *pair) join(s net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		_ = s.Close()
		return false
	}
	p.mu.server = s
	return true
}

func (p *pair) close(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return
	}
	p.mu.closed = true
	close(p.gone)
	for _, c := range []net.Conn{p.client, p.mu.server} {
		if c == nil {
			continue
		}
		if t, ok := c.(*net.TCPConn); ok && reset {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}
