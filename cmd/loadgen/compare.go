package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

type compareCmd struct {
	First  string `arg:"" help:"JSON of a run, or of a scenario file."`
	Second string `arg:"" help:"JSON to compare with it."`
	// A pointer, since 0 is a percentage.
	FailWorse *float64 `name:"fail-worse" placeholder:"PCT" help:"Exit with 1 when a key metric (*) of the second is worse by more than that, or missing."`
}

// Run is for kong.
func (c *compareCmd) Run() error {
	if c.FailWorse != nil && !(*c.FailWorse >= 0) {
		return &usageError{fmt.Errorf("compare: --fail-worse is %g, want a percentage", *c.FailWorse)}
	}
	a, err := readResults(c.First)
	if err != nil {
		return &usageError{err}
	}
	b, err := readResults(c.Second)
	if err != nil {
		return &usageError{err}
	}
	cmp := report.Compare(a, b)
	if err := cmp.WriteTable(os.Stdout); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	for _, w := range cmp.Warnings() {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if !cmp.Shared() {
		return errors.New("compare: the files have no scenario in common")
	}
	if c.FailWorse == nil {
		return nil
	}
	if worse := cmp.Worse(*c.FailWorse); len(worse) > 0 {
		return fmt.Errorf("compare: worse by more than %g %%:\n  %s", *c.FailWorse, strings.Join(worse, "\n  "))
	}
	return nil
}

func readResults(file string) ([]*report.Result, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	defer func() { _ = f.Close() }()
	all, err := report.ReadResults(f)
	if err != nil {
		return nil, fmt.Errorf("compare: %s: %w", file, err)
	}
	return all, nil
}
