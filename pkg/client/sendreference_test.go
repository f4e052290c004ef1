package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// notes are what a scene has seen, by the name of the check.
type notes map[string]any

// The reference's send queue is started, ours attached: what comes before is
// kept in both. Its hook sends; ours may refuse.

func sceneBasic(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 10, Interval: 5 * time.Millisecond})
	n["before the start, first"] = b.Enqueue(numbered(1))
	n["before the start, second"] = b.Enqueue(numbered(2))
	b.Attach(b.tape)
	time.Sleep(50 * time.Millisecond)
	sent := b.tape.texts(t)
	n["how many left"] = len(sent)
	n["first that left"], n["second that left"] = sent[0], sent[1]
	s := b.Stats()
	n["counted as enqueued"], n["counted as sent"], n["depth afterwards"] = s.Enqueued, s.Sent, s.Depth
	b.Stop(t.Context())
	return n
}

func sceneFull(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 3, Interval: time.Second})
	for i, name := range []string{"1 of 3", "2 of 3", "3 of 3", "4 of 3", "5 of 3"} {
		n[name] = b.Enqueue(numbered(i))
	}
	s := b.Stats()
	n["counted as enqueued"], n["counted as dropped"], n["depth when full"] = s.Enqueued, s.Dropped, s.Depth
	b.Attach(b.tape)
	time.Sleep(50 * time.Millisecond)
	n["after it has drained"] = b.Enqueue(numbered(6))
	b.Stop(t.Context())
	return n
}

func sceneStop(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 100, Interval: 10 * time.Second})
	fill(t, b.SendQueue, 0, 3)
	n["left before the start"] = len(b.tape.texts(t))
	b.Attach(b.tape)
	s := b.Stop(t.Context())
	n["left by the stop"] = len(b.tape.texts(t))
	n["final sent"], n["final depth"] = s.Sent, s.Depth
	return n
}

// sceneMany runs in real time, as it looks at what 5,000 calls take.
func sceneMany(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 10000, Interval: time.Millisecond})
	b.Attach(b.tape)
	e := numbered(1)
	start := time.Now()
	for range 5000 {
		b.Enqueue(e)
	}
	n["5,000 calls within 500 ms"] = time.Since(start) < 500*time.Millisecond
	s := b.Stop(t.Context())
	n["sent"], n["dropped"], n["errors"] = s.Sent, s.Dropped, s.Errors
	return n
}

func sceneErrors(t *testing.T) notes {
	n := notes{}
	calls := 0
	b := newSendBench(client.SendOptions{
		Messages: 10, Interval: 5 * time.Millisecond,
		OnSend: func(e client.Event) error {
			if calls++; calls == 2 || calls == 4 {
				return errors.New("refused")
			}
			return nil
		},
	})
	b.Attach(b.tape)
	fill(t, b.SendQueue, 0, 5)
	time.Sleep(100 * time.Millisecond)
	settled()
	s := b.Stop(t.Context())
	n["calls of on-send"], n["told to on-error"] = calls, len(b.errors())
	n["counted as errors"], n["counted as sent"] = s.Errors, s.Sent
	return n
}

func sceneWait(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 10, Interval: 5 * time.Millisecond})
	b.Attach(b.tape)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	n["first"], n["second"] = b.Wait(ctx, numbered(1)), b.Wait(ctx, numbered(2))
	time.Sleep(50 * time.Millisecond)
	n["left"] = len(b.tape.texts(t))
	b.Stop(t.Context())
	return n
}

func sceneWaitTimeout(t *testing.T) notes {
	n := notes{}
	b := newSendBench(client.SendOptions{Messages: 2, Interval: 10 * time.Second})
	fill(t, b.SendQueue, 0, 2)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n["full"] = b.Wait(ctx, numbered(3))
	n["waited"] = time.Since(start)
	b.Stop(ended())
	return n
}

func sceneAsync(t *testing.T) notes {
	n := notes{"told": "nothing"}
	b := newSendBench(client.SendOptions{Messages: 10, Interval: 5 * time.Millisecond})
	b.Attach(b.tape)
	b.Async(numbered(1), time.Second, func(err error) { n["told"] = err })
	time.Sleep(50 * time.Millisecond)
	settled()
	n["left"] = len(b.tape.texts(t))
	b.Stop(t.Context())
	return n
}

func sceneAsyncLater(t *testing.T) notes {
	n := notes{"told": "nothing"}
	b := newSendBench(client.SendOptions{Messages: 2, Interval: 20 * time.Millisecond})
	b.Attach(b.tape)
	fill(t, b.SendQueue, 1, 3)
	b.Async(numbered(3), 500*time.Millisecond, func(err error) { n["told"] = err })
	time.Sleep(100 * time.Millisecond)
	settled()
	b.Stop(t.Context())
	return n
}

func sceneAsyncTimeout(t *testing.T) notes {
	n := notes{"told": "nothing"}
	b := newSendBench(client.SendOptions{Messages: 2, Interval: 10 * time.Second})
	fill(t, b.SendQueue, 1, 3)
	start := time.Now()
	b.Async(numbered(3), 100*time.Millisecond, func(err error) { n["told"], n["after"] = err, time.Since(start) })
	time.Sleep(150 * time.Millisecond)
	settled()
	b.Stop(ended())
	return n
}

// TestReferenceSendQueue holds, check by check, what the reference's own tests
// of its send queue hold: the 29 of queue, backpressure, shutdown, throughput
// and errors, and the 10 that came later, of waiting for room.
func TestReferenceSendQueue(t *testing.T) {
	scenes := map[string]func(*testing.T) notes{
		"basic": sceneBasic, "full": sceneFull, "stop": sceneStop, "many": sceneMany, "errors": sceneErrors,
		"wait": sceneWait, "wait timeout": sceneWaitTimeout,
		"async": sceneAsync, "async later": sceneAsyncLater, "async timeout": sceneAsyncTimeout,
	}
	type row struct {
		scene, check string
		want         any
	}
	first := []row{
		{"basic", "before the start, first", client.OK},
		{"basic", "before the start, second", client.OK},
		{"basic", "how many left", 2},
		{"basic", "first that left", numbered(1)},
		{"basic", "second that left", numbered(2)},
		{"basic", "counted as enqueued", 2},
		{"basic", "counted as sent", 2},
		{"basic", "depth afterwards", 0},

		{"full", "1 of 3", client.OK},
		{"full", "2 of 3", client.OK},
		{"full", "3 of 3", client.OK},
		{"full", "4 of 3", client.Rejected},
		{"full", "5 of 3", client.Rejected},
		{"full", "counted as enqueued", 3},
		{"full", "counted as dropped", 2},
		{"full", "depth when full", 3},
		{"full", "after it has drained", client.OK},

		{"stop", "left before the start", 0},
		{"stop", "left by the stop", 3},
		{"stop", "final sent", 3},
		{"stop", "final depth", 0},

		{"many", "5,000 calls within 500 ms", true},
		{"many", "sent", 5000},
		{"many", "dropped", 0},
		{"many", "errors", 0},

		{"errors", "calls of on-send", 5},
		{"errors", "told to on-error", 2},
		{"errors", "counted as errors", 2},
		{"errors", "counted as sent", 3},
	}
	later := []row{
		{"wait", "first", nil},
		{"wait", "second", nil},
		{"wait", "left", 2},

		{"wait timeout", "full", context.DeadlineExceeded},
		{"wait timeout", "waited", 100 * time.Millisecond},

		{"async", "told", nil},
		{"async", "left", 1},

		{"async later", "told", nil},

		{"async timeout", "told", client.ErrTimeout},
		{"async timeout", "after", 100 * time.Millisecond},
	}
	if len(first) != 29 || len(later) != 10 {
		t.Errorf("%d and %d rows, the reference has 29 and 10", len(first), len(later))
	}

	seen := map[string]notes{}
	for name, scene := range scenes {
		if name == "many" {
			seen[name] = scene(t)
			continue
		}
		synctest.Test(t, func(t *testing.T) { seen[name] = scene(t) })
	}
	rows := map[string]bool{}
	for _, r := range append(first, later...) {
		t.Run(r.scene+"/"+r.check, func(t *testing.T) {
			got, ok := seen[r.scene][r.check]
			if !ok {
				t.Fatal("the scene has not looked")
			}
			if fmt.Sprint(got) != fmt.Sprint(r.want) {
				t.Errorf("got %v, want %v", got, r.want)
			}
		})
		rows[r.scene+"/"+r.check] = true
	}
	for name, n := range seen {
		for check := range n {
			if !rows[name+"/"+check] {
				t.Errorf("no row for %s/%s", name, check)
			}
		}
	}
}
