package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// limitMemory tells the runtime what the control group allows, which it does
// not find out itself. GOMEMLIMIT, where it is set, stays in force.
func limitMemory(log zerolog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(0.9), memlimit.WithProvider(memlimit.FromCgroup))
	switch {
	case err != nil:
		log.Debug().Err(err).Msg("memory is not limited")
	case limit < math.MaxInt64 && os.Getenv("GOMEMLIMIT") != "":
		log.Info().Int64("limit_bytes", limit).Msg("memory limit is that of GOMEMLIMIT")
	case limit < math.MaxInt64:
		log.Info().Int64("limit_bytes", limit).Msg("memory limit follows the control group")
	}
}

// When memory is given back: a storm of connects or closes leaves garbage of
// handshakes behind, more than the connections themselves take, and an idle
// node allocates so little that the collector would not run for a long time.
const (
	memoryTick   = 5 * time.Second
	stormMinimum = 1000 // connections more or fewer than at the last time
)

// giveBack returns memory to the system after each storm, until ctx ends.
// connections is asked each tick.
func giveBack(ctx context.Context, tick time.Duration, connections func() int, release func()) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var at, before int // connections at the last release, and one tick ago
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := connections()
		storm := distance(now, at) >= max(stormMinimum, at/10)
		calm := distance(now, before) <= now/50
		before = now
		if storm && calm {
			release()
			at = now
		}
	}
}

func distance(a, b int) int { return max(a-b, b-a) }

// freeMemory collects garbage and returns what is free to the system.
func freeMemory() { debug.FreeOSMemory() }
