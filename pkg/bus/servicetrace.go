package bus

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// Gatherer gathers the lines of one trace. Its methods are called by one goroutine.
type Gatherer interface {
	// Take returns what has been gathered since the last call, and how many lines more
	// there were that the rate did not let be told. The caller owns lines.
	Take() (lines []TraceLine, suppressed int)
	// Stop ends it: nothing is gathered any more.
	Stop()
}

// TraceLine is one thing that has happened to who is traced. There is never a payload
// in it, nor a token.
type TraceLine struct {
	At   time.Time `json:"at"`
	Conn string    `json:"conn,omitempty"`
	Kind string    `json:"kind"`

	Event   string  `json:"event,omitempty"`   // an event's id
	Channel string  `json:"channel,omitempty"` // as EDN
	From    string  `json:"from,omitempty"`    // conn-id of who has published it
	Reason  string  `json:"reason,omitempty"`
	Code    int     `json:"code,omitempty"`  // of a close
	Bytes   int     `json:"bytes,omitempty"` // of the message or frame
	Format  string  `json:"format,omitempty"`
	TookMS  float64 `json:"took_ms,omitempty"` // of a callback
	Count   int     `json:"count,omitempty"`   // of connections, or of deliveries
}

// The kinds of a [TraceLine].
const (
	TraceOpen         = "open"
	TraceClose        = "close"        // with Reason and Code
	TraceIn           = "in"           // the client has sent something
	TraceHeld         = "held"         // it is held back for a while, and will be seen again
	TraceRefused      = "refused"      // it is not done, with Reason
	TraceReply        = "reply"        // the answer to a callback; Reason where it is none
	TraceSubscribed   = "subscribed"   // to Channel
	TraceUnsubscribed = "unsubscribed" // from Channel
	TracePush         = "push"         // has been put into the queue of the connection
	TraceMessage      = "message"      // the same of a channel; of a trace of the channel with Count
	TraceAll          = "all"          // the same of what is for everybody
	TraceKept         = "kept"         // waits for a client that is away
	TraceDropped      = "dropped"      // is lost, with Reason; Count where there are several
)

// TraceBatch is one message of a trace: a node sends them to who has asked, as they
// come. One that can be replied to asks whether somebody still listens, and is to be
// answered with anything; without answers the trace ends.
type TraceBatch struct {
	Node  string      `json:"node"`
	Began bool        `json:"began,omitempty"` // the first
	Lines []TraceLine `json:"lines,omitempty"`
	// Before is how many lines there were in the messages before, told and suppressed, so
	// that what is lost on the way is known.
	Before int `json:"before,omitempty"`
	// Suppressed is how many lines were beyond the rate; [Client.Trace] adds those that
	// were lost on the way.
	Suppressed int    `json:"suppressed,omitempty"`
	Over       string `json:"over,omitempty"` // the last, with why
}

// Why a trace is over on a node, in [TraceBatch]. That it is silent, for several beats or
// at the end, Client.Trace says for it.
const (
	OverTime    = "time"
	OverStopped = "stopped"
	OverSilent  = "silent"
)

// How a trace is told.
const (
	traceEvery  = 100 * time.Millisecond // batches
	traceBeat   = time.Second            // questions whether somebody listens
	traceAnswer = 2 * time.Second        // how long each waits for its answer
	traceMissed = 3                      // how many go unanswered
	traceLines  = 200                    // of one batch: each is below 2 KiB
)

// trace begins a trace, which has a goroutine until it ends.
func (s *service) trace(nc *nats.Conn, r micro.Request) {
	var q TraceQuery
	if !s.read(r, q.fields(), q.complete) {
		return
	}
	g, err := s.o.Trace(q)
	if err != nil {
		s.refuseWith(r, err)
		return
	}
	s.mu.Lock()
	ctx := s.mu.ctx
	begins := ctx != nil && !s.mu.stopped
	if begins {
		t := teller{nc: nc, to: r.Reply(), node: s.node.o.ID.String()}
		// Ends with the connection, with the time, or when nobody listens.
		s.busy.Go(func() { t.run(ctx, q.Time, g) })
	}
	s.mu.Unlock()
	if !begins {
		g.Stop()
	}
}

// teller tells of one trace. It belongs to the goroutine of the trace.
type teller struct {
	nc       *nats.Conn
	to, node string
	before   int // lines that have been told, or suppressed
}

// run sends what a gatherer has until the trace is over.
func (t *teller) run(ctx context.Context, lasts time.Duration, g Gatherer) {
	defer g.Stop()
	if t.send(&TraceBatch{Node: t.node, Began: true}) != nil {
		return
	}
	over := time.NewTimer(lasts)
	defer over.Stop()
	tick := time.NewTicker(traceEvery)
	defer tick.Stop()
	beat := time.Now().Add(traceBeat)
	missed := 0
	for {
		why := ""
		select {
		case <-tick.C:
		case <-over.C:
			why = OverTime
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), ErrStopped) {
				return // nobody hears it
			}
			why = OverStopped
		}
		lines, suppressed := g.Take()
		if t.tell(lines, suppressed, why) != nil || why != "" {
			return
		}
		if time.Now().Before(beat) {
			continue
		}
		beat = time.Now().Add(traceBeat)
		err := t.ask(ctx)
		switch {
		case err == nil:
			missed = 0
			continue
		case ctx.Err() != nil:
			continue // the next turn says why
		case errors.Is(err, context.DeadlineExceeded):
			if missed++; missed < traceMissed {
				continue
			}
		}
		return // NATS knows nobody who listens, or is away
	}
}

// tell sends lines, in as many messages as they need. The last says why it is, if
// there is a why.
func (t *teller) tell(lines []TraceLine, suppressed int, why string) error {
	most := traceLines
	for len(lines) > 0 || suppressed > 0 || why != "" {
		n := min(len(lines), most)
		b := TraceBatch{Node: t.node, Lines: lines[:n], Before: t.before, Suppressed: suppressed}
		if n == len(lines) {
			b.Over = why
		}
		err := t.send(&b)
		if errors.Is(err, nats.ErrMaxPayload) && n > 1 {
			most = n / 2
			continue
		}
		if err != nil {
			return err
		}
		t.before += n + suppressed
		if n == len(lines) {
			return nil
		}
		lines, suppressed = lines[n:], 0
	}
	return nil
}

// ask asks whether somebody listens.
func (t *teller) ask(ctx context.Context) error {
	m, err := t.message(&TraceBatch{Node: t.node})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, traceAnswer)
	defer cancel()
	_, err = t.nc.RequestMsgWithContext(ctx, m)
	return err
}

func (t *teller) send(b *TraceBatch) error {
	m, err := t.message(b)
	if err != nil {
		return err
	}
	return t.nc.PublishMsg(m)
}

func (t *teller) message(b *TraceBatch) (*nats.Msg, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: t.to, Data: body, Header: nats.Header{HeaderNode: {t.node}, HeaderContentType: {ContentTypeJSON}}}, nil
}
