package bench

import (
	"fmt"
	"strings"
)

// unknown stands for what was not measured.
const unknown = "?"

var mathematical = strings.NewReplacer("<=", "≤", ">=", "≥")

// Markdown returns the table of docs/performance.md: a row for each measure of each
// case there is, whether or not it is in the report, and below it where and when that
// was measured. A nil report has nothing measured.
func Markdown(r *Report) string {
	var b strings.Builder
	b.WriteString("| work | measured | reached | aimed at | for example |\n|---|---|---|---|---|\n")
	measured := make(map[string]*Line)
	if r != nil {
		for i := range r.Lines {
			measured[r.Lines[i].Name] = &r.Lines[i]
		}
	}
	row := func(name string, against reference, without string, measures []measure) {
		for i, m := range measures {
			out := Measured{What: m.what, Most: m.most, Bar: m.bar, Aimed: m.aimed}
			reached, example := unknown, unknown
			if l := measured[name]; l != nil {
				for _, got := range l.Measures {
					if got.What == m.what {
						out.Ratio, out.Value, out.Reference = got.Ratio, got.Value, got.Reference
						reached, example = number(out.Reached()), number(out.Value)
						if out.Ratio != 0 {
							example += " against " + number(out.Reference)
						}
					}
				}
			}
			what := m.what
			if beside := against.String() + without; beside != "" && !m.plain {
				what += ", ratio to " + beside
			}
			first := name
			if i > 0 {
				first = ""
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", first, what, reached, mathematical.Replace(out.limit(out.Aimed)), example)
		}
	}
	for _, c := range plan(0) {
		row(c.name, c.against, "", c.measures)
	}
	for _, c := range neighbourCases() {
		row(c.name, nothing, withoutThem, c.measures())
	}
	peak, away := rollRows()
	row(rollName, nothing, evenRate, []measure{peak, away})
	b.WriteString("\n")
	if r == nil {
		b.WriteString("Not measured yet.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "Measured on %s, %s, %d cores, %s, %s; %s of %g s, of neighbours %s.\n",
		r.Started.Format("2 January 2006"), r.Machine.CPU, r.Machine.Cores, bareVersion(r.Machine.Kernel), r.Machine.Go,
		medians(r.Rounds, "round"), r.Duration, medians(r.Pairs, "pair"))
	return b.String()
}

// bareVersion cuts off what a builder of kernels has put behind the version.
func bareVersion(kernel string) string {
	version, _, _ := strings.Cut(kernel, "-")
	return version
}

// medians says of how many runs a number is.
func medians(n int, of string) string {
	if n == 1 {
		return "one " + of
	}
	return fmt.Sprintf("medians of %d %ss", n, of)
}
