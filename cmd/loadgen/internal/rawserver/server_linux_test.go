package rawserver_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/rawserver"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// client is a blocking client.
type client struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
	p wsclient.Parser
	b []byte
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	cl := &client{t: t, c: c, r: bufio.NewReader(c)}
	cl.write(wsclient.AppendUpgrade(nil, addr, "/", "dGhlIHNhbXBsZSBub25jZQ=="))
	res, err := http.ReadResponse(cl.r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", res, err)
	}
	_ = res.Body.Close() // empty: what follows is read from the connection
	return cl
}

func (c *client) write(p []byte) {
	c.t.Helper()
	if _, err := c.c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) say(s string) { c.t.Helper(); c.write(wsclient.AppendText(nil, []byte(s))) }

// hear returns the next frame's text.
func (c *client) hear() string {
	c.t.Helper()
	buf := make([]byte, 1<<20)
	for {
		f, rest, ok, err := c.p.Next(c.b)
		c.b = rest
		if err != nil {
			c.t.Fatal(err)
		}
		if ok {
			return string(f.Head)
		}
		n, err := c.r.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		c.b = append([]byte(nil), buf[:n]...)
	}
}

func TestServer(t *testing.T) {
	before := descriptors(t)
	s, err := rawserver.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	defer func() {
		if err := errors.Join(s.Stop(), <-served); err != nil {
			t.Error(err)
		}
		if after := descriptors(t); after > before+3 { // the clients' ends, closed later
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	}()

	addr := s.Addr().String()
	a, b, pub := dial(t, addr), dial(t, addr), dial(t, addr)
	for _, c := range []*client{a, b, pub} {
		if got := c.hear(); !strings.HasPrefix(got, "[:chsk/handshake [") {
			t.Fatalf("got %q", got)
		}
	}
	for _, c := range []*client{a, b} {
		c.say(`[:sente-lite/subscribe {:channel-id "c"}]`)
		if got := c.hear(); got != `[:sente-lite/subscribed {:channel-id "c" :success true}]` {
			t.Fatalf("got %q", got)
		}
	}
	// A frame in pieces, one behind another, and a large one.
	publish := func(data string) []byte {
		return wsclient.AppendText(nil, []byte(`[:sente-lite/publish {:channel-id "c" :data `+data+`}]`))
	}
	two := append(publish(`"1"`), publish(`"2"`)...)
	for len(two) > 0 {
		n := min(7, len(two))
		pub.write(two[:n])
		two = two[n:]
	}
	large := `"` + strings.Repeat("x", 300_000) + `"`
	pub.write(publish(large))
	want := func(data string) string {
		return `[:sente-lite/channel-msg {:channel-id "c" :data ` + data + ` :from "conn-00000000-0000-7000-8000-000000000000"}]`
	}
	for _, c := range []*client{a, b} {
		for _, data := range []string{`"1"`, `"2"`, large} {
			w := want(data)
			if got := c.hear(); got != w && (len(w) < wsclient.HeadMax || !strings.HasPrefix(w, got)) {
				t.Errorf("got %.200q, want %.200q", got, w)
			}
		}
	}
	pub.say("[:chsk/ws-ping]")
	if got := pub.hear(); got != "[:chsk/ws-pong]" {
		t.Errorf("got %q", got)
	}
	// One subscriber leaves; the other goes on.
	a.write(wsclient.AppendClose(nil, 1000))
	if _, err := io.ReadAll(a.r); err != nil {
		t.Errorf("close: %v", err)
	}
	pub.write(publish(`"3"`))
	if got := b.hear(); got != want(`"3"`) {
		t.Errorf("got %q", got)
	}
	// No upgrade, no service.
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || len(b) != 0 {
		t.Errorf("got %q, %v", b, err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
