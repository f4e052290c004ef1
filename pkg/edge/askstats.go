package edge

import "sync/atomic"

// AskStats counts what backends ask clients, and what they answer.
type AskStats struct {
	Pending            int `json:"pending"`             // asks that wait for answers
	PendingConnections int `json:"pending_connections"` // of those, answered or not

	Asks    uint64 `json:"asks"`    // that have reached somebody on this node
	Asked   uint64 `json:"asked"`   // connections
	Answers uint64 `json:"answers"` // passed on

	Ended   map[string]uint64 `json:"ended"`   // by how: all have answered or closed, time, nobody was here, stop
	Refused map[string]uint64 `json:"refused"` // asks for which there was no room, by reason
	Ignored map[string]uint64 `json:"ignored"` // answers, by reason
	Lost    uint64            `json:"lost"`    // what NATS did not take of what is said to who asks
}

// How asks end.
const (
	askEndedComplete = iota
	askEndedTime
	askEndedNobody
	askEndedStopped
	askEnds
)

var askEndedNames = [askEnds]string{"complete", "time", "nobody", "stopped"}

// Why an ask is refused.
const (
	askRefusedAsks = iota
	askRefusedConns
	askRefusals
)

var askRefusedNames = [askRefusals]string{"too-many-asks", "too-many-connections"}

type askCounts struct {
	asks, asked, answers, lost atomic.Uint64

	ended   [askEnds]atomic.Uint64
	refused [askRefusals]atomic.Uint64
	ignored [len(askFaultNames)]atomic.Uint64
}

func (a *asks) stats() AskStats {
	c := &a.counts
	s := AskStats{
		Asks: c.asks.Load(), Asked: c.asked.Load(), Answers: c.answers.Load(), Lost: c.lost.Load(),
		Ended:   byName(askEndedNames[:], c.ended[:]),
		Refused: byName(askRefusedNames[:], c.refused[:]),
		Ignored: byName(askFaultNames[:], c.ignored[:]),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Pending, s.PendingConnections = len(a.mu.byID), a.mu.conns
	return s
}

func byName(names []string, n []atomic.Uint64) map[string]uint64 {
	m := make(map[string]uint64, len(names))
	for i, name := range names {
		m[name] = n[i].Load()
	}
	return m
}
