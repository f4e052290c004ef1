package load

import (
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
)

// What the black-box tests reach.
var (
	NewTag    = newTag
	NewFinder = newFinder
)

// MakePayload returns a payload of size bytes with number n, behind before.
func MakePayload(before string, tag [8]byte, size int, n uint32) []byte {
	return newMarked(dialect.AppendEDN([]byte(before), mark(tag), size), tag).numbered(n)
}

// Find is finder.find.
func (f *finder) Find(head []byte) (uint32, bool) { return f.find(head) }

// Pump is a pump with its clock in the test's hands.
type Pump struct{ *pump }

// NewPump makes one that does not sleep.
func NewPump(o Options) Pump {
	o.setDefaults()
	return Pump{newPump(&o)}
}

// Begin, Due, Take, Got and Tick are the pump's, with times since its start.
func (p Pump) Begin(d time.Duration) <-chan struct{} { return p.begin(0, d) }

// Due is pump.due.
func (p Pump) Due(now time.Duration) (time.Duration, bool) {
	at, ok := p.due(int64(now))
	return time.Duration(at), ok
}

// Take is pump.take.
func (p Pump) Take(at time.Duration, receivers int) uint32 { return p.take(int64(at), receivers, 0) }

// Got is pump.got behind pump.tick, as a read does it.
func (p Pump) Got(seq uint32, now time.Duration) bool {
	p.tick(int64(now))
	return p.got(seq, 1, int64(now))
}

// Latency returns the count and the longest in milliseconds.
func (p Pump) Latency() (int64, float64) {
	p.record()
	q := p.latency.Quantiles()
	return q.Count, q.Max
}

// Tick is pump.tick.
func (p Pump) Tick(now time.Duration) { p.tick(int64(now)) }

// Mean is the mean latency in milliseconds.
func (p Pump) Mean() float64 { return p.latency.Quantiles().Mean }

// Key is the key of every upgrade.
const Key = upgradeKey

// CountReaders returns how many are slow and how many frozen.
func CountReaders(o Options) (nSlow, nFrozen int) {
	for _, r := range o.readers() {
		switch r {
		case healthy:
		case slow:
			nSlow++
		case frozen:
			nFrozen++
		}
	}
	return nSlow, nFrozen
}
