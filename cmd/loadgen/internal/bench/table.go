package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// WriteTable writes the lines for people.
func WriteTable(w io.Writer, lines []Line) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "case\tmeasure\there\treference\tratio\tbar\t\taimed at")
	for _, l := range lines {
		name := l.Name
		switch {
		case l.Error != "":
			fmt.Fprintf(tw, "%s\tfailed: %s\n", name, l.Error)
		case l.Missing != "":
			fmt.Fprintf(tw, "%s\tleft out: needs %s\n", name, l.Missing)
		}
		for _, m := range l.Measures {
			verdict := "short"
			if m.OK() {
				verdict = "ok"
			}
			reference, ratio := "", ""
			if m.Ratio != 0 {
				reference, ratio = number(m.Reference)+" "+l.Against, number(m.Ratio)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, m.What, number(m.Value), reference, ratio, m.limit(m.Bar), verdict, m.limit(m.Aimed))
			name = ""
		}
	}
	return tw.Flush()
}

// String is for people who watch.
func (m *Measured) String() string {
	if m.Ratio == 0 {
		return number(m.Value) + " " + m.What
	}
	return fmt.Sprintf("%s %s, reference %s: %s", number(m.Value), m.What, number(m.Reference), number(m.Ratio))
}

// limit writes a bar or an aim, "" for none.
func (m *Measured) limit(v float64) string {
	switch {
	case v == 0:
		return ""
	case m.Most:
		return "<= " + number(v)
	}
	return ">= " + number(v)
}

// number writes v with two to four digits that count, and a comma at thousands.
func number(v float64) string {
	digits := 3
	switch a := math.Abs(v); {
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	case a >= 0.1 || a == 0:
		digits = 2
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		return s
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
