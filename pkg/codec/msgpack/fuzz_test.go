package msgpack_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/msgpack"
)

// canonical is the text that equal values share; NaN has none and is left alone.
func canonical(t *testing.T, text string) string {
	t.Helper()
	c, err := edn.AppendCanonical(nil, []byte(text))
	if err != nil {
		if fault, ok := errors.AsType[*edn.Error](err); !ok || fault.Reason != edn.ReasonNoCanonical {
			t.Fatalf("%.100q: %v", text, err)
		}
		return text
	}
	return string(c)
}

// FuzzWalk holds what is read to what Clojure's reader demands, and what the Writer
// makes of it to the value.
func FuzzWalk(f *testing.F) {
	for _, tt := range values {
		f.Add(unhex(f, tt.hex))
	}
	for _, tt := range refused {
		f.Add(unhex(f, tt.hex))
	}
	f.Add(fromEDN(f, event))
	f.Fuzz(func(t *testing.T, p []byte) {
		var e edn.Writer
		e.Reset(nil)
		if err := msgpack.Walk(p, &e); err != nil {
			fault, ok := errors.AsType[*msgpack.Error](err)
			if !ok || fault.Reason == msgpack.ReasonUnknown || fault.Reason.String() == "unknown" || fault.Offset < 0 || fault.Offset > len(p) {
				t.Fatalf("%x: %v", p, err)
			}
			return
		}
		text, err := e.Bytes()
		if err != nil {
			// A day that the calendar before 1582 has and Clojure's reader refuses.
			if fault, ok := errors.AsType[*edn.Error](err); !ok || fault.Reason != edn.ReasonInexpressible {
				t.Fatalf("%x: %v", p, err)
			}
			return
		}
		if err := edn.Check(text); err != nil {
			t.Fatalf("%x: Clojure refuses %q: %v", p, text, err)
		}
		var w msgpack.Writer
		w.Reset(nil)
		if err := msgpack.Walk(p, &w); err != nil {
			t.Fatal(err)
		}
		own, err := w.Bytes()
		if err != nil { // of its numbers beyond 64 bits two became equal to strings
			return
		}
		if !bytes.Contains(p, []byte{0xCF}) {
			if got, want := canonical(t, toEDN(t, own)), canonical(t, string(text)); got != want {
				t.Fatalf("%x: %x is %s, want %s", p, own, got, want)
			}
		}
		w.Reset(nil)
		if err := msgpack.Walk(own, &w); err != nil {
			t.Fatalf("%x: %x: %v", p, own, err)
		}
		if again, err := w.Bytes(); err != nil || !bytes.Equal(again, own) {
			t.Fatalf("%x: %x becomes %x, %v", p, own, again, err)
		}
		detach(t, p, own)
	})
}

// detach takes a message apart and puts it together.
func detach(t *testing.T, p, own []byte) {
	var r msgpack.Reader
	var outer, inner [8]msgpack.Form
	form, n, m, err := r.Split(p, outer[:], inner[:])
	if err != nil {
		t.Fatalf("%x: split: %v", p, err)
	}
	whole := []byte{0x90 + byte(min(n, 8))}
	if form.Kind == msgpack.Map {
		if !msgpack.Portable(p) { // keys cannot be detached
			return
		}
		whole[0] = 0x80 + byte(min(n, 8)/2)
	}
	for _, f := range outer[:min(n, len(outer))] {
		if whole, err = r.Detach(whole, p, f); err != nil {
			t.Fatalf("%x: detach %v: %v", p, f, err)
		}
	}
	if n > 0 && n <= len(outer) {
		if got, want := canonical(t, toEDN(t, whole)), canonical(t, toEDN(t, own)); got != want {
			t.Fatalf("%x: taken apart and put together it is %s, want %s", p, got, want)
		}
	}
	for _, f := range inner[:min(m, len(inner))] {
		if part, err := r.Detach(nil, p, f); err != nil || msgpack.Check(part) != nil {
			t.Fatalf("%x: detach %v: %x, %v", p, f, part, err)
		}
	}
}

// FuzzWriter writes what EDN says, and reads it back: what is written is stable.
func FuzzWriter(f *testing.F) {
	for _, tt := range values {
		f.Add([]byte(tt.edn))
	}
	f.Add([]byte(event))
	f.Fuzz(func(t *testing.T, p []byte) {
		var w msgpack.Writer
		w.Reset(nil)
		if edn.Walk(p, &w) != nil {
			return
		}
		own, err := w.Bytes()
		if err != nil { // what was replaced became equal
			return
		}
		if err := msgpack.Check(own); err != nil {
			t.Fatalf("%q: %x: %v", p, own, err)
		}
		if got := fromEDN(t, toEDN(t, own)); !bytes.Equal(got, own) {
			t.Fatalf("%q: %x becomes %x", p, own, got)
		}
	})
}
