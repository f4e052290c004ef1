package edge

import (
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// lossesEvery is how often a line tells what has been lost, of each kind of which
// something was.
const lossesEvery = 10 * time.Second

// losses are the counters of one kind of loss, by reason, which only grow.
type losses struct {
	msg   string
	count func(*Stats) map[string]uint64
}

// lossKinds are the kinds: each has one line in an interval in which something was
// lost. What clients and backends are told of, such as a refused publish, is none:
// the counters have it.
var lossKinds = []losses{
	{"deliveries dropped", func(s *Stats) map[string]uint64 { return s.Sockets.Dropped }},
	{"slow clients closed", func(s *Stats) map[string]uint64 {
		overflow, stalled := wsconn.CloseOverflow.String(), wsconn.CloseStalled.String()
		return map[string]uint64{overflow: s.Sockets.Closed[overflow], stalled: s.Sockets.Closed[stalled]}
	}},
	{"messages discarded with their connection", func(s *Stats) map[string]uint64 {
		return map[string]uint64{"queued": s.Sockets.Discarded}
	}},
	{"deliveries for absent clients dropped", func(s *Stats) map[string]uint64 {
		return map[string]uint64{"full": s.Sente.Dropped, "expired": s.Sente.Expired, "revoked": s.Admin.Dropped}
	}},
	{"messages from nats dropped", func(s *Stats) map[string]uint64 {
		lost := maps.Clone(s.Bus.Dropped)
		delete(lost, bus.DroppedAPI) // questions: who asks hears of it
		return lost
	}},
	{"messages for nats lost", func(s *Stats) map[string]uint64 {
		lost := map[string]uint64{"ask": s.Asks.Lost}
		maps.Copy(lost, s.Bus.PublishLost)
		for reason, n := range s.LostEvents {
			lost["event-"+reason] += n
		}
		return lost
	}},
	{"pushes refused", func(s *Stats) map[string]uint64 { return s.RefusedPushes }},
	{"messages not converted", func(s *Stats) map[string]uint64 { return s.Unconverted }},
}

// tellLosses writes those lines until done is closed, and the last then. It is a
// goroutine of its own.
func (n *Node) tellLosses(done <-chan struct{}) {
	tick := time.NewTicker(lossesEvery)
	defer tick.Stop()
	var told []map[string]uint64
	for {
		select {
		case <-done:
			tellLosses(&n.log, told, n.Stats())
			return
		case <-tick.C:
			told = tellLosses(&n.log, told, n.Stats())
		}
	}
}

// tellLosses writes a line of each kind of which more was lost than has been told,
// and returns what has been told then: nil is nothing.
func tellLosses(log *zerolog.Logger, told []map[string]uint64, s Stats) []map[string]uint64 {
	now := make([]map[string]uint64, len(lossKinds))
	for i, kind := range lossKinds {
		now[i] = kind.count(&s)
		reasons, sum := zerolog.Dict(), uint64(0)
		var before map[string]uint64
		if told != nil {
			before = told[i]
		}
		for _, reason := range slices.Sorted(maps.Keys(now[i])) {
			if lost := now[i][reason] - before[reason]; lost > 0 {
				reasons = reasons.Uint64(reason, lost)
				sum += lost
			}
		}
		if sum > 0 {
			log.Warn().Uint64("count", sum).Dict("reasons", reasons).Msg(kind.msg)
		}
	}
	return now
}
