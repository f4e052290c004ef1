package id_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/id"
)

func TestNodeText(t *testing.T) {
	n := id.NewNode()
	got, err := id.ParseNode(n.String())
	if err != nil || got != n {
		t.Fatalf("ParseNode(%q) = %v, %v", n.String(), got, err)
	}
	for _, bad := range []string{"", "5b1e6f00a2c", "5B1E6F00A2C4", "5b1e6f00a2c4a", "zzzzzzzzzzzz"} {
		if _, err := id.ParseNode(bad); !errors.Is(err, id.ErrNode) {
			t.Errorf("ParseNode(%q): %v, want ErrNode", bad, err)
		}
	}
}

func TestNextGrowsWhateverTheClockDoes(t *testing.T) {
	g := id.NewGenerator(id.NewNode())
	var last id.Conn
	keys := map[uint64]bool{}
	for i, ms := range []int64{1000, 1000, 1000, 999, 5, 1001, 1001, 1000, 2000} {
		c := g.Next(ms)
		if bytes.Compare(c[:], last[:]) <= 0 {
			t.Fatalf("id %d is not greater than the one before", i)
		}
		if keys[c.Key()] {
			t.Fatalf("id %d repeats a key", i)
		}
		keys[c.Key()] = true
		last = c
	}
}

func TestNextIsUniqueAcrossGoroutines(t *testing.T) {
	g := id.NewGenerator(id.NewNode())
	var (
		wg  sync.WaitGroup
		out [4][5000]id.Conn
	)
	for i := range out {
		wg.Go(func() {
			for j := range out[i] {
				out[i][j] = g.Next(42)
			}
		})
	}
	wg.Wait()
	seen := map[id.Conn]bool{}
	for i := range out {
		for _, c := range out[i] {
			if seen[c] {
				t.Fatalf("%v twice", c)
			}
			seen[c] = true
		}
	}
}

func TestConnText(t *testing.T) {
	node := id.NewNode()
	c := id.NewGenerator(node).Next(1795494865696)
	if c.Node() != node {
		t.Errorf("node %v, want %v", c.Node(), node)
	}
	text := c.String()
	if len(text) != id.TextLen {
		t.Errorf("length %d, want %d", len(text), id.TextLen)
	}
	if got, ok := id.ParseConn(text); !ok || got != c {
		t.Errorf("ParseConn(%q) = %v, %v", text, got, ok)
	}
	good := "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"
	if got, ok := id.ParseConn([]byte(good)); !ok || got.String() != good {
		t.Errorf("ParseConn(%q) = %v, %v", good, got, ok)
	}
	tests := map[string]string{
		"empty":         "",
		"no prefix":     "0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4",
		"upper case":    "conn-0192F3A4-7c1e-7abc-8def-5b1e6f00a2c4",
		"version 4":     "conn-0192f3a4-7c1e-4abc-8def-5b1e6f00a2c4",
		"wrong variant": "conn-0192f3a4-7c1e-7abc-cdef-5b1e6f00a2c4",
		"no dash":       "conn-0192f3a4-7c1e-7abc-8def05b1e6f00a2c4",
		"too long":      good + "0",
		"subject":       "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2.>",
	}
	for name, bad := range tests {
		if got, ok := id.ParseConn(bad); ok || !got.IsZero() {
			t.Errorf("%s: ParseConn(%q) = %v, true", name, bad, got)
		}
	}
}

func FuzzParseConn(f *testing.F) {
	f.Add("conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4")
	f.Add("conn-")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := id.ParseConn(s); ok && c.String() != s {
			t.Fatalf("%q parsed, but writes %q", s, c.String())
		}
	})
}

func TestAppendToDoesNotAllocate(t *testing.T) {
	c := id.NewGenerator(id.NewNode()).Next(1)
	buf := make([]byte, 0, id.TextLen)
	if n := testing.AllocsPerRun(100, func() { buf = c.AppendTo(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
