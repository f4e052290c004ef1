package codec_test

import (
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

var delimiterRow = regexp.MustCompile(`^\|[-|]+\|$`)

// TestFormatsPage plays every example of docs/formats.md. In a table whose header names several formats, the first is what is
// read, and each other what comes of it. "X, refused" is what X's reader refuses, and "X, not converted" what it takes but does
// not tell to its end.
func TestFormatsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]int{}
	var header []string
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			header = nil
		case header == nil:
			header = cells(line)
		case !delimiterRow.MatchString(line):
			playRow(t, header, cells(line), played)
		}
	}
	for _, f := range formats {
		for _, what := range []string{"EDN to " + f.name, f.name + " to EDN", f.name + " refused"} {
			if f.name == "EDN" && what != "EDN refused" || f.form && what != "EDN to "+f.name {
				continue
			}
			if played[what] < 3 {
				t.Errorf("%s: %d examples", what, played[what])
			}
		}
	}
}

// cells returns the cells of a row of a table; no example has a bar in it.
func cells(row string) []string {
	c := strings.Split(strings.Trim(row, "|"), "|")
	for i := range c {
		c[i] = strings.TrimSpace(c[i])
	}
	return c
}

// example returns the bytes of a cell that is one piece of code and nothing else.
func (f format) example(t *testing.T, cell string) ([]byte, bool) {
	if len(cell) < 2 || cell[0] != '`' || strings.IndexByte(cell[1:], '`') != len(cell)-2 {
		return nil, false
	}
	text := cell[1 : len(cell)-1]
	if !f.hex {
		return []byte(text), true
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("%s %s: %v", f.name, cell, err)
	}
	return b, true
}

func playRow(t *testing.T, header, row []string, played map[string]int) {
	if len(row) != len(header) {
		t.Errorf("%q has not as many cells as %q", row, header)
		return
	}
	from, at := format{}, -1
	var source []byte
	for i, name := range header {
		name, fate, _ := strings.Cut(name, ", ")
		f, ok := byName(name)
		if !ok {
			continue
		}
		p, ok := f.example(t, row[i])
		switch {
		case !ok:
		case fate != "":
			playRefused(t, f, p, fate)
			played[name+" "+fate]++
		case at < 0:
			from, at, source = f, i, p
		default:
			played[from.name+" to "+name]++
			if got := convert(t, from, f, source); string(got) != string(p) {
				t.Errorf("%s %s to %s: %q, the page says %s", from.name, row[at], name, got, row[i])
			}
		}
	}
}

func byName(name string) (format, bool) {
	for _, f := range formats {
		if f.name == name {
			return f, true
		}
	}
	return format{}, false
}

func playRefused(t *testing.T, f format, p []byte, fate string) {
	err := f.walk(p, new(builder))
	if err == nil {
		t.Errorf("%s %q is taken", f.name, p)
	}
	if f.name == "EDN" && (edn.Check(p) == nil) != (fate == "not converted") {
		t.Errorf("EDN %q: %v", p, edn.Check(p))
	}
}
