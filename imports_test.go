package hoshi_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hoshi-ws/hoshi"

// arrows is the table of who may import whom (docs/architecture.md). A command
// or package named with /... stands for all packages below it too.
var arrows = map[string][]string{
	// Commands: everything they start, and packages of their own.
	"cmd/node/...": {
		"cmd/node/...", "internal/auth", "internal/auth/keys", "internal/auth/rules", "internal/certs", "internal/config", "internal/id", "internal/natsd", "internal/obs",
		"pkg/bus", "pkg/codec", "pkg/codec/edn", "pkg/edge",
	},
	"cmd/loadgen/...": {
		"cmd/loadgen/...", "internal/poller", "pkg/client", "pkg/codec", "pkg/codec/edn",
	},

	"e2e/chaos/...":  {"e2e/chaos/...", "pkg/bus"},
	"deploy/example": {"pkg/bus"},

	"pkg/edge": {
		"internal/auth", "internal/auth/keys", "internal/auth/rules", "internal/certs",
		"internal/dialect", "internal/dialect/sente", "internal/dialect/sentelite", "internal/hub", "internal/id", "internal/limit",
		"internal/wsconn", "internal/wsconn/handshake", "pkg/bus", "pkg/codec", "pkg/codec/edn", "pkg/codec/gzip",
	},
	"pkg/bus":       {"internal/histogram", "internal/id", "pkg/codec", "pkg/codec/edn", "pkg/codec/json"},
	"pkg/client":    {"pkg/codec", "pkg/codec/edn"},
	"pkg/codec":     {"pkg/codec/edn", "pkg/codec/json", "pkg/codec/msgpack", "pkg/codec/transit", "pkg/codec/value"},
	"pkg/codec/edn": {"pkg/codec/value"},

	"pkg/codec/value": {},
	"pkg/codec/json":  {"pkg/codec/edn", "pkg/codec/value"},
	"pkg/codec/check": {"pkg/codec/edn", "pkg/codec/value"},

	"pkg/codec/transit": {"pkg/codec/check", "pkg/codec/value"},
	"pkg/codec/msgpack": {"pkg/codec/check", "pkg/codec/value"},
	"pkg/codec/gzip":    {},

	"internal/dialect":           {"pkg/codec"},
	"internal/dialect/words":     {"internal/dialect", "pkg/codec", "pkg/codec/edn"},
	"internal/dialect/reading":   {"internal/dialect", "pkg/codec", "pkg/codec/edn"},
	"internal/dialect/sente":     {"internal/dialect", "internal/dialect/reading", "internal/dialect/words", "pkg/codec"},
	"internal/dialect/sentelite": {"internal/dialect", "internal/dialect/reading", "internal/dialect/words", "pkg/codec"},
	"internal/wsconn":            {"internal/histogram", "internal/limit", "internal/poller", "internal/proxyproto", "internal/wsconn/handshake"},
	"internal/wsconn/handshake":  {},
	"internal/auth":              {"internal/auth/keys"},
	"internal/auth/keys":         {},
	"internal/auth/rules":        {},
	"internal/certs":             {},
	"internal/config":            {},
	"internal/histogram":         {},
	"internal/hub":               {},
	"internal/id":                {},
	"internal/limit":             {},
	"internal/natsd":             {},
	"internal/obs":               {"internal/histogram", "pkg/edge"},
	"internal/poller":            {},
	"internal/proxyproto":        {},
}

// testOnly are packages that tests alone import; what they import is their own
// matter.
var testOnly = []string{"internal/certs/certtest", "internal/testkit/..."}

// foreign says which packages import a module (or a part of it) that is not
// ours. "..." is everybody.
var foreign = map[string][]string{
	"github.com/golang-jwt/jwt/v5":            {"internal/auth"},
	"github.com/gobwas/ws":                    {"internal/wsconn", "internal/wsconn/handshake", "pkg/client"},
	"github.com/nats-io/nats.go":              {"pkg/bus"},
	"github.com/nats-io/nats-server/v2":       {"internal/natsd"},
	"github.com/klauspost/compress/flate":     {"internal/wsconn"},
	"olympos.io/encoding/edn":                 {"internal/config", "pkg/codec/edn"},
	"github.com/alecthomas/kong":              {"internal/config", "cmd/node/...", "cmd/loadgen/..."},
	"github.com/rs/zerolog":                   {"..."},
	"github.com/DeRuina/timberjack":           {"internal/obs"},
	"golang.org/x/sync":                       {"..."},
	"golang.org/x/sys/unix":                   {"internal/poller", "internal/wsconn", "cmd/loadgen/...", "cmd/node/..."},
	"github.com/KimMachineGun/automemlimit":   {"cmd/node/..."},
	"github.com/HdrHistogram/hdrhistogram-go": {"cmd/loadgen/..."},
	"github.com/schollz/progressbar/v3":       {"cmd/loadgen/..."},
	"go.opentelemetry.io/otel":                {"pkg/bus", "pkg/client", "pkg/edge", "internal/obs"},
	"go.opentelemetry.io/otel/sdk":            {"internal/obs"},
	"github.com/prometheus/client_golang":     {"internal/obs"},
	"go.opentelemetry.io/otel/exporters":      {"internal/obs"},
}

// standardOnly import nothing but the standard library and what arrows gives
// them.
var standardOnly = []string{"internal/auth/keys", "internal/auth/rules", "internal/histogram", "internal/hub", "internal/id", "internal/limit", "internal/wsconn/handshake"}

// pure packages turn bytes into values and back; they know no file, no socket
// and no clock of their own.
var pure = []string{"internal/auth/rules", "pkg/codec/...", "internal/dialect/...", "internal/hub"}

var impure = []string{"net", "net/http", "os", "os/exec", "syscall", "log", "log/slog"}

// source is one file: its package's folder, and what it imports.
type source struct {
	file, pkg string
	imports   []string
	doc       string // of the package
	name      string // of the package
}

// sources parses every Go file of this module that is not a test, whatever
// its build constraints say.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if file != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || file == "tools") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); file != "." && err == nil {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{file: filepath.ToSlash(file), pkg: path.Dir(filepath.ToSlash(file)), doc: f.Doc.Text(), name: f.Name.Name}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// matches reports whether a pattern of the tables names the package.
func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == root || strings.HasPrefix(pkg, root+"/")
	}
	return pkg == pattern
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// below reports whether an import path is this module or package, or inside it.
func below(root, importPath string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

func TestImports(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		if matchesAny(testOnly, s.pkg) || s.pkg == "e2e" {
			continue
		}
		var may []string
		known := false
		for pattern, list := range arrows {
			if matches(pattern, s.pkg) {
				may, known = list, true
			}
		}
		if !known {
			t.Errorf("%s: package %s is not in the table of arrows", s.file, s.pkg)
			continue
		}
		for _, imp := range s.imports {
			if own, ok := strings.CutPrefix(imp, module+"/"); ok {
				if !matchesAny(may, own) {
					t.Errorf("%s: %s must not import %s", s.file, s.pkg, own)
				}
				continue
			}
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				if slices.Contains(impure, imp) && matchesAny(pure, s.pkg) {
					t.Errorf("%s: %s is pure and must not import %s", s.file, s.pkg, imp)
				}
				continue
			}
			if matchesAny(standardOnly, s.pkg) && !below("github.com/gobwas/ws", imp) {
				t.Errorf("%s: %s must import the standard library alone, not %s", s.file, s.pkg, imp)
			}
			owner := ""
			for root := range foreign {
				if below(root, imp) && len(root) > len(owner) {
					owner = root
				}
			}
			switch {
			case owner == "":
				t.Errorf("%s: %s is not in the table of foreign imports", s.file, imp)
			case !matchesAny(foreign[owner], s.pkg):
				t.Errorf("%s: %s must not import %s, only %v may", s.file, s.pkg, imp, foreign[owner])
			default:
				used[owner] = true
			}
		}
	}
	for _, root := range slices.Sorted(maps.Keys(foreign)) {
		if !used[root] && root != "golang.org/x/sync" {
			t.Errorf("%s is in the table of foreign imports, and nobody imports it", root)
		}
	}
}

// TestPackageDocs holds that each package is explained once, where a reader
// looks first.
func TestPackageDocs(t *testing.T) {
	docs := map[string][]string{}
	for _, s := range sources(t) {
		if _, ok := docs[s.pkg]; !ok {
			docs[s.pkg] = nil
		}
		if s.doc == "" {
			continue
		}
		docs[s.pkg] = append(docs[s.pkg], s.file)
		want := "Package " + s.name + " "
		if s.name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(s.doc, want) {
			t.Errorf("%s: the package comment does not begin with %q", s.file, want)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(docs)) {
		if want := []string{path.Join(pkg, "doc.go")}; !slices.Equal(docs[pkg], want) {
			t.Errorf("%s: package comments in %q, want one, in doc.go", pkg, docs[pkg])
		}
	}
}
