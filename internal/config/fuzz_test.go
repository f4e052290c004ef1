package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// FuzzParseFile holds that no file ends the program, and that a file without
// entries is an empty map and not something misread.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{:listen "127.0.0.1:0"}`, `{:a [1 2.5 nil true] :b #{1}}`, "; c\n{:a 1 ;}\n :b 2}", `{:a}`, `{:a 1 :a 2}`,
		`#_{:a 1} {:b #_1 2}`, `{"a" 1}`, `[1]`, `{:a {:b {}}}`, `{:a #{#{1}}}`, `{:a "\u00e9}"}`, `{{} 1}`, `{:a 1}}`, `{:a 1}{`, `#inst "x"`, `{0 0 0 0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := config.ParseFile(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, k := range keys {
			if k != "" && seen[k] { // a problem has none
				t.Errorf("key %q twice", k)
			}
			seen[k] = true
		}
	})
}

// FuzzParseRule holds that a rule is what was written, whatever its pattern
// holds.
func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{"a=disconnect", "price/*=latest-only", ":a=b=drop-oldest", "=disconnect", "a", "a=", "a=wombat"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := config.ParseRule(text)
		if err == nil && (r.Pattern == "" || r.Pattern+"="+r.Policy != text) {
			t.Errorf("%q is read as %q and %q", text, r.Pattern, r.Policy)
		}
	})
}

// FuzzParseBatch holds the same of a rule with a time, and that the time is one
// that a node takes.
func FuzzParseBatch(f *testing.F) {
	for _, seed := range []string{"a=50ms", "price/*=0", ":a=b=1m", "=1ms", "a", "a=", "a=-1ms", "a=1us", "a=9999999h", "a=1h", "a=0.001s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := config.ParseBatch(text)
		if err != nil {
			return
		}
		written, ok := strings.CutPrefix(text, b.Pattern+"=")
		if d, err := time.ParseDuration(written); b.Pattern == "" || !ok || err != nil || d != b.Delay {
			t.Errorf("%q is read as %q and %v", text, b.Pattern, b.Delay)
		}
		if b.Delay < 0 || b.Delay > time.Minute || b.Delay%time.Millisecond != 0 {
			t.Errorf("%q gives %v", text, b.Delay)
		}
	})
}
