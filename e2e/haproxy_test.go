package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestHAProxy holds that behind a HAProxy that reuses connections each request
// gets its own answer: upgrades, plain requests, those of Ajax and refused
// ones, in random order and pipelined, over few connections.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	const reuse = "option http-keep-alive\nhttp-reuse always"
	for _, nodes := range []int{1, 3} {
		for _, way := range []struct {
			name, options, server string
			args                  []string
		}{
			{name: "reuse always", options: reuse},
			{name: "reuse safe", options: "option http-keep-alive\nhttp-reuse safe"},
			{name: "server-close", options: "option http-server-close\nhttp-reuse always"},
			{name: "reuse never", options: "option http-keep-alive\nhttp-reuse never"},
			{name: "send-proxy-v2", options: reuse, server: " send-proxy-v2", args: []string{"--proxy-from", "127.0.0.1"}},
		} {
			t.Run(fmt.Sprintf("%d nodes, %s", nodes, way.name), func(t *testing.T) {
				p := startProxied(t, nodes, way.args, proxyConfig{Options: strings.Split(way.options, "\n"), Server: way.server})
				p.mingle(t)
			})
		}
	}
}

// TestHAProxyTellsAddresses: a node knows the address of a client behind HAProxy by each of the ways to tell it, and
// believes nobody else's. What it knows is seen by a limit for each address, and in the security log.
func TestHAProxyTellsAddresses(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name, options, server string
		args                  []string
		told                  bool
	}{
		{name: "nothing"},
		{name: "send-proxy", server: " send-proxy", args: []string{"--proxy-from", "127.0.0.1"}, told: true},
		{name: "send-proxy-v2", server: " send-proxy-v2", args: []string{"--proxy-from", "127.0.0.1"}, told: true},
		{name: "forwardfor", options: "option forwardfor", args: []string{"--forwarded-from", "127.0.0.1"}, told: true},
		{name: "forwardfor of somebody else", options: "option forwardfor", args: []string{"--forwarded-from", "127.0.0.99"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			p := startProxied(t, 1, append(way.args, "--max-connections-per-address", "1"), proxyConfig{Options: []string{way.options}, Server: way.server})
			// The client says that it is another; only HAProxy's word counts.
			upgrade := func(from string) int {
				t.Helper()
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
				conn, err := d.Dial("tcp", p.addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				_ = conn.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(conn, get("/ws", "x", upgradeLines+"X-Forwarded-For: 127.0.0.77\r\n")); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				return resp.StatusCode
			}
			want, seen := http.StatusTooManyRequests, "127.0.0.1"
			if way.told {
				want, seen = http.StatusSwitchingProtocols, "127.0.0.2"
			}
			for _, x := range []struct {
				from string
				want int
			}{{"127.0.0.2", http.StatusSwitchingProtocols}, {"127.0.0.3", want}, {"127.0.0.2", http.StatusTooManyRequests}} {
				if got := upgrade(x.from); got != x.want {
					t.Errorf("from %s: status %d, want %d", x.from, got, x.want)
				}
			}
			eventually(t, p.procs[0], "writing of "+seen, func() bool {
				return strings.Contains(p.procs[0].output(), fmt.Sprintf(`"address":%q`, seen))
			})
			if strings.Contains(p.procs[0].output(), "127.0.0.77") {
				t.Error("the node believes what the client says of itself")
			}
		})
	}
}

// proxyConfig fills in haproxy/haproxy.cfg.
type proxyConfig struct {
	Options []string // of defaults
	Server  string   // behind each server, with a space before it
	Listen  string
	Nodes   []string
}

// proxied is nodes with a HAProxy in front.
type proxied struct {
	addr  string   // of the proxy
	nodes []string // where they listen
	admin []string
	procs []*process
	seq   atomic.Int64 // numbers requests
	bogus atomic.Int64 // plain requests that were sent down an upgraded connection
	shut  atomic.Int64 // pipelined requests that the proxy has not answered: it closed before
}

func startProxied(t *testing.T, nodes int, args []string, conf proxyConfig) *proxied {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatalf("haproxy is missing, run scripts/setup.sh: %v", err)
	}
	c := newCluster(t)
	ports := freePorts(t, 4*nodes+1)
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	p := &proxied{addr: address(4 * nodes)}
	for k := range nodes {
		p.nodes, p.admin = append(p.nodes, address(4*k)), append(p.admin, address(4*k+1))
	}
	for k := range nodes {
		all := append([]string{
			"--listen", p.nodes[k], "--admin-listen", p.admin[k], "--nats-listen", address(4*k + 2), "--echo", "--log-level", "info",
			"--insecure-uid-param", "uid", "--token-secret", "a secret of at least thirty-two bytes", "--token-param", "token",
		}, args...)
		if nodes > 1 {
			var routes []string
			for other := range nodes {
				if other != k {
					routes = append(routes, address(4*other+3))
				}
			}
			all = append(all, "--nats-cluster-listen", address(4*k+3), "--nats-routes", strings.Join(routes, ","))
		}
		c.listen = append(c.listen, p.nodes[k])
		c.nodes = append(c.nodes, start(t, t, fmt.Sprintf("node-%d", k+1), c.dir, nil, c.bin, all...))
	}
	for k := range nodes { // on the other listener: behind a proxy this one may want its header
		eventually(t, c.nodes[k], "ready", func() bool { return getJSON("http://"+p.admin[k]+"/health/ready", &struct{}{}) })
	}
	for _, node := range c.nodes { // its demo backend comes last
		eventually(t, node, "started", func() bool { return strings.Contains(node.output(), "node is started") })
	}
	p.procs = c.nodes
	conf.Listen, conf.Nodes = p.addr, p.nodes
	var text bytes.Buffer
	if err := template.Must(template.ParseFiles(filepath.Join("haproxy", "haproxy.cfg"))).Execute(&text, conf); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := start(t, t, "haproxy", c.dir, nil, program, "-db", "-f", file)
	eventually(t, proxy, "ready", func() bool { return getJSON("http://"+p.addr+"/health/ready", &struct{}{}) })
	return p
}

// mingle has clients ask for everything at random, and compares what the nodes
// have counted.
func (p *proxied) mingle(t *testing.T) {
	t.Helper()
	const clients, rounds = 12, 60
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			w := &proxyClient{p: p, rng: rand.New(rand.NewPCG(seed, uint64(i)))}
			defer w.end()
			for n := range rounds {
				if err := w.round(); err != nil {
					t.Errorf("client %d, round %d: %v", i, n, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	if n := p.seq.Load() / 20; p.shut.Load() > n {
		t.Errorf("%d requests of %d have had no answer", p.shut.Load(), p.seq.Load())
	}
	// A plain request that the proxy sent down an upgraded connection would be a breach of the protocol there.
	var broken, accepted uint64
	deadline := time.Now().Add(patience)
	for broken = 0; ; broken = 0 {
		for _, admin := range p.admin {
			var st struct {
				Sockets struct {
					Accepted uint64
					Closed   map[string]uint64
				}
			}
			if !getJSON("http://"+admin+"/stats", &st) {
				t.Fatal("no statistics")
			}
			broken += st.Sockets.Closed["protocol"]
			accepted += st.Sockets.Accepted
		}
		if want := uint64(p.bogus.Load()); broken >= want || time.Now().After(deadline) {
			if broken != want || accepted == 0 {
				t.Errorf("%d of %d upgraded connections were sent what is no frame, want %d", broken, accepted, want)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// proxyClient is a client with one connection to the proxy, and at times an
// upgraded one beside it. It belongs to one goroutine.
type proxyClient struct {
	p    *proxied
	rng  *rand.Rand
	conn net.Conn // nil: none at the moment
	in   *bufio.Reader
	side *tunnel // an upgraded connection that stays; nil: none
}

// asked is a request and what must come back.
type asked struct {
	text   string
	status int
	has    string // in the body
}

const upgradeLines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

func get(target, host, lines string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + lines + "\r\n"
}

// plain returns one of the requests that are answered and leave the connection as it is, with its number in it where
// the answer shows that.
func (w *proxyClient) plain() asked {
	n := w.p.seq.Add(1)
	host := fmt.Sprintf("h%d.example", n)
	switch w.rng.IntN(10) {
	case 0:
		return asked{get("/health", host, ""), 200, `"status": "ok"`}
	case 1: // the hint, which names the host
		return asked{get("/", host, ""), 426, fmt.Sprintf("ws://%s/", host)}
	case 2:
		return asked{get(fmt.Sprintf("/nothing/%d", n), host, ""), 404, "404 page not found"}
	case 3: // the first poll of a client
		return asked{get(fmt.Sprintf("/chsk?client-id=tab-%d&uid=u-%d&handshake%%3F=1", n, n), host, ""), 200, fmt.Sprintf(`[[:chsk/handshake ["u-%d" `, n)}
	case 4, 5: // a send
		body := url.Values{"ppstr": {fmt.Sprintf("[[:test/echo {:n %d}] :ajax]", n)}, "client-id": {fmt.Sprint("send-", n)}, "udt": {"1"}}.Encode()
		return asked{
			fmt.Sprintf("POST /chsk?client-id=send-%d HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", n, host, len(body), body),
			200, fmt.Sprintf("[{:n %d} nil]", n),
		}
	case 6:
		return asked{get(fmt.Sprintf("/ws?uid=r-%d&token=none", n), host, upgradeLines), 401, ""}
	case 7:
		return asked{get(fmt.Sprintf("/ws?uid=r-%d", n), host, upgradeLines+"Origin: http://elsewhere.example\r\n"), 403, ""}
	case 8:
		return asked{get(fmt.Sprintf("/ws?uid=r-%d", n), host, strings.Replace(upgradeLines, "13", "12", 1)), 426, "Only version 13"}
	default:
		return asked{get(fmt.Sprintf("/ws?uid=r-%d", n), host, strings.Replace(upgradeLines, "dGhl", "!!!!", 1)), 400, "Sec-WebSocket-Key"}
	}
}

func (w *proxyClient) round() error {
	if w.conn == nil {
		conn, err := net.Dial("tcp", w.p.addr)
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		w.conn, w.in = conn, bufio.NewReader(conn)
	}
	switch w.rng.IntN(8) {
	case 0:
		return w.upgrade()
	case 1:
		if w.side == nil {
			conn := w.conn
			w.conn = nil // the next round dials
			t, err := w.p.tunnel(conn, w.in, false)
			if err != nil {
				_ = conn.Close()
				return err
			}
			w.side = t
			return nil
		}
		err := w.side.talk()
		if w.rng.IntN(4) == 0 {
			w.leave()
		}
		return err
	}
	return w.ask(1 + w.rng.IntN(5))
}

// ask sends so many plain requests in one packet.
func (w *proxyClient) ask(count int) error {
	var all []asked
	var text strings.Builder
	for range count {
		a := w.plain()
		all = append(all, a)
		text.WriteString(a.text)
	}
	if _, err := io.WriteString(w.conn, text.String()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for i, a := range all {
		method, _, _ := strings.Cut(a.text, " ")
		resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
		if err != nil {
			return fmt.Errorf("answer %d of %d, to %.80q: %w", i+1, count, a.text, err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return fmt.Errorf("answer %d of %d, to %q: %w", i+1, count, a.text, err)
		}
		if resp.StatusCode != a.status || !strings.Contains(string(body), a.has) {
			return fmt.Errorf("answer %d of %d, to %q: status %d, %.200q: want %d and %q", i+1, count, a.text, resp.StatusCode, body, a.status, a.has)
		}
		if resp.Close { // as it says; then the rest is not answered
			w.p.shut.Add(int64(count - i - 1))
			w.hangUp()
			return nil
		}
	}
	return nil
}

// upgrade makes a WebSocket of the connection, talks, and ends it in one of several ways.
func (w *proxyClient) upgrade() error {
	t, err := w.p.tunnel(w.conn, w.in, w.rng.IntN(2) == 0)
	defer w.hangUp()
	if err != nil {
		return err
	}
	for range w.rng.IntN(4) {
		if err := t.talk(); err != nil {
			return err
		}
	}
	switch w.rng.IntN(3) {
	case 0: // HTTP has no place there any more
		w.p.bogus.Add(1)
		if _, err := io.WriteString(t.conn, get("/health", "x", "")); err != nil {
			return err
		}
		return t.wantClose(ws.StatusProtocolError)
	case 1:
		if _, err := t.conn.Write(testkit.AppendFrame(nil, ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))); err != nil {
			return err
		}
		return t.wantClose(ws.StatusNormalClosure)
	}
	return nil
}

func (w *proxyClient) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

func (w *proxyClient) leave() {
	if w.side != nil {
		_ = w.side.conn.Close()
		w.side = nil
	}
}

func (w *proxyClient) end() {
	w.hangUp()
	w.leave()
}

// tunnel is an upgraded connection with a number of its own, which is the user's and the channel's.
type tunnel struct {
	conn  net.Conn
	in    *bufio.Reader
	n     int64
	count int
}

// tunnel upgrades a connection, with a frame right behind the request where early says so.
func (p *proxied) tunnel(conn net.Conn, in *bufio.Reader, early bool) (*tunnel, error) {
	t := &tunnel{conn: conn, in: in, n: p.seq.Add(1)}
	subscribe := fmt.Sprintf(`[:sente-lite/subscribe {:channel-id "c-%d"}]`, t.n)
	send := []byte(get(fmt.Sprintf("/ws?uid=ws-%d", t.n), "x", upgradeLines))
	if early {
		send = testkit.AppendFrame(send, ws.OpText, []byte(subscribe))
	}
	if _, err := conn.Write(send); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return nil, fmt.Errorf("upgrade: %s %v", resp.Status, resp.Header)
	}
	if !early {
		if _, err := conn.Write(testkit.AppendFrame(nil, ws.OpText, []byte(subscribe))); err != nil {
			return nil, err
		}
	}
	if err := t.want(fmt.Sprintf(`[:chsk/handshake ["ws-%d" `, t.n)); err != nil {
		return nil, err
	}
	return t, t.want(fmt.Sprintf(`[:sente-lite/subscribed {:channel-id "c-%d", `, t.n))
}

// talk publishes and hears it.
func (t *tunnel) talk() error {
	t.count++
	msg := fmt.Sprintf(`[:sente-lite/publish {:channel-id "c-%d" :data %d}]`, t.n, t.count)
	if _, err := t.conn.Write(testkit.AppendFrame(nil, ws.OpText, []byte(msg))); err != nil {
		return err
	}
	return t.want(fmt.Sprintf(`{:channel-id "c-%d", :data %d`, t.n, t.count))
}

// read returns the next message, or close.
func (t *tunnel) read() (ws.OpCode, []byte, error) {
	h, err := ws.ReadHeader(t.in)
	if err != nil || h.Length > 4096 {
		return 0, nil, fmt.Errorf("upgraded connection %d: frame of %d bytes, %w", t.n, h.Length, err)
	}
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(t.in, p); err != nil {
		return 0, nil, fmt.Errorf("upgraded connection %d: %w", t.n, err)
	}
	return h.OpCode, p, nil
}

func (t *tunnel) want(text string) error {
	op, p, err := t.read()
	if err == nil && (op != ws.OpText || !strings.Contains(string(p), text)) {
		err = fmt.Errorf("upgraded connection %d: opcode %d, %.200q, want %q", t.n, op, p, text)
	}
	return err
}

func (t *tunnel) wantClose(code ws.StatusCode) error {
	op, p, err := t.read()
	if err != nil {
		return err
	}
	if got, _ := ws.ParseCloseFrameData(p); op != ws.OpClose || got != code {
		return fmt.Errorf("upgraded connection %d: opcode %d, %.200q, want a close with %d", t.n, op, p, code)
	}
	return nil
}
