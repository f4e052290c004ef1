package edge

import (
	"errors"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// mayAsk prepares the delivery of a message that asks to at most conns
// connections. It is false where the ask is refused: then nobody gets it.
func (o *outbound) mayAsk(conns int) bool {
	if o.m.Ask == 0 {
		return true
	}
	if o.ask = o.node.asks.begin(o.m, conns); o.ask == nil {
		o.m.Ask = 0 // all is said
		return false
	}
	// It is nothing that a newer message could stand for, and who asks has set a time.
	o.class = wsconn.NewClass(o.class.Policy(), 0)
	o.m.Flush = true
	return true
}

// appendAsk appends what asks those who speak a voice. payload is an event, or
// the data of a channel's message, in their format.
func (o *outbound) appendAsk(dst []byte, v *voice, payload []byte) []byte {
	if o.m.Kind == bus.KindChan {
		words := dialect.Words(v)
		if s, ok := v.Voice.(*sentelite.Voice); ok {
			words = s.Words // what asks is not wrapped
		}
		payload = words.AppendChannelMessage(nil, channelText(o.m.Token), payload, o.m.From)
	}
	return v.AppendAsk(dst, payload, o.ask.callback)
}

// giveAsk hands one session the frame, and notes that it is asked.
func (o *outbound) giveAsk(s *session, frame *wsconn.Frame, gate *bool) {
	c := o.node.asks.join(o.ask, s)
	if c == nil {
		return
	}
	if !o.hand(s, frame, gate, nil) {
		o.node.asks.withdraw(c)
		return
	}
	o.reached++
}

// asked ends the delivery of a message that asks.
func (o *outbound) asked(m *bus.Message) {
	k := o.ask
	if o.ask = nil; k == nil {
		o.node.asks.nobody(m.ReplyTo)
		return
	}
	o.node.asks.sent(k)
}

// takeAnswer passes on what a client answers to an ask.
func (n *Node) takeAnswer(s *session, cmd *dialect.Command) wsconn.Verdict {
	format := s.voice().carried
	data := cmd.Data
	if data == nil {
		data = []byte(format.Nil())
	}
	out := &bus.Outgoing{Body: format.AppendWhole(nil, data), Format: format, Conn: s.id.String()}
	s.sign(out)
	err := n.handOver(s, func() error { return n.asks.answer(s, cmd.AnswerTo, out) })
	fault, ignored := errors.AsType[askFault](err)
	switch {
	case err == nil:
		n.answerResult(s, cmd.Callback, "")
	case errors.Is(err, bus.ErrFull):
		return wsconn.Hold
	case ignored:
		n.asks.counts.ignored[fault].Add(1)
		n.answerResult(s, cmd.Callback, notAsked)
	default:
		n.refusedMessage(s, reasonOf(err))
		n.answerResult(s, cmd.Callback, keywordOf(err))
	}
	return wsconn.Done
}
