package main

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// TestEveryCommandRuns holds that each command has a Run, and that its parameters are
// bound: without that it would be a fault of who types it.
func TestEveryCommandRuns(t *testing.T) {
	var c cli
	bound := []reflect.Type{reflect.TypeFor[context.Context]()}
	for _, b := range c.bindings(config.Sources{}, output{}) {
		bound = append(bound, reflect.TypeOf(b))
	}
	found := map[string]bool{}
	var visit func(name string, command reflect.Type)
	visit = func(name string, command reflect.Type) {
		leaf := true
		for f := range command.Fields() {
			if _, is := f.Tag.Lookup("cmd"); is {
				leaf = false
				visit(name+" "+strings.ToLower(f.Name), f.Type)
			}
		}
		run, ok := reflect.PointerTo(command).MethodByName("Run")
		if ok != leaf {
			t.Errorf("hoshi%s: a command %v, with a Run %v", name, leaf, ok)
		}
		if !ok {
			return
		}
		found[name] = true
		if run.Type.NumOut() != 1 || run.Type.Out(0) != reflect.TypeFor[error]() {
			t.Errorf("hoshi%s: Run returns more or less than an error", name)
		}
		for i := 1; i < run.Type.NumIn(); i++ {
			if in := run.Type.In(i); !slices.Contains(bound, in) {
				t.Errorf("hoshi%s: a parameter of Run is a %v, which is none of %v", name, in, bound)
			}
		}
	}
	visit("", reflect.TypeFor[cli]())
	if !found[" run"] || !found[" pub user"] || !found[" configuration check"] {
		t.Errorf("found %v", found)
	}
}
