package msgpack

// The first byte of a value, as the specification of MessagePack names them.
const (
	fixMap   = 0x80 // to 0x8F
	fixArray = 0x90 // to 0x9F
	fixStr   = 0xA0 // to 0xBF
	codeNil  = 0xC0
	unused   = 0xC1
	isFalse  = 0xC2
	isTrue   = 0xC3
	bin8     = 0xC4
	bin16    = 0xC5
	bin32    = 0xC6
	ext8     = 0xC7
	ext16    = 0xC8
	ext32    = 0xC9
	float32s = 0xCA
	float64s = 0xCB
	uint8s   = 0xCC
	uint16s  = 0xCD
	uint32s  = 0xCE
	uint64s  = 0xCF
	int8s    = 0xD0
	int16s   = 0xD1
	int32s   = 0xD2
	int64s   = 0xD3
	fixExt1  = 0xD4
	fixExt2  = 0xD5
	fixExt4  = 0xD6
	fixExt8  = 0xD7
	fixExt16 = 0xD8
	str8     = 0xD9
	str16    = 0xDA
	str32    = 0xDB
	array16  = 0xDC
	array32  = 0xDD
	map16    = 0xDE
	map32    = 0xDF
	negative = 0xE0 // to 0xFF: -32 to -1
)

// The extension types of Sente's packer.
const (
	extKeyword = 0
	extSymbol  = 1
	extChar    = 2
	extRatio   = 3
	extSet     = 4
	extInts    = 5
	extFloats  = 6
	extDoubles = 7
	extKey     = 8 // the code of a key: one byte, its number
	extUUID    = 9
	extTime    = -1
)

// maxKeys is how many keys of a message have a number, at most.
const maxKeys = 256

// Kind is the kind of a value, as far as callers and this package tell them apart.
type Kind uint8

// The kinds. Scalar is what has none of its own: numbers, characters, times,
// UUIDs, bytes, extensions that nobody here knows.
const (
	Invalid Kind = iota
	Nil
	Bool
	String
	Keyword
	Symbol
	Scalar
	Vector
	Set
	Map
)

// Form is the span of one value in a message: p[Start:End] are its bytes, which may
// hold codes of keys that mean something in this message only.
type Form struct {
	Start, End int
	Kind       Kind
}
