package load

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// A payload is the EDN map {:n "<mark>" :text "xx..."}: ordinary data to the
// server. The mark is eight bytes that no other run uses and the message's number
// as eight hex digits. It stands at the same place in every frame of a run, so a
// receiver compares one word and parses nothing.
const (
	payloadHead = `{:n "`
	payloadMid  = `" :text "`
	payloadTail = `"}`
	tagLen      = 8
	markLen     = tagLen + 8
)

const hexDigits = "0123456789abcdef"

// newTag returns the run's own eight letters.
func newTag() (tag [tagLen]byte) {
	for i := range tag {
		tag[i] = 'g' + byte(rand.IntN(20)) // never a hex digit
	}
	return tag
}

// appendPayload appends a payload of size bytes with number 0 and returns the
// offset of its number.
func appendPayload(dst []byte, tag [tagLen]byte, size int) (out []byte, number int) {
	dst = append(append(dst, payloadHead...), tag[:]...)
	number = len(dst)
	dst = append(append(dst, "00000000"...), payloadMid...)
	dst = append(dst, bytes.Repeat([]byte{'x'}, size-MinSize)...)
	return append(dst, payloadTail...), number
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
