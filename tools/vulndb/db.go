package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is what the index needs of an OSV entry.
type entry struct {
	ID       string
	Affected []struct {
		Package struct{ Name string }
	}
}

// indexed is a module in index/modules.json. The format also has the version that fixes an entry, by which a reader may
// save itself the entry; without it the entry's ranges decide, which is always right.
type indexed struct {
	Path  string      `json:"path"`
	Vulns []reference `json:"vulns"`
}

type reference struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
}

// writeDB makes dir a database of the entries that are the files of from, and returns how many there are. modified is
// the time of all: the files do not tell.
func writeDB(dir, from string, modified time.Time) (int, error) {
	for _, d := range []string{"index", "ID"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return 0, err
		}
	}
	files, err := filepath.Glob(filepath.Join(from, "*.json"))
	if err != nil {
		return 0, err
	}
	modules := map[string]*indexed{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		if err := index(modules, filepath.Base(file), text, modified); err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ID", filepath.Base(file)), text, 0o644); err != nil {
			return 0, err
		}
	}
	// An empty or mutilated database finds nothing, which would look like good news.
	if modules["stdlib"] == nil {
		return 0, fmt.Errorf("%s: none of %d entries is about the standard library", from, len(files))
	}
	all := make([]*indexed, 0, len(modules))
	for _, m := range modules {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *indexed) int { return cmp.Compare(a.Path, b.Path) })
	return len(files), errors.Join(
		writeJSON(filepath.Join(dir, "index", "modules.json"), all),
		writeJSON(filepath.Join(dir, "index", "db.json"), struct {
			Modified time.Time `json:"modified"`
		}{modified}),
	)
}

// index notes an entry for each module that it affects, once.
func index(modules map[string]*indexed, file string, text []byte, modified time.Time) error {
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	if e.ID == "" || e.ID != strings.TrimSuffix(file, ".json") {
		return fmt.Errorf("the id is %q", e.ID)
	}
	for _, a := range e.Affected {
		m := modules[a.Package.Name]
		if m == nil {
			m = &indexed{Path: a.Package.Name}
			modules[m.Path] = m
		}
		if !slices.ContainsFunc(m.Vulns, func(r reference) bool { return r.ID == e.ID }) {
			m.Vulns = append(m.Vulns, reference{e.ID, modified})
		}
	}
	return nil
}

func writeJSON(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
