package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// network stands for the way to the service inside of a bubble: each dial makes
// a pipe, whose other end the test takes as a peer. Real nodes are in
// node_test.go; here it is time that is tested.
type network struct {
	t     *testing.T
	conns chan net.Conn

	mu struct {
		sync.Mutex
		down  bool
		dials []dial
	}
}

// dial is one attempt to connect.
type dial struct {
	at   time.Duration // since the network was made
	addr string
}

var errDown = errors.New("the network is down")

func newNetwork(t *testing.T) *network {
	return &network{t: t, conns: make(chan net.Conn, 1)}
}

// options are those of a client on this network, to be changed before New.
func (n *network) options() client.Options {
	start := time.Now()
	return client.Options{
		URLs: []string{"ws://node-a/ws"},
		Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			n.mu.Lock()
			n.mu.dials = append(n.mu.dials, dial{time.Since(start), addr})
			down := n.mu.down
			n.mu.Unlock()
			if down {
				return nil, errDown
			}
			ours, theirs := net.Pipe()
			select {
			case n.conns <- theirs:
				return ours, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		},
	}
}

func (n *network) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.down = down
}

func (n *network) dials() []dial {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]dial(nil), n.mu.dials...)
}

// peer is the server's end of one connection.
type peer struct {
	t      testing.TB
	conn   net.Conn
	uri    string      // of the upgrade request
	header http.Header // of it
}

// refuse takes a connection and answers its request with an HTTP response.
func (n *network) refuse(response string) {
	n.t.Helper()
	conn := <-n.conns
	defer conn.Close()
	readRequest(n.t, conn)
	fmt.Fprint(conn, strings.ReplaceAll(response, "\n", "\r\n"))
}

func readRequest(t *testing.T, conn net.Conn) {
	t.Helper()
	var head []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		if _, err := io.ReadFull(conn, one); err != nil {
			t.Fatalf("read the request: %v", err)
		}
		head = append(head, one...)
	}
}

// upgrade takes a connection and upgrades it.
func (n *network) upgrade() *peer {
	n.t.Helper()
	return upgrade(n.t, <-n.conns)
}

func upgrade(t testing.TB, conn net.Conn) *peer {
	t.Helper()
	p := &peer{t: t, conn: conn, header: http.Header{}}
	u := ws.Upgrader{
		OnRequest: func(uri []byte) error {
			p.uri = string(uri)
			return nil
		},
		OnHost: func(host []byte) error {
			p.header.Set("Host", string(host))
			return nil
		},
		OnHeader: func(key, value []byte) error {
			p.header.Add(string(key), string(value))
			return nil
		},
	}
	if _, err := u.Upgrade(p.conn); err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	return p
}

const handshake = `[:chsk/handshake ["alice" nil {:sente-lite-version "2.0.0", :conn-id "conn-1", :hoshi "1.2.3"} true]]`

// accept takes a connection and welcomes the client.
func (n *network) accept() *peer {
	n.t.Helper()
	p := n.upgrade()
	p.write(handshake)
	return p
}

func (p *peer) write(text string) {
	p.t.Helper()
	p.frame(ws.NewTextFrame([]byte(text)))
}

func (p *peer) frame(f ws.Frame) {
	p.t.Helper()
	if err := ws.WriteFrame(p.conn, f); err != nil {
		p.t.Fatalf("write to the client: %v", err)
	}
}

// next reads one frame of the client.
func (p *peer) next() (ws.OpCode, string, error) {
	h, err := ws.ReadHeader(p.conn)
	if err != nil {
		return 0, "", err
	}
	if !h.Masked {
		return 0, "", errors.New("the client does not mask")
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(p.conn, payload); err != nil {
		return 0, "", err
	}
	ws.Cipher(payload, h.Mask, 0)
	return h.OpCode, string(payload), nil
}

// read returns the next text message of the client.
func (p *peer) read() string {
	p.t.Helper()
	op, text, err := p.next()
	if err != nil {
		p.t.Fatalf("read from the client: %v", err)
	}
	if op != ws.OpText {
		p.t.Fatalf("read opcode %d with %q, want text", op, text)
	}
	return text
}

func (p *peer) want(text string) {
	p.t.Helper()
	if got := p.read(); got != text {
		p.t.Fatalf("the client sent %s, want %s", got, text)
	}
}

// wantClose reads to the client's close frame, and returns its code.
func (p *peer) wantClose() ws.StatusCode {
	p.t.Helper()
	for {
		op, text, err := p.next()
		if err != nil {
			p.t.Fatalf("read the close frame: %v", err)
		}
		if op == ws.OpClose {
			code, _ := ws.ParseCloseFrameData([]byte(text))
			return code
		}
	}
}

// close sends a close frame, reads the answer and hangs up.
func (p *peer) close(code ws.StatusCode, reason string) {
	p.t.Helper()
	p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
	if got := p.wantClose(); got != code {
		p.t.Errorf("the client answers close %d with %d", code, got)
	}
	p.conn.Close()
}

// hangUp ends the connection without a word.
func (p *peer) hangUp() { p.conn.Close() }

// callback takes a request [event "id"] apart.
func callback(t *testing.T, text string) (event, id string) {
	t.Helper()
	event, ok := strings.CutPrefix(text, "[")
	i := strings.LastIndex(event, ` "`)
	if !ok || i < 0 || !strings.HasSuffix(event, `"]`) {
		t.Fatalf("%s has no callback", text)
	}
	return event[:i], event[i+2 : len(event)-2]
}

func mustNew(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stopNow ends a client whose peer answers no close frame.
func stopNow(c *client.Client) client.Stats {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return c.Stop(ctx)
}

// contextIn is a context that ends after d.
func contextIn(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
