package board_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/cmd/node/internal/board"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

var update = flag.Bool("update", false, "write the golden frames anew")

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// view is a node that does i times as much as the first, after so many seconds.
func view(i int, seconds int) bus.NodeView {
	n := uint64(i + 1)
	at := uint64(seconds) * n
	v := bus.NodeView{
		Node: fmt.Sprintf("00000000000%x", i), Host: []string{"edge-01.example.com", "hoshi-7d9c8b6f5d-x2x4z", ""}[i%3], Version: "v1.2.3", UptimeMS: int64(seconds+i*100_000) * 1000, Ready: true,
		Connections: 12_345 * int(n), Users: 990 * int(n), Channels: 7, Throttled: int64(i),
		FramesIn: 100 * at, FramesOut: 12_000 * at, BytesIn: 64_000 * at, BytesOut: 15_400_000 * at, WriteCalls: 4_500 * at, Dropped: at / 2,
		NATS:    bus.LinkView{RTTMicros: 450 * int64(n), Reconnects: 1, PendingMessages: 3},
		Process: bus.ProcessView{Goroutines: 50, HeapBytes: 40 << 20, RSSBytes: 210 << 20, CPUMS: 730 * at},
	}
	return v
}

func views(seconds int, nodes ...int) map[string]bus.NodeView {
	all := map[string]bus.NodeView{}
	for _, i := range nodes {
		v := view(i, seconds)
		all[v.Node] = v
	}
	return all
}

func slow(v map[string]bus.NodeView) map[string]bus.NodeView {
	one := v["000000000001"]
	one.Blocked = 23
	for i := range 12 {
		one.Slow = append(one.Slow, bus.SlowView{
			Conn: fmt.Sprintf("conn-0192f3a4-7c1e-7abc-8def-0000000000%02x", i), UID: []string{`"alice"`, ":admin", "\"\x1b[31m red 日本\"", ""}[i%4],
			QueuedMessages: 900 - i, QueuedBytes: 2_000_000 - i*1000, Frozen: i%2 == 0,
		})
	}
	v[one.Node] = one
	return v
}

// boards are what golden frames are made of.
var boards = []struct {
	name string
	make func(b *board.Board)
}{
	{"empty", func(b *board.Board) { b.Update(start, nil, nil) }},
	{"first", func(b *board.Board) { b.Update(start, views(100, 0, 1, 2), nil) }},
	{"usual", func(b *board.Board) {
		b.Update(start, views(100, 0, 1, 2), nil)
		b.Update(start.Add(time.Second), slow(views(101, 0, 1, 2)), nil)
	}},
	{"trouble", func(b *board.Board) {
		b.Update(start, views(100, 0, 1, 2, 3), nil)
		v := views(101, 0, 2)
		two := v["000000000002"]
		two.Draining = true
		v[two.Node] = two
		b.Update(start.Add(time.Second), v, []string{"000000000001", "0000000000ff"})
	}},
	{"many", func(b *board.Board) {
		b.Update(start, views(100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), nil)
		b.Update(start.Add(time.Second), slow(views(101, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)), nil)
	}},
}

func TestFrames(t *testing.T) {
	for _, tt := range boards {
		for _, size := range [][2]int{{80, 24}, {120, 40}} {
			name := fmt.Sprintf("%s-%dx%d", tt.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				var b board.Board
				tt.make(&b)
				got := strings.Join(b.Frame("hoshi top  nats://127.0.0.1:4222", "", size[0], size[1]), "\n") + "\n"
				file := filepath.Join("testdata", name+".txt")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got\n%s\nwant\n%s\n(-update writes it anew)", got, want)
				}
			})
		}
	}
}

// No frame is larger than its screen, nor has in it what moves a cursor, whatever the
// size.
func TestFrameFits(t *testing.T) {
	for _, tt := range boards {
		var b board.Board
		tt.make(&b)
		for width := 1; width < 260; width += 3 {
			for height := 1; height < 60; height += 7 {
				lines := b.Frame("hoshi top \x1b[2J "+strings.Repeat("x", width), "q quits", width, height)
				if want := "q quits"[:min(width, 7)]; height > 1 && strings.TrimLeft(lines[1], " ") != want {
					t.Fatalf("%s: %q on %dx%d", tt.name, lines[1], width, height)
				}
				if len(lines) > height {
					t.Fatalf("%s: %d lines on %dx%d", tt.name, len(lines), width, height)
				}
				for _, l := range lines {
					if n := utf8.RuneCountInString(l); n > width || strings.ContainsAny(l, "\x1b\n\r") {
						t.Fatalf("%s: %d columns on %dx%d: %q", tt.name, n, width, height, l)
					}
				}
			}
		}
	}
}

// Where nobody can be asked nothing is said of the nodes that were there, for however
// long, and nothing of them is added up.
func TestLost(t *testing.T) {
	var b board.Board
	b.Update(start, views(100, 0, 1), nil)
	for seconds := range 30 {
		b.Lost(start.Add(time.Duration(seconds) * time.Second))
	}
	r := b.Report()
	if len(r.Nodes) != 2 || r.Nodes[0].State != "unknown" || r.Nodes[1].State != "unknown" || r.Nodes[1].Rates.Known || r.Total.Known {
		t.Errorf("nobody can be asked: %+v", r)
	}
	frame := strings.Join(b.Frame("title", "", 80, 24), "\n")
	if !strings.Contains(frame, "title   nodes: 2, connections: 0 ") || strings.Count(frame, " unknown ") != 2 {
		t.Errorf("drawn\n%s", frame)
	}
	b.Update(start.Add(31*time.Second), views(131, 0), nil)
	if r := b.Report(); len(r.Nodes) != 2 || r.Nodes[0].State != "ready" || r.Nodes[1].State != "gone" {
		t.Errorf("one has come back: %+v", r)
	}
}

// A node that vanishes is gone for ten seconds, and then is no more; one that comes
// back is there at once.
func TestGone(t *testing.T) {
	var b board.Board
	states := func(seconds int, v map[string]bus.NodeView, silent ...string) string {
		b.Update(start.Add(time.Duration(seconds)*time.Second), v, silent)
		var all []string
		for _, n := range b.Report().Nodes {
			all = append(all, n.State)
		}
		return strings.Join(all, " ")
	}
	for _, tt := range []struct{ got, want string }{
		{states(0, views(100, 0, 1)), "ready ready"},
		{states(1, views(101, 0), "000000000001"), "ready silent"},
		{states(4, views(104, 0)), "ready gone"},
		{states(9, views(109, 0)), "ready gone"},
		{states(10, views(110, 0, 1)), "ready ready"},
		{states(11, views(111, 0)), "ready gone"},
		{states(21, views(121, 0)), "ready"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	var b board.Board
	b.Update(start, views(100, 0, 1), nil)
	b.Update(start.Add(2*time.Second), views(102, 0, 1), nil)
	text, err := json.Marshal(b.Report())
	if err != nil {
		t.Fatal(err)
	}
	var r board.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	one := r.Nodes[1]
	if len(r.Nodes) != 2 || one.Node != "000000000001" || one.Connections != 24_690 || !one.Rates.Known || one.Rates.FramesOut != 24_000 || one.Rates.CPU != 1.46 || r.Total.FramesIn != 300 {
		t.Errorf("%s", text)
	}
	// A node whose counters begin anew has none yet.
	b.Update(start.Add(3*time.Second), views(1, 0), nil)
	if r := b.Report(); r.Nodes[0].Rates.Known {
		t.Errorf("rates of a new process: %+v", r.Nodes[0].Rates)
	}
}

// A node that was silent when it was first seen has no rates with its first answer: what
// it has done since its start, divided by the time since then, was shown as what it does.
func TestRatesOfOneThatWasSilent(t *testing.T) {
	var b board.Board
	b.Update(start, views(100, 0), []string{"000000000001"})
	b.Update(start.Add(time.Second), views(101, 0, 1), nil)
	if r := b.Report(); r.Nodes[1].Rates.Known || r.Total.FramesIn != 100 {
		t.Errorf("its first answer: %+v, in all %+v", r.Nodes[1].Rates, r.Total)
	}
	b.Update(start.Add(2*time.Second), views(102, 0, 1), nil)
	if r := b.Report(); r.Nodes[1].Rates.FramesIn != 200 {
		t.Errorf("its second one: %+v", r.Nodes[1].Rates)
	}
}

// A node that is gone does nothing that is known, as in the sum.
func TestRatesOfOneThatIsGone(t *testing.T) {
	var b board.Board
	b.Update(start, views(100, 0, 1), nil)
	b.Update(start.Add(time.Second), views(101, 0, 1), nil)
	b.Update(start.Add(2*time.Second), views(102, 0), nil)
	if r := b.Report(); r.Nodes[1].State != "gone" || r.Nodes[1].Rates != (board.Rates{}) || r.Total.FramesIn != 100 {
		t.Errorf("%s: %+v, in all %+v", r.Nodes[1].State, r.Nodes[1].Rates, r.Total)
	}
}
