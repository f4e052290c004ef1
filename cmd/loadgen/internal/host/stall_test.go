package host_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
)

// Whoever watches is itself a goroutine that is woken late, once, and in time again.
func TestWatchStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const stall = 100 * time.Millisecond
		quit := make(chan struct{})
		var told []time.Duration
		host.WatchStalls(quit, func(by time.Duration) {
			told = append(told, by)
			switch len(told) {
			case 2:
				time.Sleep(stall)
			case 5:
				close(quit)
			}
		})
		// The tick that was due in the stall comes at its end, and the next one in its turn.
		late := slices.DeleteFunc(slices.Clone(told), func(by time.Duration) bool { return by <= 0 })
		if len(late) != 1 || late[0] < stall-10*time.Millisecond || late[0] > stall {
			t.Errorf("told %v", told)
		}
	})
}
