package config_test

import (
	"flag"
	"os"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

func TestMarkdown(t *testing.T) {
	const path = "../../docs/config.md"
	got, err := config.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("docs/config.md is not what the options say: go test ./internal/config -run TestMarkdown -update")
	}
}
