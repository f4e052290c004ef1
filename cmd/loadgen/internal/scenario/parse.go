package scenario

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// MaxSize bounds a scenario file, in bytes.
const MaxSize = 1 << 20

// Run is the settings of one run, in their order.
type Run struct {
	Line     int // from 1
	Settings []Setting
}

// Setting is a key with its value.
type Setting struct {
	Key   string // without its colon
	Line  int    // from 1
	Value any    // string, Keyword, int64, float64, bool, []any of these, or Other
}

// Keyword is a keyword without its colon.
type Keyword string

// Other is a value of a kind that no setting takes; it says which.
type Other string

// Error is a fault in a file's text.
type Error struct {
	Line   int // from 1
	Reason string
}

// Error names the line and the reason.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Parse reads the text of a file; vector tells whether it is a vector of runs. All
// errors are of type [*Error].
func Parse(text []byte) (runs []Run, vector bool, err error) {
	p := parser{text: text}
	if len(text) > MaxSize {
		return nil, false, &Error{1, fmt.Sprintf("the file is longer than %d bytes", MaxSize)}
	}
	if err := edn.Check(text); err != nil {
		return nil, false, p.fault(err)
	}
	var s edn.Scanner
	form, err := s.Form(text, 0)
	if err != nil {
		return nil, false, p.fault(err)
	}
	if form.Kind != edn.Vector {
		run, err := p.run(form)
		return []Run{run}, false, err
	}
	elems := edn.ElementsOf(text, form)
	for f, ok := elems.Next(); ok; f, ok = elems.Next() {
		run, err := p.run(f)
		if err != nil {
			return nil, true, err
		}
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		return nil, true, &Error{p.line(form), "an empty vector, want maps in it"}
	}
	return runs, true, nil
}

type parser struct{ text []byte }

func (p parser) line(f edn.Form) int { return 1 + bytes.Count(p.text[:f.Body], []byte("\n")) }

// fault turns an error of the scan into one of this package.
func (p parser) fault(err error) error {
	if e, ok := err.(*edn.Error); ok { //nolint:errorlint // edn returns them bare
		return &Error{e.Line, fmt.Sprintf("column %d: %s", e.Column, e.Reason)}
	}
	return &Error{1, err.Error()}
}

func (p parser) run(f edn.Form) (Run, error) {
	run := Run{Line: p.line(f)}
	if f.Kind != edn.Map {
		return run, &Error{run.Line, p.kind(f) + ", want a map of settings"}
	}
	entries := edn.EntriesOf(p.text, f)
	for k, v, ok := entries.Next(); ok; k, v, ok = entries.Next() {
		if k.Kind != edn.Keyword {
			return run, &Error{p.line(k), fmt.Sprintf("the key %s, want a keyword such as :url", k.Text(p.text))}
		}
		run.Settings = append(run.Settings, Setting{Key: string(entries.AppendKey(nil, k)[1:]), Line: p.line(k), Value: p.value(v)})
	}
	return run, nil
}

// value returns the Go value of f.
func (p parser) value(f edn.Form) any {
	text := f.Text(p.text)
	switch f.Kind { //nolint:exhaustive // the default names the others
	case edn.String:
		if s, err := edn.Unquote(nil, text); err == nil {
			return string(s)
		}
	case edn.Keyword:
		return Keyword(text[1:])
	case edn.Bool:
		return string(text) == "true"
	case edn.Int:
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return n
		}
	case edn.Float:
		if n, err := strconv.ParseFloat(string(text), 64); err == nil {
			return n
		}
	case edn.Vector:
		all := []any{}
		elems := edn.ElementsOf(p.text, f)
		for e, ok := elems.Next(); ok; e, ok = elems.Next() {
			all = append(all, p.value(e))
		}
		return all
	default:
	}
	return Other(p.kind(f))
}

// kind says what f is, for an error.
func (p parser) kind(f edn.Form) string {
	switch f.Kind { //nolint:exhaustive // the default shows the others as they are
	case edn.Vector:
		return "a vector"
	case edn.Map:
		return "a map"
	case edn.List:
		return "a list"
	case edn.Set:
		return "a set"
	}
	text := f.Text(p.text)
	return string(text[:min(len(text), 40)])
}
