package k8s_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme holds that README.md names every overlay and component that there
// is, and no file that there is not.
func TestReadme(t *testing.T) {
	text := read(t, "deploy/k8s/README.md")
	for _, kind := range []struct{ folder, row string }{
		{folder: "overlays", row: "\n| `overlays/%s` |"},
		{folder: "components", row: "\n| `%s` |"},
	} {
		entries, err := os.ReadDir(filepath.Join(manifests, kind.folder))
		if err != nil {
			t.Fatal(err)
		}
		var there, told []string
		for _, e := range entries {
			there = append(there, e.Name())
		}
		for _, m := range regexp.MustCompile(strings.NewReplacer("|", `\|`, "%s", "([a-z-]+)").Replace(kind.row)).FindAllStringSubmatch(text, -1) {
			told = append(told, m[1])
		}
		slices.Sort(told)
		if !slices.Equal(there, told) {
			t.Errorf("%s: there are %q, and README.md tells of %q", kind.folder, there, told)
		}
	}
	files := regexp.MustCompile("`([a-z-]+/[a-z0-9/.-]+)`| -k (deploy/k8s/[a-z/-]+)").FindAllStringSubmatch(text, -1)
	for _, m := range files {
		file := m[1]
		if file == "" {
			file = strings.TrimPrefix(m[2], "deploy/k8s/")
		}
		if _, err := os.Stat(filepath.Join(manifests, file)); errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(filepath.Join(repository, file)); err != nil {
				t.Errorf("README.md names %s, which is not there", file)
			}
		}
	}
	if len(files) < 6 {
		t.Errorf("README.md names %d files", len(files))
	}
}
