package poller_test

import (
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// TestBusy looks at a loop from outside while it waits, while a callback does not return, and behind one that has panicked.
func TestBusy(t *testing.T) {
	for _, portable := range []bool{false, true} {
		b := newBench(t, poller.Options{Portable: portable, OnPanic: func(poller.Handler, any, []byte) {}})
		idle := func() {
			t.Helper()
			for deadline := time.Now().Add(10 * time.Second); b.Busy() != 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("a loop that waits is busy for %v", b.Busy())
				}
			}
		}
		idle()
		for _, panics := range []bool{false, true} {
			gate := make(chan struct{})
			open := sync.OnceFunc(func() { close(gate) })
			t.Cleanup(open) // before the loop is waited for
			b.Post(func() {
				<-gate
				if panics {
					panic("a callback")
				}
			})
			const long = 30 * time.Millisecond
			begin := time.Now()
			for b.Busy() < long {
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("a loop in a callback that does not return is busy for %v", b.Busy())
				}
				time.Sleep(time.Millisecond)
			}
			if time.Since(begin) < long-time.Millisecond {
				t.Errorf("busy for %v after %v", b.Busy(), time.Since(begin))
			}
			open()
			idle()
		}
	}
}
