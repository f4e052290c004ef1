package json

import (
	"bytes"
	"hash/maphash"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// A map of Clojure's has keys of any type, and an object strings alone: a string is its own key, a keyword is its name, and
// anything else is its text in EDN. So keys that differ may meet, as :a and "a". The one that comes later is then written as its text in
// EDN (:a, or "a" with its quotes), and if that is taken too, as that text in quotes, as often as it takes. Nothing is
// lost, and ordinary keys do not pay for it: keys that are all keywords, or all strings, cannot meet.

// keyType is a set of types of keys.
type keyType uint8

const (
	keyString keyType = 1 << iota
	keyKeyword
	keyOther
)

// fewMixed is how many keys of a map with several types are compared with each other rather than looked up.
const fewMixed = 16

// keys is what a Writer keeps to tell keys of open maps from each other, and to write those that are no string or keyword.
type keys struct {
	spans []span // of all keys of all open maps, in the Writer's text
	text  []byte // of a key in EDN

	open bool // a key that is no string or keyword is being told to edn
	edn  edn.Writer

	maps  int                // begun since Reset
	table map[place]struct{} // keys of large maps of several types; never the ordinary case
}

// place is a key of one of the maps.
type place struct {
	id   int
	hash uint64
}

type span struct{ start, end int }

func (k *keys) reset() {
	k.spans, k.open = k.spans[:0], false
	if cap(k.text) > keepText {
		k.text = nil
	}
	if cap(k.spans) > keepKeys {
		k.spans = nil
	}
	k.maps = 0
	if len(k.table) > keepKeys {
		k.table = nil
	}
	clear(k.table)
}

// composite returns where to tell a value that is a key or in one, and nil for any other.
func (w *Writer) composite() *edn.Writer {
	if !w.keys.open {
		if !w.isKey() || w.reason != 0 {
			return nil
		}
		w.keys.open = true
		w.keys.edn.Reset(w.keys.text[:0])
	}
	return &w.keys.edn
}

// composed writes the key that was told to edn, if it is complete.
func (w *Writer) composed() {
	k := &w.keys
	if !k.edn.Complete() {
		return
	}
	k.open = false
	var err error
	if k.text, err = k.edn.Bytes(); err != nil {
		w.fail(ReasonInexpressible)
		return
	}
	w.key(keyOther, k.text)
}

// key writes a key and its colon.
func (w *Writer) key(t keyType, text []byte) {
	if w.reason != 0 {
		return
	}
	l := &w.levels[len(w.levels)-1]
	if l.state&levelSome != 0 {
		w.dst = append(w.dst, ',')
	}
	l.state |= levelSome | levelValue
	l.types |= t
	start := len(w.dst)
	w.dst = appendString(w.dst, text)
	if l.types != keyString && l.types != keyKeyword && w.taken(l, start) {
		w.otherwise(l, t, text, start)
	}
	w.keys.spans = append(w.keys.spans, span{start, len(w.dst)})
	w.dst = append(w.dst, ':')
}

// otherwise writes a key that another key has taken the text of.
func (w *Writer) otherwise(l *level, t keyType, text []byte, start int) {
	k := &w.keys
	if t == keyKeyword {
		k.text = append(append(k.text[:0], ':'), text...)
	} else {
		k.text = edn.AppendString(k.text[:0], string(text)) // text may be k.text
	}
	for {
		w.dst = appendString(w.dst[:start], k.text)
		if !w.taken(l, start) {
			return
		}
		k.text = edn.AppendString(k.text[:0], string(k.text))
	}
}

// taken tells whether the text from start is that of an earlier key of the level's map.
func (w *Writer) taken(l *level, start int) bool {
	k := &w.keys
	text := w.dst[start:]
	spans := k.spans[l.first:]
	if len(spans) <= fewMixed {
		for _, s := range spans {
			if bytes.Equal(w.dst[s.start:s.end], text) {
				return true
			}
		}
		return false
	}
	if k.table == nil {
		k.table = make(map[place]struct{})
	}
	for ; l.hashed < len(spans); l.hashed++ {
		s := spans[l.hashed]
		k.table[place{l.id, maphash.Bytes(seed, w.dst[s.start:s.end])}] = struct{}{}
	}
	// An equal hash of another text has a chance of 2^-64, and costs that key no more than its short form.
	_, ok := k.table[place{l.id, maphash.Bytes(seed, text)}]
	return ok
}
