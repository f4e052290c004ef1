package config_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// FuzzParseFile holds that no file ends the program, and that a file without
// entries is an empty map and not something misread.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{:listen "127.0.0.1:0"}`, `{:a [1 2.5 nil true] :b #{1}}`, "; c\n{:a 1 ;}\n :b 2}", `{:a}`, `{:a 1 :a 2}`,
		`#_{:a 1} {:b #_1 2}`, `{"a" 1}`, `[1]`, `{:a {:b {}}}`, `{:a #{#{1}}}`, `{:a "\u00e9}"}`, `{{} 1}`, `{:a 1}}`, `{:a 1}{`, `#inst "x"`,
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
			if seen[k] {
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
