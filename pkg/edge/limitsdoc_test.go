package edge_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Each option and each counter that docs/limits.md names is there.
func TestLimitsDocument(t *testing.T) {
	read := func(file string) string {
		p, err := os.ReadFile("../../docs/" + file)
		must(t, err)
		return string(p)
	}
	doc, config := read("limits.md"), read("config.md")
	options := regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(doc, -1)
	counters := regexp.MustCompile("`((?:sockets|limits|sente|bus|refused_upgrades|refused_messages|panics)(?:\\.[a-z_-]+)*)`").FindAllStringSubmatch(doc, -1)
	if len(options) < 20 || len(counters) < 20 {
		t.Fatalf("%d options and %d counters", len(options), len(counters))
	}
	for _, o := range options {
		if !strings.Contains(config, "| `--"+o[1]+" ") {
			t.Errorf("there is no option --%s", o[1])
		}
	}
	for _, c := range counters {
		if !counted(reflect.TypeFor[edge.Stats](), strings.Split(c[1], ".")) {
			t.Errorf("/stats has no %s", c[1])
		}
	}
	for field := range reflect.TypeFor[edge.LimitStats]().Fields() {
		if name := "`limits." + field.Tag.Get("json") + "`"; !strings.Contains(doc, name) {
			t.Errorf("the document does not name %s", name)
		}
	}
}

// counted reports whether there is such a path of JSON names; the last one may be
// the key of a map.
func counted(typ reflect.Type, path []string) bool {
	if len(path) == 0 || typ.Kind() == reflect.Map {
		return len(path) < 2
	}
	if typ.Kind() != reflect.Struct {
		return false
	}
	for field := range typ.Fields() {
		if field.Tag.Get("json") == path[0] {
			return counted(field.Type, path[1:])
		}
	}
	return false
}
