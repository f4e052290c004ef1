package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
)

// transitJS is one line of formats/transit.mjs.
type transitJS struct {
	JSON    string `json:"json"`
	Verbose string `json:"verbose"`
	Error   string `json:"error"`
}

// transitText is one line to it.
type transitText struct {
	Text    string `json:"text"`
	Verbose bool   `json:"verbose"`
}

// runTransitJS runs formats/transit.mjs on the texts.
func runTransitJS(t *testing.T, texts []transitText, args ...string) []transitJS {
	t.Helper()
	var in bytes.Buffer
	for _, text := range texts {
		if err := json.NewEncoder(&in).Encode(text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, nodeJS(t), append([]string{filepath.Join("formats", "transit.mjs")}, args...)...)
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("transit.mjs %v: %v", args, err)
	}
	var said []transitJS
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line transitJS
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", lines.Bytes(), err)
		}
		said = append(said, line)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return said
}

// transitEDN is the EDN of a text, as canonicalEDN has it.
func transitEDN(t *testing.T, text string) string {
	t.Helper()
	var w edn.Writer
	w.Reset(nil)
	if err := transit.Walk([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := w.Bytes()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return canonicalEDN(t, p)
}

// canonicalEDN is the one text of equal values. NaN, which equals nothing, has none, and
// is taken for a symbol.
func canonicalEDN(t *testing.T, p []byte) string {
	t.Helper()
	c, err := edn.AppendCanonical(nil, bytes.ReplaceAll(p, []byte("##NaN"), []byte("not-a/number")))
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	return string(c)
}

var transitModes = []transit.Mode{transit.Plain, transit.Cached, transit.Verbose}

// TestTransitToJS gives transit-js what the Writer makes of generated values in EDN, in
// all forms, and reads what transit-js makes of them.
func TestTransitToJS(t *testing.T) {
	const values = 1500
	seed := uint64(1)
	g := ednGenerator{rand.New(rand.NewPCG(seed, 0))}
	var texts []transitText
	var want []string
	for len(want) < values*len(transitModes) {
		value, inJS := g.value(4)
		if edn.Check([]byte(value)) != nil { // a key twice
			continue
		}
		for _, mode := range transitModes {
			w := transit.Writer{Mode: mode}
			w.Reset(nil)
			if err := edn.Walk([]byte(value), &w); err != nil {
				t.Fatalf("%s: %v", value, err)
			}
			p, err := w.Bytes()
			if err != nil {
				t.Fatalf("%s: %v", value, err)
			}
			texts = append(texts, transitText{string(p), mode == transit.Verbose})
			want = append(want, canonicalEDN(t, []byte(inJS)))
		}
	}
	said := runTransitJS(t, texts, "rewrite")
	if len(said) != len(texts) {
		t.Fatalf("%d answers to %d texts", len(said), len(texts))
	}
	for i, s := range said {
		if s.Error != "" {
			t.Errorf("transit-js refuses %s: %s", texts[i].Text, s.Error)
			continue
		}
		for _, text := range []string{s.JSON, s.Verbose} {
			if got := transitEDN(t, text); got != want[i] {
				t.Fatalf("seed %d: transit-js makes %s of %s:\n%s, want\n%s", seed, text, texts[i].Text, got, want[i])
			}
		}
	}
}

// TestTransitFromJS reads what transit-js makes of its own values, and holds what the
// Writer makes of them to what transit-js reads: its own text comes back.
func TestTransitFromJS(t *testing.T) {
	const values, seed = 1500, 1
	made := runTransitJS(t, nil, "generate", strconv.Itoa(seed), strconv.Itoa(values))
	if len(made) != values {
		t.Fatalf("%d values", len(made))
	}
	var texts []transitText
	var want []transitJS
	for _, v := range made {
		for _, text := range []string{v.JSON, v.Verbose} {
			for _, mode := range transitModes {
				w := transit.Writer{Mode: mode}
				w.Reset(nil)
				if err := transit.Walk([]byte(text), &w); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				p, err := w.Bytes()
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				texts = append(texts, transitText{string(p), mode == transit.Verbose})
				want = append(want, v)
			}
		}
	}
	for i, s := range runTransitJS(t, texts, "rewrite") {
		if s.Error != "" || s.JSON != want[i].JSON || s.Verbose != want[i].Verbose {
			t.Fatalf("transit-js makes of %s\n%s %s, want\n%s", texts[i].Text, s.JSON, s.Error, want[i].JSON)
		}
	}
}

// TestTransitExemplars sends the published exemplars through transit-js.
func TestTransitExemplars(t *testing.T) {
	files, err := filepath.Glob("../pkg/codec/transit/testdata/exemplars/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d exemplars, %v", len(files), err)
	}
	var texts []transitText
	for _, file := range files {
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, transitText{string(p), strings.HasSuffix(file, ".verbose.json")})
	}
	for i, s := range runTransitJS(t, texts, "rewrite") {
		want := transitEDN(t, texts[i].Text)
		if strings.Contains(want, ".0") {
			// JavaScript has no whole doubles.
			want = canonicalEDN(t, []byte(strings.NewReplacer(".0 ", " ", ".0]", "]", ".0}", "}", "4.0E11", "400000000000", "2.998E8", "299800000").Replace(want)))
		}
		for _, text := range []string{s.JSON, s.Verbose} {
			if s.Error != "" {
				t.Errorf("%s: transit-js refuses it: %s", files[i], s.Error)
			} else if got := transitEDN(t, text); got != want {
				t.Errorf("%s: %.200s, want %.200s", files[i], got, want)
			}
		}
	}
}

// ednGenerator makes values in EDN, and says what is left of each in JavaScript: no
// characters, and no doubles that are whole.
type ednGenerator struct{ *rand.Rand }

var ednScalars = []struct{ edn, js string }{
	{`nil`, ``},
	{`true`, ``},
	{`0`, ``},
	{`-42`, ``},
	{`9007199254740991`, ``},
	{`9007199254740992`, ``},
	{`-9223372036854775808`, ``},
	{`9223372036854775808N`, ``},
	{`7N`, ``},
	{`1.5`, ``},
	{`-1.0E-7`, ``},
	{`1.0E300`, ``},
	{`2.0`, `2`},
	{`##NaN`, ``},
	{`##Inf`, ``},
	{`1.50M`, ``},
	{`1/3`, ``},
	{`\a`, `"a"`},
	{`\newline`, `"\n"`},
	{`""`, ``},
	{`"a"`, ``},
	{`"~a ^b"`, ``},
	{`"^ "`, ``},
	{"\"`\"", ``},
	{`"a \"longer\" text\n日本語 😀"`, ``},
	{`:a`, ``},
	{`:name`, ``},
	{`:user/name`, ``},
	{`:日本/語`, ``},
	{`inc`, ``},
	{`my.app/inc`, ``},
	{`#inst "2020-01-02T03:04:05.678-00:00"`, ``},
	{`#inst "1066-10-14T00:00:00.000-00:00"`, ``},
	{`#uuid "5a2cbea3-e8c6-428b-b525-21239370dd55"`, ``},
}

func (g ednGenerator) scalar() (value, inJS string) {
	s := ednScalars[g.IntN(len(ednScalars))]
	if s.js == "" {
		return s.edn, s.edn
	}
	return s.edn, s.js
}

// key returns a scalar that stays itself.
func (g ednGenerator) key() (value, inJS string) {
	for {
		s := ednScalars[g.IntN(len(ednScalars))]
		if s.js == "" && s.edn[:1] != "#" {
			return s.edn, s.edn
		}
	}
}

func (g ednGenerator) value(depth int) (value, inJS string) {
	if depth == 0 || g.IntN(3) == 0 {
		return g.scalar()
	}
	var a, b []string
	add := func(value, inJS string) {
		a, b = append(a, value), append(b, inJS)
	}
	shape := "[%s]"
	n := g.IntN(5)
	switch g.IntN(7) {
	case 0:
		shape = "#{%s}"
		for range n {
			add(g.key())
		}
	case 1:
		shape = "#my.app/tag [%s]"
		add(g.value(depth - 1))
	case 2:
		shape = "(%s)"
		for range n {
			add(g.value(depth - 1))
		}
	case 3, 4:
		shape = "{%s}"
		for range n {
			if g.IntN(5) == 0 {
				k, _ := g.key()
				k = fmt.Sprintf([]string{"[%s]", "#{%s}", "{%s 1}"}[g.IntN(3)], k)
				add(k, k)
			} else {
				add(g.key())
			}
			add(g.value(depth - 1))
		}
	default:
		for range n {
			add(g.value(depth - 1))
		}
	}
	return fmt.Sprintf(shape, strings.Join(a, " ")), fmt.Sprintf(shape, strings.Join(b, " "))
}
