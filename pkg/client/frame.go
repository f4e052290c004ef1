package client

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Bounds of a frame.
const (
	maxFrameHead      = 14  // RFC 6455 5.2, with the mask
	maxControlPayload = 125 // RFC 6455 5.5
)

// masks deals masking keys. RFC 6455 5.3 wants each from a strong source; the
// system is asked for many at a time, because a question costs more than masking
// a small frame.
type masks struct {
	bytes [512]byte
	left  int // how many at the end of bytes are unused
}

// next returns a key that nobody has had.
func (m *masks) next() (key [4]byte) {
	if m.left < len(key) {
		_, _ = rand.Read(m.bytes[:]) // never fails: it ends the program instead
		m.left = len(m.bytes)
	}
	copy(key[:], m.bytes[len(m.bytes)-m.left:])
	m.left -= len(key)
	return key
}

// appendFrame appends a whole frame of a client, masked with a fresh key. It
// borrows payload for the call.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	var key [4]byte
	_, _ = rand.Read(key[:])
	return appendMasked(dst, op, key, payload)
}

// appendMasked is [appendFrame] with a given key.
func appendMasked[T string | []byte](dst []byte, op ws.OpCode, key [4]byte, payload T) []byte {
	const fin, masked = 0x80, 0x80
	dst = append(dst, fin|byte(op))
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, masked|byte(n))
	case n <= 1<<16-1:
		dst = append(dst, masked|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], key, 0)
	return dst
}
