package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// sentePeer is a client of Sente in the document: a WebSocket, or what its
// Ajax requests were answered. It belongs to one goroutine.
type sentePeer struct {
	t    *testing.T
	path string

	conn net.Conn // nil for Ajax
	in   *bufio.Reader

	answers chan string // of Ajax: status and body
	last    string      // what it has sent last
}

func dialSente(t *testing.T, addr, path string) *sentePeer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	conn, buffered, _, err := ws.Dialer{}.Dial(ctx, "ws://"+addr+path)
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(func() { conn.Close() })
	if buffered == nil {
		buffered = bufio.NewReader(conn)
	}
	return &sentePeer{t: t, path: path, conn: conn, in: buffered}
}

// request sends an Ajax request. Its answer is waited for by read; the test
// ends what is never answered.
func (p *sentePeer) request(r *http.Request) {
	r.Header.Set("X-Requested-With", "XMLHTTPRequest")
	ctx, cancel := context.WithCancel(r.Context())
	p.answers = make(chan string, 1)
	answers, done := p.answers, make(chan struct{})
	p.t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() { // ends with the answer, or the test
		defer close(done)
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(r.WithContext(ctx))
		if err != nil {
			answers <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		answers <- fmt.Sprint(resp.StatusCode, " ", string(body))
	}()
}

// poll is a line such as `/chsk?client-id=a&handshake?=1`.
func (p *sentePeer) poll(addr, target string) {
	p.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+addr+path+"?"+strings.ReplaceAll(query, "?", "%3F"), http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	p.request(r)
}

// post is a line such as `/chsk udt=1&client-id=a&ppstr=[[:a/b 1] nil]`.
func (p *sentePeer) post(addr, line string) {
	p.t.Helper()
	path, fields, _ := strings.Cut(line, " ")
	fields, ppstr, _ := strings.Cut(fields, "&ppstr=")
	form, err := url.ParseQuery(fields)
	if err != nil {
		p.t.Fatal(err)
	}
	form.Set("ppstr", ppstr)
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	p.request(r)
}

// send sends a line, or the bytes of `hex ..`.
func (p *sentePeer) send(line string) {
	p.t.Helper()
	p.last = line
	op, payload := ws.OpText, []byte(line)
	if digits, ok := strings.CutPrefix(line, "hex "); ok {
		op, payload = ws.OpBinary, documentedBytes(p.t, digits)
	}
	err := p.conn.SetWriteDeadline(time.Now().Add(testkit.Patience))
	if err == nil {
		_, err = p.conn.Write(testkit.AppendFrame(nil, op, payload))
	}
	if err != nil {
		p.t.Fatalf("send %s: %v", line, err)
	}
}

// read returns the next text as it is, bytes as `hex ..`, a close as
// `close CODE`, and an answer to Ajax as status and body.
func (p *sentePeer) read() string {
	p.t.Helper()
	if p.conn == nil {
		select {
		case answer := <-p.answers:
			return answer
		case <-time.After(testkit.Patience):
			p.t.Fatal("no answer")
		}
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(testkit.Patience)); err != nil {
		p.t.Fatal(err)
	}
	for {
		h, err := ws.ReadHeader(p.in)
		if err != nil {
			p.t.Fatalf("read: %v", err)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.in, payload); err != nil {
			p.t.Fatalf("read: %v", err)
		}
		switch h.OpCode {
		case ws.OpText:
			return string(payload)
		case ws.OpBinary:
			return "hex " + hex.EncodeToString(payload)
		case ws.OpClose:
			if len(payload) < 2 {
				return "close"
			}
			return fmt.Sprint("close ", binary.BigEndian.Uint16(payload))
		case ws.OpPing:
			if _, err := p.conn.Write(testkit.AppendFrame(nil, ws.OpPong, payload)); err != nil {
				p.t.Fatalf("pong: %v", err)
			}
		case ws.OpPong, ws.OpContinuation:
			p.t.Fatalf("unexpected frame: %+v", h)
		}
	}
}

// endPing is a ping and its answer in the words in which the peer has sent last.
func (p *sentePeer) endPing() (ping, pong string) {
	ping, pong = `[[:chsk/ws-ping] "end"]`, `["pong" "end"]`
	format := ""
	if at, err := url.Parse(p.path); err == nil {
		format = at.Query().Get("format")
	}
	switch {
	case strings.HasPrefix(p.last, "+"), strings.HasPrefix(p.last, "-"):
		return "+" + ping, "+" + pong
	case format == "json":
		return `[["chsk/ws-ping"],"end"]`, `["pong","end"]`
	case strings.HasPrefix(format, "transit"):
		return `[["~:chsk/ws-ping"],"end"]`, `["pong","end"]`
	case format == "msgpack":
		return "hex 92 91 c70c00{chsk/ws-ping} a3{end}", "hex 92 a4{pong} a3{end}"
	case format == "edn-gzip":
		return "hex 00{" + ping + "}", "hex 00{" + pong + "}"
	}
	return ping, pong
}

// documentedName is what differs in each run.
var documentedName = regexp.MustCompile(documentedConn.String() + `|ask-[a-z2-7]{26}`)

// runNames puts what this run has instead of the document's names.
func (p *player) runNames(text string) string {
	return documentedName.ReplaceAllStringFunc(text, func(s string) string { return p.names[s] })
}

// ask asks as a backend: `hoshi.user.alice 1000 [:a/b]`, time in milliseconds.
func (p *player) ask(line string) {
	p.t.Helper()
	subject, rest, _ := strings.Cut(line, " ")
	ms, body, _ := strings.Cut(rest, " ")
	m := nats.NewMsg(subject)
	m.Header.Set("Hoshi-Ask", ms)
	m.Data, m.Reply = []byte(body), p.nc.NewInbox()
	answers, err := p.nc.SubscribeSync(m.Reply)
	if err == nil {
		err = p.nc.PublishMsg(m)
	}
	if err != nil {
		p.t.Fatalf("ask: %v", err)
	}
	p.answers = answers
}

// answer returns the next that is no word of a node about how many were asked.
func (p *player) answer() string {
	p.t.Helper()
	for {
		m, err := p.answers.NextMsg(testkit.Patience)
		if err != nil {
			p.t.Fatalf("answer: %v", err)
		}
		if len(m.Data) > 0 {
			return string(m.Data)
		}
	}
}

// playSente plays a line of a client of Sente; false if it is none.
func (p *player) playSente(number int, name string, direction byte, text string) bool {
	p.t.Helper()
	addr := p.cluster.Nodes[0].Addr().String()
	verb, rest, _ := strings.Cut(text, " ")
	c := p.sente[name]
	switch {
	case direction == '>' && verb == "GET" && strings.Contains(rest, "client-id="):
		p.sente[name] = dialSente(p.t, addr, rest)
		return true
	case direction == '>' && (verb == "POLL" || verb == "POST"):
		if c == nil {
			c = &sentePeer{t: p.t}
			p.sente[name] = c
		}
		if verb == "POLL" {
			c.poll(addr, rest)
		} else {
			c.post(addr, rest)
		}
		return true
	case c == nil:
		return false
	case direction == '>':
		c.send(p.runNames(text))
	default:
		if err := p.expect(c, text); err != nil {
			p.t.Fatalf("line %d: %s %v", number, name, err)
		}
		if strings.HasPrefix(text, "close ") {
			delete(p.sente, name)
		}
	}
	return true
}

// expect reads one frame. Pushes that stand in one frame of the document may
// come in several: how many are together is a matter of time.
func (p *player) expect(c *sentePeer, want string) error {
	p.t.Helper()
	got := c.read()
	digits, binary := strings.CutPrefix(got, "hex ")
	if binary {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return err
		}
		got = string(b)
	}
	if strings.Contains(want, "chsk/handshake") || strings.Contains(want, "hoshi/ask") {
		p.names[documentedName.FindString(want)] = documentedName.FindString(got)
	}
	want = p.runNames(want)
	digits, wantBinary := strings.CutPrefix(want, "hex ")
	if wantBinary {
		want = string(documentedBytes(p.t, digits))
	}
	for got != want && strings.HasPrefix(want, "[[[") && strings.HasSuffix(got, "]] nil]") && len(got) < len(want) {
		got = strings.TrimSuffix(got, "] nil]") + " " + strings.TrimPrefix(c.read(), "[[")
	}
	if got != want || binary != wantBinary {
		return fmt.Errorf("reads\n  %s\nwant\n  %s\nbinary: %v, %v", got, want, binary, wantBinary)
	}
	return nil
}

// nothing fails the test if anything comes before the answer to a ping.
func (p *player) nothing(name string, c *sentePeer) {
	p.t.Helper()
	if c.conn == nil {
		return
	}
	ping, pong := c.endPing()
	c.send(ping)
	if err := p.expect(c, pong); err != nil {
		p.t.Fatalf("at the end %s %v", name, err)
	}
}

var documentedHex = regexp.MustCompile(`\{((?:[^{}]|\{[^{}]*\})*)\}|[0-9a-f]{2}| `)

// documentedBytes returns the bytes of digits and of texts in braces.
func documentedBytes(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	rest := documentedHex.ReplaceAllStringFunc(s, func(part string) string {
		text, ok := strings.CutPrefix(part, "{")
		switch digits, err := hex.DecodeString(part); {
		case ok:
			b.WriteString(strings.TrimSuffix(text, "}"))
		case err == nil:
			b.Write(digits)
		}
		return ""
	})
	if rest != "" {
		t.Fatalf("%q is neither hexadecimal nor in braces: %q", s, rest)
	}
	return b.Bytes()
}
