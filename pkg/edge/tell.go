package edge

import "github.com/hoshi-ws/hoshi/internal/wsconn"

// tell sends the session an event of its own. Loop only.
func (s *session) tell(event []byte) { s.Send(s.voice().event(event)) }

// reply answers a callback, if there is one: word appends the message, for the
// callback that it is given. Loop only.
func (s *session) reply(callback []byte, word func(dst, callback []byte) []byte) {
	if callback != nil {
		s.Send(s.message(word(nil, callback)))
	}
}

// replyAsync is reply for any goroutine.
func (s *session) replyAsync(callback []byte, word func(dst, callback []byte) []byte) {
	s.Enqueue(s.message(word(nil, callback)))
}

// message returns a whole message as the session's client reads it.
func (s *session) message(text []byte) *wsconn.Frame { return s.voice().message(text) }

// openGate tells a subscription's client that it is subscribed, by a reply to
// callback, or by an event where callback is nil, and lets deliveries in behind
// that. Loop only.
func (s *session) openGate(gate *bool, callback []byte, token string) {
	s.Conn.Open(gate, s.subscribed(callback, token))
}

// shutGate is openGate for the answer to an unsubscribe, behind which nothing
// comes.
func (s *session) shutGate(gate *bool, callback []byte, token string) {
	s.Conn.Shut(gate, s.subscribed(callback, token))
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

// post runs fn on the session's loop. Any goroutine.
func (s *session) post(fn func()) { s.Post(fn) }

// closeAsync ends the session in good order. Any goroutine.
func (s *session) closeAsync(code wsconn.StatusCode, reason string) { s.CloseAsync(code, reason) }
