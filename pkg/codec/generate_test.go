package codec_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// generator makes values of every kind that EDN knows, and likes those at the edges.
type generator struct{ *rand.Rand }

var (
	genNames = []string{
		"a", "b", "k", "id", "user/name", "a/b", "chsk/ws-ping", "a/b/c", "é", "日本/語", "a.b/c-d?", "*x*", "->y", "true/x", "tag", "value",
		"kind", "name-that-is-long", "x'", "a:b", "+", "-", "/", "a#b",
	}
	// No symbols, because they would be something else.
	genKeywords = append([]string{"1", "nil", "true", "a/:b"}, genNames...)
	genStrings  = []string{
		"", "a", "b", ":a", "a/b", "user/name", " ", "^x", "~x", "`x", "~", "^", "~:a", "^0", "~#set", "\"a\"", "1", "nil", "a b", "é😀\u2028", "line\nend\t\r\b\f",
		"\x00\x1f\x7f", "back\\slash/", "00000000-0000-0000-0000-000000000001", "a text that is a little longer than the others are",
	}
	genInts = []string{
		"0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "32767", "65536", "-32769", "2147483647", "2147483648", "-2147483649", "4294967296",
		"9007199254740991", "9007199254740992", "-9007199254740991", "-9007199254740992", "9223372036854775807", "-9223372036854775808",
	}
	genBigs   = []string{"0", "7", "-7", "9007199254740993", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"}
	genFloats = []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.5, 1e10, 1e20, 1e21, 1e-6, 1e-7, 1e100, -1e-300, 5e-324, math.MaxFloat64, 1 << 53, math.Inf(1), math.Inf(-1), math.NaN(),
		1.0 / 3, 123456789.125, math.MaxFloat32,
	}
	genDecimals = []string{"0", "1", "1.0", "1.50", "-0.001", "1e5", "1.5e-10", "123456789012345678901234567890.5"}
	genRatios   = []string{"1/2", "-1/3", "4/2", "123456789012345678901234567890/7", "22/7"}
	genChars    = []rune{'a', '\n', ' ', '\t', '\r', '\b', '\f', 'é', '日', '"', '\\', ']', ';', '~', '^', 0, 0xFFFD}
	genTimes    = []string{"1970-01-01T00:00:00.000000000Z", "1969-12-31T23:59:59.999000000Z", "2020-02-29T12:34:56.789000000Z", "1582-10-15T00:00:00.000000000Z", "1066-10-20T00:00:00.000000000Z", "9999-12-31T23:59:59.999000000Z", "2020-01-01T00:00:00.123456789Z", "1950-06-01T00:00:00.000001000Z"}
	genTags     = []string{"a/b", "my.app/money", "x/y"}
)

func pick[T any](g generator, of []T) T { return of[g.IntN(len(of))] }

// value returns a value that nests up to depth.
func (g generator) value(depth int) node {
	if depth > 0 && g.IntN(3) > 0 {
		return g.collection(depth)
	}
	switch g.IntN(17) {
	case 0:
		return node{kind: aNil}
	case 1:
		return node{kind: aBool, text: strconv.FormatBool(g.IntN(2) == 0)}
	case 2:
		return node{kind: anInt, text: pick(g, genInts)}
	case 3:
		return node{kind: anInt, text: strconv.FormatInt(int64(g.Uint64())>>g.IntN(64), 10)}
	case 4:
		return g.big()
	case 5:
		return floatNode(pick(g, genFloats))
	case 6:
		return floatNode(math.Float64frombits(g.Uint64()))
	case 7:
		return node{kind: aDecimal, text: pick(g, genDecimals)}
	case 8:
		return node{kind: aRatio, text: pick(g, genRatios)}
	case 9:
		return node{kind: aChar, text: string(pick(g, genChars))}
	case 10:
		return node{kind: aSymbol, text: pick(g, genNames)}
	case 11:
		if g.IntN(2) == 0 {
			return node{kind: anInst, text: pick(g, genTimes)}
		}
		return node{kind: anInst, text: time.UnixMilli(g.Int64N(253402300800000)).UTC().Format(instLayout)}
	case 12:
		var u [16]byte
		for i := range u {
			u[i] = byte(g.Uint32())
		}
		return node{kind: aUUID, text: hex.EncodeToString(u[:])}
	case 13, 14:
		return node{kind: aKeyword, text: pick(g, genKeywords)}
	case 15:
		return node{kind: aString, text: strings.Repeat(pick(g, genStrings), 1+g.IntN(3))}
	default:
		return node{kind: aString, text: pick(g, genStrings)}
	}
}

func (g generator) big() node {
	if g.IntN(2) == 0 {
		return node{kind: aBig, text: pick(g, genBigs)}
	}
	return node{kind: aBig, text: fmt.Sprintf("%d%018d", 1+g.Int64N(math.MaxInt64), g.Int64N(1e18))}
}

func (g generator) collection(depth int) node {
	size := g.IntN(6)
	if g.IntN(40) == 0 {
		size = 40
	}
	n := node{kind: pick(g, []nodeKind{aList, aVector, aVector, aSet, aMap, aMap, aMap, aTag})}
	switch n.kind {
	case aTag:
		n.text = pick(g, genTags)
		n.items = []node{g.value(depth - 1)}
	case aSet, aMap:
		same := map[string]bool{}
		for range size {
			key := g.value(min(depth-1, g.IntN(3)))
			text, err := edn.AppendCanonical(nil, ednText(key))
			if err != nil || same[string(text)] { // NaN, or what is equal to another key
				continue
			}
			same[string(text)] = true
			n.items = append(n.items, key)
			if n.kind == aMap {
				n.items = append(n.items, g.value(depth-1))
			}
		}
	default:
		for range size {
			n.items = append(n.items, g.value(depth-1))
		}
	}
	return n
}

// ednText is n as edn.Writer writes it.
func ednText(n node) []byte {
	var w edn.Writer
	w.Reset(nil)
	n.tell(&w)
	text, err := w.Bytes()
	if err != nil {
		panic(err) // the generator makes nothing that EDN cannot say
	}
	return text
}
