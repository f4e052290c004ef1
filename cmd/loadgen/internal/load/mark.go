package load

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
)

// A payload holds a mark: eight bytes that no other run uses and the message's
// number as eight hex digits. It stands at the same place in every frame of a run
// and dialect, so a receiver compares one word and parses nothing.
const (
	tagLen  = 8
	markLen = dialect.MarkLen
)

const hexDigits = "0123456789abcdef"

// newTag returns the run's own eight letters.
func newTag() (tag [tagLen]byte) {
	for i := range tag {
		tag[i] = 'g' + byte(rand.IntN(20)) // never a hex digit
	}
	return tag
}

// mark returns the tag with the number 0.
func mark(tag [tagLen]byte) [markLen]byte {
	return [markLen]byte(append(tag[:], "00000000"...))
}

// marked is a text that holds a mark.
type marked struct {
	text   []byte
	number int // where in text the number stands
}

func newMarked(text []byte, tag [tagLen]byte) marked {
	return marked{text: text, number: bytes.Index(text, tag[:]) + tagLen}
}

// numbered returns the text with the number n. It is good until the next call.
func (m marked) numbered(n uint32) []byte {
	putNumber(m.text[m.number:], n)
	return m.text
}

func putNumber(b []byte, n uint32) {
	for i := range 8 {
		b[i] = hexDigits[n>>(28-4*i)&0xF]
	}
}

// number reads eight lower-case hex digits, without looking whether they are.
func number(b []byte) uint32 {
	v := binary.BigEndian.Uint64(b)
	v = v&0x0f0f0f0f0f0f0f0f + v>>6&0x0101010101010101*9
	v = (v | v>>4) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16)
}

// finder finds the mark in a frame's head. The place is learnt from the first
// frame and holds for the run.
type finder struct {
	tag uint64
	raw [tagLen]byte
	at  int
}

func newFinder(tag [tagLen]byte) finder {
	return finder{tag: binary.LittleEndian.Uint64(tag[:]), raw: tag}
}

// find returns the number in head; ok is false when there is no mark.
func (f *finder) find(head []byte) (n uint32, ok bool) {
	if f.at+markLen <= len(head) && binary.LittleEndian.Uint64(head[f.at:]) == f.tag {
		return number(head[f.at+tagLen:]), true
	}
	i := bytes.Index(head, f.raw[:])
	if i < 0 || i+markLen > len(head) {
		return 0, false
	}
	f.at = i
	return number(head[i+tagLen:]), true
}
