package check_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/check"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// asSet tells a Checker the elements of the outermost vector as those of a set.
type asSet struct {
	*check.Checker
	depth int
	ok    bool
}

func (s *asSet) Begin(k value.Kind, _ int) {
	if s.depth++; s.depth == 1 {
		k = value.Set
	}
	s.Checker.Begin(k)
}

func (s *asSet) End() {
	s.depth--
	s.ok = s.Checker.End() && s.ok
}

// elements are values of which some equal others in Clojure.
var elements = []string{
	`nil`, `true`, `false`, `1`, `1N`, `2/2`, `-1`, `-1N`, `-2/2`, `0`, `0/5`, `-0`, `1.0`, `0.0`, `-0.0`, `1M`, `1.0M`, `1.00M`, `10e-1M`, `0.1e1M`, `100M`, `1e2M`, `0M`, `0.00M`,
	`1/2`, `2/4`, `-1/2`, `0.5`, `0.5M`, `12345678901234567890123`, `12345678901234567890123N`, `24691357802469135780246/2`, `2305843009213693951`, `2305843009213693952`,
	`\a`, `\1`, `"a"`, `"1"`, `"\141"`, `:a`, `a`, `:a/b`, `a/b`, `##NaN`, `##Inf`, `##-Inf`,
	`[]`, `()`, `{}`, `#{}`, `[1]`, `(1N)`, `[1.0]`, `[[1]]`, `[1 2]`, `[2 1]`, `#{1}`, `#{1 2}`, `#{2 1N}`, `{1 2}`, `{2 1}`, `{1N 4/2}`, `{1 2 3 4}`, `{3 4 1 2}`, `{:a #{1}}`, `{:a #{1N}}`,
	`{##NaN 1}`, `{1 ##NaN}`, `[##NaN]`, `[[##NaN]]`, `#{##NaN}`, `{##NaN 1 1 1 2 1 3 1 4 1 5 1 6 1 7 1 8 1}`, `{:a {##NaN 1}}`,
	`#inst "2020"`, `#inst "2020-01-01T00:00:00.0001"`, `#inst "2020-01-01T01:00:00+01:00"`, `#inst "2021"`,
	`#uuid "00000000-0000-0000-0000-000000000001"`, `#uuid "0-0-0-0-1"`, `#uuid "00000000-0000-0000-0000-000000000002"`,
	`#a/b 1`, `#a/b 1.0`, `#a/c 1`, `#a/b [1]`, `#a/b (1)`, `#a/b #a/b 1`,
}

// TestEquality holds the Checker to edn.Check on every pair of elements.
func TestEquality(t *testing.T) {
	var c check.Checker
	for _, a := range elements {
		for _, b := range elements {
			pair := a + " " + b
			want := edn.Check([]byte("#{"+pair+"}")) == nil
			c.Reset()
			s := &asSet{Checker: &c, ok: true}
			if err := edn.Walk([]byte("["+pair+"]"), s); err != nil {
				t.Fatalf("%s: %v", pair, err)
			}
			if s.ok != want {
				t.Errorf("#{%s}: %v, want %v", pair, s.ok, want)
			}
		}
	}
}

func FuzzEquality(f *testing.F) {
	for i := range elements {
		f.Add([]byte(elements[i] + " " + elements[len(elements)-1-i]))
	}
	var all []byte
	for _, e := range elements {
		all = append(append(all, e...), ' ')
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, p []byte) {
		text := append(append([]byte("["), p...), "\n]"...)
		s := &asSet{Checker: new(check.Checker), ok: true}
		if err := edn.Walk(text, s); err != nil || text[0] != '[' {
			return
		}
		text = append(append([]byte("#{"), p...), "\n}"...)
		if want := edn.Check(text) == nil; s.ok != want {
			t.Errorf("#{%q}: %v, want %v", p, s.ok, want)
		}
	})
}

func TestDrop(t *testing.T) {
	var c check.Checker
	c.Begin(value.Set)
	c.Begin(value.Vector)
	c.End()
	c.Drop()
	c.Begin(value.Map)
	c.Nil()
	c.Begin(value.Vector)
	c.End()
	c.End()
	c.Nil()
	if !c.End() {
		t.Error("what was dropped counts")
	}
}

func TestNames(t *testing.T) {
	var c check.Checker
	for _, tt := range []struct {
		name                 string
		keyword, symbol, tag bool
	}{
		{"a", true, true, false},
		{"a/b", true, true, true},
		{"my.app/money-2", true, true, true},
		{"->a", true, true, false},
		{"nil", true, false, false},
		{"true", true, false, false},
		{"nil/a", true, true, true},
		{"1", true, false, false},
		{"-1", true, false, false},
		{"+", true, true, false},
		{"/", true, true, false},
		{"a/b/c", true, true, true},
		{"a:b", true, true, false},
		{"日本/語", true, true, false}, // the dispatch table ends at U+00FF
		{"é/a", true, true, true},
		{"a'", true, true, false},
		{"#a", true, false, false},
		{":a", false, false, false},
		{"", false, false, false},
		{"a/", false, false, false},
		{"/a", false, false, false},
		{"a/1", false, false, false},
		{"a b", false, false, false},
		{" a", false, false, false},
		{"a/b ", false, false, false},
		{"a/b,", false, false, false},
		{"a/b;", false, false, false},
		{"a[", false, false, false},
		{"a\xff", false, false, false},
		{"a@b", false, false, false},
		{"^a b", false, false, false},
		{"1/a", true, false, false},
		{"_/a", true, true, false},
	} {
		if got := c.LegalKeyword([]byte(tt.name)); got != tt.keyword {
			t.Errorf("keyword %q: %v", tt.name, got)
		}
		if got := c.LegalSymbol([]byte(tt.name)); got != tt.symbol {
			t.Errorf("symbol %q: %v", tt.name, got)
		}
		if got := c.LegalTag([]byte(tt.name)); got != tt.tag {
			t.Errorf("tag %q: %v", tt.name, got)
		}
	}
}

func TestLegalDecimal(t *testing.T) {
	var c check.Checker
	for text, want := range map[string]string{
		"1": "1", "1.50": "1.50", "-1.5": "-1.5", "+1": "1", "007": "7", "000": "0", "-0": "-0", "1.": "1", "0.5": "0.5", ".5": "0.5", "1e5": "1e5", "1E+05": "1E+05", "1.e5": "1e5",
		"": "", "-": "", ".": "", "e5": "", "1e": "", "1M": "", "1.5.5": "", "a": "", "1 ": "", "1/2": "", "1e99999999999": "", "--1": "", "1..": "", "1..5": "", "1.5.": "", "1N": "", "0x1": "",
	} {
		got, ok := c.LegalDecimal([]byte(text))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%q: %q, %v, want %q", text, got, ok, want)
		}
	}
}
