package main

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
)

// sayf prints a line with the time of the run before it.
func (r *run) sayf(format string, args ...any) {
	fmt.Fprintf(r.out, "%7.1fs  %s\n", r.book.Now().Seconds(), fmt.Sprintf(format, args...))
}

// report prints what happened and returns whether all was well.
func (r *run) report(before, after []footprint) bool {
	fmt.Fprintln(r.out)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\tfor\tworks again after\tlost\tlate\tcut\trefused\t")
	windows := r.book.Windows()
	for i, h := range r.history {
		win := windows[i]
		fmt.Fprintf(w, "%s\t%.1f s\t%.1f s\t%d\t%d\t%d\t%d\t\n", h.fault.kind, h.fault.lasts.Seconds(), h.back.Seconds(), win.Lost, win.Late, win.Cuts, win.Denied)
	}
	_ = w.Flush()

	t := r.book.Totals()
	lost, late := 0, 0
	for _, win := range windows {
		lost += win.Lost
		late += win.Late
	}
	fmt.Fprintf(r.out, "\nseed %d, %d faults\n", r.o.seed, len(r.history))
	fmt.Fprintf(r.out, "clients: %d came and went, %d open at once at most, %d were refused\n",
		r.churn.came.Load(), r.churn.most.Load(), r.churn.denied.Load())
	fmt.Fprintf(r.out, "messages: %d published, %d publishes refused, %d deliveries to %d subscriptions checked\n",
		t.Published, t.Refused, t.Heard, t.Listeners)
	fmt.Fprintf(r.out, "lost: %d in windows of faults that explain it, %d whose publisher got no answer; %d came late\n", lost, t.Unsure, late)
	for i, n := range r.cluster.nodes {
		if i < len(after) {
			b, a := before[i], after[i]
			fmt.Fprintf(r.out, "%s: RSS %d MiB at most, heap %d -> %d KiB, descriptors %d -> %d, goroutines %d -> %d\n", n.Name,
				a.MaxRSS>>20, b.heap>>10, a.heap>>10, b.Descriptors, a.Descriptors, b.goroutines, a.goroutines)
		}
	}

	failed, words := r.book.Failures()
	for _, text := range words {
		fmt.Fprintln(r.out, "  ", text)
	}
	for _, kind := range slices.Sorted(maps.Keys(failed)) {
		fmt.Fprintf(r.out, "FAILED: %s, %d times\n", kind, failed[kind])
	}
	return len(failed) == 0
}
