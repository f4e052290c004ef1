package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// job is a scenario with its flags.
type job interface {
	// check says what is wrong with the flags, before anything is started.
	check() error
	// run returns what was measured, also of a run that failed.
	run(ctx context.Context, show func(report.Progress)) (*report.Result, error)
	flags() outputFlags
}

// loadJob is a job of thin clients.
type loadJob struct {
	command interface {
		options() (load.Options, error)
		flags() outputFlags
	}
}

func (j loadJob) flags() outputFlags { return j.command.flags() }

func (j loadJob) check() error {
	o, err := j.command.options()
	if err != nil {
		return err
	}
	return load.Check(o)
}

func (j loadJob) run(ctx context.Context, show func(report.Progress)) (*report.Result, error) {
	o, err := j.command.options()
	if err != nil {
		return nil, err
	}
	o.Progress = show
	return load.Run(ctx, o)
}

// output is where results go: a summary of each to standard error when it is
// there, all of them as JSON to standard output, or a file, at the end.
type output struct {
	array   bool // whatever their number
	results []placed
}

// placed is a result and the file for it, "" for standard output.
type placed struct {
	file   string
	result *report.Result
}

// do runs one job. What it has measured is kept even if it fails.
func (out *output) do(ctx context.Context, j job) error {
	if err := j.check(); err != nil {
		return &usageError{err}
	}
	f := j.flags()
	p := newProgress(os.Stderr, f.Quiet)
	res, err := j.run(ctx, p.show)
	p.end()
	if res == nil {
		return err
	}
	res.Name = f.Name
	out.results = append(out.results, placed{f.JSON, res})
	if werr := res.WriteSummary(os.Stderr); werr != nil {
		err = errors.Join(err, fmt.Errorf("write the summary: %w", werr))
	}
	return err
}

// flush writes the JSON.
func (out *output) flush() error {
	var errs []error
	for len(out.results) > 0 {
		file := out.results[0].file
		var group []*report.Result
		out.results = slices.DeleteFunc(out.results, func(p placed) bool {
			if p.file != file {
				return false
			}
			group = append(group, p.result)
			return true
		})
		if err := write(file, group, out.array); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func write(file string, results []*report.Result, array bool) (err error) {
	var w io.Writer = os.Stdout
	if file != "" {
		f, cerr := os.Create(file)
		if cerr != nil {
			return fmt.Errorf("write the result: %w", cerr)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w = f
	}
	if err := report.WriteJSON(w, results, array); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
