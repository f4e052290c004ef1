package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	inStd = `{"id":"GO-1","affected":[{"package":{"name":"stdlib"}},{"package":{"name":"a.example/m"}},{"package":{"name":"a.example/m"}}]}`
	inM   = `{"id":"GO-2","affected":[{"package":{"name":"a.example/m"}}]}`
)

func TestWriteDB(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name    string
		files   map[string]string
		modules string // index/modules.json
		fails   string // in the error
	}{
		{
			name:  "two entries",
			files: map[string]string{"GO-1.json": inStd, "GO-2.json": inM, "README": "no entry"},
			modules: `[{"path":"a.example/m","vulns":[{"id":"GO-1","modified":"2026-01-02T03:04:05Z"},{"id":"GO-2","modified":"2026-01-02T03:04:05Z"}]},` +
				`{"path":"stdlib","vulns":[{"id":"GO-1","modified":"2026-01-02T03:04:05Z"}]}]`,
		},
		{name: "no entries", fails: "none of 0 entries"},
		{name: "nothing of the standard library", files: map[string]string{"GO-2.json": inM}, fails: "none of 1 entries"},
		{name: "another id", files: map[string]string{"GO-3.json": inStd}, fails: `"GO-1"`},
		{name: "no JSON", files: map[string]string{"GO-3.json": "x"}, fails: "GO-3.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, dir := t.TempDir(), t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := writeDB(dir, from, when)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("error %v, want one with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]string{
				"index/modules.json": tt.modules,
				"index/db.json":      `{"modified":"2026-01-02T03:04:05Z"}`,
				"ID/GO-1.json":       inStd,
				"ID/GO-2.json":       inM,
			} {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
					t.Errorf("%s: %s, %v, want %s", file, got, err, want)
				}
			}
		})
	}
}
