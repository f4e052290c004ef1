package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// maxResults bounds what ReadResults takes, in bytes.
const maxResults = 64 << 20

// ReadResults reads what WriteJSON has written.
func ReadResults(r io.Reader) ([]*Result, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxResults+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxResults {
		return nil, fmt.Errorf("longer than %d bytes", maxResults)
	}
	var all []*Result
	if b = bytes.TrimSpace(b); bytes.HasPrefix(b, []byte("[")) {
		err = json.Unmarshal(b, &all)
	} else {
		all = []*Result{nil}
		err = json.Unmarshal(b, &all[0])
	}
	if err != nil {
		return nil, fmt.Errorf("no results: %w", err)
	}
	for i, r := range all {
		if r == nil || r.Scenario == "" {
			return nil, fmt.Errorf(`no results: number %d has no "scenario"`, i+1)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no results: the array is empty")
	}
	return all, nil
}

// Comparison lines up the results of two files.
type Comparison struct {
	Pairs []Pair
}

// Pair is the two results of one name.
type Pair struct {
	Name string
	// A and B are the results; one is nil where its file has none of the name.
	A, B *Result
	// Differ are the settings that are not the same in both, "in_flight: 1, 16".
	Differ []string
	Rows   []Row
}

// Row is one metric of a pair.
type Row struct {
	Metric string
	// Key marks a metric that decides whether B is worse.
	Key bool
	// Higher tells that more is better; else less is.
	Higher bool
	// A and B are the values, NaN where a result has none.
	A, B float64
	// Ratio is B / A, NaN where it makes no sense.
	Ratio float64
	// Worse is by how many percent of A the value of B is worse, below 0 if it is
	// better; +Inf for worse than nothing, NaN where one is missing.
	Worse float64
}

// Compare lines results up by name or, where they have none, by scenario; the
// second of a name is "name #2".
func Compare(a, b []*Result) Comparison {
	var c Comparison
	index := make(map[string]int)
	for side, results := range [][]*Result{a, b} {
		seen := make(map[string]int)
		for _, r := range results {
			name := cmp.Or(r.Name, r.Scenario)
			if seen[name]++; seen[name] > 1 {
				name = fmt.Sprintf("%s #%d", name, seen[name])
			}
			i, ok := index[name]
			if !ok {
				i = len(c.Pairs)
				index[name] = i
				c.Pairs = append(c.Pairs, Pair{Name: name})
			}
			if side == 0 {
				c.Pairs[i].A = r
			} else {
				c.Pairs[i].B = r
			}
		}
	}
	for i := range c.Pairs {
		c.Pairs[i].fill()
	}
	return c
}

func (p *Pair) fill() {
	if p.A == nil || p.B == nil {
		return
	}
	if p.A.Scenario != p.B.Scenario {
		p.Differ = append(p.Differ, fmt.Sprintf("scenario: %s, %s", p.A.Scenario, p.B.Scenario))
	}
	keys := maps.Clone(p.A.Config)
	maps.Copy(keys, p.B.Config)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if a, b := p.A.Config[k], p.B.Config[k]; !reflect.DeepEqual(a, b) {
			p.Differ = append(p.Differ, fmt.Sprintf("%s: %s, %s", k, setting(a), setting(b)))
		}
	}
	for _, m := range metrics {
		row := Row{Metric: m.name, Key: m.key, Higher: m.higher, A: math.NaN(), B: math.NaN(), Ratio: math.NaN(), Worse: math.NaN()}
		a, inA := m.of(p.A)
		b, inB := m.of(p.B)
		if !inA && !inB {
			continue
		}
		if inA {
			row.A = a
		}
		if inB {
			row.B = b
		}
		if inA && inB {
			row.judge()
		}
		p.Rows = append(p.Rows, row)
	}
}

// judge fills in the ratio and the percentage of two values that are there.
func (r *Row) judge() {
	switch {
	case r.A == r.B:
		r.Worse = 0
	case r.A == 0:
		r.Worse = math.Inf(1)
	default:
		r.Worse = (r.B - r.A) / math.Abs(r.A) * 100
	}
	if r.Higher {
		r.Worse = -r.Worse
	}
	if r.A > 0 {
		r.Ratio = r.B / r.A
	}
}

func setting(v any) string {
	if v == nil {
		return "none"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// Warnings says what makes the numbers doubtful.
func (c Comparison) Warnings() []string {
	var all []string
	for _, p := range c.Pairs {
		add := func(format string, args ...any) {
			all = append(all, p.Name+": "+fmt.Sprintf(format, args...))
		}
		switch {
		case p.A == nil:
			add("only the second file has it")
			continue
		case p.B == nil:
			add("only the first file has it")
			continue
		}
		if len(p.Differ) > 0 {
			add("the settings differ: %s", strings.Join(p.Differ, "; "))
		}
		for which, r := range map[string]*Result{"first": p.A, "second": p.B} {
			if s := r.incomplete(); s != "" {
				add("the %s %s", which, s)
			}
		}
	}
	slices.Sort(all)
	return all
}

// incomplete says why r is no whole run, "" if it is.
func (r *Result) incomplete() string {
	switch {
	case r.Error != "":
		return "failed: " + r.Error
	case r.Interrupted:
		return "was interrupted"
	}
	return ""
}

// Worse says where B is worse than A by more than percent in a key metric, and
// where that cannot be told because B lacks what A has.
func (c Comparison) Worse(percent float64) []string {
	var all []string
	for _, p := range c.Pairs {
		if p.A == nil {
			continue
		}
		if p.B == nil {
			all = append(all, p.Name+": missing")
			continue
		}
		if s := p.B.incomplete(); s != "" {
			all = append(all, p.Name+": "+s)
		}
		for _, r := range p.Rows {
			switch {
			case !r.Key:
			case math.IsNaN(r.B):
				all = append(all, fmt.Sprintf("%s: %s: missing", p.Name, r.Metric))
			case r.Worse > percent:
				all = append(all, fmt.Sprintf("%s: %s: %s, was %s", p.Name, r.Metric, value(r.B), value(r.A)))
			}
		}
	}
	return all
}

// Shared tells whether anything could be compared.
func (c Comparison) Shared() bool {
	return slices.ContainsFunc(c.Pairs, func(p Pair) bool { return p.A != nil && p.B != nil })
}

// WriteTable writes all pairs for people. Key metrics have a star.
func (c Comparison) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.Pairs {
		if p.A == nil || p.B == nil {
			continue
		}
		fmt.Fprintf(tw, "%s\tfirst\tsecond\tratio\t\n", p.Name)
		for _, r := range p.Rows {
			star := ""
			if r.Key {
				star = "*"
			}
			verdict := ""
			switch {
			case r.Worse > 0:
				verdict = "worse"
			case r.Worse < 0:
				verdict = "better"
			}
			fmt.Fprintf(tw, "  %s%s\t%s\t%s\t%s\t%s\n", r.Metric, star, value(r.A), value(r.B), value(r.Ratio), verdict)
		}
	}
	return tw.Flush()
}

// value writes a number with four digits or more, "-" for none.
func value(v float64) string {
	switch abs := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case v == math.Trunc(v) && abs < 1e15, abs >= 1000:
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
