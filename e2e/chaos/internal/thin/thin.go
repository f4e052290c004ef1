package thin

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Conn is one connection. One goroutine reads; any may write.
type Conn struct {
	// Fixed after Dial.
	tcp    *net.TCPConn
	ConnID string
	sente  bool

	// Owned by the reader.
	in      *bufio.Reader
	payload []byte

	write sync.Mutex
}

// Refused is a handshake that the node answered with something else than 101.
type Refused struct{ Status int }

func (e *Refused) Error() string { return "refused with " + strconv.Itoa(e.Status) }

// Closed is the end of a connection: the code of the close frame, 0 where none came.
type Closed struct {
	Code int
	Err  error
}

func (e *Closed) Error() string { return fmt.Sprintf("closed with %d: %v", e.Code, e.Err) }

// maxFrame bounds what a node may send in one frame.
const maxFrame = 1 << 20

// Dial connects to a node, as uid where that is not empty, and returns when the
// dialect's handshake has come. timeout bounds all of it.
func Dial(addr, uid string, timeout time.Duration) (*Conn, error) {
	path := "/ws"
	if uid != "" {
		path += "?uid=" + uid
	}
	return dial(addr, path, timeout)
}

// DialTab is Dial for a tab of Sente. Its events come in vectors, see [Conn.Read].
func DialTab(addr, uid, client string, timeout time.Duration) (*Conn, error) {
	return dial(addr, "/chsk?uid="+uid+"&client-id="+client, timeout)
}

func dial(addr, path string, timeout time.Duration) (*Conn, error) {
	raw, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	c := &Conn{tcp: raw.(*net.TCPConn), in: bufio.NewReaderSize(raw, 1<<10), sente: strings.HasPrefix(path, "/chsk")}
	if err := c.open(addr, path, time.Now().Add(timeout)); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) open(addr, path string, deadline time.Time) error {
	if err := c.tcp.SetDeadline(deadline); err != nil {
		return err
	}
	request := "GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(c.tcp, request); err != nil {
		return err
	}
	status := 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first {
			words := strings.Fields(string(line))
			if len(words) < 2 {
				return fmt.Errorf("status line %q", line)
			}
			status, _ = strconv.Atoi(words[1])
		}
		if len(line) <= 2 {
			break
		}
	}
	if status != 101 {
		return &Refused{status}
	}
	hello, err := c.Read(deadline)
	if err != nil {
		return err
	}
	first := "[:chsk/handshake "
	if c.sente {
		first = "[[:chsk/handshake "
	}
	_, rest, ok := strings.Cut(string(hello), `:conn-id "`)
	if !ok || !strings.HasPrefix(string(hello), first) {
		return fmt.Errorf("first event is %s", hello)
	}
	c.ConnID, _, _ = strings.Cut(rest, `"`)
	return c.tcp.SetDeadline(time.Time{})
}

// Read returns the next event, which is valid until the next call, and answers
// pings. At the end of the connection the error is a [*Closed].
func (c *Conn) Read(deadline time.Time) ([]byte, error) {
	if err := c.tcp.SetReadDeadline(deadline); err != nil {
		return nil, &Closed{Err: err}
	}
	for {
		op, err := c.frame()
		if err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return nil, err
			}
			return nil, &Closed{Err: err}
		}
		switch op {
		case 1:
			switch string(c.payload) { // a connection that is gone is met by the next read
			case "[:chsk/ws-ping]":
				_ = c.Send("[:chsk/ws-pong]")
			case "[:chsk/ws-ping nil]":
				_ = c.Send("[[:chsk/ws-pong] nil]")
			default:
				return c.payload, nil
			}
		case 8:
			code := 0
			if len(c.payload) >= 2 {
				code = int(binary.BigEndian.Uint16(c.payload))
			}
			return nil, &Closed{Code: code, Err: io.EOF}
		case 9:
			_ = c.send(10, c.payload)
		}
	}
}

// frame reads one whole frame into c.payload. A deadline in the middle of one ends
// the connection, so readers wait in Read with long ones.
func (c *Conn) frame() (op byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, err
	}
	if head[0]&0x80 == 0 || head[1]&0x80 != 0 {
		return 0, fmt.Errorf("frame begins with %x", head[:2])
	}
	op = head[0] & 0x0f
	n := int64(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(c.in, head[:2]); err != nil {
			return 0, err
		}
		n = int64(binary.BigEndian.Uint16(head[:2]))
	case 127:
		if _, err := io.ReadFull(c.in, head[:]); err != nil {
			return 0, err
		}
		n = int64(min(binary.BigEndian.Uint64(head[:]), maxFrame+1))
	}
	if n > maxFrame {
		return 0, errors.New("frame is too large")
	}
	if int64(cap(c.payload)) < n {
		c.payload = make([]byte, n)
	}
	c.payload = c.payload[:n]
	_, err = io.ReadFull(c.in, c.payload)
	return op, err
}

// Send sends one event.
func (c *Conn) Send(event string) error { return c.send(1, []byte(event)) }

func (c *Conn) send(op byte, p []byte) error {
	if len(p) > 1<<16-1 {
		return errors.New("message is too long")
	}
	out := make([]byte, 0, len(p)+8)
	out = append(out, 0x80|op)
	if len(p) < 126 {
		out = append(out, 0x80|byte(len(p)))
	} else {
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(len(p)))
	}
	out = append(out, 0, 0, 0, 0) // a mask that changes nothing
	out = append(out, p...)
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.tcp.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	_, err := c.tcp.Write(out)
	return err
}

// Subscribe asks for a channel; the answer is [Subscribed].
func (c *Conn) Subscribe(channel string) error {
	return c.Send(`[:sente-lite/subscribe {:channel-id "` + channel + `"}]`)
}

// Subscribed is the answer to a Subscribe that was granted.
func Subscribed(channel string) string {
	return `[:sente-lite/subscribed {:channel-id "` + channel + `", :success true}]`
}

// Close sends a close frame; the reader goes on until it is answered.
func (c *Conn) Close() error { return c.send(8, []byte{0x03, 0xe8}) }

// Leave closes as a client does that closes properly; Abort as one that dies.
func (c *Conn) Leave() {
	_ = c.Close()
	_ = c.tcp.Close()
}

func (c *Conn) Abort() {
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close()
}
