package edge

import (
	"bytes"
	"errors"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// inbound takes one message of a client with a socket. It runs on the loop.
func (n *Node) inbound(s *session, payload []byte) wsconn.Verdict {
	v := s.voice()
	r, err := v.read(payload, n.maxMessage.Load())
	defer v.done(r)
	cmd, wait := &r.cmd, s.waiting()
	if err != nil {
		if wait != nil {
			return wsconn.Hold // counted, and answered, in its turn
		}
		n.refusedMessage(s, reasonOf(err))
		if v.sente && cmd.Callback != nil {
			s.hears(cmd.Form) // which is known then
		}
		n.answerError(s, cmd.Callback)
		return wsconn.Done
	}
	// Frames of one connection take effect in order: while a subscribe waits
	// for its interest only further subscribes join it.
	if wait != nil && (cmd.Op != dialect.Subscribe || wait.full(n.maxOwed)) {
		return wsconn.Hold
	}
	if v.sente {
		s.hears(cmd.Form)
	}
	verdict := n.route(s, cmd)
	if verdict == wsconn.Hold {
		n.watchHeld(s)
	}
	return verdict
}

// route does what a client wants. Loop only.
func (n *Node) route(s *session, cmd *dialect.Command) wsconn.Verdict {
	n.watchIn(s, cmd)
	switch cmd.Op {
	case dialect.Ping:
		n.answerPing(s, cmd.Callback)
	case dialect.Pong: // any frame counts as life
	case dialect.Subscribe:
		n.subscribe(s, cmd)
	case dialect.Unsubscribe:
		n.unsubscribe(s, cmd)
	case dialect.Publish:
		if n.tracing.wants(cmd) {
			return n.routeTraced(s, cmd)
		}
		return n.publish(s, cmd, nil)
	case dialect.Answer:
		return n.takeAnswer(s, cmd)
	case dialect.Refresh:
		return n.refresh(s, cmd)
	case dialect.Event, dialect.BadEvent:
		if n.tracing.wants(cmd) {
			return n.routeTraced(s, cmd)
		}
		return n.event(s, cmd, nil)
	}
	return wsconn.Done
}

// answerPing answers a ping where the dialect has an answer to it.
func (n *Node) answerPing(s *session, callback []byte) {
	v := s.voice()
	if s.socketless() != nil {
		s.reply(callback, v.AppendPong)
		return
	}
	if text := v.AppendPong(nil, callback); len(text) > 0 {
		s.Send(s.message(text))
	}
}

// publish hands a channel message to the bus. t is the trace that it is on, nil for
// none.
func (n *Node) publish(s *session, cmd *dialect.Command, t *traced) wsconn.Verdict {
	token, keyword := n.channelToken(cmd)
	if keyword == "" && !n.opts.Channels.exists(token) {
		keyword = dialect.ChannelNotFound
	}
	limits, reason := noLimits, refusedPublish
	asked := s.takeAnswer() // where this message was held back for it
	switch {
	case keyword != "":
	case asked != nil && asked.channel == token:
		keyword = asked.keyword
	default:
		limits, keyword, reason = s.mayPublish(token, cmd)
		if keyword == "" {
			var hold bool
			if keyword, hold = n.askPublish(s, token); hold {
				if s.blocked {
					s.giveBack(limits)
				}
				return wsconn.Hold
			}
		}
	}
	if keyword != "" {
		n.refusedMessage(s, reason)
		t.fail(reason)
		n.answerResult(s, cmd.Callback, keyword)
		return wsconn.Done
	}
	format := s.voice().carried
	data := cmd.Data
	if data == nil {
		data = []byte(format.Nil())
	}
	out := &bus.Outgoing{Subject: n.bus.Subjects().Chan(token), Body: format.AppendWhole(nil, data), Format: format, From: s.id.String(), Trace: t.carried(), Time: publishTime()}
	if cmd.ExcludeSender {
		out.Exclude = out.From
	}
	err := n.handOver(s, func() error { return n.bus.Publish(out) })
	switch {
	case err == nil:
		n.answerResult(s, cmd.Callback, "")
	case errors.Is(err, bus.ErrFull):
		s.giveBack(limits)
		if asked != nil {
			s.ask(asked)
		}
		return wsconn.Hold
	default:
		n.refusedMessage(s, reasonOf(err))
		t.fail(reasonOf(err))
		n.answerResult(s, cmd.Callback, keywordOf(err))
	}
	return wsconn.Done
}

// mayPublish asks the rules, and returns the keyword that refuses, empty for none,
// with its label. Loop only.
func (s *session) mayPublish(token string, cmd *dialect.Command) (limits *ChannelLimits, keyword, reason string) {
	allowed, limits := s.decide(opPublish, token)
	switch {
	case !allowed:
		s.node.forbidden(s, secPublish, "rule")
		return limits, dialect.Forbidden, refusedPublish
	case limits.MaxMessage > 0 && len(cmd.Data) > limits.MaxMessage:
		return limits, dialect.BadRequest, refusedPublishSize
	case !s.spend(limits, s.node.now()):
		s.node.forbidden(s, secLimit, refusedPublishRate)
		return limits, dialect.RateLimited, refusedPublishRate
	}
	return limits, "", ""
}

// event hands an event to the backends; one with a callback is a request. t is the
// trace that it is on, nil for none.
func (n *Node) event(s *session, cmd *dialect.Command, t *traced) wsconn.Verdict {
	if policy := n.access.policy; policy.Restricts() && !policy.Event(s.grant(), string(cmd.ID)).Allowed {
		n.refusedMessage(s, refusedForbidden)
		n.forbidden(s, secEvent, "rule")
		t.fail(refusedForbidden)
		n.answerResult(s, cmd.Callback, dialect.Forbidden)
		return wsconn.Done
	}
	subject, err := n.bus.Subjects().Event(cmd.ID)
	if err != nil {
		n.refusedMessage(s, refusedEventID)
		t.fail(refusedEventID)
		n.answerError(s, cmd.Callback)
		return wsconn.Done
	}
	out := &bus.Outgoing{Subject: subject, Body: bytes.Clone(cmd.Event), Format: s.voice().carried, Conn: s.id.String(), Trace: t.carried()}
	s.sign(out)
	if cmd.Callback == nil {
		err = n.handOver(s, func() error { return n.bus.Publish(out) })
	} else {
		if !s.mayCall(int32(n.opts.Limits.MaxCallbacks)) {
			return wsconn.Hold
		}
		call := &pendingCall{session: s, callback: bytes.Clone(cmd.Callback), watched: n.watchCall(s, cmd.ID)}
		call.trace = t.wait()
		s.calls.Add(1)
		if err = n.handOver(s, func() error { return n.bus.Request(out, call) }); err != nil {
			s.calls.Add(-1)
			t.keep()
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, bus.ErrFull):
		return wsconn.Hold
	default:
		n.refusedMessage(s, reasonOf(err))
		t.fail(reasonOf(err))
		n.answerError(s, cmd.Callback)
	}
	return wsconn.Done
}

// pendingCall is a client's callback that waits for a backend. Fixed.
type pendingCall struct {
	trace    *traced // nil for none
	session  *session
	callback []byte // in the format of the session
	watched  *watchedCall
}

// mayCall reports whether s may have one more callback waiting for a backend.
// If not, the end of one that waits resumes the session.
func (s *session) mayCall(max int32) bool {
	if s.calls.Load() < max {
		return true
	}
	s.node.limits.callbacksHeld.Add(1)
	s.starved.Store(true)
	return s.calls.Load() < max // again: the last one may have ended in between
}

// called ends one callback's wait. Any goroutine.
func (s *session) called() {
	s.calls.Add(-1)
	if s.starved.CompareAndSwap(true, false) {
		s.post(s.resume)
	}
}

// reply gives a backend's answer to the client's callback, or a node's to a
// question about a tab. It runs on a goroutine of the bus.
func (n *Node) reply(r bus.Reply) {
	switch key := r.Key.(type) {
	case *pendingCall:
		s := key.session
		n.watchReply(s, key.watched, &r)
		done := false
		defer func() {
			if !done { // a panic, which the bus counts
				s.closeAsync(wsconn.StatusInternalError, "")
			}
			s.called()
		}()
		s.replyAsync(key.callback, func(dst, callback []byte) []byte { return n.appendReply(dst, s, r, callback) })
		done = true
		key.trace.answered(r.Err)
	case *callout:
		n.callouts.replied(key, r)
	case *locating:
		n.located(key, r)
	case *still:
		n.stillAnswered(key.relay, r)
	}
}

// appendReply appends the message to a client about the answer of a backend.
func (n *Node) appendReply(dst []byte, s *session, r bus.Reply, callback []byte) []byte {
	v := s.voice()
	if r.Err != nil {
		return v.AppendError(dst, errorValue(r.Err), callback)
	}
	value := r.Body
	if r.Format != v.format {
		var err error
		if value, err = n.replies.convert(nil, value, r.Format, v.format); err != nil {
			n.badPush.Warn().Err(err).Stringer("conn", s.id).Msg("reply not converted")
			return v.AppendError(dst, chskError, callback)
		}
	}
	return v.AppendReply(dst, value, callback)
}

// chskError is what a callback gets that can have no answer.
const chskError = ":chsk/error"

// errorValue is what a callback gets instead of an answer.
func errorValue(err error) string {
	if errors.Is(err, bus.ErrTimeout) {
		return ":chsk/timeout"
	}
	if remote, ok := errors.AsType[*bus.RemoteError](err); ok {
		return remote.Keyword
	}
	return chskError
}

// handOver calls try, which hands something to the bus. Where the bus is full
// the session is put on the list of those to be resumed, and try is called
// once more: room that came in between would otherwise be missed.
func (n *Node) handOver(s *session, try func() error) error {
	err := try()
	if !errors.Is(err, bus.ErrFull) {
		return err
	}
	s.blocked = true
	n.held.add(s)
	if err = try(); !errors.Is(err, bus.ErrFull) {
		s.blocked = false // the resume that comes does no harm
	}
	return err
}

// room resumes everyone who was held back because the bus was full. It runs on
// the publisher goroutine of the bus.
func (n *Node) room() {
	for _, s := range n.held.take() {
		s.post(func() {
			s.blocked = false
			s.resume()
		})
	}
}

// answerError tells a callback, if there is one, that there is no answer.
func (n *Node) answerError(s *session, callback []byte) {
	s.reply(callback, func(dst, callback []byte) []byte { return s.voice().AppendError(dst, chskError, callback) })
}

// answerResult tells a callback, if there is one, how a channel operation
// ended; the keyword is empty where it was done.
func (n *Node) answerResult(s *session, callback []byte, keyword string) {
	s.reply(callback, func(dst, callback []byte) []byte { return s.voice().AppendResult(dst, keyword, callback) })
}

// plainString returns the text of an EDN string literal, and false for any
// other value.
func plainString(text []byte) (string, bool) {
	if len(text) == 0 || text[0] != '"' {
		return "", false
	}
	s, err := edn.Unquote(nil, text)
	return string(s), err == nil
}

// keywordOf is the :error of a channel operation that the bus did not take.
func keywordOf(err error) string {
	if errors.Is(err, bus.ErrTooLarge) {
		return dialect.BadRequest
	}
	return dialect.Unavailable
}
