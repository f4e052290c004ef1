package wsconn

import (
	"time"

	"github.com/hoshi-ws/hoshi/internal/histogram"
)

// clockFlushes is after how many connections of one flush the loop reads the clock anew, for the ages of what it writes.
const clockFlushes = 64

// Scales of what is measured.
var (
	timeScale = histogram.NewScale(1e-9, 50_000, 100_000, 250_000, 500_000,
		1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
		1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000)
	countScale = histogram.NewScale(1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
	byteScale  = histogram.NewScale(1, 256, 1<<10, 4<<10, 16<<10, 64<<10, 256<<10, 1<<20, 4<<20, 16<<20, 64<<20)
)

// measuring is what a loop measures between two turns.
type measuring struct {
	at                                                               int64 // Server.Clock, as the loop has read it last
	delivery, published, turn, writeMessages, queueDepth, queueBytes histogram.Local
}

// measures are those of all loops.
type measures struct {
	delivery, published, turn, writeMessages, queueDepth, queueBytes *histogram.Histogram
}

func newMeasuring() measuring {
	return measuring{
		delivery:      histogram.NewLocal(timeScale),
		published:     histogram.NewLocal(timeScale),
		turn:          histogram.NewLocal(timeScale),
		writeMessages: histogram.NewLocal(countScale),
		queueDepth:    histogram.NewLocal(countScale),
		queueBytes:    histogram.NewLocal(byteScale),
	}
}

func newMeasures() measures {
	return measures{
		delivery:      histogram.New(timeScale),
		published:     histogram.New(timeScale),
		turn:          histogram.New(timeScale),
		writeMessages: histogram.New(countScale),
		queueDepth:    histogram.New(countScale),
		queueBytes:    histogram.New(byteScale),
	}
}

func (m *measuring) publish(to *measures) {
	m.delivery.Publish(to.delivery)
	m.published.Publish(to.published)
	m.turn.Publish(to.turn)
	m.writeMessages.Publish(to.writeMessages)
	m.queueDepth.Publish(to.queueDepth)
	m.queueBytes.Publish(to.queueBytes)
}

func (m *measures) fill(s *Stats) {
	s.DeliverySeconds = m.delivery.Snapshot()
	s.PublishedSeconds = m.published.Snapshot()
	s.TurnSeconds = m.turn.Snapshot()
	s.WriteMessages = m.writeMessages.Snapshot()
	s.QueueMessages = m.queueDepth.Snapshot()
	s.QueueBytes = m.queueBytes.Snapshot()
}

// Clock is the time of this server, for Frame.Stamp: nanoseconds since it was made, whatever is done to the clocks of the
// system. Any goroutine, also on a loop.
func (s *Server) Clock() int64 { return int64(time.Since(s.epoch)) }

// readClock reads Server.Clock into l.n.at, and returns it.
func (l *loop) readClock() int64 {
	l.n.at = l.srv.Clock()
	return l.n.at
}

// endTurn measures the turn; clocked says that the clock has been read a moment ago.
func (l *loop) endTurn(clocked bool) {
	if !clocked {
		l.readClock()
	}
	l.n.turn.Observe(l.n.at - l.clockOf(l.p.Now()))
}

// clockOf returns what Server.Clock was at that time.
func (l *loop) clockOf(t time.Time) int64 { return int64(t.Sub(l.srv.epoch)) }

// written measures how long it took what a write call has completed: frames of them, with total bytes from the first one
// on. kinds are the bits of what it was given, l.snap; mapped says that something else was written in its place, as
// l.out and l.stands say.
func (l *loop) written(kinds uint8, frames, total int, mapped bool) {
	for _, f := range l.snap[:min(frames, len(l.snap))] {
		if f.made != 0 { // answers and pings are not stamped
			l.n.delivery.Observe(l.n.at - f.made)
			break
		}
	}
	if kinds&frameTimed == 0 {
		return
	}
	if mapped {
		frames = queued(l.out, l.stands, total)
	}
	for _, f := range l.snap[:min(frames, len(l.snap))] {
		if f.bits&frameTimed != 0 {
			l.n.published.Observe(l.n.at - f.published)
		}
	}
}

// queued returns how many frames of the queue have left whole with so many bytes of what was written in their place.
func queued(out []*Frame, stands []uint8, total int) (n int) {
	for i, f := range out {
		if total -= len(f.wire); total < 0 {
			break
		}
		n += max(int(stands[i]), 1)
	}
	return n
}

// Close codes that are counted one by one; the last stands for all others, which peers and backends may choose.
var codeNames = [...]string{
	"1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012", "1013", "4401", "4403", "4410", "other",
}

const closeCodes = len(codeNames)

// codeOf returns the place of a close code in codeNames.
func codeOf(code uint16) int {
	switch {
	case code >= 1000 && code <= 1003:
		return int(code - 1000)
	case code >= 1005 && code <= 1013:
		return int(code-1005) + 4
	case code == 4401: // those of Hoshi's own
		return 13
	case code == 4403:
		return 14
	case code == 4410:
		return 15
	}
	return closeCodes - 1
}
