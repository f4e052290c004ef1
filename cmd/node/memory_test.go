package main

import (
	"bytes"
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestMemoryIsGivenBackAfterAStorm(t *testing.T) {
	tests := []struct {
		name        string
		connections []int // at each tick
		released    []int // the ticks at which memory is given back, from 1
	}{
		{name: "nobody", connections: []int{0, 0, 0}},
		{name: "a few", connections: []int{10, 500, 990, 990, 990}},
		{name: "a storm", connections: []int{4000, 15000, 15000, 15000, 15000}, released: []int{3}},
		{name: "a storm that goes on", connections: []int{4000, 8000, 12000, 16000, 16100}, released: []int{5}},
		{name: "everybody leaves", connections: []int{15000, 15000, 5000, 0, 0, 0}, released: []int{2, 5}},
		{name: "slow growth", connections: []int{10000, 10000, 10100, 10200, 10300, 10400}, released: []int{2}},
		{name: "slow growth by a tenth", connections: []int{10000, 10000, 10200, 10400, 10600, 10800, 11000}, released: []int{2, 7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				tick := 0
				var released []int
				done := make(chan struct{})
				go func() {
					defer close(done)
					giveBack(ctx, time.Second, func() int {
						tick++
						return tt.connections[tick-1]
					}, func() { released = append(released, tick) })
				}()
				time.Sleep(time.Duration(len(tt.connections))*time.Second + time.Millisecond)
				cancel()
				<-done
				if !slices.Equal(released, tt.released) {
					t.Errorf("released at %v, want %v", released, tt.released)
				}
			})
		})
	}
}

func TestMemoryLimitOfTheEnvironment(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 40)) // what the runtime does with the variable at start
	t.Setenv("GOMEMLIMIT", "1099511627776")
	var b bytes.Buffer
	limitMemory(zerolog.New(&b))
	if got := b.String(); !strings.Contains(got, `"limit_bytes":1099511627776`) || !strings.Contains(got, "memory limit is that of GOMEMLIMIT") {
		t.Errorf("logged %s", got)
	}
}
