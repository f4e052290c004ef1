package wsconn

import (
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/histogram"
	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/proxyproto"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// Reasons for which requests are refused, behind those of the handshake package.
const (
	refusedTimeout = 16 + iota // the head was not complete in time
	refusedEOF                 // the peer ended within the head
	refusedHandler             // Refuse was called
	refusedFull                // by Limits, as the following
	refusedRate
	refusedAddrFull
	refusedAddrRate
	refusedOwn // keep last
)

// Behind them those of what comes before a request, each with its reason on top.
const (
	refusedProxy = refusedOwn       // a proxyproto.Reason: a header that is none
	refusedTLS   = refusedProxy + 8 // a poller.TLSReason: a handshake that did not work
	refusedCount = refusedTLS + 16
)

// Stats are counters since the start; Open to Addresses, Throttled and StalledMS are gauges.
type Stats struct {
	Accepted     uint64            `json:"accepted"`     // upgrades
	Detached     uint64            `json:"detached"`     // plain requests handed over
	Refused      map[string]uint64 `json:"refused"`      // requests, by reason
	Open         int64             `json:"open"`         // accepted and not closed
	Sockets      int64             `json:"sockets"`      // all there are, those handed over included
	Heads        int64             `json:"heads"`        // of these, not upgraded
	Conns        int64             `json:"conns"`        // what Limits.Conns bounds
	MaxConns     int               `json:"max_conns"`    // the bound; 0 is none
	Addresses    int               `json:"addresses"`    // that limits know something of
	Shed         map[string]uint64 `json:"shed"`         // sockets that were closed at once, by reason
	Throttled    int64             `json:"throttled"`    // connections that are not read at the moment
	Throttles    uint64            `json:"throttles"`    // how often one was stopped
	ThrottledMS  uint64            `json:"throttled_ms"` // for how long, all together
	Closed       map[string]uint64 `json:"closed"`       // accepted connections, by CloseReason
	FramesIn     uint64            `json:"frames_in"`
	BytesIn      uint64            `json:"bytes_in"`   // as read, requests included
	FramesOut    uint64            `json:"frames_out"` // given to the system whole, HTTP responses included
	BytesOut     uint64            `json:"bytes_out"`
	WriteCalls   uint64            `json:"write_calls"`
	Deflated     uint64            `json:"deflated"`  // frames that were compressed, each once
	Inflated     uint64            `json:"inflated"`  // messages that came compressed
	Overflows    uint64            `json:"overflows"` // queues that were full
	Discarded    uint64            `json:"discarded"` // messages that were queued and not sent, for connections that ended
	Dropped      map[string]uint64 `json:"dropped"`   // deliveries, by reason, for connections that went on
	Unsent       uint64            `json:"unsent"`    // bytes that resets destroyed in the system's buffers
	AcceptErrors uint64            `json:"accept_errors"`
	AcceptShed   uint64            `json:"accept_shed"` // connections closed at once because no descriptor was left
	Panics       uint64            `json:"panics"`      // recovered
	StalledMS    int64             `json:"stalled_ms"`  // age of the longest turn of a loop that is under way

	ClosedCodes map[string]uint64 `json:"closed_codes"` // accepted connections, by close code; "other" for those of no standard

	// How long what is delivered (Frame.Stamp) took until the system had it: of each write call the oldest, since it came
	// to the server, and all of which it is known, since they were published.
	DeliverySeconds  histogram.Snapshot `json:"delivery_seconds"`
	PublishedSeconds histogram.Snapshot `json:"published_seconds"`

	TurnSeconds   histogram.Snapshot `json:"turn_seconds"`   // how long a turn of a loop took, from when events had come
	WriteMessages histogram.Snapshot `json:"write_messages"` // that a write call was given
	QueueMessages histogram.Snapshot `json:"queue_messages"` // that waited for a connection when it began to be flushed
	QueueBytes    histogram.Snapshot `json:"queue_bytes"`    // the same
}

// counters are a loop's own, and published once each turn.
type counters struct {
	accepted, detached, framesIn, bytesIn, framesOut, bytesOut, writeCalls, deflated, inflated, overflows, discarded, unsent,
	acceptErrors, acceptShed, panics, throttles, throttledMS uint64
	open, throttled int64
	shed            [shedCount]uint64
	joined          uint64 // parts beyond one for each frame made of them; for gather alone
	refused         [refusedCount]uint64
	closed          [closeReasons]uint64
	codes           [closeCodes]uint64
	measuring
}

// totals are the sums of all loops.
type totals struct {
	accepted, detached, framesIn, bytesIn, framesOut, bytesOut, writeCalls, deflated, inflated, overflows, discarded, unsent,
	acceptErrors, acceptShed, panics, throttles, throttledMS atomic.Uint64
	open, throttled       atomic.Int64
	sockets, heads, conns atomic.Int64 // counted at once, since limits are asked of them
	shed                  [shedCount]atomic.Uint64
	refused               [refusedCount]atomic.Uint64
	closed                [closeReasons]atomic.Uint64
	codes                 [closeCodes]atomic.Uint64
	dropped               [droppedCount]atomic.Uint64 // counted at once: whoever drops may be on any goroutine
	measures
}

// publish moves what has been counted to t.
func (n *counters) publish(t *totals) {
	for _, m := range [...]struct {
		from *uint64
		to   *atomic.Uint64
	}{
		{&n.accepted, &t.accepted},
		{&n.detached, &t.detached},
		{&n.framesIn, &t.framesIn},
		{&n.bytesIn, &t.bytesIn},
		{&n.framesOut, &t.framesOut},
		{&n.bytesOut, &t.bytesOut},
		{&n.writeCalls, &t.writeCalls},
		{&n.deflated, &t.deflated},
		{&n.inflated, &t.inflated},
		{&n.overflows, &t.overflows},
		{&n.discarded, &t.discarded},
		{&n.unsent, &t.unsent},
		{&n.acceptErrors, &t.acceptErrors},
		{&n.acceptShed, &t.acceptShed},
		{&n.panics, &t.panics},
		{&n.throttles, &t.throttles},
		{&n.throttledMS, &t.throttledMS},
	} {
		if *m.from != 0 {
			m.to.Add(*m.from)
			*m.from = 0
		}
	}
	if n.open != 0 {
		t.open.Add(n.open)
		n.open = 0
	}
	if n.throttled != 0 {
		t.throttled.Add(n.throttled)
		n.throttled = 0
	}
	for i, v := range n.shed {
		if v != 0 {
			t.shed[i].Add(v)
			n.shed[i] = 0
		}
	}
	for i, v := range n.refused {
		if v != 0 {
			t.refused[i].Add(v)
			n.refused[i] = 0
		}
	}
	for i, v := range n.closed {
		if v != 0 {
			t.closed[i].Add(v)
			n.closed[i] = 0
		}
	}
	for i, v := range n.codes {
		if v != 0 {
			t.codes[i].Add(v)
			n.codes[i] = 0
		}
	}
	n.measuring.publish(&t.measures)
}

func refusedName(i int) string {
	switch {
	case i > refusedTLS:
		return "tls-" + poller.TLSReason(i-refusedTLS).String()
	case i > refusedProxy:
		return "proxy-" + proxyproto.Reason(i-refusedProxy).String()
	}
	switch i {
	case refusedTimeout:
		return "timeout"
	case refusedEOF:
		return "eof"
	case refusedHandler:
		return "handler"
	case refusedFull:
		return refuseFull.Reason
	case refusedRate:
		return refuseRate.Reason
	case refusedAddrFull:
		return refuseAddrFull.Reason
	case refusedAddrRate:
		return refuseAddrRate.Reason
	}
	return handshake.Reason(i).String()
}

// Stats returns the counters; each loop adds its own at the end of its turns. Any goroutine.
func (s *Server) Stats() Stats {
	t := &s.totals
	st := Stats{
		Accepted:     t.accepted.Load(),
		Detached:     t.detached.Load(),
		Refused:      make(map[string]uint64),
		Open:         t.open.Load(),
		Sockets:      t.sockets.Load(),
		Heads:        t.heads.Load(),
		Conns:        t.conns.Load(),
		MaxConns:     s.gate.limits.Conns,
		Addresses:    s.gate.places.Len(s.now()),
		Shed:         make(map[string]uint64),
		Throttled:    t.throttled.Load(),
		Throttles:    t.throttles.Load(),
		ThrottledMS:  t.throttledMS.Load(),
		Closed:       make(map[string]uint64),
		FramesIn:     t.framesIn.Load(),
		BytesIn:      t.bytesIn.Load(),
		FramesOut:    t.framesOut.Load(),
		BytesOut:     t.bytesOut.Load(),
		WriteCalls:   t.writeCalls.Load(),
		Deflated:     t.deflated.Load(),
		Inflated:     t.inflated.Load(),
		Overflows:    t.overflows.Load(),
		Discarded:    t.discarded.Load(),
		Dropped:      make(map[string]uint64),
		Unsent:       t.unsent.Load(),
		AcceptErrors: t.acceptErrors.Load(),
		AcceptShed:   t.acceptShed.Load(),
		Panics:       t.panics.Load(),
		StalledMS:    s.Stalled().Milliseconds(),
		ClosedCodes:  make(map[string]uint64),
	}
	t.measures.fill(&st)
	for i := range t.codes {
		if v := t.codes[i].Load(); v != 0 {
			st.ClosedCodes[codeNames[i]] = v
		}
	}
	for i := range t.shed {
		if v := t.shed[i].Load(); v != 0 {
			st.Shed[shed(i).String()] = v
		}
	}
	for i := range t.refused {
		if v := t.refused[i].Load(); v != 0 {
			st.Refused[refusedName(i)] = v
		}
	}
	for i := range t.closed {
		if v := t.closed[i].Load(); v != 0 {
			st.Closed[CloseReason(i).String()] = v
		}
	}
	for i, name := range droppedNames {
		if v := t.dropped[i].Load(); v != 0 {
			st.Dropped[name] = v
		}
	}
	return st
}
