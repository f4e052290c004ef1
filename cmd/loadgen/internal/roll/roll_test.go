package roll_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/roll"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func hoshi(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hoshi")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/hoshi-ws/hoshi/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// A cluster whose nodes are restarted one after the other loses nothing for clients
// that are there, tells them nothing twice, and gets them back evenly.
func TestRoll(t *testing.T) {
	t.Parallel()
	const clients, nodes = 300, 3
	const drain = 3 * time.Second
	var log bytes.Buffer
	res, err := roll.Run(t.Context(), roll.Options{
		Program: hoshi(t), Nodes: nodes, Clients: clients, Channels: 10, Rate: 100, DrainTime: drain, Dir: t.TempDir(), Log: &log,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if m := res.Messages; m.Lost != 0 || m.Doubled != 0 || m.Strays != 0 {
		t.Errorf("messages %+v", m)
	}
	if m := res.Messages; m.Deliveries+m.MissedAway != int64(m.Published)*clients/10 || m.MissedAway == 0 {
		t.Errorf("of %d published %d were delivered and %d missed", m.Published, m.Deliveries, m.MissedAway)
	}
	if len(res.Nodes) != nodes || len(res.Closes) != 1 || res.Closes["1012"] != res.Reconnects.Total || res.Reconnects.Total < clients {
		t.Errorf("%d nodes, closes %v, %d reconnects", len(res.Nodes), res.Closes, res.Reconnects.Total)
	}
	for _, n := range res.Nodes {
		// Each comes back after a random time of up to a second, and a busy machine wakes
		// those together that were due while it did not; all at once would be three
		// times as many as evenly.
		if most := 2.2*n.Even + 25; float64(n.PeakPerSecond) > most {
			t.Errorf("%s: %d came back in a second, %.0f would be even", n.Name, n.PeakPerSecond, n.Even)
		}
		if n.DrainSeconds < drain.Seconds()/2 || n.DrainSeconds > drain.Seconds()+8 {
			t.Errorf("%s: drained in %.1f s", n.Name, n.DrainSeconds)
		}
	}
	if a := res.Away; a.Max <= 0 || a.Max > 10 || a.P50 > a.P99 || a.P99 > a.Max {
		t.Errorf("away %+v", a)
	}
	var out bytes.Buffer
	if err := errors.Join(res.WriteTable(&out), res.WriteJSON(&out)); err != nil || !strings.Contains(out.String(), "0 lost, 0 doubled") {
		t.Errorf("%v: %s", err, out.String())
	}
	var back roll.Result
	if err := json.Unmarshal(out.Bytes()[strings.IndexByte(out.String(), '{'):], &back); err != nil || back.Reconnects != res.Reconnects {
		t.Errorf("%v, %+v", err, back)
	}
}

// A run that is interrupted, or cannot be, leaves no process and no goroutine.
func TestRollEnds(t *testing.T) {
	t.Parallel()
	if res, err := roll.Run(t.Context(), roll.Options{Nodes: 1, Clients: -1, DrainTime: 2 * time.Hour}); res != nil || err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v, %v", res, err)
	}
	res, err := roll.Run(t.Context(), roll.Options{Program: "/nonexistent", Clients: 3, Dir: t.TempDir()})
	if err == nil || res == nil || res.Error == "" {
		t.Errorf("%+v, %v", res, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := &hook{text: "node-1: ", fn: cancel}
	_, err = roll.Run(ctx, roll.Options{Program: hoshi(t), Clients: 20, DrainTime: time.Minute, Dir: t.TempDir(), Log: log})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// hook calls fn with the first line that holds text.
type hook struct {
	text string
	fn   func()
}

func (h *hook) Write(p []byte) (int, error) {
	if h.fn != nil && strings.Contains(string(p), h.text) {
		h.fn()
		h.fn = nil
	}
	return len(p), nil
}
