package poller_test

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// A loop that has nothing to do takes no CPU, and no turns: not one that has been woken, whose deadline is over, or
// whose sockets are silent.
func TestIdleLoopsSleep(t *testing.T) {
	const span = 2 * time.Second
	kinds := []struct {
		name  string
		turns int64 // that it may take within span
		setUp func(b *bench)
	}{
		{"never woken", 1, func(*bench) {}},
		{"woken", 0, func(b *bench) { b.on(func() {}) }},
		{"woken, with a timer that is far", 0, func(b *bench) { b.on(func() { b.After(time.Hour, func() {}) }) }},
		{"a timer that is over", 0, func(b *bench) {
			over := make(chan struct{})
			b.on(func() { b.After(-time.Second, func() { close(over) }) })
			wait(b.t, "timer", over)
		}},
		{"timers of sockets", 8, func(b *bench) {
			s, _ := b.attach()
			far, _ := b.attach()
			b.on(func() {
				b.SetTimer(&s.Socket, time.Second)
				b.SetTimer(&far.Socket, time.Minute) // goes round the wheel
			})
		}},
		{"a socket that is full", 0, func(b *bench) {
			s, _ := b.attach()
			b.on(func() {
				for n := 1; n > 0; {
					n, _ = b.Write(&s.Socket, make([]byte, 1<<20))
				}
				b.WantWrite(&s.Socket, true)
			})
		}},
		{"a socket that has ended", 0, func(b *bench) {
			s, far := b.attach()
			_ = far.Close()
			_ = wait(b.t, "end", s.hangup)
			b.on(func() {})
		}},
	}
	turns := make([]atomic.Int64, 2*len(kinds)) // epoll first, then the portable ones
	before := make([]int64, len(turns))
	for i := range turns {
		b := newBench(t, poller.Options{Portable: i >= len(kinds), OnTurn: func() { turns[i].Add(1) }})
		kinds[i%len(kinds)].setUp(b)
	}
	time.Sleep(200 * time.Millisecond) // until what has been set up is over
	for i := range turns {
		before[i] = turns[i].Load()
	}
	used := cpu(t)
	time.Sleep(span)
	used = cpu(t) - used
	for i := range turns {
		k := kinds[i%len(kinds)]
		if n := turns[i].Load() - before[i]; n > k.turns {
			t.Errorf("portable %v: %s: %d turns in %v", i >= len(kinds), k.name, n, span)
		}
	}
	if used > span/20 {
		t.Errorf("idle loops have used %v of CPU in %v", used, span)
	}
}

// cpu is what the process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
