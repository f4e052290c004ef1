package edge

import (
	"runtime/metrics"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// Stats is a snapshot of a node's counters; those named by reasons have a
// bounded set of keys.
type Stats struct {
	Node        string `json:"node"`
	Version     string `json:"version"`
	UptimeMS    int64  `json:"uptime_ms"`
	Ready       bool   `json:"ready"`
	Connections int    `json:"connections"` // open, handshake done
	Channels    int    `json:"channels"`    // with a subscriber on this node
	Users       int    `json:"users"`       // with a socket on this node
	MaxMessage  int64  `json:"max_message_bytes"`
	Nodes       int    `json:"nodes"` // that are heard on NATS, this one included

	MaxRevocations int `json:"max_revocations"` // what bounds Admin.Remembered

	Voices map[string]uint64 `json:"voices"` // connections by dialect and format, such as sente-lite/json

	// Rendered are the messages of channels and pushes that were made into a
	// frame, by dialect and format: one for each that somebody speaks, whatever
	// the number of subscribers. Conversions are the payloads that were written
	// in another format, such as edn>json; Unconverted those that cannot be said
	// in it: nobody who speaks it has heard them.
	Rendered    map[string]uint64 `json:"rendered"`
	Conversions map[string]uint64 `json:"conversions"`
	Unconverted map[string]uint64 `json:"unconverted"`

	RefusedMessages map[string]uint64 `json:"refused_messages"` // of clients, by reason
	RefusedUpgrades map[string]uint64 `json:"refused_upgrades"` // by reason
	RefusedPushes   map[string]uint64 `json:"refused_pushes"`   // of backends, by reason
	LostEvents      map[string]uint64 `json:"lost_events"`      // conn-open and conn-close that NATS did not take

	// Of the messages that say when they were published, those that were so in the future, by this node's clock, which
	// counts as now, and those of which it is so long ago that the clock must be wrong, which are not measured.
	ClocksAhead uint64 `json:"clocks_ahead"`
	ClocksFar   uint64 `json:"clocks_far"`

	// CertificateExpires is when the certificate of the clients' listener does, in seconds of Unix time; 0 without TLS.
	CertificateExpires int64 `json:"certificate_expires"`

	Sente  SenteStats `json:"sente"`
	Panics uint64     `json:"panics"` // in sessions that poll, each of which one has cost
	Asks   AskStats   `json:"asks"`

	Callouts CalloutStats `json:"callouts"`

	Traces  TraceStats   `json:"traces"`
	Admin   AdminStats   `json:"admin"`
	Drain   DrainStats   `json:"drain"`
	Limits  LimitStats   `json:"limits"`
	Sockets wsconn.Stats `json:"sockets"`
	Bus     bus.Stats    `json:"bus"`
	Process ProcessStats `json:"process"`
}

// SenteStats is about clients of Sente and what waits for them.
type SenteStats struct {
	Polling  int   `json:"polling"`  // polls that wait
	Sessions int64 `json:"sessions"` // of clients that poll, whose node this is
	Away     int   `json:"away"`     // clients without a socket: those that poll, and those that may come back

	// Of the deliveries that had to wait for their client, those that found no
	// room, those whose client did not come back in time, and those that were
	// handed over to a new session of their client. Replaced are the sessions that
	// another one of the same client has ended.
	Kept     uint64 `json:"kept"`
	Dropped  uint64 `json:"dropped"`
	Expired  uint64 `json:"expired"`
	Handed   uint64 `json:"handed"`
	Replaced uint64 `json:"replaced"`
}

// ProcessStats is about the whole process that the node runs in.
type ProcessStats struct {
	Goroutines uint64 `json:"goroutines"`
	HeapBytes  uint64 `json:"heap_bytes"` // occupied by objects, dead ones included until they are collected
}

func processStats() ProcessStats {
	samples := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	return ProcessStats{Goroutines: samples[0].Value.Uint64(), HeapBytes: samples[1].Value.Uint64()}
}

// Stats returns a snapshot. Each part is consistent, the whole need not be.
func (n *Node) Stats() Stats {
	s := Stats{
		Node:        n.opts.ID.String(),
		Version:     n.opts.Version,
		UptimeMS:    time.Since(n.started).Milliseconds(),
		Ready:       n.Ready(),
		Connections: n.Connections(),
		Channels:    n.channels.Len(),
		Users:       n.users.Len(),
		MaxMessage:  n.maxMessage.Load(),
		Nodes:       1 + len(n.bus.Others()),
		Asks:        n.asks.stats(),
		Callouts:    n.callouts.stats(),
		Admin:       n.revoker.stats(),
		Drain:       n.drainStats(),
		Panics:      n.panics.Load(),
		Traces:      n.tracing.stats(),
		Limits:      n.limits.stats(),
		Sockets:     n.ws.Stats(),
		Bus:         n.bus.Stats(),
		Process:     processStats(),

		MaxRevocations: n.opts.MaxRevocations,
	}
	n.counts.fill(&s)
	s.ClocksAhead, s.ClocksFar = n.counts.clocksAhead.Load(), n.counts.clocksFar.Load()
	if n.certs != nil {
		s.CertificateExpires = n.certs.Certificate().NotAfter.Unix()
	}
	s.Sente = SenteStats{
		Polling:  int(n.tabs.polling.Load()),
		Sessions: n.tabs.sessions.Load(),
		Away:     n.tabs.away.Len(),
		Kept:     n.tabs.kept.Load(),
		Dropped:  n.tabs.dropped.Load(),
		Expired:  n.tabs.expired.Load(),
		Handed:   n.tabs.handed.Load(),
		Replaced: n.tabs.replaced.Load(),
	}
	s.Voices = n.byVoice(func(i int) uint64 { return uint64(n.speakers[i].Load()) })
	s.Rendered = n.byVoice(func(i int) (sum uint64) {
		for o := range n.outbound {
			sum += n.outbound[o].rendered[i].Load()
		}
		return sum
	})
	s.Conversions, s.Unconverted = map[string]uint64{}, map[string]uint64{}
	n.replies.add(s.Conversions, s.Unconverted)
	for o := range n.outbound {
		n.outbound[o].payloads.add(s.Conversions, s.Unconverted)
	}
	return s
}
