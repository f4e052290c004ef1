package edge

import "github.com/hoshi-ws/hoshi/internal/auth"

// question is what a message waits to be told that is held back: whether a
// backend lets it through, or who a token is of. While there is one nothing else
// of the connection is taken; then the message is taken again, from its
// beginning, and finds the answer. Owned by the session's loop.
type question struct {
	held     bool // the message is held back
	answered bool

	channel string // token of the one that is published in; empty of a refresh

	// The answer.
	keyword string        // refuses the publish; empty lets it through
	who     auth.Identity // of a refresh
	refused *refusal      // of a refresh: the token is not believed
}

// asking reports whether a message is held back for want of an answer. Loop only.
func (s *session) asking() bool {
	return s.extra != nil && s.extra.question != nil && !s.extra.question.answered
}

// ask makes q the session's question. Loop only.
func (s *session) ask(q *question) { s.more().question = q }

// takeAnswer returns the question that has been answered, and forgets it; nil
// where there is none. Loop only.
func (s *session) takeAnswer() *question {
	if s.extra == nil || s.extra.question == nil || !s.extra.question.answered {
		return nil
	}
	q := s.extra.question
	s.forgetQuestion()
	return q
}

func (s *session) forgetQuestion() {
	s.extra.question = nil
	s.tidy()
}

// answered goes on with what was held back for the question, which has its answer.
// Loop only.
func (s *session) answered(q *question) {
	q.answered = true
	if !q.held || s.extra == nil || s.extra.question != q {
		return
	}
	t := s.socketless()
	if t == nil {
		s.resume()
		return
	}
	// Also where the tab has ended: each of them says so then.
	for p := t.polls; len(p.behind) > 0 && !s.asking(); {
		next := p.behind[0]
		p.behind = p.behind[1:]
		next()
	}
}
