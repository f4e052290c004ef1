package main

import (
	"context"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// commands calls each with the names and types of all commands, and of what they are
// in. That of the node is "".
func commands(each func(name string, command reflect.Type, leaf bool)) {
	var visit func(words []string, command reflect.Type)
	visit = func(words []string, command reflect.Type) {
		leaf := true
		for f := range command.Fields() {
			if _, is := f.Tag.Lookup("cmd"); !is {
				continue
			}
			leaf = false
			below := words
			if _, hidden := f.Tag.Lookup("hidden"); !hidden {
				name := f.Tag.Get("name")
				if name == "" { // as kong has it
					name = strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(f.Name, "$1-$2"))
				}
				below = append(slices.Clone(words), name)
			}
			visit(below, f.Type)
		}
		each(strings.Join(words, " "), command, leaf)
	}
	visit(nil, reflect.TypeFor[cli]())
}

func commandNames() (names []string) {
	commands(func(name string, _ reflect.Type, leaf bool) {
		if leaf {
			names = append(names, name)
		}
	})
	return names
}

// TestEveryCommandRuns holds that each command has a Run, and that its parameters are
// bound: without that it would be a fault of who types it.
func TestEveryCommandRuns(t *testing.T) {
	var c cli
	bound := []reflect.Type{reflect.TypeFor[context.Context]()}
	for _, b := range c.bindings(config.Sources{}, output{}) {
		bound = append(bound, reflect.TypeOf(b))
	}
	commands(func(name string, command reflect.Type, leaf bool) {
		run, ok := reflect.PointerTo(command).MethodByName("Run")
		if ok != leaf {
			t.Errorf("hoshi %s: a command %v, with a Run %v", name, leaf, ok)
		}
		if !ok {
			return
		}
		if run.Type.NumOut() != 1 || run.Type.Out(0) != reflect.TypeFor[error]() {
			t.Errorf("hoshi %s: Run returns more or less than an error", name)
		}
		for i := 1; i < run.Type.NumIn(); i++ {
			if in := run.Type.In(i); !slices.Contains(bound, in) {
				t.Errorf("hoshi %s: a parameter of Run is a %v, which is none of %v", name, in, bound)
			}
		}
	})
	names := commandNames()
	for _, want := range []string{"", "pub user", "log-level", "config check"} {
		if !slices.Contains(names, want) {
			t.Errorf("no command %q among %q", want, names)
		}
	}
}
