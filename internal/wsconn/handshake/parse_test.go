package handshake_test

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

const good = "GET /chat?uid=a HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// change replaces in the good request.
func change(old, replacement string) string {
	if !strings.Contains(good, old) {
		panic("not in the request: " + old)
	}
	return strings.Replace(good, old, replacement, 1)
}

// with adds a line.
func with(line string) string { return change("Host:", line+"\r\nHost:") }

func TestParse(t *testing.T) {
	tests := []struct {
		name   string
		head   string
		reason handshake.Reason // 0 = accepted
		plain  bool
	}{
		{name: "the RFC's own", head: good},
		{name: "names and tokens in other case", head: strings.NewReplacer("Upgrade: websocket", "uPGRADE: WebSocket", "Connection: Upgrade", "CONNECTION:upgrade").Replace(good)},
		{name: "keep-alive, Upgrade", head: change("Connection: Upgrade", "Connection: keep-alive, Upgrade")},
		{name: "two Connection lines", head: change("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade")},
		{name: "two Upgrade values", head: change("Upgrade: websocket", "Upgrade: h2c, websocket")},
		{name: "space around values", head: change("Host: example.com", "Host:\t example.com \t")},
		{name: "absolute target", head: change("GET /chat", "GET http://example.com/chat")},
		{name: "unknown headers", head: with("X-A: \"b\"\r\nX-Empty:\r\nX-High: \xe4")},
		{name: "plain get", head: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", plain: true},
		{name: "plain head", head: "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", plain: true},
		{name: "plain get that offers h2c", head: "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", plain: true},

		{name: "plain options", head: "OPTIONS /chsk HTTP/1.1\r\nHost: x\r\n\r\n", plain: true},
		{name: "options upgrade", head: change("GET", "OPTIONS"), reason: handshake.BadMethod},
		{name: "plain post", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n", plain: true},
		{name: "plain post without body", head: "POST / HTTP/1.1\r\nHost: x\r\n\r\n", plain: true},
		{name: "post in chunks", head: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", reason: handshake.HasBody},
		{name: "post with two lengths", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", reason: handshake.Malformed},
		{name: "post with a list of lengths", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", reason: handshake.Malformed},
		{name: "post with a signed length", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", reason: handshake.Malformed},
		{name: "post without a number", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", reason: handshake.Malformed},

		{name: "post upgrade", head: change("GET", "POST"), reason: handshake.BadMethod},
		{name: "put", head: change("GET", "PUT"), reason: handshake.BadMethod},
		{name: "head upgrade", head: change("GET", "HEAD"), reason: handshake.BadMethod},
		{name: "options *", head: "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", reason: handshake.Malformed},
		{name: "http/1.0", head: change("HTTP/1.1", "HTTP/1.0"), reason: handshake.BadHTTP},
		{name: "http/2.0", head: change("HTTP/1.1", "HTTP/2.0"), reason: handshake.BadHTTP},
		{name: "http/1.10", head: change("HTTP/1.1", "HTTP/1.10"), reason: handshake.Malformed},
		{name: "no version", head: change(" HTTP/1.1", ""), reason: handshake.Malformed},
		{name: "two spaces", head: change("GET /", "GET  /"), reason: handshake.Malformed},
		{name: "control in target", head: change("/chat", "/ch\x01at"), reason: handshake.Malformed},
		{name: "delete in target", head: change("/chat", "/ch\x7fat"), reason: handshake.Malformed},
		{name: "high byte in target", head: change("/chat", "/ch\xe4t"), reason: handshake.Malformed},
		{name: "no slash", head: change("/chat", "chat"), reason: handshake.Malformed},
		{name: "space before colon", head: with("X-A : b"), reason: handshake.Malformed},
		{name: "empty name", head: with(": b"), reason: handshake.Malformed},
		{name: "no colon", head: with("X-A"), reason: handshake.Malformed},
		{name: "folded line", head: with("X-A: b\r\n c"), reason: handshake.Malformed},
		{name: "NUL in value", head: with("X-A: b\x00c"), reason: handshake.Malformed},
		{name: "bare CR", head: with("X-A: b\rc"), reason: handshake.Malformed},
		{name: "bare LF", head: with("X-A: b\nX-B: c"), reason: handshake.Malformed},
		{name: "CR in the request line", head: change("/chat", "/ch\rat"), reason: handshake.Malformed},
		{name: "101 headers", head: with(strings.TrimSuffix(strings.Repeat("X: y\r\n", 96), "\r\n") + "\r\nX: y"), reason: handshake.TooMany},
		{name: "no host", head: change("Host: example.com\r\n", ""), reason: handshake.BadHost},
		{name: "two hosts", head: with("Host: other"), reason: handshake.BadHost},
		{name: "host with a space", head: change("example.com", "a b"), reason: handshake.BadHost},
		{name: "content-length", head: with("Content-Length: 5"), reason: handshake.HasBody},
		{name: "content-length 0", head: with("Content-Length: 0"), reason: handshake.HasBody},
		{name: "transfer-encoding", head: with("Transfer-Encoding: chunked"), reason: handshake.HasBody},
		{name: "no upgrade", head: change("Upgrade: websocket\r\n", ""), reason: handshake.BadUpgrade},
		{name: "upgrade to other", head: change("Upgrade: websocket", "Upgrade: h2c"), reason: handshake.BadUpgrade},
		{name: "no connection", head: change("Connection: Upgrade\r\n", ""), reason: handshake.BadUpgrade},
		{name: "connection without upgrade", head: change("Connection: Upgrade", "Connection: close"), reason: handshake.BadUpgrade},
		{name: "no version header", head: change("Sec-WebSocket-Version: 13\r\n", ""), reason: handshake.BadVersion},
		{name: "version 12", head: change("Version: 13", "Version: 12"), reason: handshake.BadVersion},
		{name: "two versions", head: with("Sec-WebSocket-Version: 13"), reason: handshake.BadUpgrade},
		{name: "no key", head: change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), reason: handshake.BadKey},
		{name: "two keys", head: with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), reason: handshake.BadKey},
		{name: "short key", head: change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), reason: handshake.BadKey},
		{name: "key of 24 that is no base64", head: change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q=="), reason: handshake.BadKey},
		{name: "key of 18 bytes", head: change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQaa"), reason: handshake.BadKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if n, err := handshake.End([]byte(tt.head+"rest"), 0, handshake.Limits{}.WithDefaults()); n != len(tt.head) || err != nil {
				t.Fatalf("end: %d, %v", n, err)
			}
			r, err := handshake.Parse([]byte(tt.head), handshake.Limits{}.WithDefaults())
			if tt.reason != 0 {
				if err == nil || err.Reason != tt.reason {
					t.Fatalf("got %v, want %v", err, tt.reason)
				}
				resp, rerr := http.ReadResponse(bufio.NewReader(bytes.NewReader(err.AppendResponse(nil))), nil)
				if rerr != nil || resp.StatusCode != err.Status || !resp.Close || resp.ContentLength < 0 {
					t.Errorf("response: %+v, %v", resp, rerr)
				}
				_ = resp.Body.Close()
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if r.Upgrade == tt.plain || r.Raw() != tt.head {
				t.Errorf("request %+v", r)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	head := with("Sec-WebSocket-Protocol: a, b\r\nsec-websocket-protocol:,c\r\nX-Two: 1\r\nX-Two: 2")
	r, err := handshake.Parse([]byte(head), handshake.Limits{}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(r.Protocols); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("protocols %q", got)
	}
	for _, c := range []struct{ what, got, want string }{
		{"host", r.Host, "example.com"},
		{"path", r.Path(), "/chat"},
		{"query", r.RawQuery(), "uid=a"},
		{"header", r.Header("x-two"), "1"},
		{"missing header", r.Header("x-three"), ""},
		{"method", r.Method, "GET"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	if out := string(r.AppendSwitch(nil, "b", "")); !strings.Contains(out, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") ||
		!strings.HasSuffix(out, "\r\nSec-WebSocket-Protocol: b\r\n\r\n") {
		t.Errorf("switch: %q", out)
	}
	abs, err := handshake.Parse([]byte("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n"), handshake.Limits{}.WithDefaults())
	if err != nil || abs.Path() != "/" || abs.RawQuery() != "q" {
		t.Errorf("absolute target: %q, %v", abs.Path(), err)
	}
}

func TestEnd(t *testing.T) {
	l := handshake.Limits{MaxHead: 50}.WithDefaults()
	tests := []struct {
		name   string
		p      string
		from   int
		n      int
		reason handshake.Reason
	}{
		{name: "nothing", p: ""},
		{name: "part", p: "GET / HTTP/1.1\r\n"},
		{name: "whole", p: "GET / HTTP/1.1\r\n\r\n", n: 18},
		{name: "end across pieces", p: "GET / HTTP/1.1\r\n\r\nx", from: 17, n: 18},
		{name: "tls", p: "\x16\x03\x01", reason: handshake.Malformed},
		{name: "empty line first", p: "\r\nGET", reason: handshake.Malformed},
		{name: "too long", p: "GET /" + strings.Repeat("a", 45), reason: handshake.TooLarge},
		{name: "ends beyond the limit", p: "GET /" + strings.Repeat("a", 43) + "\r\n\r\n", reason: handshake.TooLarge},
		{name: "ends at the limit", p: "GET /" + strings.Repeat("a", 41) + "\r\n\r\n", n: 50},
	}
	for _, tt := range tests {
		n, err := handshake.End([]byte(tt.p), tt.from, l)
		reason := handshake.Reason(0)
		if err != nil {
			reason = err.Reason
		}
		if n != tt.n || reason != tt.reason {
			t.Errorf("%s: %d, %v", tt.name, n, err)
		}
	}
}

// TestGreetingOfTLS holds that who speaks TLS where none is spoken is told so.
func TestGreetingOfTLS(t *testing.T) {
	for in, want := range map[string]bool{"\x16\x03\x01": true, "\x80": false} {
		_, err := handshake.End([]byte(in), 0, handshake.Limits{}.WithDefaults())
		if err == nil || err.Status != 400 {
			t.Fatalf("%q: %v", in, err)
		}
		if got := strings.Contains(string(err.AppendResponse(nil)), "speaks no TLS"); got != want {
			t.Errorf("%q: told so: %v", in, got)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for i := 1; i < handshake.Reasons(); i++ {
		name := handshake.Reason(i).String()
		if name == "" || seen[name] {
			t.Errorf("reason %d: %q", i, name)
		}
		seen[name] = true
	}
}

// rw feeds a head to another implementation and takes its answer.
type rw struct {
	*strings.Reader
	out bytes.Buffer
}

func (r *rw) Write(p []byte) (int, error) { return r.out.Write(p) }

// FuzzParse holds that whatever is accepted is accepted by net/http and, as an upgrade, by gobwas/ws with the same
// answer; and that the place of the end does not depend on how the bytes come.
func FuzzParse(f *testing.F) {
	f.Add(good, uint16(7))
	f.Add(with("Connection: keep-alive"), uint16(90))
	f.Add("GET / HTTP/1.1\r\nHost: x\r\n\r\nrest", uint16(1))
	f.Add("HEAD /a HTTP/1.1\r\nHost: x\r\nA:b\r\n\r\n", uint16(0))
	f.Add("GET / HTTP/1.1\r\nHost: x\r\nA :b\r\n\r\n", uint16(3))
	limits := handshake.Limits{MaxHead: 2000, MaxHeaders: 20}
	f.Fuzz(func(t *testing.T, in string, split uint16) {
		p := []byte(in)
		n, err := handshake.End(p, 0, limits)
		cut := int(split) % (len(p) + 1)
		if early, eerr := handshake.End(p[:cut], 0, limits); eerr == nil {
			if early == 0 {
				early, eerr = handshake.End(p, cut, limits)
			}
			if early != n || (eerr == nil) != (err == nil) {
				t.Fatalf("cut at %d: end %d %v, whole: %d %v", cut, early, eerr, n, err)
			}
		}
		if err != nil || n == 0 {
			return
		}
		r, err := handshake.Parse(p[:n], limits)
		if err != nil {
			_ = err.AppendResponse(nil)
			return
		}
		hr, herr := http.ReadRequest(bufio.NewReader(bytes.NewReader(p[:n])))
		if herr != nil {
			if strings.Contains(herr.Error(), "parse") || strings.Contains(herr.Error(), "invalid") {
				return // what net/url does not like in a target or host
			}
			t.Fatalf("net/http: %v for %q", herr, p[:n])
		}
		if hr.Method != r.Method || hr.Host != r.Host && !strings.Contains(r.Target, "://") {
			t.Fatalf("net/http: %s %q, ours %s %q", hr.Method, hr.Host, r.Method, r.Host)
		}
		if !r.Upgrade || strings.Count(strings.ToLower(r.Raw()), "\nconnection:") > 1 ||
			strings.Count(strings.ToLower(r.Raw()), "\nupgrade:") > 1 {
			return // gobwas/ws does not merge lines
		}
		if u := r.Header("Upgrade"); !strings.EqualFold(u, "websocket") {
			return // nor lists
		}
		other := &rw{Reader: strings.NewReader(r.Raw())}
		if _, uerr := ws.Upgrade(other); uerr != nil {
			t.Fatalf("gobwas/ws: %v for %q", uerr, r.Raw())
		}
		if a, b := acceptKey(r.AppendSwitch(nil, "", "")), acceptKey(other.out.Bytes()); a == "" || a != b {
			t.Fatalf("accept %q, gobwas/ws %q", a, b)
		}
	})
}

func acceptKey(response []byte) string {
	_, rest, _ := strings.Cut(string(response), "\r\nSec-WebSocket-Accept: ")
	key, _, _ := strings.Cut(rest, "\r\n")
	return key
}

func BenchmarkParse(b *testing.B) {
	head := []byte(good)
	l := handshake.Limits{}.WithDefaults()
	b.ReportAllocs()
	for b.Loop() {
		n, _ := handshake.End(head, 0, l)
		r, _ := handshake.Parse(head[:n], l)
		_ = r.AppendSwitch(make([]byte, 0, 192), "", "")
	}
}
