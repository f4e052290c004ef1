package edge_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// upgradeRaw connects with a request of its own, and returns the head of the
// answer.
func upgradeRaw(t *testing.T, n *edge.Node, path, headers string) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	c, err := net.Dial("tcp", n.Addr().String())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, headers)
	r := bufio.NewReader(c)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		must(t, err)
		if head.WriteString(line); line == "\r\n" {
			return c, r, head.String()
		}
	}
}

const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

func sendFrame(t *testing.T, c net.Conn, op ws.OpCode, payload []byte) {
	t.Helper()
	_, err := c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, bytes.Clone(payload)))))
	must(t, err)
}

func readFrame(t *testing.T, r io.Reader) (h ws.Header, payload []byte) {
	t.Helper()
	h, err := ws.ReadHeader(r)
	must(t, err)
	payload = make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	must(t, err)
	if h.Rsv == 4 {
		z := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		payload, err = io.ReadAll(z)
		must(t, err)
	}
	return h, payload
}

// Messages on the echo path come back as they came, of any size up to the
// configured one, though NATS carries less; nothing of it is known elsewhere.
func TestWSEcho(t *testing.T) {
	t.Parallel()
	size := scaled(16<<20, 4<<20)
	for _, portable := range []bool{false, true} {
		c := one(t, func(o *edge.Options) {
			o.WSEcho, o.Deflate, o.MaxMessage, o.Portable = "/echo", true, size, portable
		})
		n := c.Nodes[0]
		for _, headers := range []string{"", offer} {
			conn, r, head := upgradeRaw(t, n, "/echo?x=1", headers)
			if !strings.Contains(head, " 101 ") || strings.Contains(head, "permessage-deflate") != (headers != "") {
				t.Fatalf("answer %q", head)
			}
			big := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			for _, m := range []struct {
				op      ws.OpCode
				payload []byte
			}{
				{ws.OpText, []byte("[:sente-lite/subscribe {:channel-id 1}]")},
				{ws.OpText, nil},
				{ws.OpBinary, []byte{0xff, 0, 0xfe}},
				{ws.OpText, big},
				{ws.OpBinary, big},
			} {
				go sendFrame(t, conn, m.op, m.payload)
				h, payload := readFrame(t, r)
				if packed := headers != "" && len(m.payload) >= 1024; h.OpCode != m.op || !bytes.Equal(payload, m.payload) || (h.Rsv == 4) != packed {
					t.Fatalf("opcode %d with %d bytes came back as %d with %d, reserved bits %d", m.op, len(m.payload), h.OpCode, len(payload), h.Rsv)
				}
			}
			must(t, c.Backend(t, 0).PublishAll([]byte("[:all/n 1]"))) // is not for it
			sendFrame(t, conn, ws.OpText, []byte("last"))
			if _, payload := readFrame(t, r); string(payload) != "last" {
				t.Errorf("got %q", payload)
			}
			sendFrame(t, conn, ws.OpClose, ws.NewCloseFrameBody(1000, ""))
			if h, _ := readFrame(t, r); h.OpCode != ws.OpClose {
				t.Errorf("opcode %d", h.OpCode)
			}
		}
	}
}

// Without the option there is nothing at that path, and no path of clients can
// be taken.
func TestWSEchoOff(t *testing.T) {
	c := one(t, nil)
	if _, _, head := upgradeRaw(t, c.Nodes[0], "/echo", offer); !strings.Contains(head, " 404 ") {
		t.Errorf("answer %q", head)
	}
	if _, _, head := upgradeRaw(t, c.Nodes[0], "/ws", offer); !strings.Contains(head, " 101 ") || strings.Contains(head, "deflate") {
		t.Errorf("answer %q", head)
	}
	for _, path := range []string{"echo", "/", "/ws", "/chsk", "/a b", "/a?b"} {
		if n, err := edge.Start(t.Context(), edge.Options{WSEcho: path}); err == nil || !strings.Contains(err.Error(), "WSEcho") {
			t.Errorf("%q: %v", path, err)
			if n != nil {
				must(t, n.Stop(t.Context()))
			}
		}
	}
}

// A channel's message is compressed for subscribers who have agreed to it, for
// others not, and not for those whose format is compressed already.
func TestDeflate(t *testing.T) {
	c := one(t, func(o *edge.Options) { o.Deflate = true })
	plain := c.Dial(t, 0, "/ws")
	plain.Subscribe(`"c"`)
	conn, r, head := upgradeRaw(t, c.Nodes[0], "/ws", offer)
	if !strings.Contains(head, "permessage-deflate") {
		t.Fatalf("answer %q", head)
	}
	readFrame(t, r) // the handshake
	sendFrame(t, conn, ws.OpText, []byte(`[:sente-lite/subscribe {:channel-id "c"}]`))
	readFrame(t, r)
	body := `"` + strings.Repeat("hello ", 500) + `"`
	must(t, c.Backend(t, 0).PublishChannel(bus.String("c"), []byte(body)))
	plain.Expect(testkit.Message(`"c"`, body, ""))
	if h, payload := readFrame(t, r); h.Rsv != 4 || h.Length > 200 || !strings.Contains(string(payload), body) {
		t.Errorf("header %+v, %.80q", h, payload)
	}
	if _, _, head := upgradeRaw(t, c.Nodes[0], "/ws?format=json-gzip", offer); !strings.Contains(head, " 101 ") || strings.Contains(head, "deflate") {
		t.Errorf("answer %q", head)
	}
}
