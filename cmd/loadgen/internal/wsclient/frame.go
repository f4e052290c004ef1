package wsclient

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455 section 5.2.
const (
	OpText   = 0x1
	OpBinary = 0x2
	OpClose  = 0x8
	OpPing   = 0x9
	OpPong   = 0xA
)

// HeadMax is how many bytes of a payload [Parser] keeps of a frame that does not
// arrive whole. What the load generator looks for stands well before it.
const HeadMax = 512

// maxHeader is the longest header a server may send: 2 bytes and a 64-bit length.
const maxHeader = 10

// maxFrame bounds the announced length: no server under test sends more, so a
// greater one is a parser that has lost its place.
const maxFrame = 64 << 20

// Errors of [Parser.Next]. After one the connection cannot be read any further.
var (
	// ErrMasked is a masked server frame (RFC 6455 section 5.1).
	ErrMasked = errors.New("masked server frame")
	// ErrReserved is a frame with a reserved bit or opcode: no extension was negotiated.
	ErrReserved = errors.New("frame with a reserved bit or opcode")
	// ErrFragmented is a message in several frames, which this client does not put together.
	ErrFragmented = errors.New("fragmented message")
	// ErrTooLong is a frame announced longer than 64 MiB.
	ErrTooLong = errors.New("frame beyond 64 MiB")
)

// Frame is one complete server frame.
type Frame struct {
	// Op is the opcode; control frames are reported like any other.
	Op byte
	// Head is the payload, or its first [HeadMax] bytes when a longer one arrived
	// in pieces. It is valid until the next call of [Parser.Next].
	Head []byte
	// Len is the length of the whole payload in bytes.
	Len int
}

// Parser cuts what one socket delivers into frames. The zero value is ready. It
// is owned by one goroutine.
type Parser struct {
	carry []byte // header and head of the frame that is not complete yet
	skip  int    // payload bytes of that frame still to come and not wanted
}

// Next takes the next complete frame off in and returns it with what follows.
// When in holds no complete frame, ok is false and all of in has been taken in.
// in is only read; the frame's Head may alias it.
func (p *Parser) Next(in []byte) (f Frame, rest []byte, ok bool, err error) {
	if len(p.carry) != 0 {
		return p.resume(in)
	}
	// The hot path: a whole frame with a 7-bit or 16-bit length.
	if len(in) >= 4 {
		n, at := int(in[1]), 2
		if n == 126 {
			n, at = int(in[2])<<8|int(in[3]), 4
		}
		if in[1] < 127 && at+n <= len(in) && plain(in[0]) {
			return Frame{Op: in[0] & 0xF, Head: in[at : at+n : at+n], Len: n}, in[at+n:], true, nil
		}
	}
	return p.begin(in)
}

// plain tells whether b opens an unfragmented frame that Next accepts.
func plain(b byte) bool {
	return b == 0x80|OpText || b == 0x80|OpBinary || b >= 0x80|OpClose && b <= 0x80|OpPong
}

// header reads a frame header. need is its length once b suffices to tell, and
// 0 before.
func header(b []byte) (n, need int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	switch {
	case b[1]&0x80 != 0:
		return 0, 0, ErrMasked
	case b[0]&0x70 != 0:
		return 0, 0, ErrReserved
	case b[0]&0xF == 0 || b[0]&0x80 == 0:
		return 0, 0, ErrFragmented
	case !plain(b[0]):
		return 0, 0, ErrReserved
	}
	switch n := int(b[1]); {
	case n < 126:
		return n, 2, nil
	case n == 126:
		if len(b) < 4 {
			return 0, 0, nil
		}
		return int(binary.BigEndian.Uint16(b[2:])), 4, nil
	}
	if len(b) < maxHeader {
		return 0, 0, nil
	}
	v := binary.BigEndian.Uint64(b[2:])
	if v > maxFrame {
		return 0, 0, ErrTooLong
	}
	return int(v), maxHeader, nil
}

// begin handles what the hot path does not: a long, cut or faulty frame.
func (p *Parser) begin(in []byte) (Frame, []byte, bool, error) {
	if len(in) == 0 {
		return Frame{}, nil, false, nil
	}
	n, at, err := header(in)
	if err != nil {
		return Frame{}, nil, false, err
	}
	if at != 0 && at+n <= len(in) {
		return Frame{Op: in[0] & 0xF, Head: in[at : at+n : at+n], Len: n}, in[at+n:], true, nil
	}
	keep := in
	if at != 0 {
		keep = in[:min(len(in), at+HeadMax)]
		p.skip = max(0, n-HeadMax) - (len(in) - len(keep))
	}
	p.carry = append(p.carry[:0], keep...)
	return Frame{}, nil, false, nil
}

// resume goes on with the frame whose beginning is in carry.
func (p *Parser) resume(in []byte) (Frame, []byte, bool, error) {
	n, at, err := header(p.carry)
	if err != nil {
		return Frame{}, nil, false, err
	}
	for at == 0 {
		if len(in) == 0 {
			return Frame{}, nil, false, nil
		}
		p.carry, in = append(p.carry, in[0]), in[1:]
		if n, at, err = header(p.carry); err != nil {
			return Frame{}, nil, false, err
		}
		if at != 0 {
			p.skip = max(0, n-HeadMax)
		}
	}
	k := min(at+min(n, HeadMax)-len(p.carry), len(in))
	p.carry, in = append(p.carry, in[:k]...), in[k:]
	if len(p.carry) < at+min(n, HeadMax) {
		return Frame{}, nil, false, nil
	}
	k = min(p.skip, len(in))
	p.skip, in = p.skip-k, in[k:]
	if p.skip > 0 {
		return Frame{}, nil, false, nil
	}
	f := Frame{Op: p.carry[0] & 0xF, Head: p.carry[at:], Len: n}
	p.carry = p.carry[:0]
	return f, in, true, nil
}

// AppendText appends a masked, final text frame with the given payload.
func AppendText(dst, payload []byte) []byte { return appendFrame(dst, OpText, payload) }

// AppendPong appends the answer to a ping: a masked pong with the same payload.
func AppendPong(dst, payload []byte) []byte { return appendFrame(dst, OpPong, payload) }

// AppendClose appends a masked close frame with the given code and no reason.
func AppendClose(dst []byte, code uint16) []byte {
	return appendFrame(dst, OpClose, binary.BigEndian.AppendUint16(nil, code))
}

// CloseCode returns the code of a close frame's payload, and 1005 (RFC 6455
// section 7.1.5: none present) when it has none.
func CloseCode(payload []byte) int {
	if len(payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(payload))
}

// maskKey is the same for every frame: masking protects proxies from hostile
// scripts (RFC 6455 section 10.3), of which there are none here, but the server
// must do the work of unmasking, so the key is not zero.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, maskKey[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	body := dst[at:]
	key := uint64(binary.LittleEndian.Uint32(maskKey[:]))
	key |= key << 32
	i := 0
	for ; i+8 <= len(body); i += 8 {
		binary.LittleEndian.PutUint64(body[i:], binary.LittleEndian.Uint64(body[i:])^key)
	}
	for ; i < len(body); i++ {
		body[i] ^= maskKey[i&3]
	}
	return dst
}
