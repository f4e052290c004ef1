package codec_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// format is one entry for each format; every test of conversion goes over all of them, and over all pairs.
type format struct {
	name   string // as the columns of docs/formats.md have it
	hex    bool   // its examples are written as bytes in hexadecimal
	form   bool   // another form of the format before it, for the same reader
	walk   func(p []byte, s value.Sink) error
	writer func() writer
	format codec.Format // as this package names it; of a form that has no name there, its format's
	// lossy is what comes back of a value that was written and read: the table of docs/formats.md as code.
	lossy func(n node) node
}

type writer interface {
	value.Sink
	Reset(dst []byte)
	Bytes() ([]byte, error)
}

var formats = []format{
	{name: "EDN", walk: edn.Walk, writer: func() writer { return new(edn.Writer) }, lossy: lossless},
	{name: "JSON", format: codec.JSON, walk: json.Walk, writer: func() writer { return new(json.Writer) }, lossy: lossyJSON},
	{name: "Transit", format: codec.Transit, walk: transit.Walk, writer: transitWriter(transit.Plain), lossy: lossyTransit},
	{name: "Transit with cache", form: true, format: codec.Transit, walk: transit.Walk, writer: transitWriter(transit.Cached), lossy: lossyTransit},
	{name: "verbose Transit", form: true, format: codec.TransitVerbose, walk: transit.Walk, writer: transitWriter(transit.Verbose), lossy: lossyTransit},
	{name: "MessagePack", hex: true, format: codec.MessagePack, walk: msgpack.Walk, writer: func() writer { return new(msgpack.Writer) }, lossy: lossyMessagePack},
}

func transitWriter(m transit.Mode) func() writer {
	return func() writer { return &transit.Writer{Mode: m, Bare: true} }
}

func lossless(n node) node { return n }

// each returns n with f applied to what is in it.
func each(n node, f func(node) node) node {
	var items []node
	for _, item := range n.items {
		items = append(items, f(item))
	}
	n.items = items
	return n
}

func lossyJSON(n node) node {
	text := func(s string) node { return node{kind: aString, text: s} }
	switch n.kind {
	case anInt:
		if v, ok := value.Int64([]byte(n.text)); !ok || v > 1<<53-1 || v < -(1<<53-1) {
			return text(n.text)
		}
	case aFloat:
		switch f := n.float(); {
		case math.IsNaN(f):
			return text("NaN")
		case math.IsInf(f, 1):
			return text("Infinity")
		case math.IsInf(f, -1):
			return text("-Infinity")
		}
	case aBig, aDecimal, aRatio, aChar, aKeyword, aSymbol:
		return text(n.text)
	case anInst:
		t := n.time()
		if t.Nanosecond()%1e6 == 0 {
			return text(t.Format("2006-01-02T15:04:05.000Z"))
		}
		return text(t.Format("2006-01-02T15:04:05.000000000Z"))
	case aUUID:
		return text(n.text[:8] + "-" + n.text[8:12] + "-" + n.text[12:16] + "-" + n.text[16:20] + "-" + n.text[20:])
	case aTag:
		return node{kind: aMap, items: []node{
			{kind: aKeyword, text: "tag"}, text(n.text), {kind: aKeyword, text: "value"}, lossyJSON(n.items[0]),
		}}
	case aNil, aBool, aString: // as they are
	case aList, aVector, aSet:
		n = each(n, lossyJSON)
		n.kind = aVector
	case aMap:
		m := node{kind: aMap}
		taken := map[string]bool{}
		for i := 0; i < len(n.items); i += 2 {
			key := node{kind: aString, text: jsonKey(n.items[i], taken)}
			if edn.IsName([]byte(key.text)) {
				key.kind = aKeyword
			}
			m.items = append(m.items, key, lossyJSON(n.items[i+1]))
		}
		return m
	}
	return n
}

func lossyTransit(n node) node {
	if n.kind == anInst {
		n.text = n.time().Truncate(time.Millisecond).Format(instLayout)
		return n
	}
	return each(n, lossyTransit)
}

func lossyMessagePack(n node) node { return messagePack(n, false) }

// messagePack says what comes back of a value, which may be a key or an element, or in one.
func messagePack(n node, compared bool) node {
	text := func(suffix string) node {
		if !compared {
			suffix = ""
		}
		return node{kind: aString, text: n.text + suffix}
	}
	fits := func(digits string) bool {
		_, ok := value.Int64([]byte(digits))
		return ok
	}
	inside := func(of node) node { return messagePack(of, compared) }
	switch n.kind {
	case aBig:
		if !fits(n.text) {
			return text("N")
		}
		n.kind = anInt
	case aDecimal:
		if compared {
			return text("M")
		}
		f, _ := strconv.ParseFloat(n.text, 64)
		return floatNode(f)
	case aRatio:
		if numerator, denominator, _ := strings.Cut(n.text, "/"); !fits(numerator) || !fits(denominator) {
			return text("")
		}
	case aList:
		n = each(n, inside)
		n.kind = aVector
	case aSet:
		return each(n, func(of node) node { return messagePack(of, true) })
	case aMap:
		m := node{kind: aMap}
		for i, item := range n.items {
			m.items = append(m.items, messagePack(item, compared || i%2 == 0))
		}
		return m
	case aTag:
		return node{kind: aMap, items: []node{
			{kind: aKeyword, text: "tag"}, {kind: aString, text: n.text}, {kind: aKeyword, text: "value"}, inside(n.items[0]),
		}}
	default:
		return each(n, inside)
	}
	return n
}

// jsonKey is the key of an object that stands for the key of a map.
func jsonKey(key node, taken map[string]bool) string {
	inEDN := string(ednText(key))
	text := inEDN
	if key.kind == aString || key.kind == aKeyword {
		text = key.text
	}
	for again := inEDN; taken[text]; again = string(edn.AppendString(nil, again)) {
		text = again
	}
	taken[text] = true
	return text
}

// convert is what a node does: a reader tells a writer.
func convert(t *testing.T, from, to format, p []byte) []byte {
	t.Helper()
	w := to.writer()
	w.Reset(nil)
	if err := from.walk(p, w); err != nil {
		t.Fatalf("%s %q: %v", from.name, p, err)
	}
	text, err := w.Bytes()
	if err != nil {
		t.Fatalf("%s %q to %s: %v", from.name, p, to.name, err)
	}
	return text
}

// read is what a text of a format says.
func read(t *testing.T, f format, p []byte) node {
	t.Helper()
	var b builder
	if err := f.walk(p, &b); err != nil {
		t.Fatalf("%s %q: %v", f.name, p, err)
	}
	if len(b.open) > 0 || len(b.result) != 1 {
		t.Fatalf("%s %q: told no single value", f.name, p)
	}
	return b.result[0]
}

// write is the text of a value in a format.
func write(t *testing.T, f format, n node) []byte {
	t.Helper()
	w := f.writer()
	w.Reset(nil)
	n.tell(w)
	text, err := w.Bytes()
	if err != nil {
		t.Fatalf("%s of %v: %v", f.name, n, err)
	}
	return text
}

// TestRoundTrips sends generated values through every pair of formats and back. X to Y to X is X, but for what the formats are
// documented to lose.
func TestRoundTrips(t *testing.T) {
	const seed = 1
	values := 500
	if raceEnabled { // there are no goroutines here, and it takes several times as long
		values = 100
	}
	t.Logf("%d values of seed %d", values, seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for range values {
		n := g.value(4)
		for _, x := range formats {
			text := write(t, x, n)
			inX := x.lossy(n)
			if got := read(t, x, text); got.String() != inX.String() {
				t.Fatalf("%s %q says\n%v, want\n%v", x.name, text, got, inX)
			}
			for _, y := range formats {
				other := convert(t, x, y, text)
				inY := y.lossy(inX)
				if got := read(t, y, other); got.String() != inY.String() {
					t.Fatalf("%s %q to %s %q says\n%v, want\n%v", x.name, text, y.name, other, got, inY)
				}
				if y.name == "EDN" {
					if err := edn.Check(other); err != nil {
						t.Fatalf("%s %q to EDN %q: %v", x.name, text, other, err)
					}
				}
				back := convert(t, y, x, other)
				want := x.lossy(inY)
				if got := read(t, x, back); got.String() != want.String() {
					t.Fatalf("%s %q to %s %q and back %q says\n%v, want\n%v", x.name, text, y.name, other, back, got, want)
				}
				if x.name == y.name && !bytes.Equal(text, other) {
					t.Fatalf("%s %q is written again as %q", x.name, text, other)
				}
			}
		}
	}
}

// FuzzConvert holds what any reader accepts to what all others demand, Clojure's first of all.
func FuzzConvert(f *testing.F) {
	g := generator{rand.New(rand.NewPCG(2, 0))}
	for i := range 20 * len(formats) {
		x := formats[i%len(formats)]
		w := x.writer()
		w.Reset(nil)
		g.value(3).tell(w)
		text, err := w.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i%len(formats)), text)
	}
	f.Fuzz(func(t *testing.T, from uint8, p []byte) {
		x := formats[int(from)%len(formats)]
		for _, y := range formats {
			w := y.writer()
			w.Reset(nil)
			if x.walk(p, w) != nil {
				return
			}
			text, err := w.Bytes()
			if err != nil { // what y cannot say at all
				continue
			}
			if y.name == "EDN" {
				if err := edn.Check(text); err != nil {
					t.Fatalf("%s %q to EDN %q: %v", x.name, p, text, err)
				}
			}
			asNodesDo(t, x, y, p)
			if got, want := read(t, y, text), y.lossy(read(t, x, p)); got.String() != want.String() {
				t.Fatalf("%s %q to %s %q says\n%v, want\n%v", x.name, p, y.name, text, got, want)
			}
		}
	})
}
