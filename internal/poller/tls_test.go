package poller_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/poller"
)

// told is a listener whose connections tell when they are read from.
type told struct {
	net.Listener
	reading chan struct{}
}

type toldConn struct {
	*net.TCPConn
	reading chan struct{}
}

func (l told) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return toldConn{c.(*net.TCPConn), l.reading}, nil
}

func (c toldConn) Read(p []byte) (int, error) {
	select {
	case c.reading <- struct{}{}:
	default:
	}
	return c.TCPConn.Read(p)
}

// recorded keeps what it reads.
type recorded struct {
	*net.TCPConn
	p []byte
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.TCPConn.Read(p)
	r.p = append(r.p, p[:n]...)
	return n, err
}

// lastRecord returns the type of the last record in what was read.
func lastRecord(t *testing.T, c *tls.Conn) (kind byte) {
	t.Helper()
	for p := c.NetConn().(*recorded).p; len(p) > 0; {
		kind = p[0]
		n := 5 + int(p[3])<<8 + int(p[4])
		if len(p) < n {
			t.Fatalf("%d bytes of a record of %d", len(p), n)
		}
		p = p[n:]
	}
	return kind
}

const alert = 21 // RFC 5246, appendix A.1

// securePair returns an accepted connection that speaks TLS, whose handshake nobody has made, and its peer. reading is
// sent to when the first is read from.
func securePair(t *testing.T) (near net.Conn, far *tls.Conn, reading chan struct{}) {
	t.Helper()
	ca := certtest.New(t, "ca")
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reading = make(chan struct{}, 1)
	ln := poller.Secure(told{plain, reading}, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "node", nil).TLS}})
	defer func() { _ = ln.Close() }()
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if near, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = raw.Close() })
	// In TLS 1.3 one could not tell an alert from data.
	config := &tls.Config{RootCAs: ca.Pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
	return near, tls.Client(&recorded{TCPConn: raw.(*net.TCPConn)}, config), reading
}

// secured puts a connection that speaks TLS on a loop and makes its handshake.
func (b *bench) secured() (*sock, *tls.Conn) {
	b.t.Helper()
	s := newSock(b)
	near, far, _ := securePair(b.t)
	b.add(s, near)
	if err := far.Handshake(); err != nil {
		b.t.Fatal(err)
	}
	_, _ = far.Write([]byte("!"))
	wait(b.t, "first read", s.read)
	return s, far
}

func newSecureBench(t *testing.T) *bench {
	t.Helper()
	return newBench(t, poller.Options{Portable: true})
}

func TestTLSReadWrite(t *testing.T) {
	b := newSecureBench(t)
	s, far := b.secured()
	_, _ = far.Write([]byte("hello"))
	if p := wait(t, "read", s.read); string(p) != "hello" {
		t.Errorf("read %q", p)
	}
	b.on(func() {
		if n, err := b.Writev(&s.Socket, [][]byte{[]byte("wor"), []byte("ld")}); n != 5 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		if b.RemoteAddr(&s.Socket).String() != far.LocalAddr().String() || b.Certificate(&s.Socket) != nil {
			t.Errorf("address %v, certificate %v", b.RemoteAddr(&s.Socket), b.Certificate(&s.Socket))
		}
	})
	p := make([]byte, 5)
	if _, err := io.ReadFull(far, p); err != nil || string(p) != "world" {
		t.Errorf("far end read %q, %v", p, err)
	}
	_ = far.CloseWrite()
	if err := wait(t, "hangup", s.hangup); !errors.Is(err, io.EOF) {
		t.Errorf("hangup: %v", err)
	}
}

// TestTLSCloseWrite holds that the end of one direction comes behind what was written, as TLS and as TCP have it, and that
// the other goes on.
func TestTLSCloseWrite(t *testing.T) {
	b := newSecureBench(t)
	s, far := b.secured()
	sent := strings.Repeat("a", 100<<10)
	b.on(func() {
		_, _ = b.Write(&s.Socket, []byte(sent))
		if err := b.CloseWrite(&s.Socket); err != nil {
			t.Error(err)
		}
	})
	if p, err := io.ReadAll(far); err != nil || string(p) != sent {
		t.Errorf("far end read %d bytes, %v", len(p), err)
	}
	if kind := lastRecord(t, far); kind != alert {
		t.Errorf("the last record is of type %d", kind)
	}
	if n, err := far.NetConn().Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("below TLS: %d, %v", n, err)
	}
	_, _ = far.Write([]byte("still here"))
	if p := wait(t, "read", s.read); string(p) != "still here" {
		t.Errorf("read %q", p)
	}
	b.on(func() { b.Close(&s.Socket) })
}

func TestTLSCloseDeliversWhatWasWritten(t *testing.T) {
	b := newSecureBench(t)
	for _, size := range []int{0, 1, 200 << 10} {
		s, far := b.secured()
		b.on(func() {
			_, _ = b.Write(&s.Socket, make([]byte, size))
			b.Close(&s.Socket)
		})
		p, err := io.ReadAll(far)
		if kind := lastRecord(t, far); err != nil || len(p) != size || kind != alert {
			t.Errorf("%d bytes: far end read %d, %v, the last record is of type %d", size, len(p), err, kind)
		}
	}
}

func TestTLSReset(t *testing.T) {
	b := newSecureBench(t)
	s, far := b.secured()
	b.on(func() { b.Reset(&s.Socket) })
	if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("far end read: %v", err)
	}
}

// TestTLSPeerThatReadsNothing holds that nothing on the loop waits for such a peer, and that what it does not take is known.
func TestTLSPeerThatReadsNothing(t *testing.T) {
	for name, end := range map[string]func(b *bench, s *sock){
		"close":       func(b *bench, s *sock) { b.Close(&s.Socket) },
		"close write": func(b *bench, s *sock) { _ = b.CloseWrite(&s.Socket); b.Close(&s.Socket) },
		"reset":       func(b *bench, s *sock) { b.Reset(&s.Socket) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newSecureBench(t)
			s, far := b.secured()
			data := make([]byte, 64<<10)
			s.onWritable = func() {
				for {
					if n, err := b.Write(&s.Socket, data); err != nil || n < len(data) {
						return
					}
				}
			}
			b.on(func() {
				s.onWritable()
				b.WantWrite(&s.Socket, true)
			})
			last := -1
			for deadline := time.Now().Add(patience); ; { // until nothing moves any more
				var now int
				b.on(func() { now = b.Unsent(&s.Socket) })
				if now == last && now > 256<<10 {
					break
				}
				if last = now; time.Now().After(deadline) {
					t.Fatal("it takes and takes")
				}
				time.Sleep(50 * time.Millisecond)
			}
			begin := time.Now()
			b.on(func() { end(b, s) })
			if took := time.Since(begin); took > 900*time.Millisecond { // a close of TLS that nobody reads takes a second
				t.Errorf("the loop has waited %v", took)
			}
			_ = far.NetConn().(*recorded).SetLinger(0)
		})
	}
}

// TestTLSCloseWithinTheHandshake holds that a loop does not wait for somebody's handshake.
func TestTLSCloseWithinTheHandshake(t *testing.T) {
	b := newSecureBench(t)
	s := newSock(b)
	near, far, reading := securePair(t)
	b.add(s, near)
	wait(t, "beginning of the handshake", reading)
	b.on(func() {
		if b.Certificate(&s.Socket) != nil {
			t.Error("a certificate before the handshake")
		}
		b.Close(&s.Socket)
	})
	if _, err := far.NetConn().Read(make([]byte, 1)); err == nil {
		t.Error("the far end has read something")
	}
}

func TestTLSHandshakeErrors(t *testing.T) {
	for _, tt := range []struct {
		in     string
		reason poller.TLSReason
	}{
		{"GET / HTTP/1.1\r\n\r\n", poller.TLSPlain},
		{"HELO example.com\r\n", poller.TLSFailed},
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", poller.TLSFailed},
		{"", 0},         // and the end
		{"\x16\x03", 0}, // of no record
	} {
		b := newSecureBench(t)
		s := newSock(b)
		near, far, _ := securePair(t)
		b.add(s, near)
		_, _ = io.WriteString(far.NetConn(), tt.in)
		if tt.reason != poller.TLSPlain {
			_ = far.NetConn().(*recorded).CloseWrite()
		} else {
			p, err := io.ReadAll(far.NetConn())
			if err != nil || !strings.HasPrefix(string(p), "HTTP/1.0 400 ") || !strings.Contains(string(p), "https://") {
				t.Errorf("answered %q, %v", p, err)
			}
			_ = far.NetConn().Close()
		}
		err := wait(t, "hangup", s.hangup)
		fault, ok := errors.AsType[*poller.TLSError](err)
		if ok != (tt.reason != 0) || ok && fault.Reason != tt.reason {
			t.Errorf("%q: %v", tt.in, err)
		}
		if !ok && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", tt.in, err)
		}
	}
}

func TestTLSDetach(t *testing.T) {
	b := newSecureBench(t)
	s, far := b.secured()
	var near net.Conn
	b.on(func() {
		b.PauseRead(&s.Socket)
		var err error
		if near, err = b.Detach(&s.Socket); err != nil {
			t.Fatal(err)
		}
	})
	defer func() { _ = near.Close() }()
	_ = near.SetDeadline(time.Now().Add(patience))
	for range 3 {
		_, _ = far.Write([]byte("ping"))
		p := make([]byte, 4)
		if _, err := io.ReadFull(near, p); err != nil || string(p) != "ping" {
			t.Fatalf("read %q, %v", p, err)
		}
		_, _ = near.Write([]byte("pong"))
		if _, err := io.ReadFull(far, p); err != nil || string(p) != "pong" {
			t.Fatalf("far end read %q, %v", p, err)
		}
	}
}

func TestTLSReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := poller.TLSPlain; r <= poller.TLSFailed; r++ {
		if name := r.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("reason %d: %q", r, name)
		}
		seen[r.String()] = true
	}
	if poller.TLSReason(100).String() != "unknown" {
		t.Error("a reason that there is not has a name")
	}
}

// TestPortableReadsLargeAndSmall holds that a reader that changes its buffer loses nothing.
func TestPortableReadsLargeAndSmall(t *testing.T) {
	b := newBench(t, poller.Options{Portable: true})
	s, far := b.attach()
	var sent, got strings.Builder
	go func() { // ends when all is written
		for i := range 300 {
			p := strings.Repeat(string(rune('a'+i%26)), 1+i*i%9000)
			sent.WriteString(p)
			if _, err := far.Write([]byte(p)); err != nil {
				return
			}
			if i%7 == 0 {
				time.Sleep(time.Millisecond) // for reads that are not full
			}
		}
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	largest := 0
	for done := false; !done; {
		select {
		case p := <-s.read:
			got.Write(p)
			largest = max(largest, len(p))
		case err := <-s.hangup:
			if done = true; !errors.Is(err, io.EOF) {
				t.Errorf("hangup: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("it ends nowhere")
		}
	}
	for len(s.read) > 0 {
		got.Write(<-s.read)
	}
	if got.String() != sent.String() {
		t.Errorf("%d bytes have come of %d, or other ones", got.Len(), sent.Len())
	}
	if largest <= 512 {
		t.Errorf("the largest read is %d bytes", largest)
	}
}
