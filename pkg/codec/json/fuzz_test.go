package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/json"
)

// FuzzWalk holds the scan to the standard library's, and what is told to what can be written and read again.
func FuzzWalk(f *testing.F) {
	for _, tt := range accepted {
		f.Add([]byte(tt.text))
	}
	for _, tt := range refused {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte(event128))
	f.Fuzz(func(t *testing.T, p []byte) {
		check := json.Check(p)
		var w edn.Writer
		w.Reset(nil)
		walk := json.Walk(p, &w)
		if (check == nil) != (walk == nil) {
			t.Fatalf("%q: check says %v, walk %v", p, check, walk)
		}
		valid := stdjson.Valid(p) && utf8.Valid(p)
		if check != nil {
			fault, ok := errors.AsType[*json.Error](check)
			if !ok || fault.Offset < 0 || fault.Offset > len(p) {
				t.Fatalf("%q: %v", p, check)
			}
			switch fault.Reason {
			case json.ReasonDuplicate, json.ReasonSurrogate, json.ReasonDepth: // stricter than the standard library
			default:
				if valid {
					t.Fatalf("%q: %v, but it is JSON", p, check)
				}
			}
			return
		}
		if !valid {
			t.Fatalf("%q is accepted, but no JSON", p)
		}
		text, err := w.Bytes()
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if err := edn.Check(text); err != nil {
			t.Fatalf("%q becomes %q: %v", p, text, err)
		}

		// Written and read again it is the same, but for numbers that JSON gets as strings.
		var again json.Writer
		again.Reset(nil)
		if err := json.Walk(p, &again); err != nil {
			t.Fatal(err)
		}
		twin, err := again.Bytes()
		if err != nil || !stdjson.Valid(twin) {
			t.Fatalf("%q becomes %q, %v", p, twin, err)
		}
		again.Reset(nil)
		if err := json.Walk(twin, &again); err != nil {
			t.Fatalf("%q becomes %q: %v", p, twin, err)
		}
		if third, err := again.Bytes(); err != nil || !bytes.Equal(third, twin) {
			t.Fatalf("%q becomes %q, then %q, %v", p, twin, third, err)
		}
		sameStrings(t, p)
	})
}

// sameStrings compares what a text that is one string says with what the standard library reads.
func sameStrings(t *testing.T, p []byte) {
	var want string
	if stdjson.Unmarshal(p, &want) != nil || bytes.Equal(bytes.TrimSpace(p), []byte("null")) {
		return
	}
	text, err := toEDN(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := edn.Unquote(nil, []byte(text))
	if err != nil || string(got) != want {
		t.Fatalf("%q says %q, %v, want %q", p, got, err, want)
	}
}

// FuzzWriter holds what becomes of EDN to be JSON without duplicate keys.
func FuzzWriter(f *testing.F) {
	for _, text := range []string{`{:a 1 "a" 2 a 3 ":a" 4}`, `[#a/b {[1] 2} 1N 1.5M 1/2 ##NaN \a #inst "2020"]`, `#:a{:b {1 2} [:c] #{}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var w json.Writer
		w.Reset(nil)
		if edn.Walk(p, &w) != nil {
			return
		}
		text, err := w.Bytes()
		if err != nil {
			if fault, _ := errors.AsType[*json.Error](err); fault.Reason != json.ReasonInexpressible {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if !stdjson.Valid(text) {
			t.Fatalf("%q becomes %q, which is no JSON", p, text)
		}
		if err := json.Check(text); err != nil {
			t.Fatalf("%q becomes %q: %v", p, text, err)
		}
	})
}
