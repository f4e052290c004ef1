package edn_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	olympos "olympos.io/encoding/edn"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func seeds(f *testing.F) {
	for _, text := range accepted {
		f.Add([]byte(text))
	}
	for _, tt := range refused {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte(event128))
}

// FuzzCheck holds the scan, the walks and the canonical text to each other.
func FuzzCheck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		var s edn.Scanner
		whole, n, err := s.Split(p, nil)
		if err != nil {
			if fault, ok := errors.AsType[*edn.Error](err); !ok || fault.Reason == edn.ReasonUnknown || fault.Offset > len(p) {
				t.Fatalf("%q: %v", p, err)
			}
			if _, err := edn.AppendCanonical(nil, p); err == nil {
				t.Fatalf("%q has a canonical text", p)
			}
			return
		}
		if !utf8.Valid(p) {
			t.Fatalf("%q is not UTF-8", p)
		}
		walk(t, &s, p, whole, n)
		if form, err := s.Form(p, 0); err != nil || form != whole {
			t.Fatalf("%q: %v, %v, want %v", p, form, err, whole)
		}
		text, err := edn.AppendCanonical(nil, p)
		if err != nil {
			if fault, _ := errors.AsType[*edn.Error](err); fault.Reason != edn.ReasonNoCanonical && fault.Reason != edn.ReasonTooLong {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		again, err := edn.AppendCanonical(nil, text)
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q: %q becomes %q, %v", p, text, again, err)
		}
		// The canonical text is equal to the value.
		both := append(append(append([]byte("#{"), p...), '\n'), text...)
		fault, ok := errors.AsType[*edn.Error](edn.Check(append(both, '}')))
		if !ok || fault.Reason != edn.ReasonDuplicate && fault.Reason != edn.ReasonDepth && fault.Reason != edn.ReasonNumber {
			t.Fatalf("%q and %q are not equal: %v", p, text, fault)
		}
	})
}

// walk compares the walk over validated text, which only looks for ends, with the scan.
func walk(t *testing.T, s *edn.Scanner, p []byte, f edn.Form, n int) {
	e := edn.ElementsOf(p, f)
	for {
		x, ok := e.Next()
		if !ok {
			break
		}
		n--
		form, err := s.Form(p, x.Start)
		if err != nil || form != x {
			t.Fatalf("%q: walk finds %v, scan %v, %v", p, x, form, err)
		}
		_, inner, err := s.Split(p[x.Start:x.End], nil)
		if err != nil {
			t.Fatalf("%q: %v", p[x.Start:x.End], err)
		}
		walk(t, s, p, x, inner)
	}
	if n != 0 {
		t.Fatalf("%q: walk and scan differ by %d elements", p, n)
	}
}

// FuzzOlympos holds the scan to a reader of other authors, on what both cover. That reader takes much that Clojure refuses
// (duplicates, odd tokens), so only what it refuses is compared, without the constructs it lacks.
func FuzzOlympos(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		if edn.Check(p) != nil || outsideOlympos(p) {
			return
		}
		var v any
		if err := olympos.Unmarshal(p, &v); err != nil {
			t.Fatalf("%q is refused there: %v", p, err)
		}
	})
}

// outsideOlympos leaves only collections, keywords, small integers and plain strings.
func outsideOlympos(p []byte) bool {
	return strings.ContainsFunc(string(p), func(r rune) bool {
		return !(r == ' ' || r == '"' || r == ',' || r == ':' || r >= 'a' && r <= 'z' || strings.ContainsRune("()[]{}", r))
	}) || bytes.Contains(p, []byte(":/"))
}

func FuzzUnquote(f *testing.F) {
	f.Add([]byte(`"\u0041\n\101 \ud83d\ude00"`))
	f.Fuzz(func(t *testing.T, p []byte) {
		v, err := edn.Unquote(nil, p)
		if err != nil {
			return
		}
		again, err := edn.Unquote(nil, edn.AppendString(nil, string(v)))
		if err != nil || !bytes.Equal(again, v) {
			t.Fatalf("%q: %q becomes %q, %v", p, v, again, err)
		}
	})
}

// FuzzWalk holds what Walk and Writer make of a text to the text itself.
func FuzzWalk(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		var w edn.Writer
		w.Reset(nil)
		if err := edn.Walk(p, &w); err != nil {
			return
		}
		text, err := w.Bytes()
		if err != nil {
			t.Fatalf("%q: walked, not written: %v", p, err)
		}
		if err := edn.Check(text); err != nil {
			t.Fatalf("%q becomes %q: %v", p, text, err)
		}
		w.Reset(nil)
		if err := edn.Walk(text, &w); err != nil {
			t.Fatalf("%q becomes %q: %v", p, text, err)
		}
		if again, err := w.Bytes(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q becomes %q, then %q, %v", p, text, again, err)
		}
		canonical, err := edn.AppendCanonical(nil, p)
		if err != nil { // NaN, or a lone surrogate, which became another character
			return
		}
		if got, err := edn.AppendCanonical(nil, text); err != nil || !bytes.Equal(got, canonical) {
			t.Fatalf("%q and %q differ: %q, %q, %v", p, text, canonical, got, err)
		}
	})
}
