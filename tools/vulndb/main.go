// Command vulndb writes the Go vulnerability database that go.mod pins as a directory that govulncheck reads
// (-db file://DIR), in the layout of https://go.dev/doc/security/vuln/database: index/db.json, index/modules.json and
// ID/*.json. Run it in its module's directory: vulndb DIR. A directory that already holds this version is left alone.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// source is the module that holds the database, one OSV entry a file below osvDir.
const (
	source = "golang.org/x/vulndb"
	osvDir = "data/osv"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vulndb DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	m, err := pinned()
	if err != nil {
		return err
	}
	mark := filepath.Join(dir, "version")
	if have, err := os.ReadFile(mark); err == nil && string(have) == m.Version {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	n, err := writeDB(dir, filepath.Join(m.Dir, osvDir), m.modified)
	if err != nil {
		return err
	}
	fmt.Printf("%d entries of %s %s\n", n, source, m.Version)
	return os.WriteFile(mark, []byte(m.Version), 0o644) // last: a database that is half there has none
}

// module is where the go command keeps the pinned version, after it has compared it with go.sum.
type module struct {
	Dir, Version, Info string
	modified           time.Time
}

func pinned() (m module, err error) {
	cmd := exec.Command("go", "mod", "download", "-json", source)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("download %s: %w: %s", source, err, out)
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("download %s: %w", source, err)
	}
	info, err := os.ReadFile(m.Info)
	if err != nil {
		return m, err
	}
	var v struct{ Time time.Time }
	if err := json.Unmarshal(info, &v); err != nil || v.Time.IsZero() {
		return m, errors.Join(fmt.Errorf("%s: no time of the version", m.Info), err)
	}
	m.modified = v.Time
	return m, nil
}
