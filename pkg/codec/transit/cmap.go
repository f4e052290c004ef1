package transit

import (
	"slices"

	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// A map with a collection among its keys is written as an array of keys and values,
// in which a key is written as any value is, and not as a string. Which of the two a
// map is may show late. Then its head is noted and its keys are rewritten where they
// stand, with blanks behind them as they only become shorter; the heads, which become
// longer, are all written in one go at the end. So the time stays proportional to
// the text, however such maps are nested.

// keepKeys is how many keys and heads a Writer keeps room for between values.
const keepKeys = 4 << 10

// unkey rewrites the keys of a map from base as values.
func (w *Writer) unkey(base int) {
	for _, k := range w.keys[base:] {
		if w.Mode == Verbose {
			w.dst[k.end] = ',' // was a colon
		}
		t := w.dst[k.start:k.end]
		if len(t) < 4 || t[1] != '~' {
			continue
		}
		from, end := 3, len(t)-1
		switch t[2] {
		case '_':
			copy(t, "null")
			continue
		case '?':
			if t[3] == 't' {
				copy(t, "true ")
			} else {
				copy(t, "false")
			}
			continue
		case 'i':
			if v, _ := value.Int64(t[from:end]); v > maxSafe || v < -maxSafe {
				continue
			}
		case 'd':
		default:
			continue
		}
		n := copy(t, t[from:end])
		for i := n; i < len(t); i++ {
			t[i] = ' '
		}
	}
}

// insertHeads writes the heads of the maps that turned out to be cmaps.
func (w *Writer) insertHeads() {
	slices.Sort(w.heads)
	old := len(w.mapHead())
	if w.Mode != Verbose {
		old++ // the comma behind the mark
	}
	start := w.heads[0]
	w.before = append(w.before[:0], w.dst[start:]...)
	w.dst = w.dst[:start]
	at := 0
	for _, h := range w.heads {
		h -= start
		w.dst = append(append(w.dst, w.before[at:h]...), w.cmapHead()...)
		at = h + old
	}
	w.dst = append(w.dst, w.before[at:]...)
}
