package load_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
)

func TestMarkIsFoundAndCheap(t *testing.T) {
	tag := load.NewTag()
	for _, n := range []uint32{0, 1, 0x9abcdef0, 0xffffffff, 0x0a1b2c3d} {
		f := load.NewFinder(tag)
		frame := load.MakePayload(`[:sente-lite/channel-msg {:channel-id "c" :data `, tag, 128, n)
		for range 2 { // searched for, then known
			if got, ok := f.Find(frame); !ok || got != n {
				t.Errorf("find %x: got %x, %v", n, got, ok)
			}
		}
		for _, other := range []string{"", "[:chsk/ws-ping]", strings.Repeat("x", 300), string(frame[:len(frame)-110])} {
			if got, ok := f.Find([]byte(other)); ok {
				t.Errorf("find in %q: got %x", other, got)
			}
		}
		if allocs := testing.AllocsPerRun(100, func() { f.Find(frame) }); allocs != 0 {
			t.Errorf("find allocates %v times", allocs)
		}
	}
	if got := len(load.MakePayload("", tag, dialect.MinEDN, 1)); got != dialect.MinEDN {
		t.Errorf("smallest payload is %d bytes, want %d", got, dialect.MinEDN)
	}
}

func TestPumpChargesTheSchedule(t *testing.T) {
	t.Parallel()
	p := load.NewPump(load.Options{Rate: 100, Connections: 1})
	done := p.Begin(time.Second)
	var seqs []uint32
	send := func(now time.Duration) {
		for {
			at, ok := p.Due(now)
			if !ok {
				return
			}
			seqs = append(seqs, p.Take(at, 1))
		}
	}
	send(0)
	// The loop stands still for half a second: fifty messages are late from the start.
	send(505 * time.Millisecond)
	if len(seqs) != 51 {
		t.Fatalf("sent %d after 505 ms at 100 a second, want 51", len(seqs))
	}
	for _, s := range seqs {
		if !p.Got(s, 510*time.Millisecond) {
			t.Errorf("message %d was not awaited", s)
		}
	}
	if n, longest := p.Latency(); n != 51 || longest < 509 || longest > 511 {
		t.Errorf("got %d latencies up to %.1f ms, want 51 up to 510", n, longest)
	}
	send(2 * time.Second)
	for _, s := range seqs[51:] {
		p.Got(s, 2*time.Second)
	}
	if len(seqs) != 100 {
		t.Errorf("sent %d in all, want 100", len(seqs))
	}
	select {
	case <-done:
	default:
		t.Error("phase is not done")
	}
}

func TestPumpKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	p := load.NewPump(load.Options{InFlight: 3, Connections: 2})
	done := p.Begin(time.Second)
	for range 3 {
		if _, ok := p.Due(0); !ok {
			t.Fatal("not due below the limit")
		}
		p.Take(0, 2)
	}
	if _, ok := p.Due(0); ok {
		t.Error("due beyond the limit")
	}
	// In flight until the last receiver has it; a double is not awaited.
	for i, want := range []bool{true, true, false} {
		if got := p.Got(1, time.Duration(i)*time.Millisecond); got != want {
			t.Errorf("receipt %d: got %v", i, got)
		}
		if _, ok := p.Due(0); ok != (i > 0) {
			t.Errorf("after receipt %d: due %v", i, ok)
		}
	}
	// The numbers go round: stragglers are stepped over.
	for range 100 {
		s := p.Take(0, 1)
		if s == 2 || s == 3 || !p.Got(s, 0) {
			t.Fatalf("took %d", s)
		}
	}
	if _, ok := p.Due(2 * time.Second); ok {
		t.Error("due after the end")
	}
	for _, s := range []uint32{2, 2, 3} {
		p.Got(s, 2*time.Second)
		select {
		case <-done:
			t.Fatal("done with a receipt missing")
		default:
		}
	}
	p.Got(3, 2*time.Second)
	<-done
}

func TestPumpRecordsWhenReceived(t *testing.T) {
	t.Parallel()
	p := load.NewPump(load.Options{InFlight: 1, Connections: 3})
	p.Begin(time.Second)
	s := p.Take(0, 3)
	p.Got(s, time.Millisecond)
	// The gathered receipt keeps its own time, however long the next one takes.
	p.Got(s, 900*time.Millisecond)
	p.Tick(901 * time.Millisecond)
	if n, longest := p.Latency(); n != 2 || longest < 899 || longest > 902 {
		t.Errorf("got %d up to %.1f ms", n, longest)
	}
	if mean := p.Mean(); mean < 440 || mean > 460 {
		t.Errorf("mean is %.1f ms, want (1 + 900) / 2", mean)
	}
}
