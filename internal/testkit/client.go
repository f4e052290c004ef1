package testkit

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Patience is how long a wait lasts before it fails the test.
const Patience = 20 * time.Second

// Client is one WebSocket connection of a test, in EDN or JSON as the node
// chooses. It reads only when asked to, answers RFC 6455 pings, and belongs to
// one goroutine.
type Client struct {
	Conn   net.Conn
	ConnID string // from the handshake
	UID    string // its text, EDN or JSON, from the handshake
	JSON   bool   // the handshake was in JSON
	Sente  bool   // the handshake was Sente's, in EDN

	Protocol string // the subprotocol that the node has chosen

	Handshake string // the whole of it

	// SeePings lets the node's own pings, [:chsk/ws-ping] or Sente's in EDN, be
	// read; else they are passed over.
	SeePings bool

	t  testing.TB
	in *bufio.Reader
}

// Dial connects to a node, path such as "/ws?uid=alice", and reads the
// handshake.
func Dial(t testing.TB, addr, path string) *Client {
	t.Helper()
	c, err := TryDial(t, addr, path)
	if err != nil {
		t.Fatalf("dial %s%s: %v", addr, path, err)
	}
	return c
}

// DialSlow is Dial with the smallest receive buffer that the system gives, for
// readers that freeze.
func DialSlow(t testing.TB, addr, path string) *Client {
	t.Helper()
	var d net.Dialer
	d.Control = func(_, _ string, raw syscall.RawConn) error {
		var err error
		if cerr := raw.Control(func(fd uintptr) { err = setReceiveBuffer(fd, 1) }); cerr != nil {
			return cerr
		}
		return err
	}
	c, err := dial(t, ws.Dialer{NetDial: d.DialContext}, addr, path, true)
	if err != nil {
		t.Fatalf("dial %s%s: %v", addr, path, err)
	}
	return c
}

// DialProtocols is Dial with subprotocols.
func DialProtocols(t testing.TB, addr, path string, protocols ...string) *Client {
	t.Helper()
	c, err := dial(t, ws.Dialer{Protocols: protocols}, addr, path, true)
	if err != nil {
		t.Fatalf("dial %s%s %q: %v", addr, path, protocols, err)
	}
	return c
}

// Thaw gives a client of DialSlow an ordinary receive buffer, for when it goes
// on reading: through the smallest one the system sends some 1,500 bytes a
// second.
func (c *Client) Thaw() {
	c.t.Helper()
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		c.t.Fatalf("%T has no descriptor", c.Conn)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		if cerr := raw.Control(func(fd uintptr) { err = setReceiveBuffer(fd, 1<<20) }); cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		c.t.Fatalf("receive buffer: %v", err)
	}
}

// TryDial is Dial for whom a refusal is no failure.
func TryDial(t testing.TB, addr, path string) (*Client, error) {
	t.Helper()
	return dial(t, ws.Dialer{}, addr, path, true)
}

// TryDialWith is TryDial with headers in the request.
func TryDialWith(t testing.TB, addr, path string, header http.Header) (*Client, error) {
	t.Helper()
	return dial(t, ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}, addr, path, true)
}

// DialRaw is Dial for formats that Client does not know: it reads the handshake
// and leaves it alone.
func DialRaw(t testing.TB, addr, path string) *Client {
	t.Helper()
	c, err := dial(t, ws.Dialer{}, addr, path, false)
	if err != nil {
		t.Fatalf("dial %s%s: %v", addr, path, err)
	}
	return c
}

func dial(t testing.TB, d ws.Dialer, addr, path string, understand bool) (*Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, buffered, answer, err := d.Dial(ctx, "ws://"+addr+path)
	if err != nil {
		return nil, err
	}
	c := &Client{Conn: conn, Protocol: answer.Protocol, t: t, in: buffered}
	if c.in == nil {
		c.in = bufio.NewReader(conn)
	}
	t.Cleanup(func() { conn.Close() })
	first, err := c.TryRead(Patience)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	c.Handshake = first
	if !understand {
		return c, nil
	}
	rest, ok := strings.CutPrefix(first, "[[:chsk/handshake [")
	if c.Sente = ok; !ok {
		rest, ok = strings.CutPrefix(first, "[:chsk/handshake [")
	}
	behind, before := " nil {", `:conn-id "`
	if !ok {
		rest, c.JSON = strings.CutPrefix(first, `["chsk/handshake",[`)
		behind, before = ",null,{", `"conn-id":"`
	}
	if !ok && !c.JSON {
		return nil, fmt.Errorf("first event is %s", first)
	}
	c.UID, _, _ = strings.Cut(rest, behind)
	_, id, _ := strings.Cut(rest, before)
	c.ConnID, _, _ = strings.Cut(id, `"`)
	return c, nil
}

// Send sends each text as one text message, all in one write.
func (c *Client) Send(texts ...string) {
	c.t.Helper()
	c.send(ws.OpText, texts)
}

// SendBinary is Send with binary messages.
func (c *Client) SendBinary(texts ...string) {
	c.t.Helper()
	c.send(ws.OpBinary, texts)
}

func (c *Client) send(op ws.OpCode, texts []string) {
	c.t.Helper()
	var out []byte
	for _, s := range texts {
		out = AppendFrame(out, op, []byte(s))
	}
	c.Write(out)
}

// Write sends raw bytes.
func (c *Client) Write(p []byte) {
	c.t.Helper()
	err := c.Conn.SetWriteDeadline(time.Now().Add(Patience))
	if err == nil {
		_, err = c.Conn.Write(p)
	}
	if err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// AppendFrame appends a final client frame, masked.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	mask := [4]byte{0x5a, 0x01, 0xc3, 0x7f}
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, mask[:]...)
	from := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[from:], mask, 0)
	return dst
}

// Closed is the error of a read that met the end of the connection. Code is
// the close frame's, 1005 for one without a code, 1006 where none came.
type Closed struct {
	Code   int
	Reason string
	Err    error
}

func (e *Closed) Error() string { return fmt.Sprintf("closed with %d %q: %v", e.Code, e.Reason, e.Err) }

// TryRead returns the next message, text or binary; a *Closed error at the end of the
// connection, os.ErrDeadlineExceeded when nothing came in time.
func (c *Client) TryRead(patience time.Duration) (string, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", &Closed{Code: 1006, Err: err}
	}
	for {
		h, err := ws.ReadHeader(c.in)
		if err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return "", err
			}
			return "", &Closed{Code: 1006, Err: err}
		}
		if h.Masked {
			return "", errors.New("server frame is masked")
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.in, payload); err != nil {
			return "", &Closed{Code: 1006, Err: err}
		}
		switch h.OpCode {
		case ws.OpBinary:
			return string(payload), nil
		case ws.OpText:
			if s := string(payload); c.SeePings || s != c.ping() {
				return s, nil
			}
		case ws.OpPing:
			c.Write(AppendFrame(nil, ws.OpPong, payload))
		case ws.OpPong:
		case ws.OpClose:
			if len(payload) < 2 {
				return "", &Closed{Code: 1005}
			}
			return "", &Closed{Code: int(binary.BigEndian.Uint16(payload)), Reason: string(payload[2:])}
		default:
			return "", fmt.Errorf("frame with opcode %d", h.OpCode)
		}
	}
}

// Read returns the next text message.
func (c *Client) Read() string {
	c.t.Helper()
	s, err := c.TryRead(Patience)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return s
}

// Expect reads one message for each text and fails the test at the first that
// differs.
func (c *Client) Expect(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if got := c.Read(); got != want {
			c.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// Nothing fails the test if anything arrives before the answer to a ping that
// it sends: what the node did for this connection before is then known to
// have sent nothing.
func (c *Client) Nothing() {
	c.t.Helper()
	if c.Sente {
		c.Send(`[[:chsk/ws-ping] "nothing"]`)
		c.Expect(`["pong" "nothing"]`)
		return
	}
	c.Send(c.inFormat("[:chsk/ws-ping]", `["chsk/ws-ping"]`))
	c.Expect(c.inFormat("[:chsk/ws-pong]", `["chsk/ws-pong"]`))
}

// ping is the node's own.
func (c *Client) ping() string {
	if c.Sente {
		return "[:chsk/ws-ping nil]"
	}
	return c.inFormat("[:chsk/ws-ping]", `["chsk/ws-ping"]`)
}

// inFormat returns the text of the client's format.
func (c *Client) inFormat(edn, json string) string {
	if c.JSON {
		return json
	}
	return edn
}

// ExpectClose reads the end of the connection and fails the test if a message
// comes instead, or another code.
func (c *Client) ExpectClose(code int) {
	c.t.Helper()
	got, err := c.TryRead(Patience)
	if closed, ok := errors.AsType[*Closed](err); !ok || closed.Code != code {
		c.t.Fatalf("got %q, %v; want close %d", got, err, code)
	}
}

// Subscribe subscribes to a channel, EDN or JSON text, and reads the answer.
func (c *Client) Subscribe(channel string) {
	c.t.Helper()
	c.Send(c.inFormat("[:sente-lite/subscribe {:channel-id "+channel+"}]", `["sente-lite/subscribe",{"channel-id":`+channel+`}]`))
	c.Expect(c.inFormat(
		"[:sente-lite/subscribed {:channel-id "+channel+", :success true}]",
		`["sente-lite/subscribed",{"channel-id":`+channel+`,"success":true}]`,
	))
}

// Publish publishes data, EDN or JSON text, to a channel.
func (c *Client) Publish(channel, data string) {
	c.t.Helper()
	c.Send(c.inFormat(
		"[:sente-lite/publish {:channel-id "+channel+", :data "+data+"}]",
		`["sente-lite/publish",{"channel-id":`+channel+`,"data":`+data+`}]`,
	))
}

// MessageJSON is what a subscriber of a channel reads in JSON.
func MessageJSON(channel, data, from string) string {
	if from != "" {
		from = `,"from":"` + from + `"`
	}
	return `["sente-lite/channel-msg",{"channel-id":` + channel + `,"data":` + data + from + "}]"
}

// Message is what a subscriber of a channel reads.
func Message(channel, data, from string) string {
	if from == "" {
		return "[:sente-lite/channel-msg {:channel-id " + channel + ", :data " + data + "}]"
	}
	return "[:sente-lite/channel-msg {:channel-id " + channel + ", :data " + data + `, :from "` + from + `"}]`
}
