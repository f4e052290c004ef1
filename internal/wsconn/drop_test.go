package wsconn_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

func notice(_ *wsconn.Conn, n int) *wsconn.Frame {
	return wsconn.NewText(fmt.Appendf(nil, "dropped %d", n))
}

// noticed returns the count of a notice, 0 for anything else.
func noticed(f ws.Frame) int {
	if text, ok := strings.CutPrefix(string(f.Payload), "dropped "); ok {
		n, _ := strconv.Atoi(text)
		return n
	}
	return 0
}

func sum(counts map[string]uint64) (n int) {
	for _, v := range counts {
		n += int(v)
	}
	return n
}

// TestFrozenReaderOfEachPolicy: one peer stops reading. Its queue stays within its bounds, another that is delivered to
// in the same batch misses nothing, and when it wakes, what it reads and what it is told of add up to what was handed
// over.
func TestFrozenReaderOfEachPolicy(t *testing.T) {
	const slots = 10
	for _, tt := range []struct {
		name  string
		class func(i int) wsconn.Class
		frame int // most that are queued
		check func(t *testing.T, handed int, read []int)
	}{
		{
			name: "drop-oldest", class: func(int) wsconn.Class { return dropOldest }, frame: 100,
			check: func(t *testing.T, handed int, read []int) {
				// Up to 53 may have been on their way when it froze.
				for i, n := range read[len(read)-40:] {
					if want := handed - 40 + i; n != want {
						t.Fatalf("%d from the end is %d, not %d", 40-i, n, want)
					}
				}
			},
		},
		{
			name: "drop-newest", class: func(int) wsconn.Class { return dropNewest }, frame: 100,
			check: func(t *testing.T, _ int, read []int) {
				for i, n := range read[:100] { // more, as far as the system took it
					if n != i {
						t.Fatalf("%d is %d", i, n)
					}
				}
			},
		},
		{
			name: "latest-only", class: func(i int) wsconn.Class { return latest(uint32(i%slots + 1)) }, frame: 5 * slots, // what a write was tried with stays until the next change
			check: func(t *testing.T, handed int, read []int) {
				newest := map[int]int{}
				for _, n := range read {
					newest[n%slots] = n
				}
				for i := handed - slots; i < handed; i++ {
					if newest[i%slots] != i {
						t.Errorf("last of slot %d is %d, not %d", i%slots, newest[i%slots], i)
					}
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, QueueMessages: 100, Notice: notice}, nil)
				frozen, frozenSession := s.pair()
				bystander, bystanderSession := s.pair()
				b := s.NewBatch()
				payload := strings.Repeat("x", 20000)
				handed := 0
				for sum(s.Stats().Dropped) < 300 {
					text := fmt.Sprintf("%d %s", handed, payload)
					f := wsconn.NewDelivery(tt.class(handed), []byte(text))
					if r := b.Enqueue(&frozenSession.Conn, f, nil); r != wsconn.OK && r != wsconn.Dropped {
						t.Fatalf("enqueue: %v", r)
					}
					if r := b.Enqueue(&bystanderSession.Conn, f, nil); r != wsconn.OK {
						t.Fatalf("enqueue for the bystander: %v", r)
					}
					handed++
					b.Flush()
					if n, size := wsconn.QueueLen(&frozenSession.Conn); n > tt.frame+1 || size > 2<<20+100 { // and a notice
						t.Fatalf("queue holds %d frames, %d bytes", n, size)
					}
					bystander.wantText(text)
				}
				if wsconn.Waited(b) {
					t.Error("the batch waited for a peer that takes nothing")
				}
				var read []int
				told := 0
				for len(read)+told < handed {
					f := frozen.read()
					if n := noticed(f); n > 0 {
						told += n
						continue
					}
					number, _, _ := strings.Cut(string(f.Payload), " ")
					n, err := strconv.Atoi(number)
					if err != nil || len(f.Payload) != len(number)+1+len(payload) {
						t.Fatalf("damaged: %s", show(f))
					}
					if len(read) > 0 && n <= read[len(read)-1] && tt.frame == 100 {
						t.Fatalf("%d comes behind %d", n, read[len(read)-1])
					}
					read = append(read, n)
				}
				tt.check(t, handed, read)
				if dropped := sum(s.Stats().Dropped); dropped != told || len(read)+told != handed {
					t.Errorf("handed over %d, read %d, told of %d, counted %d", handed, len(read), told, dropped)
				}
				t.Logf("handed over %d, read %d, told of %d", handed, len(read), told)
				frozen.text("still here")
				frozen.wantText("still here")
			})
		})
	}
}

// TestNotices: a peer is told before its next delivery, and once a second at most; what it loses meanwhile it is told
// of when the second is over, without a delivery.
func TestNotices(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable, Notice: notice}, nil)
		c, se := s.pair()
		lose := func(n int) { // in one turn of the loop, so that nothing leaves in between
			se.on(func() {
				for i := range n + 1 {
					se.Send(wsconn.NewDelivery(latest(1), fmt.Appendf(nil, "value %d", i)))
				}
			})
			c.wantText(fmt.Sprintf("value %d", n))
		}
		send := func() {
			se.Enqueue(wsconn.NewText([]byte("a reply")))
			c.wantText("a reply")
		}
		wantNotice := func(n int) time.Time {
			t.Helper()
			c.wantText(string(notice(nil, n).Payload()))
			return time.Now()
		}
		se.Enqueue(wsconn.NewDelivery(latest(1), []byte("before")))
		c.wantText("before")
		se.on(func() {
			se.Send(wsconn.NewDelivery(latest(1), []byte("lost")))
			se.Send(wsconn.NewDelivery(latest(1), []byte("kept")))
		})
		first := wantNotice(1)
		c.wantText("kept")
		lose(2)
		lose(3)
		send()
		second := wantNotice(5)
		lose(1)
		third := wantNotice(1)
		for _, gap := range []time.Duration{second.Sub(first), third.Sub(second)} {
			if gap < 950*time.Millisecond {
				t.Errorf("told again after %v", gap)
			}
		}
		send()
		se.on(func() {
			if n, size := wsconn.QueueLen(&se.Conn); n != 0 || size != 0 {
				t.Errorf("queue holds %d frames, %d bytes", n, size)
			}
		})
		if dropped := s.Stats().Dropped; sum(dropped) != 7 || dropped["superseded"] != 7 {
			t.Errorf("counted %v", dropped)
		}
	})
}

// TestRepliesAreNotDropped: a peer whose queue is full of deliveries asks for answers, and has them all when it wakes.
func TestRepliesAreNotDropped(t *testing.T) {
	for _, class := range []wsconn.Class{dropOldest, dropNewest, latest(1)} {
		t.Run(class.Policy().String(), func(t *testing.T) {
			both(t, func(t *testing.T, portable bool) {
				s := start(t, wsconn.Options{Portable: portable, QueueMessages: 100, Notice: notice}, nil)
				c, se := s.pair()
				b := s.NewBatch()
				big := wsconn.NewDelivery(class, bytes.Repeat([]byte("x"), 20000))
				handed := 0
				for sum(s.Stats().Dropped) < 50 {
					b.Enqueue(&se.Conn, big, nil)
					handed++
					b.Flush()
					se.on(func() {})
				}
				const asked = 40
				for i := range asked {
					if i%2 == 0 {
						c.text(fmt.Sprintf("echo %d", i))
					} else {
						c.send(masked(true, ws.OpPing, fmt.Appendf(nil, "echo %d", i)))
					}
				}
				// Enough that each answer had to make room, and all of them are in the queue.
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range 100 {
						b.Enqueue(&se.Conn, big, nil)
						handed++
						b.Flush()
					}
				}()
				<-done
				answered, read, told := 0, 0, 0
				for answered < asked || read+told < handed {
					f := c.read()
					if n := noticed(f); n > 0 {
						told += n
					} else if string(f.Payload) == fmt.Sprintf("echo %d", answered) {
						answered++
					} else if len(f.Payload) == 20000 {
						read++
					} else {
						t.Fatalf("got %s after %d answers", show(f), answered)
					}
				}
				if dropped := sum(s.Stats().Dropped); dropped != told {
					t.Errorf("told of %d, counted %d", told, dropped)
				}
			})
		})
	}
}

// TestMixedPoliciesUnderLoad: three goroutines deliver under every policy to one connection whose peer reads in fits
// and starts, while the loop writes. Every frame is read whole, or told of.
func TestMixedPoliciesUnderLoad(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		const each = 6000
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 64, QueueBytes: 256 << 10, Notice: notice}, nil)
		c, se := s.pair()
		var handed atomic.Int64
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), 1))
				b := s.NewBatch()
				for i := range each {
					class := []wsconn.Class{dropOldest, dropNewest, latest(1), latest(2), latest(3), disconnect}[rnd.IntN(6)]
					if class == disconnect && (w > 0 || i%10 > 0) {
						continue // few enough that they always fit
					}
					text := fmt.Sprintf("%d/%d/%d %s", w, class, i, strings.Repeat("x", rnd.IntN(6000)))
					switch r := b.Enqueue(&se.Conn, wsconn.NewDelivery(class, []byte(text)), nil); r {
					case wsconn.OK, wsconn.Dropped:
						handed.Add(1)
					default:
						t.Errorf("enqueue: %v", r)
						return
					}
					if i%3 == 0 {
						b.Flush()
					}
					if class == disconnect {
						for n, _ := wsconn.QueueLen(&se.Conn); n > 32; n, _ = wsconn.QueueLen(&se.Conn) {
							time.Sleep(100 * time.Microsecond)
						}
					}
				}
				b.Flush()
			})
		}
		finished := make(chan struct{})
		go func() { wg.Wait(); close(finished) }()
		seen := map[string]int{}
		read, told := 0, 0
		for over := false; !over || read+told < int(handed.Load()); {
			select {
			case <-finished:
				over = true
				if read+told == int(handed.Load()) {
					continue
				}
			default:
				if read%500 == 0 {
					time.Sleep(20 * time.Millisecond) // the fits
				}
			}
			f := c.read()
			if n := noticed(f); n > 0 {
				told += n
				continue
			}
			head, rest, _ := strings.Cut(string(f.Payload), " ")
			i := strings.LastIndexByte(head, '/')
			n, err := strconv.Atoi(head[i+1:])
			if err != nil || strings.Trim(rest, "x") != "" {
				t.Fatalf("damaged: %s", show(f))
			}
			if last, ok := seen[head[:i]]; ok && n <= last {
				t.Fatalf("%s comes behind %d", head, last)
			}
			seen[head[:i]] = n
			read++
		}
		dropped := s.Stats().Dropped
		if sum(dropped) != told || read+told != int(handed.Load()) {
			t.Errorf("handed over %d, read %d, told of %d, counted %v", handed.Load(), read, told, dropped)
		}
		t.Logf("handed over %d, read %d, counted %v", handed.Load(), read, dropped)
	})
}

// TestBroadcastObeysThePolicy: a broadcast is a delivery as well.
func TestBroadcastObeysThePolicy(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueMessages: 50, Notice: notice}, nil)
		frozen, _ := s.pair()
		bystander, _ := s.pair()
		b := s.NewBatch()
		payload := strings.Repeat("x", 20000)
		handed := 0
		for s.Stats().Dropped["oldest"] < 100 {
			b.Broadcast(wsconn.NewDelivery(dropOldest, []byte(payload)), nil)
			handed++
			bystander.wantText(payload)
		}
		for read, told := 0, 0; read+told < handed; {
			if n := noticed(frozen.read()); n > 0 {
				told += n
			} else {
				read++
			}
		}
	})
}
