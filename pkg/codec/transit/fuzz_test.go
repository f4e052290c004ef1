package transit_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
)

func seeds(f *testing.F) {
	for _, tt := range values {
		f.Add([]byte(tt.text))
	}
	for _, tt := range refused {
		f.Add([]byte(tt.text))
	}
	files, _ := filepath.Glob("testdata/exemplars/*.json")
	for _, file := range files {
		if p, err := os.ReadFile(file); err == nil && len(p) < 1000 {
			f.Add(p)
		}
	}
}

// FuzzWalk holds what is read to encoding/json's verdict on the notation, its EDN to
// what Clojure's reader demands, and what the Writer makes of it to the value.
func FuzzWalk(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		var e edn.Writer
		e.Reset(nil)
		if err := transit.Walk(p, &e); err != nil {
			fault, ok := errors.AsType[*transit.Error](err)
			if !ok || fault.Reason == transit.ReasonUnknown || fault.Reason.String() == "unknown" || fault.Offset < 0 || fault.Offset > len(p) {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if !json.Valid(p) {
			t.Fatalf("%q is no JSON", p)
		}
		text, err := e.Bytes()
		if err != nil {
			// A day that the calendar before 1582 has and Clojure's reader refuses.
			if fault, ok := errors.AsType[*edn.Error](err); !ok || fault.Reason != edn.ReasonInexpressible {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if err := edn.Check(text); err != nil {
			t.Fatalf("%q: Clojure refuses %q: %v", p, text, err)
		}
		want := canonical(t, string(text))
		for _, mode := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
			own := rewrite(t, p, mode)
			if got := canonical(t, toEDN(t, own)); got != want {
				t.Fatalf("%q: mode %d: %q is %s, want %s", p, mode, own, got, want)
			}
			if again := rewrite(t, own, mode); string(again) != string(own) {
				t.Fatalf("%q: mode %d: %q becomes %q", p, mode, own, again)
			}
			if !json.Valid(own) {
				t.Fatalf("%q: %q is no JSON", p, own)
			}
			// Through EDN, what EDN has stays.
			if got := canonical(t, toEDN(t, []byte(fromEDN(t, string(text), &transit.Writer{Mode: mode})))); got != want {
				t.Fatalf("%q: mode %d: through EDN it is %s, want %s", p, mode, got, want)
			}
		}
		detach(t, p)
	})
}

// detach holds each part of a message to what it is in its place.
func detach(t *testing.T, p []byte) {
	var r transit.Reader
	var outer, inner [8]transit.Form
	whole, n, m, err := r.Split(p, outer[:], inner[:])
	if err != nil {
		t.Fatalf("%q: split: %v", p, err)
	}
	if v, err := r.Value(p); err != nil || !transit.Portable(p[v.Start:v.End]) && transit.Portable(p) {
		t.Fatalf("%q: value %v, %v", p, v, err)
	}
	isMap := whole.Kind == transit.Map
	if isMap && !transit.Portable(p) { // keys cannot be detached
		return
	}
	text, end := []byte{'['}, "]"
	if isMap {
		text, end = []byte(`["~#cmap",[`), "]]"
	}
	for i, f := range outer[:min(n, len(outer))] {
		part, err := r.Detach(nil, p, f)
		if err != nil {
			t.Fatalf("%q: detach %v: %v", p, f, err)
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, part...)
	}
	if text = append(text, end...); n > 0 && n <= len(outer) {
		if got, want := canonical(t, toEDN(t, text)), canonical(t, toEDN(t, p)); got != want {
			t.Fatalf("%q: taken apart and put together it is %s, want %s", p, got, want)
		}
	}
	for _, f := range inner[:min(m, len(inner))] {
		if part, err := r.Detach(nil, p, f); err != nil || transit.Check(part) != nil {
			t.Fatalf("%q: detach %v: %q, %v", p, f, part, err)
		}
	}
}

// FuzzWriter writes what EDN says, and reads it back.
func FuzzWriter(f *testing.F) {
	for _, tt := range values {
		f.Add([]byte(tt.edn))
	}
	f.Add([]byte(event))
	f.Fuzz(func(t *testing.T, p []byte) {
		var e edn.Writer
		e.Reset(nil)
		if edn.Walk(p, &e) != nil {
			return
		}
		text, err := e.Bytes()
		if err != nil {
			return
		}
		for _, mode := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
			own := fromEDN(t, string(text), &transit.Writer{Mode: mode})
			if !json.Valid([]byte(own)) {
				t.Fatalf("%q: %q is no JSON", p, own)
			}
			if got, want := canonical(t, toEDN(t, []byte(own))), canonical(t, string(text)); got != want {
				t.Fatalf("%q: mode %d: %q is %s, want %s", p, mode, own, got, want)
			}
		}
	})
}
