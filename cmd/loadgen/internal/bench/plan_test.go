package bench

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	names := Names()
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
		t.Errorf("names are not unique: %q", names)
	}
	for _, c := range plan(time.Second) {
		if (c.against == ceiling) != (c.ceiling > 0) {
			t.Errorf("%s: ceiling of %d, against %q", c.name, c.ceiling, c.against)
		}
		for _, m := range c.measures {
			if m.bar == 0 || m.aimed == 0 || m.most && m.bar < m.aimed || !m.most && m.bar > m.aimed {
				t.Errorf("%s: %s: the bar is %v and the aim %v, at most is %v", c.name, m.what, m.bar, m.aimed, m.most)
			}
		}
		o := Options{Only: c.name}
		for _, other := range names {
			if o.wants(other) != (other == c.name) {
				t.Errorf("--only %q and %q: %v", c.name, other, o.wants(other))
			}
		}
	}
	if o := (Options{Only: "push"}); !o.wants("push to 10,000 users, 1 in flight") || o.wants("one of 201 floods") {
		t.Error("--only with a part of a name")
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		in    string
		scale int
		want  string
	}{
		{name: "idle has no time", in: "idle -n 15000", scale: 1, want: "idle -n 15000"},
		{name: "storm has none", in: "storm -n 10000 --users", scale: 100, want: "storm -n 100 --users"},
		{name: "as it is", in: "fanout -n 1000 -f 64", scale: 1, want: "fanout -n 1000 -f 64 -d 5s"},
		{name: "scaled", in: "fanout -n 990 -r 30 --channels 200 -f 64", scale: 100, want: "fanout -n 9 -r 1 --channels 2 -f 64 -d 5s --warmup 0s"},
		{name: "warm-up of its own", in: "fanout -n 3 --warmup 5s", scale: 100, want: "fanout -n 1 --warmup 0s -d 5s"},
	}
	for _, tc := range cases {
		o := Options{Scale: tc.scale}
		if got := strings.Join(o.scaled(timed(strings.Fields(tc.in), 5*time.Second)), " "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestManual holds that docs/performance.md has the rows that there are, in their
// order, with the aims of the plan. loadgen bench --markdown prints them.
func TestManual(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- bench -->\n")
	table, _, ok := strings.Cut(rest, "<!-- /bench -->")
	if !ok {
		t.Fatal("no table between <!-- bench --> and <!-- /bench -->")
	}
	if got, want := fixedCells(table), fixedCells(Markdown(nil)); got != want {
		t.Errorf("the table has\n%s\nwant\n%s", got, want)
	}
}

// fixedCells returns the cells of a table that no run changes.
func fixedCells(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) == 7 {
			b.WriteString(strings.Join([]string{cells[1], cells[2], cells[4]}, "|") + "\n")
		}
	}
	return b.String()
}
