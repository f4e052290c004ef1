package edge

import (
	"net/http"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// What a session is told goes through here, since a client that polls has no
// socket.

// socketless returns the tab of a session that has no socket, nil for others.
func (s *session) socketless() *tab {
	if t := s.tab(); t != nil && t.polls != nil {
		return t
	}
	return nil
}

// tell sends the session an event of its own. Loop only.
func (s *session) tell(event []byte) {
	frame := s.voice().event(event)
	if t := s.socketless(); t != nil {
		t.offer(newKept(frame, nil), nil, false)
		return
	}
	s.Send(frame)
}

// reply answers a callback, if there is one: word appends the message, for the
// callback that it is given. Loop only.
func (s *session) reply(callback []byte, word func(dst, callback []byte) []byte) {
	switch {
	case callback == nil:
	case s.socketless() != nil:
		s.replyAsync(callback, word)
	default:
		s.Send(s.message(word(nil, callback)))
	}
}

// replyAsync is reply for any goroutine.
func (s *session) replyAsync(callback []byte, word func(dst, callback []byte) []byte) {
	if t := s.socketless(); t != nil {
		if w := t.polls.take(callback); w != nil {
			v := s.voice()
			w.answer(response{http.StatusOK, v.wire(v.framed(t.form, word(nil, []byte(v.format.Nil()))))})
		}
		return
	}
	s.Enqueue(s.message(word(nil, callback)))
}

// message returns a whole message as the session's client reads it.
func (s *session) message(text []byte) *wsconn.Frame { return s.voice().message(s.form(), text) }

// keywordText is the answer of Ajax that is a keyword.
func (s *session) keywordText(keyword string) []byte {
	v := s.voice()
	return v.wire(v.framed(s.form(), v.AppendError(nil, keyword, []byte(v.format.Nil()))))
}

// handshakeText is the handshake, as an answer of Ajax. Every client reads its
// one form.
func (s *session) handshakeText() []byte {
	v := s.voice()
	return v.wire(v.AppendHandshake(nil, s.uidText(), s.id.String(), s.node.opts.Version, s.handshakeData()))
}

// openGate tells a subscription's client that it is subscribed, by a reply to
// callback, or by an event where callback is nil, and lets deliveries in behind
// that. Loop only.
func (s *session) openGate(gate *bool, callback []byte, token string) {
	if t := s.socketless(); t != nil {
		s.subscribedAway(callback, token)
		t.setGate(gate, true)
		return
	}
	s.Conn.Open(gate, s.subscribed(callback, token))
}

// shutGate is openGate for the answer to an unsubscribe, behind which nothing
// comes.
func (s *session) shutGate(gate *bool, callback []byte, token string) {
	if t := s.socketless(); t != nil {
		t.setGate(gate, false)
		s.subscribedAway(callback, token)
		return
	}
	s.Conn.Shut(gate, s.subscribed(callback, token))
}

// setGate opens or shuts a gate of a session without a socket, whose gates are
// guarded by the lock of its tab.
func (t *tab) setGate(gate *bool, open bool) {
	t.mu.Lock()
	*gate = open
	t.mu.Unlock()
}

// subscribed is the answer to a subscribe or unsubscribe that was done: the
// event, or, where a callback was asked for, its reply alone.
func (s *session) subscribed(callback []byte, token string) *wsconn.Frame {
	v := s.voice()
	if callback != nil {
		return s.message(v.AppendResult(nil, "", callback))
	}
	return v.event(v.AppendSubscribed(nil, channelText(token)))
}

// subscribedAway is subscribed for a session without a socket.
func (s *session) subscribedAway(callback []byte, token string) {
	v := s.voice()
	if callback != nil {
		s.replyAsync(callback, func(dst, callback []byte) []byte { return v.AppendResult(dst, "", callback) })
		return
	}
	s.tell(v.AppendSubscribed(nil, channelText(token)))
}

// post runs fn on the session's loop. Any goroutine.
func (s *session) post(fn func()) {
	if t := s.socketless(); t != nil {
		t.polls.serial.do(func() {
			defer s.recovered()
			fn()
		})
		return
	}
	s.Post(fn)
}

// closeAsync ends the session in good order. Any goroutine.
func (s *session) closeAsync(code wsconn.StatusCode, reason string) {
	if t := s.socketless(); t != nil {
		s.node.endTab(t, statusUnknown)
		return
	}
	s.CloseAsync(code, reason)
}
