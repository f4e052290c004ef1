package codec_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// node is a value as a tree, for tests: what a Sink was told, so that two formats can be compared without either.
type node struct {
	kind  nodeKind
	text  string // of a scalar, in a form of which equal values have one; the name of a tag
	items []node // of a collection, keys and values in turn for a map; the content of a tag
}

type nodeKind string

const (
	aNil     nodeKind = "nil"
	aBool    nodeKind = "bool"
	anInt    nodeKind = "int" // of any length
	aBig     nodeKind = "big" // 1N
	aFloat   nodeKind = "float"
	aDecimal nodeKind = "decimal"
	aRatio   nodeKind = "ratio"
	aChar    nodeKind = "char"
	aString  nodeKind = "string"
	aKeyword nodeKind = "keyword"
	aSymbol  nodeKind = "symbol"
	anInst   nodeKind = "inst"
	aUUID    nodeKind = "uuid"
	aTag     nodeKind = "tag"
	aList    nodeKind = "list"
	aVector  nodeKind = "vector"
	aSet     nodeKind = "set"
	aMap     nodeKind = "map"
)

// instLayout tells points in time apart to the nanosecond.
const instLayout = "2006-01-02T15:04:05.000000000Z"

var collections = map[nodeKind]value.Kind{aList: value.List, aVector: value.Vector, aSet: value.Set, aMap: value.Map}

func (n node) String() string {
	var b strings.Builder
	b.WriteString(string(n.kind))
	if n.text != "" {
		fmt.Fprintf(&b, ":%q", n.text)
	}
	if len(n.items) > 0 {
		fmt.Fprintf(&b, "%v", n.items)
	}
	return b.String()
}

// tell makes the calls that a reader of n would make.
func (n node) tell(s value.Sink) {
	switch n.kind {
	case aNil:
		s.Nil()
	case aBool:
		s.Bool(n.text == "true")
	case anInt, aBig:
		s.Int([]byte(n.text), n.kind == aBig)
	case aFloat:
		s.Float(n.float())
	case aDecimal:
		s.Decimal([]byte(n.text))
	case aRatio:
		numerator, denominator, _ := strings.Cut(n.text, "/")
		s.Ratio([]byte(numerator), []byte(denominator))
	case aChar:
		s.Char([]rune(n.text)[0])
	case aString:
		s.String([]byte(n.text))
	case aKeyword:
		s.Keyword([]byte(n.text))
	case aSymbol:
		s.Symbol([]byte(n.text))
	case anInst:
		s.Inst(n.time())
	case aUUID:
		var u [16]byte
		_, _ = hex.Decode(u[:], []byte(n.text))
		s.UUID(u)
	case aTag:
		s.Tag([]byte(n.text))
		n.items[0].tell(s)
	default:
		s.Begin(collections[n.kind], len(n.items))
		for _, item := range n.items {
			item.tell(s)
		}
		s.End()
	}
}

func floatNode(f float64) node {
	if math.IsNaN(f) {
		f = math.NaN() // of its many bit patterns one
	}
	return node{kind: aFloat, text: strconv.FormatUint(math.Float64bits(f), 16)}
}

func (n node) float() float64 {
	bits, _ := strconv.ParseUint(n.text, 16, 64)
	return math.Float64frombits(bits)
}

func (n node) time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, n.text)
	return t
}

// builder is a Sink that makes a node of what it is told.
type builder struct {
	open   []node // collections and tags that have not ended
	result []node
}

func (b *builder) add(n node) {
	for {
		if len(b.open) == 0 {
			b.result = append(b.result, n)
			return
		}
		last := &b.open[len(b.open)-1]
		last.items = append(last.items, n)
		if last.kind != aTag {
			return
		}
		n = *last
		b.open = b.open[:len(b.open)-1]
	}
}

func (b *builder) Nil()             { b.add(node{kind: aNil}) }
func (b *builder) Bool(v bool)      { b.add(node{kind: aBool, text: strconv.FormatBool(v)}) }
func (b *builder) Float(f float64)  { b.add(floatNode(f)) }
func (b *builder) Decimal(t []byte) { b.add(node{kind: aDecimal, text: string(t)}) }
func (b *builder) Ratio(n, d []byte) {
	b.add(node{kind: aRatio, text: string(n) + "/" + string(d)})
}
func (b *builder) Char(c rune)      { b.add(node{kind: aChar, text: string(c)}) }
func (b *builder) String(s []byte)  { b.add(node{kind: aString, text: string(s)}) }
func (b *builder) Keyword(n []byte) { b.add(node{kind: aKeyword, text: string(n)}) }
func (b *builder) Symbol(n []byte)  { b.add(node{kind: aSymbol, text: string(n)}) }
func (b *builder) Inst(t time.Time) { b.add(node{kind: anInst, text: t.UTC().Format(instLayout)}) }
func (b *builder) UUID(u [16]byte)  { b.add(node{kind: aUUID, text: hex.EncodeToString(u[:])}) }
func (b *builder) Tag(n []byte)     { b.open = append(b.open, node{kind: aTag, text: string(n)}) }

// Int takes a number beyond 64 bits for a big one, as Clojure does.
func (b *builder) Int(digits []byte, big bool) {
	if _, fits := value.Int64(digits); big || !fits {
		b.add(node{kind: aBig, text: string(digits)})
		return
	}
	b.add(node{kind: anInt, text: string(digits)})
}

func (b *builder) Begin(k value.Kind, _ int) {
	for kind, of := range collections {
		if of == k {
			b.open = append(b.open, node{kind: kind})
		}
	}
}

func (b *builder) End() {
	n := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	b.add(n)
}
