package rawserver

import (
	"bytes"
	"encoding/binary"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// connID is the conn-id that every client gets: only its length matters.
const connID = "conn-00000000-0000-7000-8000-000000000000"

// handle takes what is complete off in and returns how much that was; false
// means that the client is to be closed.
func (s *Server) handle(c *conn, in []byte) (used int, ok bool) {
	if !c.upgraded {
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if end < 0 {
			return 0, true
		}
		key := field(in[:end+2], "\r\nSec-WebSocket-Key: ", "\r\n")
		if key == nil {
			return 0, false
		}
		s.out = append(s.out[:0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
		s.out = append(append(s.out, wsclient.Accept(string(key))...), "\r\n\r\n"...)
		if !s.bare {
			s.out = appendText(s.out, `[:chsk/handshake ["`+connID+`" nil {:sente-lite-version "2.0.0" :conn-id "`+connID+`"} true]]`)
		}
		if !s.send(c.fd, s.out) {
			return 0, false
		}
		c.upgraded, used = true, end+4
	}
	for {
		op, payload, n := clientFrame(in[used:])
		if n == 0 {
			return used, true
		}
		used += n
		switch op {
		case wsclient.OpText:
			if !s.text(c, payload) {
				return used, false
			}
		case wsclient.OpClose:
			return used, false
		}
	}
}

// text handles one message. It knows the texts that the load generator writes,
// not EDN.
func (s *Server) text(c *conn, msg []byte) bool {
	switch {
	case bytes.HasPrefix(msg, []byte("[:sente-lite/publish ")):
		ch, data := field(msg, ":channel-id ", " :data "), field(msg, " :data ", "}]")
		s.out = appendText(s.out[:0], "[:sente-lite/channel-msg {:channel-id ", string(ch), " :data ", string(data), ` :from "`, connID, `"}]`)
		for _, fd := range s.channels[string(ch)] {
			// A subscriber that is gone is noticed, and dropped, by its own event.
			s.send(fd, s.out)
		}
		return true
	case bytes.HasPrefix(msg, []byte("[:sente-lite/subscribe ")):
		ch := string(field(msg, ":channel-id ", "}]"))
		s.channels[ch] = append(s.channels[ch], c.fd)
		s.out = appendText(s.out[:0], "[:sente-lite/subscribed {:channel-id ", ch, " :success true}]")
	case bytes.Equal(msg, []byte("[:chsk/ws-ping]")):
		s.out = appendText(s.out[:0], "[:chsk/ws-pong]")
	default:
		return true
	}
	return s.send(c.fd, s.out)
}

// field returns what stands between before and after in b, nil if they do not.
func field(b []byte, before, after string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(before))
	if !ok {
		return nil
	}
	v, _, ok := bytes.Cut(rest, []byte(after))
	if !ok {
		return nil
	}
	return v
}

// clientFrame reads one masked frame, unmasking in place; n is 0 while it is not
// complete.
func clientFrame(in []byte) (op byte, payload []byte, n int) {
	if len(in) < 2 {
		return 0, nil, 0
	}
	size, at := int(in[1]&0x7F), 2
	switch size {
	case 126:
		if len(in) < 4 {
			return 0, nil, 0
		}
		size, at = int(binary.BigEndian.Uint16(in[2:])), 4
	case 127:
		if len(in) < 10 {
			return 0, nil, 0
		}
		size, at = int(binary.BigEndian.Uint64(in[2:])&(1<<40-1)), 10
	}
	if len(in) < at+4+size {
		return 0, nil, 0
	}
	key, payload := in[at:at+4], in[at+4:at+4+size]
	for i := range payload {
		payload[i] ^= key[i&3]
	}
	return in[0] & 0xF, payload, at + 4 + size
}

// appendText appends an unmasked text frame holding the parts.
func appendText(dst []byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, 0x80|wsclient.OpText)
	switch {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}
