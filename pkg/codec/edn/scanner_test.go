package edn_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func TestErrorPlace(t *testing.T) {
	err := edn.Check([]byte("[:a\n  {:b 08}]"))
	fault, ok := errors.AsType[*edn.Error](err)
	if !ok || fault.Line != 2 || fault.Column != 7 || fault.Offset != 10 {
		t.Fatalf("got %#v", err)
	}
	if want := "edn: invalid-number at line 2, column 7 (byte 10)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	for r := edn.ReasonEmpty; r <= edn.ReasonNoCanonical; r++ {
		if r.String() == "" || r.String() == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
	}
	if s := edn.Reason(200).String(); s != "unknown" {
		t.Errorf("got %q", s)
	}
}

func TestDepth(t *testing.T) {
	for _, tt := range []struct {
		open, inner, closing string
		n                    int
		ok                   bool
	}{
		{"[", "1", "]", edn.MaxDepth, true},
		{"[", "1", "]", edn.MaxDepth + 1, false},
		{"(", "", ")", edn.MaxDepth, true},
		{"{:a ", "1", "}", edn.MaxDepth, true},
		{"{:a ", "1", "}", edn.MaxDepth + 1, false},
		{"{", "1", " 1}", edn.MaxDepth, true},
		{"#{", "1", "}", edn.MaxDepth, true},
		{"#{", "1", "}", edn.MaxDepth + 1, false},
		{"#:a{:b ", "1", "}", edn.MaxDepth, true},
		{"#a/b ", "1", "", edn.MaxDepth, true},
		{"#a/b ", "1", "", edn.MaxDepth + 1, false},
		{"^:a ", "[]", "", edn.MaxDepth - 1, true},
		{"^:a ", "[]", "", edn.MaxDepth, false},
		{"^{:a ", "1", "} []", edn.MaxDepth/2 - 1, true},
		{"#_ ", "a", " b", edn.MaxDepth, true},
		{"[", "", "", 1 << 20, false},
		{"#_", "", "", 1 << 20, false},
		{"#_ ", "a", "", 1 << 20, false},
		{"^", "", "", 1 << 20, false},
		{"#^", "", "", 1 << 20, false},
		{"#a/b ", "", "", 1 << 18, false},
		{"##", "", "", 1 << 20, false},
		{"#:", "", "", 1 << 20, false},
		{"#{", "", "", 1 << 20, false},
		{"{", "", "", 1 << 20, false},
	} {
		text := strings.Repeat(tt.open, tt.n) + tt.inner + strings.Repeat(tt.closing, tt.n)
		err := edn.Check([]byte(text))
		if tt.ok != (err == nil) {
			t.Errorf("%d times %q: %v", tt.n, tt.open, err)
		}
		if canonical, cerr := edn.AppendCanonical(nil, []byte(text)); err == nil && cerr == nil {
			if err := edn.Check(canonical); err != nil {
				t.Errorf("%d times %q: canonical: %v", tt.n, tt.open, err)
			}
		}
	}
}

func TestForm(t *testing.T) {
	p := []byte("  :a/b #_x [1 2] ^:m {:k 1} 1/2 ;end\n)")
	var s edn.Scanner
	var got []string
	off := 0
	for {
		f, err := s.Form(p, off)
		if errors.Is(err, edn.ErrNoForm) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %s", f.Kind, p[f.Start:f.End], f.Text(p)))
		off = f.End
	}
	want := []string{
		fmt.Sprintf("%d :a/b :a/b", edn.Keyword), fmt.Sprintf("%d [1 2] [1 2]", edn.Vector),
		fmt.Sprintf("%d ^:m {:k 1} {:k 1}", edn.Map), fmt.Sprintf("%d 1/2 1/2", edn.Ratio),
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, text := range []string{"", "   ", ";c", "#_a", "]"} {
		if _, err := s.Form([]byte(text), 0); !errors.Is(err, edn.ErrNoForm) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := s.Form(p, len(p)+5); !errors.Is(err, edn.ErrNoForm) {
		t.Errorf("beyond the end: %v", err)
	}
	if _, err := s.Form([]byte("[1 08]"), 0); err == nil || errors.Is(err, edn.ErrNoForm) {
		t.Errorf("bad number: %v", err)
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		text  string
		whole edn.Kind
		n     int
		parts string
	}{
		{`[:a/b {:c 1}]`, edn.Vector, 2, `:a/b|{:c 1}`},
		{`[]`, edn.Vector, 0, ``},
		{`[1 2 3 4]`, edn.Vector, 4, `1|2|3`},
		{`[#_x [1 [2]] ^:m [3]]`, edn.Vector, 2, `[1 [2]]|[3]`},
		{`^{:a [1 2]} ^:b [:x]`, edn.Vector, 1, `:x`},
		{`#_[1 2] (a b)`, edn.List, 2, `a|b`},
		{`#:n{:a 1}`, edn.Map, 2, `:a|1`},
		{`#{1}`, edn.Set, 1, `1`},
		{`#a/b [1 2]`, edn.Tagged, 0, ``},
		{`"x"`, edn.String, 0, ``},
		{`##Inf`, edn.Float, 0, ``},
	} {
		var s edn.Scanner
		var elems [3]edn.Form
		p := []byte(tt.text)
		f, n, err := s.Split(p, elems[:])
		if err != nil || f.Kind != tt.whole || n != tt.n {
			t.Errorf("%q: kind %d, %d parts, %v", tt.text, f.Kind, n, err)
		}
		var parts []string
		for _, e := range elems[:min(n, 3)] {
			parts = append(parts, string(e.Text(p)))
		}
		if got := strings.Join(parts, "|"); got != tt.parts {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.parts)
		}
	}
}

// hostile returns texts of about a mebibyte that cost much where costs are not linear.
func hostile() map[string]string {
	const n = 1 << 20
	list := func(open string, closing string, elem func(i int) string) string {
		var b strings.Builder
		b.WriteString(open)
		for i := 0; b.Len() < n; i++ {
			b.WriteString(elem(i))
		}
		b.WriteString(closing)
		return b.String()
	}
	nested := func(open, inner, closing string, depth int) string {
		return strings.Repeat(open, depth) + inner + strings.Repeat(closing, depth)
	}
	big := strings.Repeat("7", n/2)
	return map[string]string{
		"many keys":        list("{", "}", func(i int) string { return fmt.Sprintf("%d 1,", i) }),
		"many elements":    list("#{", "}", func(i int) string { return fmt.Sprintf("[%d]", i) }),
		"many small sets":  list("[", "]", func(i int) string { return "#{1}" }),
		"long namespace":   "#:" + strings.Repeat("n", n/2) + list("{", "}", func(i int) string { return fmt.Sprintf(":k%d 1,", i) }),
		"long integer":     "{" + big + " 1}",
		"long hexadecimal": "{0x" + big + " 1}",
		"long ratio":       "#{" + big + "/" + big[1:] + "}",
		"long decimal":     "#{" + big + ".0M}",
		"long double":      "#{" + big + ".0}",
		"equal integers":   "#{" + big + " " + big + "N}",
		"equal hex":        "#{0x" + big + " 0X" + big + "}",
		"deep keys":        nested("{", `"`+strings.Repeat("x", n)+`"`, " 1}", 500),
		"deep metadata":    nested("#:a{^:m b ", strings.Repeat(" ", n), "}", 250) + "",
		"deep discards":    nested("[#_", strings.Repeat("[] ", n/3), "]", 250),
		"escapes":          `#{"` + strings.Repeat(`\u0041`, n/6) + `"}`,
		"discards":         "[" + strings.Repeat("#_a ", n/4) + "]",
		"comments":         strings.Repeat(";\n", n/2) + "1",
		"congruent":        list("#{", "}", func(i int) string { return fmt.Sprintf("%d000000000000000000 ", i+1) }),
	}
}

// TestHostileTextsInLinearTime has no limit of its own: each text takes some ten milliseconds, and minutes where a cost is
// quadratic, which the limit on all tests finds.
func TestHostileTextsInLinearTime(t *testing.T) {
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			var s edn.Scanner
			p := []byte(text)
			_ = s.Check(p)
			if out, err := edn.AppendCanonicalMax(nil, p, 512); err == nil && len(out) > 512 {
				t.Errorf("%d bytes of canonical text", len(out))
			}
			if size := s.ScratchSize(); size > 256<<10 {
				t.Errorf("%d bytes of scratch are kept", size)
			}
		})
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	var s edn.Scanner
	for _, text := range []string{
		event128,
		`[[:chat/hi {:n 1 :m #{1 2.5 1/2 3M "a\nb"}}] "cb"]`,
		`#:n{:a 1 :b #inst "2020-01-01" :c #uuid "1-1-1-1-1" :d \a}`,
		`{:k ^:m [1 2] #my/tag [1] 2 "\u0041" 3 12.50M 4}`,
		`{1 1 2 1 3 1 4 1 5 1 6 1 7 1 8 1 9 1 10 1 11 1 12 1 13 1 14 1 15 1}`,
	} {
		p := []byte(text)
		if err := s.Check(p); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var elems [4]edn.Form
		if n := testing.AllocsPerRun(100, func() {
			_ = s.Check(p)
			_ = edn.Check(p)
			f, _, _ := s.Split(p, elems[:])
			e := edn.EntriesOf(p, f)
			for {
				k, _, ok := e.Next()
				if !ok {
					break
				}
				_ = e.KeyIs(k, ":n/a")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func TestIteration(t *testing.T) {
	for _, tt := range []struct {
		text, want string
	}{
		{`[1 ,2 #_x [3 "]"] \] #{}] `, `1;2;[3 "]"];\];#{};`},
		{`(a ^:m b;c` + "\n" + ` #a/b c 1#_2)`, `a;b;#a/b c;1;`},
		{`#{#_1 :a "\"" ##Inf nil` + "\u2003" + `2/3}`, `:a;"\"";##Inf;nil;2/3;`},
		{`{:a 1, :b [2]}`, `:a;1;:b;[2];`},
		{`#: n ,{:a #:m{:x 1} ^q b 2}`, `:a;#:m{:x 1};b;2;`},
		{`^{:x [1]} ^:y [1 #inst "2020"]`, `1;#inst "2020";`},
		{`"x"`, ``},
		{`#a/b [1]`, ``},
	} {
		var s edn.Scanner
		p := []byte(tt.text)
		f, _, err := s.Split(p, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.text, err)
		}
		got := ""
		e := edn.ElementsOf(p, f)
		for {
			x, ok := e.Next()
			if !ok {
				break
			}
			if again, err := s.Form(p, x.Start); err != nil || again != x {
				t.Errorf("%q: %v is %v to the scan (%v)", tt.text, x, again, err)
			}
			got += string(x.Text(p)) + ";"
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestEntries(t *testing.T) {
	for _, tt := range []struct {
		text, want string
	}{
		{`{:a 1 b 2 "s" 3}`, `:a=1 b=2 "s"=3 `},
		{`#:n{:a 1 b 2 "s" 3 :x/c 4 :_/d 5 _/e 6 nil 7 ^:m f 8}`, `:n/a=1 n/b=2 "s"=3 :x/c=4 :d=5 e=6 nil=7 n/f=8 `},
		{`#: ^:m n {:a 1}`, `:n/a=1 `},
		{`{}`, ``},
		{`[1 2]`, ``},
	} {
		var s edn.Scanner
		p := []byte(tt.text)
		f, _, err := s.Split(p, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.text, err)
		}
		got := ""
		e := edn.EntriesOf(p, f)
		for {
			k, v, ok := e.Next()
			if !ok {
				break
			}
			key := string(e.AppendKey(nil, k))
			got += key + "=" + string(v.Text(p)) + " "
			named := k.Kind == edn.Keyword || k.Kind == edn.Symbol
			if e.KeyIs(k, key) != named || e.KeyIs(k, key+"x") || e.KeyIs(k, "") || e.KeyIs(k, "x"+key) || e.KeyIs(k, ":") {
				t.Errorf("%q: KeyIs of %q is wrong", tt.text, key)
			}
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "a/b": true, "a.b/c-d?": true, "1": true, "1/a": true, "nil": true, "/": true, "a//": true, "#": true, "a#b": true, "é/日本": true, "a:b": true, "a/:b": true,
		"": false, "a/": false, "/a": false, "a/1": false, "a/b/c": false, "a///": false, "//": false, "/x/y": false, ":a": false, "a:": false, "a::b": false, "a b": false, "a,": false,
		"a@": false, "(": false, "a\"": false, "a\\b": false, "\x00": false, "a\x7f": false, "\u0085": false, "\u00a0": false, "\u2028a": false, "\ufeffa": false, "\u202fa": false,
		strings.Repeat("é", 100) + " ": false, strings.Repeat("é", 100): true,
	} {
		if got := edn.IsName([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
		if edn.IsName([]byte(name)) && !edn.IsKeyword([]byte(":"+name)) {
			t.Errorf("%q is no keyword", name)
		}
	}
}
