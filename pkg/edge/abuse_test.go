package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestOneRequestEach: what stands behind a request on its connection is no second one, with the loops as with
// net/http, to which plain requests go; a body belongs to its request, and one that does not come ends in time.
func TestOneRequestEach(t *testing.T) {
	const timeout = 2 * time.Second
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Echo = true
		o.HandshakeTimeout = timeout
	})
	addr := c.Nodes[0].Addr().String()
	const form = "ppstr=%5B%5B%3Aa%2Fb+7%5D+%3Aajax%5D&client-id=tab-1&udt=1" // [[:a/b 7] :ajax]
	post := func(body string, more ...string) string {
		return strings.Join(append([]string{
			"POST /chsk?client-id=tab-1 HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded",
		}, more...), "\r\n") + "\r\n\r\n" + body
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	const next = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tt := range []struct {
		name   string
		send   string
		status string // of the one answer; empty: none
		has    string // in it
	}{
		{name: "plain", send: next + next, status: "200", has: `"status": "ok"`},
		{name: "the hint", send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + next, status: "426", has: "This is Hoshi"},
		{name: "nothing there", send: "GET /x HTTP/1.1\r\nHost: x\r\n\r\n" + next, status: "404"},
		{name: "head", send: "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n" + next, status: "200"},
		{name: "kept alive", send: "GET /health HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + next, status: "200", has: `"status": "ok"`},
		{name: "send", send: post(form, length(len(form))) + next, status: "200", has: "[7 nil]"},
		{name: "send, asked for first", send: post(form, length(len(form)), "Expect: 100-continue") + next, status: "100", has: "[7 nil]"},
		{name: "send that swallows the next", send: post(form[:len(form)-len("&udt=1")], length(len(form)+len(next))) + next, has: ""},
		{name: "length and chunks", send: post("0\r\n\r\n", length(5), "Transfer-Encoding: chunked") + next, status: "413"},
		{name: "chunks", send: post("0\r\n\r\n", "Transfer-Encoding: chunked") + next, status: "413"},
		{name: "two lengths", send: post(form, length(0), length(len(form))) + next, status: "400"},
		{name: "space before the colon", send: post(form, "Content-Length : 5") + next, status: "400"},
		{name: "refused upgrade", send: "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n" + next, status: "400"},
		{name: "body that does not come", send: post(form[:10], length(len(form))), has: ""},
		{name: "head that does not end", send: "GET /health HTTP/1.1\r\nHost: x\r\n", has: ""},
		{name: "lines that end with LF", send: "GET /health HTTP/1.1\nHost: x\n\n", has: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", addr)
			must(t, err)
			defer conn.Close()
			must(t, conn.SetDeadline(time.Now().Add(testkit.Patience)))
			_, err = io.WriteString(conn, tt.send)
			must(t, err)
			began := time.Now()
			got, _ := io.ReadAll(conn) // the end may be a reset: there is unread input
			answers := strings.Count(string(got), "HTTP/1.1 ")
			switch {
			case tt.status == "":
				if strings.Contains(string(got), "HTTP/1.1 2") || answers > 1 {
					t.Errorf("got %q", got)
				}
				if took := time.Since(began); took > 5*timeout {
					t.Errorf("took %v", took)
				}
			case tt.status == "100":
				if answers != 2 || !strings.Contains(string(got), "HTTP/1.1 200 ") || !strings.Contains(string(got), tt.has) {
					t.Errorf("got %q", got)
				}
			case answers != 1 || !strings.HasPrefix(string(got), "HTTP/1.1 "+tt.status+" ") || !strings.Contains(string(got), tt.has):
				t.Errorf("got %q", got)
			}
			if !strings.Contains(string(got), "Connection: close") && answers > 0 {
				t.Errorf("the answer does not say that it is the last: %q", got)
			}
		})
	}
}

// Frames that come in one packet with the upgrade are all answered, behind the handshake.
func TestFramesBehindTheUpgrade(t *testing.T) {
	c := one(t, nil)
	conn, err := net.Dial("tcp", c.Nodes[0].Addr().String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(testkit.Patience)))
	send := []byte("GET /ws?uid=alice HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	const count = 20
	for i := range count {
		send = testkit.AppendFrame(send, ws.OpText, fmt.Appendf(nil, `[:sente-lite/subscribe {:channel-id "c-%d"}]`, i))
	}
	_, err = conn.Write(send)
	must(t, err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %s", resp.Status)
	}
	want := []string{`[:chsk/handshake ["alice" `}
	for i := range count {
		want = append(want, fmt.Sprintf(`[:sente-lite/subscribed {:channel-id "c-%d", `, i))
	}
	for _, w := range want {
		h, err := ws.ReadHeader(in)
		must(t, err)
		p := make([]byte, h.Length)
		_, err = io.ReadFull(in, p)
		must(t, err)
		if !strings.HasPrefix(string(p), w) {
			t.Fatalf("got %q, want %s", p, w)
		}
	}
}
