package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes the lines for people.
func WriteTable(w io.Writer, lines []Line) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "case\tdeliveries/s\tceiling/s\tratio\tby cpu time\tbar\ta call\tbar\t\taimed at")
	for _, l := range lines {
		verdict := "short"
		if l.OK() {
			verdict = "ok"
		}
		switch {
		case l.Error != "":
			fmt.Fprintf(tw, "%s\tfailed: %s\n", l.Name, l.Error)
		case l.Bytes != 0:
			fmt.Fprintf(tw, "%s\t\t\t%.0f B\t\t%.0f B\t\t\t%s\t%s\n", l.Name, l.Bytes, l.Bar, verdict, l.Aimed)
		case len(l.Pairs) > 0:
			fmt.Fprintf(tw, "%s\tp99 %.2f ms\talone %.2f ms\t%.2f\t\t%.2f\t\t\t%s\n", l.Name, median(l.Pairs, Pair.busy), median(l.Pairs, Pair.calm), l.Ratio, l.Bar, verdict)
		case len(l.Rounds) > 0:
			bar := ""
			if l.PerCallBar > 0 {
				bar = fmt.Sprintf("%.0f", l.PerCallBar)
			}
			fmt.Fprintf(tw, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.1f\t%s\t%s\t%s\n", l.Name,
				median(l.Rounds, Round.rate), median(l.Rounds, Round.ceiling),
				l.Ratio, l.CPURatio, l.Bar, l.PerCall, bar, verdict, l.Aimed)
		}
	}
	return tw.Flush()
}
