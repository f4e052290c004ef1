package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrNode is returned by [ParseNode] for a text that is not 12 lower-case hex
// digits.
var ErrNode = errors.New("node-id must be 12 lower-case hex digits")

// Node is the identity of one process: 48 random bits, chosen at its start.
type Node [6]byte

// NewNode returns a random node-id. It never fails: crypto/rand ends the
// program where the system has no randomness.
func NewNode() Node {
	var n Node
	rand.Read(n[:]) //nolint:errcheck // documented never to return an error
	return n
}

// ParseNode reads the 12 hex digits that [Node.String] writes. Its error
// matches [ErrNode].
func ParseNode(s string) (Node, error) {
	var n Node
	if len(s) != 2*len(n) || !lowerHex(s) {
		return Node{}, fmt.Errorf("parse %.20q: %w", s, ErrNode)
	}
	hex.Decode(n[:], []byte(s)) //nolint:errcheck // checked above
	return n, nil
}

// String returns 12 lower-case hex digits.
func (n Node) String() string { return hex.EncodeToString(n[:]) }

const (
	prefix = "conn-"
	// TextLen is the length of a conn-id as text, in bytes.
	TextLen = len(prefix) + 36
)

// Conn is the identity of one socket.
type Conn [16]byte

// Node returns the node that holds, or held, the socket.
func (c Conn) Node() Node { return Node(c[10:]) }

// IsZero reports whether c was never assigned.
func (c Conn) IsZero() bool { return c == Conn{} }

// Key returns 64 bits that no two live connections of one node share: the
// counter and the low bits of the time.
func (c Conn) Key() uint64 {
	ms := binary.BigEndian.Uint64(c[:8]) >> 16
	return ms<<26 | uint64(c.counter())
}

// counter returns the 26 bits that are neither time, version, variant nor node.
func (c Conn) counter() uint32 {
	return uint32(binary.BigEndian.Uint16(c[6:8])&0x0fff)<<14 | uint32(binary.BigEndian.Uint16(c[8:10])&0x3fff)
}

// String returns the text, such as
// conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4.
func (c Conn) String() string { return string(c.AppendTo(make([]byte, 0, TextLen))) }

// AppendTo appends the [TextLen] bytes of c's text to dst and returns the
// grown slice.
func (c Conn) AppendTo(dst []byte) []byte {
	dst = append(dst, prefix...)
	dst = hex.AppendEncode(dst, c[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, c[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, c[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, c[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, c[10:16])
}

// ParseConn reads the text of a conn-id. It reports false for anything that is
// not exactly what [Conn.AppendTo] writes: lower case, version 7, variant 10.
func ParseConn[T ~string | ~[]byte](s T) (Conn, bool) {
	var c Conn
	if len(s) != TextLen || string(s[:len(prefix)]) != prefix {
		return c, false
	}
	groups := [...]struct{ from, to, at int }{{5, 13, 0}, {14, 18, 4}, {19, 23, 6}, {24, 28, 8}, {29, 41, 10}}
	for i, g := range groups {
		if i > 0 && s[g.from-1] != '-' {
			return Conn{}, false
		}
		if !lowerHex(s[g.from:g.to]) {
			return Conn{}, false
		}
		for j := g.from; j < g.to; j += 2 {
			c[g.at+(j-g.from)/2] = nibble(s[j])<<4 | nibble(s[j+1])
		}
	}
	if c[6]>>4 != 7 || c[8]>>6 != 2 {
		return Conn{}, false
	}
	return c, true
}

func lowerHex[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if !(s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f') {
			return false
		}
	}
	return true
}

func nibble(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b - 'a' + 10
}
