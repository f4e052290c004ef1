package wsconn_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// lines makes a head.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n\r\n" }

// upgradeBut is a good upgrade with one line replaced, or dropped where the replacement is empty, and more in front.
func upgradeBut(old, replacement string, more ...string) string {
	head := requestHead
	if old != "" {
		if replacement != "" {
			replacement += "\r\n"
		}
		head = strings.Replace(head, old+"\r\n", replacement, 1)
	}
	first, rest, _ := strings.Cut(head, "\r\n")
	return first + "\r\n" + strings.Join(append(more, rest), "\r\n")
}

// smuggled is what stands right behind each head: were it taken for a request of its own it would be answered.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n"

// TestAbusedHeads: each head gets the one answer that it deserves, however it comes in pieces, and then the connection
// ends, whatever stands behind it.
func TestAbusedHeads(t *testing.T) {
	const host, key, version = "Host: example.com", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"
	get := func(more ...string) string { return lines(append([]string{"GET / HTTP/1.1", host}, more...)...) }
	post := func(more ...string) string { return lines(append([]string{"POST / HTTP/1.1", host}, more...)...) }
	target := func(s string) string { return lines("GET "+s+" HTTP/1.1", host) }
	tests := []struct {
		name   string
		head   string
		status int
		reason string
	}{
		// Two opinions on where the request ends.
		{"length and chunks", post("Content-Length: 5", "Transfer-Encoding: chunked"), 413, "body"},
		{"chunks and length", post("Transfer-Encoding: chunked", "Content-Length: 5"), 413, "body"},
		{"chunks", post("Transfer-Encoding: chunked"), 413, "body"},
		{"chunks in another case", post("tRANSFER-eNCODING: Chunked"), 413, "body"},
		{"chunks, hidden", post("Transfer-Encoding: xchunked"), 413, "body"},
		{"chunks, behind a tab", post("Transfer-Encoding:\tchunked"), 413, "body"},
		{"chunks and identity", post("Transfer-Encoding: identity", "Transfer-Encoding: chunked"), 413, "body"},
		{"chunks of a get", get("Transfer-Encoding: chunked"), 413, "body"},
		{"two lengths", post("Content-Length: 0", "Content-Length: 47"), 400, "malformed"},
		{"twice the same length", post("Content-Length: 5", "Content-Length: 5"), 400, "malformed"},
		{"list of lengths", post("Content-Length: 5, 5"), 400, "malformed"},
		{"signed length", post("Content-Length: +5"), 400, "malformed"},
		{"negative length", post("Content-Length: -5"), 400, "malformed"},
		{"hexadecimal length", post("Content-Length: 0x5"), 400, "malformed"},
		{"length with an underscore", post("Content-Length: 1_0"), 400, "malformed"},
		{"length of 19 digits", post("Content-Length: 1000000000000000000"), 400, "malformed"},
		{"no length", post("Content-Length:"), 400, "malformed"},
		{"length of a get", get("Content-Length: 5"), 413, "body"},
		{"length of an upgrade", upgradeBut("", "", "Content-Length: 5"), 413, "body"},
		{"length 0 of an upgrade", upgradeBut("", "", "Content-Length: 0"), 413, "body"},
		{"chunks of an upgrade", upgradeBut("", "", "Transfer-Encoding: chunked"), 413, "body"},

		// Lines that others read in another way.
		{"folded line", get("X-A: b", " Transfer-Encoding: chunked"), 400, "malformed"},
		{"folded by a tab", get("X-A: b", "\tc"), 400, "malformed"},
		{"folded first line", lines("GET / HTTP/1.1", " "+host), 400, "malformed"},
		{"space before the colon", get("Transfer-Encoding : chunked"), 400, "malformed"},
		{"tab before the colon", get("X-A\t: b"), 400, "malformed"},
		{"space in the name", get("X A: b"), 400, "malformed"},
		{"empty name", get(": b"), 400, "malformed"},
		{"no colon", get("X-A"), 400, "malformed"},
		{"NUL in a value", get("X-A: b\x00c"), 400, "malformed"},
		{"NUL in a name", get("X\x00A: b"), 400, "malformed"},
		{"bare CR in a value", get("X-A: b\rTransfer-Encoding: chunked"), 400, "malformed"},
		{"bare LF in a value", get("X-A: b\nTransfer-Encoding: chunked"), 400, "malformed"},
		{"bare CR in a name", get("X\rA: b"), 400, "malformed"},
		{"bare LF at the end of the request line", "GET / HTTP/1.1\n" + host + "\r\n\r\n", 400, "malformed"},
		{"delete in a value", get("X-A: b\x7f"), 400, "malformed"},
		{"empty line in front", "\r\n" + get(), 400, "malformed"},
		{"space in front", " " + get(), 400, "malformed"},

		// Request lines.
		{"control in the target", target("/a\x01b"), 400, "malformed"},
		{"NUL in the target", target("/a\x00b"), 400, "malformed"},
		{"delete in the target", target("/a\x7fb"), 400, "malformed"},
		{"high byte in the target", target("/a\xffb"), 400, "malformed"},
		{"CR in the target", target("/a\rb"), 400, "malformed"},
		{"space in the target", target("/a b"), 400, "malformed"},
		{"tab in the line", lines("GET\t/ HTTP/1.1", host), 400, "malformed"},
		{"two spaces", lines("GET  / HTTP/1.1", host), 400, "malformed"},
		{"authority as the target", target("example.com:80"), 400, "malformed"},
		{"asterisk", lines("OPTIONS * HTTP/1.1", host), 400, "malformed"},
		{"no target", lines("GET HTTP/1.1", host), 400, "malformed"},
		{"of HTTP/0.9", "GET /\r\n\r\n", 400, "malformed"},
		{"lower case", lines("GET / http/1.1", host), 400, "malformed"},
		{"HTTP/1.10", lines("GET / HTTP/1.10", host), 400, "malformed"},
		{"something behind the version", lines("GET / HTTP/1.1 ", host), 400, "malformed"},
		{"HTTP/1.0", lines("GET / HTTP/1.0", host), 505, "http-version"},
		{"upgrade of HTTP/1.0", strings.Replace(requestHead, "HTTP/1.1", "HTTP/1.0", 1), 505, "http-version"},
		{"HTTP/1.2", lines("GET / HTTP/1.2", host), 505, "http-version"},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"},
		{"greeting of TLS", "\x16\x03\x01\x02\x00\x01\x00", 400, "malformed"},
		{"lower-case method", lines("get / HTTP/1.1", host), 400, "malformed"},
		{"put", lines("PUT / HTTP/1.1", host), 405, "method"},
		{"delete", lines("DELETE / HTTP/1.1", host), 405, "method"},
		{"patch", lines("PATCH / HTTP/1.1", host), 405, "method"},
		{"trace", lines("TRACE / HTTP/1.1", host), 405, "method"},
		{"connect", lines("CONNECT http://example.com/ HTTP/1.1", host), 405, "method"},
		{"upgrade by post", strings.Replace(requestHead, "GET", "POST", 1), 405, "method"},
		{"upgrade by head", strings.Replace(requestHead, "GET", "HEAD", 1), 405, "method"},

		// Who is asked.
		{"no host", lines("GET / HTTP/1.1"), 400, "host"},
		{"two hosts", get("Host: other.example"), 400, "host"},
		{"twice the same host", get(host), 400, "host"},
		{"list of hosts", lines("GET / HTTP/1.1", "Host: a, b"), 400, "host"},
		{"host with a user", lines("GET / HTTP/1.1", "Host: a@b"), 400, "host"},
		{"host with a path", lines("GET / HTTP/1.1", "Host: a/b"), 400, "host"},

		// Size.
		{"101 lines", get(strings.Split(strings.TrimSuffix(strings.Repeat("X: y\n", 100), "\n"), "\n")...), 431, "too-many-headers"},
		{"one byte too long", "GET /" + strings.Repeat("a", 16<<10-7) + "\r\n\r\n", 431, "head-too-large"},
		{"endless target", "GET /" + strings.Repeat("a", 20<<10), 431, "head-too-large"},
		{"endless value", "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 20<<10), 431, "head-too-large"},
		{"endless lines", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 4<<10), 431, "head-too-large"},

		// Upgrades.
		{"version 12", upgradeBut(version, "Sec-WebSocket-Version: 12"), 426, "ws-version"},
		{"version 14", upgradeBut(version, "Sec-WebSocket-Version: 14"), 426, "ws-version"},
		{"version 013", upgradeBut(version, "Sec-WebSocket-Version: 013"), 426, "ws-version"},
		{"list of versions", upgradeBut(version, "Sec-WebSocket-Version: 13, 8"), 426, "ws-version"},
		{"no version", upgradeBut(version, ""), 426, "ws-version"},
		{"twice the version", upgradeBut("", "", version), 400, "upgrade"},
		{"two versions", upgradeBut("", "", "Sec-WebSocket-Version: 8"), 400, "upgrade"},
		{"no key", upgradeBut(key, ""), 400, "key"},
		{"empty key", upgradeBut(key, "Sec-WebSocket-Key:"), 400, "key"},
		{"twice the key", upgradeBut("", "", key), 400, "key"},
		{"two keys", upgradeBut("", "", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), 400, "key"},
		{"24 characters that are no base64", upgradeBut(key, "Sec-WebSocket-Key: ------------------------"), 400, "key"},
		{"base64 of another length", upgradeBut(key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQaa"), 400, "key"},
		{"base64 with bits to spare", upgradeBut(key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="), 400, "key"},
		{"no Connection", upgradeBut("Connection: Upgrade", ""), 400, "upgrade"},
		{"Connection: close", upgradeBut("Connection: Upgrade", "Connection: close"), 400, "upgrade"},
		{"Connection: upgraded", upgradeBut("Connection: Upgrade", "Connection: upgraded"), 400, "upgrade"},
		{"no Upgrade", upgradeBut("Upgrade: websocket", ""), 400, "upgrade"},
		{"Upgrade: websockets", upgradeBut("Upgrade: websocket", "Upgrade: websockets"), 400, "upgrade"},

		// What is well, for the handler of this test to refuse.
		{"plain", get(), 404, "handler"},
		{"absolute target", target("http://example.com/a"), 404, "handler"},
		{"100 lines", get(strings.Split(strings.TrimSuffix(strings.Repeat("X: y\n", 99), "\n"), "\n")...), 404, "handler"},
		{"post whose body is the next request", post("Content-Length: 47"), 404, "handler"},
	}
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable}, nil)
		want := map[string]uint64{}
		for _, tt := range tests {
			for _, chop := range []int{0, 1} {
				if chop > 0 && len(tt.head) > 2000 {
					continue
				}
				want[tt.reason]++
				c := s.dialRaw()
				_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
				c.write([]byte(tt.head+smuggled), chop*7)
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != tt.status || !resp.Close || resp.ContentLength != int64(len(body)) {
					t.Errorf("%s: status %d, want %d; closes %v, length %d, body %q, %v", tt.name, resp.StatusCode, tt.status, resp.Close, resp.ContentLength, body, err)
				}
				if v := resp.Header.Get("Sec-WebSocket-Version"); (tt.status == http.StatusUpgradeRequired) != (v == "13") {
					t.Errorf("%s: the answer offers version %q", tt.name, v)
				}
				if allow := resp.Header.Get("Allow"); (tt.status == http.StatusMethodNotAllowed) != (allow != "") {
					t.Errorf("%s: the answer allows %q", tt.name, allow)
				}
				if more, _ := io.ReadAll(c.r); len(more) > 0 { // the end may be a reset: there is unread input
					t.Errorf("%s: behind the answer: %.100q", tt.name, more)
				}
				_ = c.Close()
			}
		}
		for reason, n := range want {
			eventually(t, "refused are counted as "+reason, func() bool { return s.Stats().Refused[reason] == n })
		}
		if st := s.Stats(); st.Accepted != 0 {
			t.Errorf("%d are upgraded", st.Accepted)
		}
	})
}

// Lines that say the same are one list (RFC 9110 section 5.3), and frames right behind the head are not lost.
func TestUpgradesThatAreWell(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable}, nil)
		for _, tt := range []struct{ name, head string }{
			{"as it is", requestHead},
			{"two Connection lines", upgradeBut("", "", "Connection: keep-alive")},
			{"two Connection lines, the other way round", upgradeBut("Connection: Upgrade", "Connection: Upgrade\r\nConnection: keep-alive")},
			{"Connection as a list", upgradeBut("Connection: Upgrade", "Connection: keep-alive ,, UPGRADE")},
			{"two Upgrade lines", upgradeBut("", "", "Upgrade: h2c")},
			{"Upgrade as a list", upgradeBut("Upgrade: websocket", "Upgrade: h2c, WebSocket")},
			{"as long as may be", upgradeBut("", "", "X: "+strings.Repeat("a", 16<<10-len(requestHead)-5))},
			{"absolute target", strings.Replace(requestHead, "/chat", "ws://example.com/chat", 1)},
		} {
			for _, chop := range []int{0, 5} {
				c := s.dialRaw()
				_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
				all := tt.head
				for _, m := range []string{"one", "two", "three"} {
					all += string(masked(true, ws.OpText, []byte(m)))
				}
				c.write([]byte(all), chop)
				if head := c.head(); !strings.Contains(head, " 101 ") {
					t.Fatalf("%s: %q", tt.name, head)
				}
				for _, m := range []string{"one", "two", "three"} {
					c.wantText(m)
				}
				_ = c.Close()
				s.next().end()
			}
		}
	})
}

// Heads that trickle in cost little, all together, and are gone after the deadline, which their bytes do not renew.
func TestTricklingHeads(t *testing.T) {
	const count, pieces, size = 2000, 6, 100
	const limit = 4 << 10 // bytes for each of them, the test's half of the connection included; 1.7 KiB it is
	s := start(t, wsconn.Options{
		HandshakeTimeout: 8 * time.Second, Limits: wsconn.Limits{Heads: 2 * count, HeadsPerAddr: 2 * count},
	}, nil)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := heap()
	conns := make([]net.Conn, count)
	for i := range conns {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		conns[i] = c
	}
	piece := "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", size-19)
	for i := range pieces {
		for _, c := range conns {
			if _, err := c.Write([]byte(piece)); err != nil {
				t.Fatalf("piece %d: %v", i, err)
			}
		}
		eventually(t, "a piece of each is read", func() bool { return s.Stats().BytesIn >= uint64((i+1)*size*count) })
	}
	each := int64(heap()-before) / count
	if gone := s.Stats().Refused["timeout"]; gone > 0 {
		t.Fatalf("%d are over too early to be measured", gone)
	}
	t.Logf("%d bytes each", each)
	if each > limit {
		t.Errorf("%d heads of %d bytes cost %d bytes each", count, pieces*size, each)
	}
	eventually(t, "all are closed", func() bool { return s.Stats().Refused["timeout"] == count })
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := bufio.NewReaderSize(c, 16).Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("%d bytes, %v: want the end and nothing else", n, err)
		}
		_ = c.Close()
	}
	runtime.KeepAlive(conns)
	if left := int64(heap()) - int64(before); left > count*limit/4 {
		t.Errorf("%d bytes are left", left)
	}
}
