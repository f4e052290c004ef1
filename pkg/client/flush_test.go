package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

const tick = 10 * time.Millisecond

func TestFlushInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 5000, Interval: tick})
		b.Attach(b.tape)
		settled()
		start := time.Now()
		fill(t, b.SendQueue, 0, 2500)
		time.Sleep(tick / 2)
		fill(t, b.SendQueue, 2500, 5000) // does not put the first off
		time.Sleep(tick/2 - time.Nanosecond)
		settled()
		equal(t, "writes before the interval is over", b.tape.count(), 0)
		equal(t, "depth", b.Stats().Depth, 5000)
		time.Sleep(time.Nanosecond)
		settled()
		equal(t, "writes", b.tape.count(), 1)
		equal(t, "time of the write", b.tape.when(0, start), tick)
		equal(t, "events", b.tape.texts(t), numbers(0, 5000))
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 5000, Sent: 5000})
		if b.Holds() {
			t.Error("an idle queue keeps memory for entries")
		}

		time.Sleep(time.Hour)
		start = time.Now()
		fill(t, b.SendQueue, 5000, 5001)
		time.Sleep(2 * tick)
		equal(t, "time of the next write", b.tape.when(1, start), tick)
	})
}

func TestFlushAgainAfterInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Interval: tick})
		b.Attach(b.tape)
		b.tape.freeze()
		start := time.Now()
		fill(t, b.SendQueue, 0, 1)
		time.Sleep(tick)
		settled()
		fill(t, b.SendQueue, 1, 3) // while the first is being written
		time.Sleep(5 * tick)
		b.tape.thaw()
		time.Sleep(3 * tick)
		equal(t, "writes", b.tape.count(), 2)
		equal(t, "first", b.tape.when(0, start), 6*tick)
		equal(t, "second, an interval after the first returned", b.tape.when(1, start), 7*tick)
		equal(t, "most writes at a time", b.tape.most, 1)
	})
}

func TestFlushImmediately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{})
		b.Attach(b.tape)
		b.tape.freeze()
		start := time.Now()
		fill(t, b.SendQueue, 0, 1)
		settled()
		fill(t, b.SendQueue, 1, 100)
		settled()
		b.tape.thaw()
		settled()
		equal(t, "writes", b.tape.count(), 2)
		equal(t, "time that passed", time.Since(start), 0)
		equal(t, "events", b.tape.texts(t), numbers(0, 100))
	})
}

func TestFlushBoundsAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Interval: tick, MaxSend: 3 << 20})
		b.Attach(b.tape)
		start := time.Now()
		long := repeat("x", 100_000)
		for range 25 {
			b.Enqueue(long)
		}
		b.Enqueue(repeat("y", 2<<20))
		fill(t, b.SendQueue, 0, 1)
		time.Sleep(tick)
		settled()
		var sizes []int
		for i, w := range b.tape.writes {
			sizes = append(sizes, len(parse(t, w)))
			if len(w) > 1<<20 && sizes[i] > 1 {
				t.Errorf("write %d has %d bytes in %d frames", i, len(w), sizes[i])
			}
			equal(t, "time of the write", b.tape.when(i, start), tick)
		}
		equal(t, "events of each write", sizes, []int{10, 10, 5, 1, 1})
	})
}

// TestPartialWrites breaks the connection at every byte of a flight, and the
// next one at some byte of the rest: what the server has got whole is never sent
// again, everything else is, in order.
func TestPartialWrites(t *testing.T) {
	const events = 5
	size := 0
	for i := range events {
		size += len(client.AppendFrame(nil, ws.OpText, []byte(numbered(i).String())))
	}
	for _, tt := range []struct {
		name   string
		refuse int // the event that OnSend refuses
		want   []string
	}{
		{"all", -1, numbers(0, 5)},
		{"first refused", 0, numbers(1, 5)},
		{"middle refused", 2, append(numbers(0, 2), numbers(3, 5)...)},
		{"last refused", 4, numbers(0, 4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for first := range size {
					for _, second := range []int{0, 1, 13, 14, 19} { // a frame has 14 bytes
						hooked := 0
						b := newSendBench(client.SendOptions{OnSend: func(e client.Event) error {
							hooked++
							if tt.refuse >= 0 && e == numbered(tt.refuse) {
								return errors.New("refused")
							}
							return nil
						}})
						fill(t, b.SendQueue, 0, events)
						var got []string
						for _, room := range []int{first, second, -1} {
							p := newTape()
							p.room = room
							b.Attach(p)
							settled()
							b.Detach()
							got = append(got, p.texts(t)...)
							if s := b.Stats(); int(s.Sent) != len(got) || s.Depth != len(tt.want)-len(got) {
								t.Fatalf("cut after %d and %d bytes: %d came, %+v", first, second, len(got), s)
							}
						}
						if !slices.Equal(got, tt.want) {
							t.Fatalf("cut after %d and %d bytes: got %q", first, second, got)
						}
						if hooked != events {
							t.Fatalf("cut after %d and %d bytes: OnSend was called %d times", first, second, hooked)
						}
					}
				}
			})
		})
	}
}

func TestBrokenWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Interval: tick})
		b.tape.room = 20
		b.Attach(b.tape)
		fill(t, b.SendQueue, 0, 10)
		time.Sleep(tick)
		settled()
		b.Urgent("[:chsk/ws-pong]") // nowhere to go
		fill(t, b.SendQueue, 10, 11)
		time.Sleep(10 * tick)
		settled()
		equal(t, "writes", b.tape.count(), 1)
		equal(t, "stats", b.Stats(), client.SendStats{Depth: 10, Enqueued: 11, Sent: 1, Errors: 1, WriteErrors: 1})

		b.Detach()
		next := newTape()
		b.Attach(next)
		settled()
		equal(t, "events of the next connection", next.texts(t), numbers(1, 11))
	})
}

// TestDetachWaits: the writer is not used any more once detach has returned, and
// a write that fails because of the caller's own end is nobody's error.
func TestDetachWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{})
		b.tape.freeze()
		b.tape.room = 0
		b.Attach(b.tape)
		fill(t, b.SendQueue, 0, 3)
		settled()
		detached := false
		go func() {
			b.Detach()
			detached = true
		}()
		settled()
		if detached {
			t.Fatal("detach has returned while a write is under way")
		}
		b.tape.thaw()
		settled()
		if !detached {
			t.Fatal("detach has not returned")
		}
		equal(t, "stats", b.Stats(), client.SendStats{Depth: 3, Enqueued: 3})
		b.Detach() // once more does nothing
	})
}

// TestDetachDuringOnSend: what the hook has let pass is not shown to it again.
func TestDetachDuringOnSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *sendBench
		var hooked []string
		gate := make(chan struct{})
		b = newSendBench(client.SendOptions{OnSend: func(e client.Event) error {
			hooked = append(hooked, e.String())
			if e == numbered(1) {
				<-gate
			}
			return nil
		}})
		b.Attach(b.tape)
		fill(t, b.SendQueue, 0, 3)
		settled()
		go b.Detach()
		settled()
		close(gate)
		settled()
		equal(t, "writes", b.tape.count(), 0)
		b.Attach(b.tape)
		settled()
		equal(t, "events", b.tape.texts(t), numbers(0, 3))
		equal(t, "shown to OnSend", hooked, numbers(0, 3))
	})
}

func TestOnSend(t *testing.T) {
	refused := errors.New("not today")
	synctest.Test(t, func(t *testing.T) {
		var b *sendBench
		b = newSendBench(client.SendOptions{Messages: 3, OnSend: func(e client.Event) error {
			switch e {
			case numbered(0):
				return refused
			case numbered(1):
				panic("oops")
			}
			b.Stats() // no lock is held
			return nil
		}})
		fill(t, b.SendQueue, 0, 3)
		var order []error
		b.Async(numbered(3), 0, func(err error) { order = append(order, err) })
		b.Attach(b.tape)
		settled()
		equal(t, "events", b.tape.texts(t), numbers(2, 4))
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 4, Sent: 2, Errors: 2})
		equal(t, "told of room", order, []error{nil})
		errs := b.errors()
		if len(errs) != 2 || !errors.Is(errs[0], refused) || !strings.Contains(errs[0].Error(), ":t/n") {
			t.Fatalf("OnError was told %v", errs)
		}
		if p, ok := errors.AsType[*client.PanicError](errs[1]); !ok || p.Value != "oops" || len(p.Stack) == 0 {
			t.Errorf("OnError was told %v", errs[1])
		}
	})
}

func TestRequests(t *testing.T) {
	payload := func(dst []byte, e client.Event) []byte { return fmt.Appendf(dst, "[%s \"cb\"]", e) }
	yes, no := func() bool { return true }, func() bool { return false }
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Messages: 4, Interval: time.Hour})
		b.Attach(b.tape)
		fill(t, b.SendQueue, 0, 2)
		if err := b.WaitCall(t.Context(), numbered(2), yes, payload); err != nil {
			t.Fatal(err)
		}
		settled()
		want := append(numbers(0, 2), `[[:t/n 2] "cb"]`)
		equal(t, "at once, in order", b.tape.texts(t), want)

		fill(t, b.SendQueue, 3, 4)
		if err := b.WaitCall(t.Context(), numbered(9), no, payload); err != nil {
			t.Fatal(err)
		}
		settled()
		want = append(want, numbers(3, 4)...)
		equal(t, "without the one given up", b.tape.texts(t), want)
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 5, Sent: 4, Dropped: 1})

		// While a write is under way, and while the queue is full.
		b.tape.freeze()
		b.Urgent("hold")
		settled()
		fill(t, b.SendQueue, 4, 8)
		go func() {
			if err := b.WaitCall(t.Context(), numbered(8), yes, payload); err != nil {
				t.Error(err)
			}
		}()
		settled()
		b.tape.thaw()
		time.Sleep(time.Hour) // the interval of those before it
		settled()
		want = append(append(append(want, "hold"), numbers(4, 8)...), `[[:t/n 8] "cb"]`)
		equal(t, "after a wait for room", b.tape.texts(t), want)

		// A broken connection asks again.
		b.Detach()
		begun := 0
		count := func() bool { begun++; return begun == 1 }
		if err := b.WaitCall(t.Context(), numbered(9), count, payload); err != nil {
			t.Fatal(err)
		}
		cut := newTape()
		cut.room = 5
		b.Attach(cut)
		settled()
		b.Detach()
		b.Attach(b.tape)
		settled()
		equal(t, "begun", begun, 2)
		equal(t, "given up after the broken write", b.tape.texts(t), want)
		equal(t, "depth", b.Stats().Depth, 0)
	})
}

func TestUrgent(t *testing.T) {
	const ping, pong = "[:chsk/ws-ping]", "[:chsk/ws-pong]"
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{Interval: time.Hour})
		b.Urgent(pong)
		b.Pong([]byte("early"))
		b.Attach(b.tape)
		settled()
		equal(t, "sent while detached", b.tape.count(), 0)

		fill(t, b.SendQueue, 0, 2)
		start := time.Now()
		b.Urgent(pong)
		settled()
		equal(t, "at once, in front", b.tape.texts(t), append([]string{pong}, numbers(0, 2)...))

		b.tape.freeze()
		b.Urgent(ping)
		settled()
		fill(t, b.SendQueue, 2, 3)
		payload := []byte("1")
		b.Pong(payload)
		payload[0] = 'x' // borrowed only for the call
		for range 100 {
			b.Urgent(pong)
			b.Urgent(ping)
		}
		b.Pong([]byte("2"))
		b.tape.thaw()
		settled()
		all := b.tape.frames(t)
		equal(t, "in front, one of each, the newest pong", all[3:], []frame{
			{ws.OpText, ping},
			{ws.OpPong, "2"},
			{ws.OpText, pong},
			{ws.OpText, ping},
			{ws.OpText, numbered(2).String()},
		})
		equal(t, "time that passed", time.Since(start), 0)
		equal(t, "stats", b.Stats(), client.SendStats{Enqueued: 3, Sent: 3})

		// What did not leave was meant for that connection.
		b.tape.freeze()
		b.tape.room = 0
		b.Urgent(ping)
		settled()
		b.Urgent(pong)
		b.Pong(nil)
		b.tape.thaw()
		settled()
		b.Detach()
		next := newTape()
		b.Attach(next)
		fill(t, b.SendQueue, 3, 4)
		time.Sleep(2 * time.Hour)
		settled()
		equal(t, "the next connection's", next.frames(t), []frame{{ws.OpText, numbered(3).String()}})
	})
}

// TestEveryEventOnce lets several producers of each kind work while connections
// break at random places: each event is seen whole once, those of a producer in
// order.
func TestEveryEventOnce(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			const producers, each = 6, 500
			random := rand.New(rand.NewPCG(seed, 1))
			b := newSendBench(client.SendOptions{Messages: 16, Interval: time.Duration(seed%2) * 50 * time.Microsecond})
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() {
					for i := range each {
						e := client.MustEvent("t/p", client.EDN(fmt.Sprintf("[%d %d]", p, i)))
						switch p % 3 {
						case 0:
							for b.Enqueue(e) != client.OK {
								time.Sleep(10 * time.Microsecond)
							}
						case 1:
							if err := b.Wait(t.Context(), e); err != nil {
								t.Error(err)
							}
						case 2:
							told := make(chan error)
							b.Async(e, 0, func(err error) { told <- err })
							if err := <-told; err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			done := make(chan struct{})
			go func() {
				wg.Wait()
				close(done)
			}()
			var got []string
			for over := false; !over; {
				p := newTape()
				p.room = random.IntN(4000)
				b.Attach(p)
				select {
				case <-done:
					over = true
				case <-time.After(time.Duration(random.IntN(2000)) * time.Microsecond):
				}
				b.Detach()
				got = append(got, p.texts(t)...)
			}
			last := newTape()
			b.Attach(last)
			s := b.Stop(t.Context())
			got = append(got, last.texts(t)...)

			next := [producers]int{}
			for _, text := range got {
				var p, i int
				if _, err := fmt.Sscanf(text, "[:t/p [%d %d]", &p, &i); err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				if i != next[p] {
					t.Fatalf("producer %d: got %d, want %d", p, i, next[p])
				}
				next[p]++
			}
			if len(got) != producers*each || s.Sent != producers*each || s.Enqueued != producers*each || s.Depth != 0 {
				t.Fatalf("%d events came, %+v", len(got), s)
			}
		})
	}
}

// shortWriter breaks the contract of io.Writer.
type shortWriter struct{ bytes.Buffer }

func (w *shortWriter) Write(p []byte) (int, error) { return w.Buffer.Write(p[:len(p)/2]) }

func TestShortWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSendBench(client.SendOptions{})
		fill(t, b.SendQueue, 0, 4)
		w := new(shortWriter)
		b.Attach(w)
		settled()
		equal(t, "errors", b.Stats().Errors, 1)
		b.Detach()
		b.Attach(b.tape)
		settled()
		equal(t, "events", append(texts(parse(t, w.Bytes())), b.tape.texts(t)...), numbers(0, 4))
	})
}

func texts(fs []frame) []string {
	var s []string
	for _, f := range fs {
		s = append(s, f.text)
	}
	return s
}
