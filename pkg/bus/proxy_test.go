package bus_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/natsd"
)

// proxy stands between a node and its NATS server, to cut, stall and spoil.
type proxy struct {
	ln     net.Listener
	target string
	wg     sync.WaitGroup

	mu      sync.Mutex
	stalled *sync.Cond
	stall   bool
	refuse  bool
	clients []net.Conn
	servers []net.Conn
}

func newProxy(t testing.TB, s *natsd.Server) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, target: s.Addr().String()}
	p.stalled = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.setStall(false)
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.ln.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.refuse
		p.mu.Unlock()
		if refuse {
			_ = c.Close()
			continue
		}
		s, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = c.Close()
			continue
		}
		p.mu.Lock()
		p.clients = append(p.clients, c)
		p.servers = append(p.servers, s)
		p.mu.Unlock()
		p.wg.Go(func() { p.copy(s, c) })
		p.wg.Go(func() { p.copy(c, s) })
	}
}

func (p *proxy) copy(dst, src net.Conn) {
	defer func() { _ = dst.Close(); _ = src.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		p.mu.Lock()
		for p.stall {
			p.stalled.Wait()
		}
		p.mu.Unlock()
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) setStall(on bool) {
	p.mu.Lock()
	p.stall = on
	p.stalled.Broadcast()
	p.mu.Unlock()
}

func (p *proxy) setRefuse(on bool) {
	p.mu.Lock()
	p.refuse = on
	p.mu.Unlock()
}

// cut ends every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range append(p.clients, p.servers...) {
		_ = c.Close()
	}
	p.clients, p.servers = nil, nil
}

// say writes to every client as if the server did.
func (p *proxy) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		_, _ = io.WriteString(c, text)
	}
}
