package poller_test

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// busyOf is what a loop has to do beside the functions posted to it.
type busyOf struct {
	name    string
	timers  bool // that end all the time: deadlines move, and are in the past
	sockets bool // that are read and written all the time
}

// No wake-up is lost, whatever it comes between: every function that is posted, and every turn that is asked for, comes
// within a second, from many goroutines that wait for theirs and so let the loop sleep again and again.
func TestWakesAreNotLost(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		for _, busy := range []busyOf{{name: "alone"}, {name: "timers", timers: true}, {name: "all", timers: true, sockets: true}} {
			for _, portable := range []bool{false, true} {
				if portable && procs != 2 { // what is told apart here is epoll's
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/portable=%v", busy.name, procs, portable), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
					postALot(t, portable, busy)
				})
			}
		}
	}
}

func postALot(t *testing.T, portable bool, busy busyOf) {
	t.Helper()
	const posters, posts, soon = 16, 400, time.Second
	var asked, turned atomic.Int64 // of Wake alone: what OnTurn has seen
	turns := make(chan struct{}, 1)
	b := newBench(t, poller.Options{Portable: portable, OnTurn: func() {
		if n := asked.Load(); n != turned.Load() {
			turned.Store(n)
			select {
			case turns <- struct{}{}:
			default:
			}
		}
	}})
	if busy.timers {
		b.on(func() {
			var again func()
			i := 0
			again = func() { // sooner, later, and at once, which is in the past when the loop looks
				i++
				b.After([]time.Duration{time.Millisecond, 20 * time.Microsecond, 0, 3 * time.Millisecond}[i%4], again)
			}
			again()
		})
	}
	if busy.sockets {
		pingAll(t, b, 8)
	}
	var posting sync.WaitGroup
	for g := range posters {
		posting.Go(func() {
			ran, late := make(chan struct{}, 1), time.NewTimer(soon)
			for i := range posts {
				begun := time.Now()
				late.Reset(soon)
				if !b.Post(func() { ran <- struct{}{} }) {
					t.Error("the loop has ended")
					return
				}
				select {
				case <-ran:
				case <-late.C:
					t.Errorf("function %d of %d has not run after %v", i, g, time.Since(begun))
					return
				}
				if (g+i)%7 == 0 { // some sleep until the loop does, too
					time.Sleep(time.Duration(i%5) * 10 * time.Microsecond)
				}
			}
		})
	}
	posting.Go(func() {
		for i := range posts {
			asked.Add(1)
			b.Wake()
			select {
			case <-turns:
			case <-time.After(soon):
				t.Errorf("turn %d has not come", i)
				return
			}
		}
	})
	posting.Wait()
}

// pingAll keeps sockets of the loop busy with a byte that goes back and forth, until the test ends.
func pingAll(t *testing.T, b *bench, sockets int) {
	t.Helper()
	for range sockets {
		s := newSock(b)
		s.onRead = func(p []byte) { _, _ = b.Write(&s.Socket, p) }
		near, far := tcpPair(t)
		b.add(s, near)
		ended := make(chan struct{})
		go func() { // ends with its socket
			defer close(ended)
			p := []byte{1}
			for {
				_ = far.SetDeadline(time.Now().Add(patience))
				if _, err := far.Write(p); err != nil {
					return
				}
				if _, err := io.ReadFull(far, p); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() {
			_ = far.Close()
			<-ended
		})
	}
}

// Whoever wakes a loop while it ends is told so or heard, and harms nobody.
func TestWakeWhileStopping(t *testing.T) {
	for i := range 200 {
		l, err := poller.New(poller.Options{Portable: i%4 == 3})
		if err != nil {
			t.Fatal(err)
		}
		l.Start()
		begin := make(chan struct{})
		var waking sync.WaitGroup
		for range 4 {
			waking.Go(func() {
				<-begin
				for l.Post(func() {}) {
					runtime.Gosched()
				}
				l.Wake() // after its end, too
			})
		}
		close(begin)
		if i%2 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
		go l.Stop() // ends with the loop
		wait(t, "the end of a loop", l.Done())
		waking.Wait()
		l.Wake()
	}
}

// A timer that is over in every turn keeps the loop from sleeping, and not from looking at its sockets.
func TestTimersThatAreOverLeaveRoom(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		s, far := b.attach()
		var ended atomic.Bool
		b.on(func() {
			var again func()
			again = func() {
				if !ended.Load() {
					b.After(0, again)
				}
			}
			again()
		})
		for range 100 {
			_, _ = far.Write([]byte("x"))
			wait(t, "read", s.read)
		}
		ended.Store(true)
	})
}
