package bus

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// flushEvery bounds the messages between two calls of Handler.Flush while the
// queue never runs empty.
const flushEvery = 256

type drop uint8

// Why an inbound message was dropped.
const (
	dropQueueFull drop = iota
	dropSubject
	dropInvalid
	dropFormat
	dropHeader
	dropPanic
	dropAsk
)

var dropNames = []string{"queue-full", "bad-subject", "invalid", "unsupported-format", "bad-header", "panic", "bad-ask"}

// shard delivers the messages of the subjects that fall to it, in order.
type shard struct {
	// Fixed after newShard.
	index   int
	prefix  string
	handler Handler
	ch      chan *nats.Msg
	quit    chan struct{} // closed after the connection
	done    chan struct{}
	refuse  func(replyTo, keyword string)
	log     zerolog.Logger // sampled
	panics  *panics

	delivered atomic.Uint64
	dropped   counts[drop]
	badTraces atomic.Uint64
	badTimes  atomic.Uint64

	marks sync.Map // *nats.Msg in the queue -> chan struct{} to close when its turn comes

	// Owned by run.
	msg     Message // one for all messages, so that none is allocated
	scanner codec.Scanner
}

// run delivers until quit, and then what is still queued.
func (s *shard) run() {
	defer close(s.done)
	for {
		select {
		case m := <-s.ch:
			s.drain(m)
		case <-s.quit:
			select {
			case m := <-s.ch:
				s.drain(m)
			default:
				return
			}
		}
	}
}

// drain delivers m and what is queued behind it.
func (s *shard) drain(m *nats.Msg) {
	n := 0
	for {
		s.deliver(m)
		if n++; n%flushEvery == 0 {
			s.flush()
		}
		select {
		case m = <-s.ch:
		default:
			s.flush()
			return
		}
	}
}

// flush tells the handler that what has been delivered should leave.
func (s *shard) flush() {
	defer s.panics.recovered("the flush of a shard", "")
	s.handler.Flush(s.index)
}

// deliver hands one message to the handler. A panic there costs this message,
// not the node.
func (s *shard) deliver(m *nats.Msg) {
	if m.Subject == "" {
		s.passed(m)
		return
	}
	s.msg = Message{}
	defer func() { // the closure costs nothing unless something is wrong
		if v := recover(); v != nil {
			s.dropped.add(dropPanic)
			s.panics.tell("a delivery", m.Subject, s.msg.From, v)
		}
	}()
	why, ok := parseMessage(&s.msg, s.prefix, m, &s.scanner)
	if s.msg.badTrace {
		s.badTraces.Add(1)
	}
	if s.msg.badTime {
		s.badTimes.Add(1)
	}
	if ok {
		s.handler.Deliver(s.index, &s.msg)
		s.delivered.Add(1)
		return
	}
	s.dropped.add(why)
	s.log.Warn().Str("subject", m.Subject).Str("reason", dropNames[why]).Msg("message dropped")
	if m.Reply != "" && !inside(s.prefix, m.Reply) {
		s.refuse(m.Reply, ":bad-request")
	}
}

// pass returns when the shard has delivered what was in its queue before.
func (s *shard) pass(ctx context.Context) error {
	mark, done := &nats.Msg{}, make(chan struct{})
	s.marks.Store(mark, done)
	defer s.marks.Delete(mark)
	select {
	case s.ch <- mark:
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done:
		return nil
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passed takes a mark of pass, which no message of NATS can be mistaken for: it
// has no subject.
func (s *shard) passed(mark *nats.Msg) {
	if done, waits := s.marks.LoadAndDelete(mark); waits {
		close(done.(chan struct{}))
	}
}

// parseMessage checks m and fills msg, without a copy of anything. Bodies come
// from anybody who may publish: one that Clojure's reader refuses, or that EDN
// could not hold, would cost every subscriber a frame, and so would a comment at
// the end, which would swallow what the node writes behind it.
func parseMessage(msg *Message, prefix string, m *nats.Msg, sc *codec.Scanner) (drop, bool) {
	*msg = Message{Subject: m.Subject, Body: m.Data, ReplyTo: m.Reply}
	msg.Kind, msg.Token = parseSubject(prefix, m.Subject)
	if msg.Kind == KindNone {
		return dropSubject, false
	}
	if inside(prefix, m.Reply) {
		return dropHeader, false
	}
	contentType := ""
	if h := m.Header; h != nil {
		contentType = first(h[HeaderContentType])
		if v := h[HeaderFrom]; len(v) > 0 {
			msg.From = v[0]
		}
		if v := h[HeaderExclude]; len(v) > 0 {
			msg.Exclude = v[0]
		}
		if !connOrNone(msg.From) || !connOrNone(msg.Exclude) {
			return dropHeader, false
		}
		msg.ID = first(h[HeaderID])
		if msg.Tab = first(h[HeaderTab]); msg.Tab != "" {
			return parseTab(msg, contentType)
		}
		if why, ok := readAsk(msg, h); !ok {
			return why, false
		}
		msg.Trace, msg.badTrace = readTrace(h)
		msg.Time, msg.badTime = readTime(h)
	}
	if msg.Kind == KindNode {
		return dropHeader, false
	}
	var ok bool
	if msg.Format, ok = formatOf(contentType, msg.Kind != KindChan && msg.Kind != KindAPI, m.Data); !ok {
		return dropFormat, false
	}
	var err error
	if msg.Body, err = sc.Value(msg.Format, m.Data); err != nil {
		return dropInvalid, false
	}
	return 0, true
}

// inside reports whether a reply subject is one of ours: a node may publish
// where a backend must not, and would do it for who asks.
func inside(prefix, reply string) bool {
	rest, ok := strings.CutPrefix(reply, prefix)
	return ok && strings.HasPrefix(rest, ".")
}

// parseTab finishes what one node says to another, whose body is theirs.
func parseTab(msg *Message, contentType string) (drop, bool) {
	// Not on hoshi.conn: backends publish there, and would speak as clients.
	if msg.Kind != KindNode && msg.Kind != KindClient {
		return dropHeader, false
	}
	var ok bool
	msg.Format, ok = formatOf(contentType, false, nil)
	return dropFormat, ok
}

// connOrNone: the publisher's conn-id becomes part of frames, so it must be one.
func connOrNone(s string) bool {
	if s == "" {
		return true
	}
	_, ok := id.ParseConn(s)
	return ok
}
