package wsconn_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// Bits of a frame's first byte.
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// raw builds a client's frame from its first byte, whatever that says.
func raw(first byte, payload string) []byte {
	var f []byte
	switch n := len(payload); {
	case n > 0xffff:
		f = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(n))
	case n > 125:
		f = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		f = []byte{first, 0x80 | byte(n)}
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	f = append(f, mask[:]...)
	at := len(f)
	f = append(f, payload...)
	ws.Cipher(f[at:], mask, 0)
	return f
}

const (
	opCont   = byte(ws.OpContinuation)
	opText   = byte(ws.OpText)
	opBinary = byte(ws.OpBinary)
	opClose  = byte(ws.OpClose)
	opPing   = byte(ws.OpPing)
	opPong   = byte(ws.OpPong)
)

func text(s string) []byte   { return raw(fin|opText, s) }
func binMsg(s string) []byte { return raw(fin|opBinary, s) }
func ping(s string) []byte   { return raw(fin|opPing, s) }

// closing is a close frame with any code at all.
func closing(code uint16, reason string) []byte {
	return raw(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func stream(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// deflated is a message compressed as a client would, by the standard library.
func deflated(s string, level int) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, level)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

func inflated(p []byte) (string, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	out, err := io.ReadAll(r)
	return string(out), err
}

// echoServer is what the conformance tests talk to.
func echoServer(t *testing.T, o wsconn.Options) *server {
	t.Helper()
	return start(t, o, func(se *session) {
		se.onMessage = func(se *session, op ws.OpCode, p []byte) wsconn.Verdict { return se.Echo(op, p) }
	})
}

// dialOffering returns an upgraded connection, and the server's answer to the offers of extensions: one line each.
func (s *server) dialOffering(offers ...string) (c *client, answer string) {
	s.t.Helper()
	c = s.dialRaw()
	head := strings.TrimSuffix(requestHead, "\r\n")
	for _, o := range offers {
		head += "Sec-WebSocket-Extensions: " + o + "\r\n"
	}
	c.send([]byte(head + "\r\n"))
	got := c.head()
	if !strings.Contains(got, " 101 ") {
		s.t.Fatalf("%q: not upgraded: %q", offers, got)
	}
	_, rest, _ := strings.Cut(got, "\r\nSec-WebSocket-Extensions: ")
	answer, _, _ = strings.Cut(rest, "\r\n")
	return c, answer
}

// dialDeflate returns a connection with compression.
func (s *server) dialDeflate() *client {
	s.t.Helper()
	c, answer := s.dialOffering("permessage-deflate; client_max_window_bits")
	if answer == "" {
		s.t.Fatal("compression is not agreed")
	}
	return c
}

// readAs reads a frame as a strict client does, and describes it: "text abc", "close 1000 reason". packed says whether
// it was compressed.
func (c *client) readAs() (what string, packed bool, err error) {
	var h ws.Header
	if h, err = ws.ReadHeader(c.r); err != nil {
		return "", false, err
	}
	p := make([]byte, h.Length)
	if _, err = io.ReadFull(c.r, p); err != nil {
		return "", false, err
	}
	packed = h.Rsv&4 != 0
	if !h.Fin || h.Masked || h.Rsv&3 != 0 || packed && h.OpCode.IsControl() {
		return "", false, fmt.Errorf("illegal header %+v", h)
	}
	if packed {
		s, err := inflated(p)
		if err != nil {
			return "", true, fmt.Errorf("compressed data: %w", err)
		}
		p = []byte(s)
	}
	switch h.OpCode {
	case ws.OpText:
		return "text " + string(p), packed, nil
	case ws.OpBinary:
		return "binary " + string(p), packed, nil
	case ws.OpPong:
		return "pong " + string(p), packed, nil
	case ws.OpPing:
		return "ping " + string(p), packed, nil
	case ws.OpClose:
		if len(p) < 2 {
			return "close", packed, nil
		}
		return "close " + strconv.Itoa(int(binary.BigEndian.Uint16(p))), packed, nil
	default:
		return "", false, fmt.Errorf("illegal opcode %d", h.OpCode)
	}
}

// all reads to the end of the stream.
func (c *client) all() (got []string, err error) {
	for {
		what, _, err := c.readAs()
		if err == io.EOF { //nolint:errorlint // of a whole frame
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, what)
	}
}

// write sends p in pieces of at most chop bytes, 0 for all at once. The server may have closed before the end.
func (c *client) write(p []byte, chop int) {
	if chop == 0 {
		chop = max(len(p), 1)
	}
	for piece := range slices.Chunk(p, chop) {
		if _, err := c.Write(piece); err != nil {
			return
		}
	}
}

// exchange is one conversation: what is sent, and all that comes back, up to the end of the stream.
type exchange struct {
	name string
	send []byte
	want []string
}

// short makes a description fit a line.
func short(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		if out[i] = s; len(s) > 60 {
			out[i] = fmt.Sprintf("%.40s... (%d)", s, len(s))
		}
	}
	return fmt.Sprintf("%q", out)
}

// hold runs exchanges against both kinds of loops, with and without compression agreed, and in pieces of several
// sizes: none of that may make a difference.
func hold(t *testing.T, exchanges []exchange) {
	t.Helper()
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, wsconn.Options{Portable: portable, Deflate: true})
		for _, deflate := range []bool{false, true} {
			for _, chop := range []int{0, 1, 2, 997} {
				holdOn(t, s, exchanges, deflate, chop)
			}
		}
	})
}

func holdOn(t *testing.T, s *server, exchanges []exchange, deflate bool, chop int) {
	t.Helper()
	for _, x := range exchanges {
		if chop > 0 && (len(x.send) <= chop || len(x.send) > 600*chop) {
			continue
		}
		c := s.open(deflate)
		_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
		wrote := make(chan struct{})
		go func() { // ends when all is sent or the connection is closed
			defer close(wrote)
			c.write(x.send, chop)
		}()
		got, err := c.all()
		if err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s (deflate %v, pieces of %d): got %s, error %v, want %s", x.name, deflate, chop, short(got), err, short(x.want))
		}
		_ = c.Close()
		<-wrote
		s.next().end()
	}
}

func (s *server) open(deflate bool) *client {
	s.t.Helper()
	if deflate {
		return s.dialDeflate()
	}
	return s.dial()
}
