package board

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxSlow is how many slow consumers are shown.
const MaxSlow = 10

// column is one of the table. Those with a lower rank are there on narrow screens too.
type column struct {
	head  string
	width int
	rank  int
	left  bool
	text  func(n *node, r *Rates) string // of a node, or of the total
	each  bool                           // not of the total
}

// columns are all there are, in their order.
func (b *Board) columns() []column {
	rate := func(get func(r *Rates) float64) func(*node, *Rates) string {
		return func(_ *node, r *Rates) string {
			if !r.Known {
				return "-"
			}
			return short(get(r))
		}
	}
	number := func(get func(n *node) float64) func(*node, *Rates) string {
		return func(n *node, _ *Rates) string { return short(get(n)) }
	}
	return []column{
		{head: "NODE", width: 12, left: true, each: true, text: func(n *node, _ *Rates) string { return n.last.Node }},
		{head: "HOST", width: hostWidth, rank: 2, left: true, each: true, text: func(n *node, _ *Rates) string { return shortHost(n.last.Host) }},
		{head: "STATE", width: 7, left: true, each: true, text: func(n *node, _ *Rates) string { return b.state(n) }},
		{head: "VERSION", width: 12, rank: 6, left: true, each: true, text: func(n *node, _ *Rates) string { return n.last.Version }},
		{head: "UP", width: 6, rank: 4, each: true, text: func(n *node, _ *Rates) string {
			return age(time.Duration(n.last.UptimeMS) * time.Millisecond)
		}},
		{head: "CONNS", width: 6, text: number(func(n *node) float64 { return float64(n.last.Connections) })},
		{head: "USERS", width: 6, rank: 1, each: true, text: number(func(n *node) float64 { return float64(n.last.Users) })},
		{head: "CHANS", width: 6, each: true, text: number(func(n *node) float64 { return float64(n.last.Channels) })},
		{head: "IN/s", width: 6, text: rate(func(r *Rates) float64 { return r.FramesIn })},
		{head: "OUT/s", width: 6, text: rate(func(r *Rates) float64 { return r.FramesOut })},
		{head: "IN B/s", width: 6, rank: 4, text: rate(func(r *Rates) float64 { return r.BytesIn })},
		{head: "OUT B/s", width: 7, rank: 2, text: rate(func(r *Rates) float64 { return r.BytesOut })},
		{head: "WRITE/s", width: 7, rank: 5, text: rate(func(r *Rates) float64 { return r.WriteCalls })},
		{head: "DROP/s", width: 6, text: rate(func(r *Rates) float64 { return r.Dropped })},
		{head: "CUT/s", width: 5, rank: 3, text: rate(func(r *Rates) float64 { return r.Overflows })},
		{head: "SLOW", width: 5, rank: 3, text: number(func(n *node) float64 { return float64(n.last.Blocked) })},
		{head: "THROT", width: 5, rank: 5, text: number(func(n *node) float64 { return float64(n.last.Throttled) })},
		{head: "RTT ms", width: 6, each: true, text: func(n *node, _ *Rates) string {
			if n.last.NATS.RTTMicros == 0 {
				return "-"
			}
			return fmt.Sprintf("%.1f", float64(n.last.NATS.RTTMicros)/1000)
		}},
		{head: "PEND", width: 5, rank: 5, text: number(func(n *node) float64 { return float64(n.last.NATS.PendingMessages) })},
		{head: "RECON", width: 5, rank: 7, each: true, text: number(func(n *node) float64 { return float64(n.last.NATS.Reconnects) })},
		{head: "CPU%", width: 5, text: rate(func(r *Rates) float64 { return r.CPU * 100 })},
		{head: "RSS", width: 5, rank: 1, text: number(func(n *node) float64 { return float64(n.last.Process.RSSBytes) })},
		{head: "HEAP", width: 5, rank: 7, text: number(func(n *node) float64 { return float64(n.last.Process.HeapBytes) })},
		{head: "GOROS", width: 5, rank: 8, text: number(func(n *node) float64 { return float64(n.last.Process.Goroutines) })},
	}
}

// fitting are the columns that a width has room for, those with low ranks first.
func fitting(all []column, width int) []column {
	chosen := make([]bool, len(all))
	left := width + 1 // the first has no space before it
	for rank := range 10 {
		for i, c := range all {
			if c.rank == rank && c.width+1 <= left {
				chosen[i] = true
				left -= c.width + 1
			}
		}
	}
	var list []column
	for i, c := range all {
		if chosen[i] {
			list = append(list, c)
		}
	}
	return list
}

// Frame returns the lines of a screen of that many columns and lines, none of them
// longer. title stands in the first, and a note at the end of the second.
func (b *Board) Frame(title, note string, width, height int) []string {
	width, height = max(width, 1), max(height, 1)
	nodes := b.sorted()
	cols := fitting(b.columns(), width)
	total := b.total()
	clock := b.at.UTC().Format("15:04:05")
	head := fmt.Sprintf("%s   nodes: %d, connections: %s", title, len(nodes), short(float64(total.last.Connections)))
	lines := []string{padded(head, width-len(clock)-1) + " " + clock, padded("", width-utf8.RuneCountInString(note)) + note, row(cols, func(c *column) string { return c.head })}
	slowest, blocked := b.slowest(MaxSlow)
	// Slow consumers may have half of what is left.
	room := height - len(lines) - 1
	want := 0
	if len(slowest) > 0 {
		want = min(len(slowest)+3, max(room/2, 0))
	}
	if want < 4 {
		want = 0
	}
	room -= want
	for i, n := range nodes {
		if i == room-1 && len(nodes) > room {
			lines = append(lines, fmt.Sprintf("and %d more nodes", len(nodes)-i))
			break
		}
		r := b.rates(n)
		lines = append(lines, row(cols, func(c *column) string {
			if b.state(n) == "gone" || n.silent && n.last.UptimeMS == 0 {
				if c.head == "NODE" || c.head == "HOST" || c.head == "STATE" {
					return c.text(n, &r)
				}
				return ""
			}
			return c.text(n, &r)
		}))
	}
	if len(nodes) > 1 {
		r := b.totalRates()
		lines = append(lines, row(cols, func(c *column) string {
			switch {
			case c.head == "NODE":
				return "all"
			case c.each:
				return ""
			}
			return c.text(total, &r)
		}))
	}
	if want > 0 {
		lines = append(lines, "", fmt.Sprintf("slow consumers: %s", short(float64(blocked))), "QUEUED  MSGS        CONN                                      UID")
		for _, s := range slowest[:want-3] {
			note := ""
			if s.Frozen {
				note = "frozen"
			}
			// Whose node it is, its last digits say.
			lines = append(lines, fmt.Sprintf("%6s %5s %-6s %-41s %s", short(float64(s.QueuedBytes)), short(float64(s.QueuedMessages)), note, s.Conn, s.UID))
		}
	}
	lines = lines[:min(len(lines), height)]
	for i, l := range lines {
		lines[i] = strings.TrimRight(clipped(l, width), " ")
	}
	return lines
}

// row writes one line of the table.
func row(cols []column, text func(c *column) string) string {
	var b strings.Builder
	for i := range cols {
		c := &cols[i]
		if i > 0 {
			b.WriteByte(' ')
		}
		t := clipped(text(c), c.width)
		space := strings.Repeat(" ", c.width-utf8.RuneCountInString(t))
		if c.left {
			b.WriteString(t + space)
		} else {
			b.WriteString(space + t)
		}
	}
	return b.String()
}

// clipped cuts to a width, and leaves out what could move the cursor.
func clipped(s string, width int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == width {
			break
		}
		// What takes two columns, or none, would shift all that follows.
		if r >= 0x300 || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

func padded(s string, width int) string {
	s = clipped(s, max(width, 0))
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}

const hostWidth = 16

// shortHost is the name of a machine without its domain. Of a long one the end is
// shown, in which pods differ.
func shortHost(name string) string {
	name, _, _ = strings.Cut(name, ".")
	r := []rune(name)
	if len(r) > hostWidth {
		return "~" + string(r[len(r)-hostWidth+1:])
	}
	return name
}

// short writes a number in at most five characters.
func short(f float64) string {
	switch {
	case f < 0:
		return "-"
	case f == 0:
		return "0"
	case f < 9.95 && f != float64(int(f)):
		return fmt.Sprintf("%.1f", f)
	case f < 9999.5:
		return fmt.Sprintf("%.0f", f)
	}
	for _, unit := range "kMGTPE" {
		f /= 1000
		if f < 99.95 {
			return fmt.Sprintf("%.1f%c", f, unit)
		}
		if f < 999.5 {
			return fmt.Sprintf("%.0f%c", f, unit)
		}
	}
	return "huge"
}

// age writes a time in at most six characters.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
