package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/scenario"
)

// runCmd takes its arguments unparsed: which flags there are depends on the file.
type runCmd struct {
	Args []string `arg:"" optional:"" name:"FILE.edn [flags]" help:"A scenario file, then flags of its scenarios, which win over the file."`
}

// Run is for kong.
func (c *runCmd) Run(ctx context.Context, out *output, kctx *kong.Context) error {
	if len(c.Args) > 0 && (c.Args[0] == "--help" || c.Args[0] == "-h") {
		return kctx.PrintUsage(false)
	}
	if len(c.Args) == 0 || strings.HasPrefix(c.Args[0], "-") {
		return &usageError{errors.New("run: want a scenario file, and flags behind it")}
	}
	jobs, array, err := readJobs(c.Args[0], c.Args[1:])
	if err != nil {
		return &usageError{err}
	}
	out.array = array
	for _, j := range jobs {
		if err := out.do(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// command is a scenario's command line.
type command interface{ job() job }

// readJobs reads a scenario file; array tells whether it is one of several runs.
// overrides are flags for all of them. Everything is checked before anything runs.
func readJobs(file string, overrides []string) (jobs []job, array bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, false, fmt.Errorf("run: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, scenario.MaxSize+1))
	if err != nil {
		return nil, false, fmt.Errorf("run: %w", err)
	}
	runs, array, err := scenario.Parse(text)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", file, err)
	}
	for _, run := range runs {
		j, err := newJob(run, overrides)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", file, err)
		}
		jobs = append(jobs, j)
	}
	return jobs, array, nil
}

// newJob makes the command line of one run.
func newJob(run scenario.Run, overrides []string) (job, error) {
	var c cli
	k, err := newParser(&c)
	if err != nil {
		return nil, err
	}
	node, err := findScenario(k, run)
	if err != nil {
		return nil, err
	}
	values, err := flagValues(node, run)
	if err != nil {
		return nil, err
	}
	resolve := kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		return values[flag.Name], nil
	})
	if err := kong.Resolvers(resolve).Apply(k); err != nil {
		return nil, err
	}
	if _, err := k.Parse(append([]string{node.Name}, overrides...)); err != nil {
		return nil, fmt.Errorf("line %d: %s: %w", run.Line, node.Name, err)
	}
	cmd, _ := reflect.TypeAssert[command](node.Target.Addr()) // findScenario has looked
	j := cmd.job()
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("line %d: %s: %w", run.Line, node.Name, err)
	}
	return j, nil
}

// findScenario returns the command that :scenario names.
func findScenario(k *kong.Kong, run scenario.Run) (*kong.Node, error) {
	var names []string
	for _, n := range k.Model.Children {
		if _, ok := reflect.TypeAssert[command](n.Target.Addr()); ok {
			names = append(names, ":"+n.Name)
		}
	}
	there := "there is " + strings.Join(names, ", ")
	for _, s := range run.Settings {
		if s.Key != "scenario" {
			continue
		}
		var name string
		switch v := s.Value.(type) {
		case scenario.Keyword:
			name = string(v)
		case string:
			name = v
		}
		for _, n := range k.Model.Children {
			if n.Name == name && slices.Contains(names, ":"+name) {
				return n, nil
			}
		}
		return nil, fmt.Errorf("line %d: :scenario %s is unknown, %s", s.Line, shown(s.Value), there)
	}
	return nil, fmt.Errorf("line %d: no :scenario, %s", run.Line, there)
}

// flagValues returns the settings as the values of the scenario's flags.
func flagValues(node *kong.Node, run scenario.Run) (map[string]any, error) {
	flags := make(map[string]*kong.Flag)
	var names []string
	for _, f := range node.Flags {
		flags[f.Name] = f
		names = append(names, ":"+f.Name)
	}
	slices.Sort(names)
	values := make(map[string]any)
	for _, s := range run.Settings {
		if s.Key == "scenario" {
			continue
		}
		flag := flags[s.Key]
		if flag == nil {
			return nil, fmt.Errorf("line %d: :%s is no key of :%s, there is :scenario, %s", s.Line, s.Key, node.Name, strings.Join(names, ", "))
		}
		v, want := flagValue(flag.Target.Type(), s.Value)
		if want != "" {
			return nil, fmt.Errorf("line %d: :%s is %s, want %s", s.Line, s.Key, shown(s.Value), want)
		}
		values[s.Key] = v
	}
	return values, nil
}

// flagValue returns v as kong takes it for a flag of type t, or what is wanted in
// its place.
func flagValue(t reflect.Type, v any) (value any, want string) {
	text, isText := v.(string)
	if k, ok := v.(scenario.Keyword); ok {
		text, isText = string(k), true
	}
	_, isInt := v.(int64)
	_, isFloat := v.(float64)
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(text); !isText || err != nil {
			return nil, `a string with a unit, such as "10s" or "500ms"`
		}
		return text, ""
	case t.Kind() == reflect.String:
		return text, wanted(isText, "a string")
	case t.Kind() == reflect.Bool:
		b, ok := v.(bool)
		return b, wanted(ok, "true or false")
	case t.Kind() == reflect.Float64:
		return fmt.Sprint(v), wanted(isInt || isFloat, "a number")
	case t.Kind() == reflect.Int:
		return fmt.Sprint(v), wanted(isInt, "an integer")
	case t == reflect.TypeFor[[]string]():
		if isText {
			return []any{text}, ""
		}
		all, ok := v.([]any)
		for _, e := range all {
			if _, isText := e.(string); !isText {
				ok = false
			}
		}
		return all, wanted(ok && len(all) > 0, "a string or a vector of strings")
	}
	return nil, fmt.Sprintf("nothing: a %s cannot be set in a file", t)
}

func wanted(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

// shown returns a value as it would stand in a file.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%.40q", v)
	case scenario.Keyword:
		return ":" + string(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = shown(e)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprint(v)
}
