package transit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
)

// unlikeEDN holds the exemplars whose EDN file is what Clojure printed of objects
// that EDN has not.
var unlikeEDN = map[string]string{
	"one_uri":                `"http://example.com"`,
	"uris":                   `["http://example.com" "ftp://example.com" "file:///path/to/file.txt" "http://www.詹姆斯.com/"]`,
	"maps_unrecognized_keys": `[{:tag "abcde" :value :anything} {:tag "fghij" :value :anything-else}]`,
}

func toEDN(t *testing.T, p []byte) string {
	t.Helper()
	var w edn.Writer
	w.Reset(nil)
	if err := transit.Walk(p, &w); err != nil {
		t.Fatalf("%.100q: %v", p, err)
	}
	text, err := w.Bytes()
	if err != nil {
		t.Fatalf("%.100q: %v", p, err)
	}
	return string(text)
}

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

func rewrite(t *testing.T, p []byte, mode transit.Mode) []byte {
	t.Helper()
	w := transit.Writer{Mode: mode}
	w.Reset(nil)
	if err := transit.Walk(p, &w); err != nil {
		t.Fatalf("%.100q: %v", p, err)
	}
	text, err := w.Bytes()
	if err != nil {
		t.Fatalf("%.100q: %v", p, err)
	}
	return text
}

func TestExemplars(t *testing.T) {
	files, err := filepath.Glob("testdata/exemplars/*.edn")
	if err != nil || len(files) != 67 {
		t.Fatalf("%d exemplars, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".edn")
		read := func(ext string) []byte {
			p, err := os.ReadFile(strings.TrimSuffix(file, ".edn") + ext)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		want, ok := unlikeEDN[name]
		if !ok {
			want = string(read(".edn"))
		}
		want = canonical(t, strings.TrimSpace(want))
		for ext, mode := range map[string]transit.Mode{".json": transit.Cached, ".verbose.json": transit.Verbose} {
			p := read(ext)
			if got := canonical(t, toEDN(t, p)); got != want {
				t.Errorf("%s%s: %.200s, want %.200s", name, ext, got, want)
			}
			// What is written is the exemplar, but for how a double is spelled.
			if got := string(rewrite(t, p, mode)); got != string(p) && !strings.Contains(name, "doubles") {
				t.Errorf("%s%s: %.200s becomes %.200s", name, ext, p, got)
			}
			for _, m := range []transit.Mode{transit.Plain, transit.Cached, transit.Verbose} {
				if got := canonical(t, toEDN(t, rewrite(t, p, m))); got != want {
					t.Errorf("%s%s: written in mode %d, it is %.200s, want %.200s", name, ext, m, got, want)
				}
			}
		}
	}
}
