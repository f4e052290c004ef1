package config_test

import (
	"flag"
	"reflect"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

var update = flag.Bool("update", false, "write docs/config.md and docs/hoshi.example.edn anew")

func TestMarkdown(t *testing.T) {
	got, err := config.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/config.md", got)
}

// TestMarkdownHasEveryOption goes by the structs' own tags, not by how they are
// grouped.
func TestMarkdownHasEveryOption(t *testing.T) {
	got, err := config.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	names := append(optionNames(reflect.TypeFor[config.Shared]()), optionNames(reflect.TypeFor[config.Node]())...)
	if len(names) < 50 {
		t.Fatalf("%d options found by their tags", len(names))
	}
	for _, name := range names {
		if n := strings.Count(got, "\n| `--"+name+" ") + strings.Count(got, "\n| `--"+name+"`"); n != 1 {
			t.Errorf("--%s is in docs/config.md %d times", name, n)
		}
	}
}

func optionNames(typ reflect.Type) []string {
	var names []string
	for f := range typ.Fields() {
		switch name, help := f.Tag.Get("name"), f.Tag.Get("help"); {
		case name != "" && help != "":
			names = append(names, name)
		case f.Type.Kind() == reflect.Struct && f.Anonymous:
			names = append(names, optionNames(f.Type)...)
		}
	}
	return names
}

func TestMarkdownRefusesWhatHasNoPlace(t *testing.T) {
	var unplaced struct {
		Speed string `name:"speed" group:"Elsewhere" help:"How fast."`
	}
	var ungrouped struct {
		Speed string `name:"speed" help:"How fast."`
	}
	for _, grammar := range []any{&unplaced, &ungrouped} {
		if _, err := config.MarkdownOf(grammar); err == nil || !strings.Contains(err.Error(), "--speed") {
			t.Errorf("an option without a place: %v", err)
		}
	}
}
