package compose

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// page is a client as the page is one: sente-lite in JSON, with a token of the example.
// It belongs to one goroutine.
type page struct {
	conn      net.Conn
	in        *bufio.Reader
	uid, node string // as the handshake says
}

// closed is how a node has closed a connection.
type closed struct{ code int }

func (c closed) Error() string { return fmt.Sprintf("closed with %d", c.code) }

// open gets a token and connects, both at the address where the page is.
func open(addr, name string) (*page, error) {
	web := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := web.Post("http://"+addr+"/token", "application/json", strings.NewReader(fmt.Sprintf(`{"name": %q}`, name)))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var said struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("token: %s, %w", resp.Status, err)
	}
	return dial(addr, said.Token)
}

// dial connects with a token.
func dial(addr, token string) (*page, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	p := &page{conn: conn, in: bufio.NewReader(conn)}
	if err := p.handshake(addr, token); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *page) handshake(addr, token string) error {
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	// As a browser says it: of the page's own origin, and the token in a subprotocol.
	_, err := fmt.Fprintf(p.conn, "GET /ws?format=json HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: hoshi.json, hoshi.token.%s\r\n\r\n",
		addr, addr, base64.StdEncoding.EncodeToString(key), token)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("upgrade: %s: %s", resp.Status, text)
	}
	first, err := p.next()
	if err != nil {
		return err
	}
	var hello struct {
		id   string
		data [3]json.RawMessage
		info struct {
			Conn string `json:"conn-id"`
		}
	}
	err = errors.Join(unpack(first, &hello.id, &hello.data), json.Unmarshal(hello.data[0], &p.uid), json.Unmarshal(hello.data[2], &hello.info))
	if err != nil || hello.id != "chsk/handshake" || len(hello.info.Conn) < 12 {
		return fmt.Errorf("handshake %s: %w", first, err)
	}
	p.node = hello.info.Conn[len(hello.info.Conn)-12:]
	return nil
}

// unpack reads an array into one variable after the other.
func unpack(array json.RawMessage, into ...any) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(array, &parts); err != nil {
		return err
	}
	for i, part := range parts[:min(len(parts), len(into))] {
		if err := json.Unmarshal(part, into[i]); err != nil {
			return fmt.Errorf("%s: %w", array, err)
		}
	}
	return nil
}

// send sends a value (RFC 6455 section 5.2, masked with zeros).
func (p *page) send(value string) error {
	frame := []byte{0x81}
	if len(value) < 126 {
		frame = append(frame, 0x80|byte(len(value)))
	} else {
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(value)))
	}
	frame = append(append(frame, 0, 0, 0, 0), value...)
	_, err := p.conn.Write(frame)
	return err
}

// next returns the next value, or closed. Pings are answered by nobody: tests are
// shorter than the silence that a node bears.
func (p *page) next() (json.RawMessage, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(p.in, head[:]); err != nil {
			return nil, err
		}
		size := uint64(head[1] & 0x7f)
		switch size {
		case 126:
			var n uint16
			if err := binary.Read(p.in, binary.BigEndian, &n); err != nil {
				return nil, err
			}
			size = uint64(n)
		case 127:
			return nil, errors.New("a frame of more than 64 KiB")
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(p.in, body); err != nil {
			return nil, err
		}
		switch head[0] & 0x0f {
		case 1:
			return body, nil
		case 8:
			if len(body) < 2 {
				return nil, closed{}
			}
			return nil, closed{int(binary.BigEndian.Uint16(body))}
		}
	}
}

// await reads until a value holds the text.
func (p *page) await(text string) error {
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	for {
		value, err := p.next()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", text, err)
		}
		if strings.Contains(string(value), text) {
			return nil
		}
	}
}

func (p *page) subscribe(channel string) error {
	if err := p.send(fmt.Sprintf(`["sente-lite/subscribe", {"channel-id": %q}]`, channel)); err != nil {
		return err
	}
	return p.await(fmt.Sprintf(`"channel-id":%q,"success":true`, channel))
}
