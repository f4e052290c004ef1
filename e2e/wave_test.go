package e2e

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReconnectWithoutAWave kills one of three nodes under 10,000 clients of
// pkg/client, which are in one process. Those who were on it come back to the
// others, each at a time of its own; the others stay. Built without the race
// detector: it cannot hold so many goroutines.
func TestReconnectWithoutAWave(t *testing.T) {
	const (
		clients = 10_000
		killed  = 1
		lost    = 3333 // of 10,000 in turn on three nodes
		// allBack bounds the return, in seconds: an attempt within one, another within
		// two for whom it fails, and their handshakes on a busy machine.
		allBack = 10
	)
	c := newCluster(t)
	tmp := t.TempDir()
	c.bin = filepath.Join(tmp, "hoshi")
	loadgen := filepath.Join(tmp, "loadgen")
	for bin, pkg := range map[string]string{c.bin: "cmd/node", loadgen: "cmd/loadgen"} {
		if err := build(bin, "github.com/hoshi-ws/hoshi/"+pkg); err != nil {
			t.Fatal(err)
		}
	}
	c.startEmbedded(t, 3)
	var urls []string
	for _, addr := range c.listen {
		urls = append(urls, "ws://"+addr+"/")
	}
	result := filepath.Join(tmp, "result.json")
	p := start(t, t, "clients", tmp, nil, loadgen, "clients", "-n", "10000", "--url", strings.Join(urls, ","),
		"--channels", "100", "--rate", "50", "--duration", "40s", "--until-back", "--json", result)
	for {
		line, ok := p.next(t)
		if !ok {
			t.Fatal("the clients ended before all were connected")
		}
		if strings.HasPrefix(line, "run: ") {
			break
		}
	}
	if err := c.nodes[killed].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := p.ended(t); code != 0 {
		t.Fatalf("the clients ended with %d", code)
	}

	var r struct {
		Connections int
		Deliveries  int64
		OutOfOrder  int64 `json:"out_of_order"`
		Clients     struct {
			Connects       int
			Disconnects    int
			DisconnectedOf map[string]int `json:"disconnected_of"`
			Away           int
			AllBack        float64 `json:"all_back_seconds"`
			Attempts       []int   `json:"reconnect_attempts_by_100_ms"`
			LongestStall   float64 `json:"longest_stall_ms"`
			LostWithin     float64 `json:"lost_within_seconds"`
		}
	}
	b, err := os.ReadFile(result)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := r.Clients
	t.Logf("attempts by 100 ms: %v, lost within %.2f s, all back after %.2f s, longest stall %.0f ms", got.Attempts, got.LostWithin, got.AllBack, got.LongestStall)

	if r.Connections != clients || got.Disconnects != lost || got.DisconnectedOf[urls[killed]] != lost {
		t.Errorf("of %d clients %d have lost their connection, by node %v, want %d of %s alone", r.Connections, got.Disconnects, got.DisconnectedOf, lost, urls[killed])
	}
	if got.Away != 0 || got.Connects != clients+lost || got.AllBack <= 0 || got.AllBack > allBack {
		t.Errorf("%d are away, %d handshakes, all back after %.2f s, want %d within %d s", got.Away, got.Connects, got.AllBack, clients+lost, allBack)
	}
	if r.Deliveries == 0 || r.OutOfOrder != 0 {
		t.Errorf("%d deliveries, %d out of order or twice", r.Deliveries, r.OutOfOrder)
	}

	// Full jitter puts each first attempt anywhere in a second, so one is in a given
	// bucket with probability 0.1, and what was due while the process stood still is
	// made at the end of that: longer by the stall. Six standard deviations above the
	// mean; a wave would have all 3,333 in one or two.
	in := min(0.1+got.LongestStall/1000, 1)
	most := lost*in + 6*math.Sqrt(lost*in*(1-in))
	// A wave stalls the process by itself, so how many have tried by each moment is
	// looked at as well. Never more than are due by then, whatever stands still, and no
	// fewer than were due before the last had heard of the kill and a stall: within what
	// 3,333 draws stray (Dvoretzky, Kiefer and Wolfowitz: 1 in 10^10 beyond 0.06).
	const stray = 0.06
	lag := got.LostWithin + got.LongestStall/1000
	due := func(seconds float64) float64 { return min(max(seconds, 0), 1) }
	first, last, sum := -1, -1, 0
	for i, n := range got.Attempts {
		if float64(n) > most {
			t.Errorf("%d attempts within 100 ms, want at most %.0f", n, most)
		}
		if n > 0 {
			last = i
			if first < 0 {
				first = i
			}
		}
		sum += n
		by := float64(i+1) / 10
		made := float64(min(sum, lost)) / lost
		if most, least := due(by)+stray, due(by-lag)-stray; made > most || made < least {
			t.Errorf("%.2f of the attempts are made by %.1f s, want %.2f to %.2f", made, by, least, most)
		}
	}
	if buckets := last - first + 1; first < 0 || buckets < 9 {
		t.Errorf("all attempts fall into %d buckets of 100 ms, want them over 0.9 s or more", buckets)
	}
}
