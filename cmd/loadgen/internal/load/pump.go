package load

import (
	"math/bits"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// recordEvery is how long deliveries of one message may be gathered before they
// are entered in the histogram together, with the time of the latest: it makes a
// delivery cost an increment, and the error is at most this much.
const recordEvery = 20 * time.Microsecond

// slot is one message in flight.
type slot struct {
	intended  int64  // when it was to be sent, on the client's clock in nanoseconds
	remaining int32  // receivers that do not have it yet
	pending   int32  // deliveries not yet in the histogram
	seq       uint32 // its number, 0 when the slot is free
	from      uint32 // which of its channel's publishers sent it
}

// pump decides when to send, and accounts for what is received. It is owned by
// the loop.
type pump struct {
	// fixed after newPump
	limit    int
	interval float64 // nanoseconds between intended sends; 0: as soon as limit allows
	ring     []slot
	mask     uint32

	// the phase
	sending  bool
	start    int64
	until    int64 // nothing is intended at or after it
	done     chan struct{}
	latest   int64 // of the last receipt
	inflight int

	seq        uint32
	sent       int64
	deliveries int64
	bytes      int64
	disorder   int64
	owed       int64 // receipts outstanding
	latency    *report.Latency

	touched []uint32 // slots with pending deliveries
	since   int64    // when the first of them was received
}

func newPump(o *Options) *pump {
	n := 1 << bits.Len(uint(2*o.InFlight-1))
	p := &pump{limit: o.InFlight, ring: make([]slot, n), mask: uint32(n - 1), latency: report.NewLatency()}
	if o.Rate > 0 {
		p.interval = float64(time.Second) / o.Rate
	}
	return p
}

// begin starts a phase: counters at zero, sends from now on for d.
func (p *pump) begin(now int64, d time.Duration) (done <-chan struct{}) {
	p.sent, p.deliveries, p.bytes, p.disorder, p.owed, p.inflight = 0, 0, 0, 0, 0, 0
	clear(p.ring)
	p.touched = p.touched[:0]
	p.latency.Reset()
	p.start, p.latest, p.until = now, now, now+int64(d)
	p.sending, p.done = true, make(chan struct{})
	return p.done
}

// due returns the intended time of the next send and whether it may go now. It
// ends the sending when the phase's time is over.
func (p *pump) due(now int64) (intended int64, ok bool) {
	if !p.sending {
		return 0, false
	}
	intended = now
	if p.interval > 0 {
		intended = p.next()
	}
	if intended >= p.until {
		p.sending = false
		p.settle()
		return 0, false
	}
	return intended, p.inflight < p.limit && intended <= now
}

// next returns the intended time of the next send on the schedule.
func (p *pump) next() int64 { return p.start + int64(float64(p.sent)*p.interval) }

// take enters a message of the given publisher and number of receivers, and
// returns its number. One without receivers is not in flight.
func (p *pump) take(intended int64, receivers, from int) uint32 {
	// Messages end nearly in order, so the ring, twice as long as the limit, has a
	// free slot at once; a straggler's is stepped over.
	for {
		if p.seq++; p.seq != 0 && p.ring[p.seq&p.mask].seq == 0 {
			break
		}
	}
	p.sent++
	if receivers == 0 {
		return p.seq
	}
	p.ring[p.seq&p.mask] = slot{intended: intended, remaining: int32(receivers), seq: p.seq, from: uint32(from)}
	p.inflight++
	p.owed += int64(receivers)
	return p.seq
}

// from returns which of its channel's publishers sent message seq; ok is false
// when it is not in flight.
func (p *pump) from(seq uint32) (publisher uint32, ok bool) {
	s := &p.ring[seq&p.mask]
	return s.from, s.seq == seq && seq != 0
}

// got enters one receipt of message seq; false means that it was not awaited.
func (p *pump) got(seq uint32, size int, now int64) bool {
	i := seq & p.mask
	s := &p.ring[i]
	if s.seq != seq || seq == 0 {
		return false
	}
	p.deliveries++
	p.owed--
	p.bytes += int64(size)
	s.remaining--
	if s.pending++; s.pending == 1 && s.remaining > 0 {
		if len(p.touched) == 0 {
			p.since = now
		}
		p.touched = append(p.touched, i)
	}
	if s.remaining == 0 {
		p.latency.Record(time.Duration(now-s.intended), int64(s.pending))
		*s = slot{}
		p.inflight--
		p.latest = now
		p.settle()
	}
	return true
}

// tick is called with the time of a read before its messages are entered.
func (p *pump) tick(now int64) {
	if len(p.touched) > 0 && now-p.since > int64(recordEvery) {
		p.record()
	}
	p.latest = now
}

// record enters the gathered deliveries with the time of the last read.
func (p *pump) record() {
	for _, i := range p.touched {
		if s := &p.ring[i]; s.pending > 0 && s.seq != 0 {
			p.latency.Record(time.Duration(p.latest-s.intended), int64(s.pending))
			s.pending = 0
		}
	}
	p.touched = p.touched[:0]
}

// settle ends the phase when all that was sent has been received.
func (p *pump) settle() {
	if !p.sending && p.inflight == 0 && p.done != nil {
		close(p.done)
		p.done = nil
	}
}
