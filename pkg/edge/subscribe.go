package edge

import (
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// channelToken returns the token of the command's channel, or the keyword that
// refuses it.
func (n *Node) channelToken(cmd *dialect.Command) (token, keyword string) {
	if cmd.BadArgs || cmd.Channel == nil {
		return "", dialect.BadRequest
	}
	var scratch [bus.MaxToken]byte
	t, err := bus.AppendToken(scratch[:0], cmd.Channel)
	if err != nil {
		return "", dialect.BadRequest
	}
	return string(t), ""
}

// subscribe puts s into a channel; the answer follows when whoever has to be asked
// has allowed it, and the channel's interest is in force on every server.
func (n *Node) subscribe(s *session, cmd *dialect.Command) {
	a := answer{channel: cmd.Sent, callback: cmd.Callback, ready: true}
	token, keyword := n.channelToken(cmd)
	if keyword == "" {
		keyword = n.mayJoin(s, token, false)
	}
	if keyword == "" && s.find(token) == nil {
		a.wait, keyword = n.askSubscribe(s, token)
	}
	switch {
	case a.wait != nil:
		a.ready = false
	case keyword != "":
		a.keyword = keyword
	default:
		a.sub, a.keyword, a.ready = n.join(s, token)
	}
	n.giveOrOwe(s, a)
}

// giveOrOwe gives an answer, or has it wait for its own turn.
func (n *Node) giveOrOwe(s *session, a answer) {
	if a.ready && s.waiting() == nil {
		n.tell(s, a)
		return
	}
	s.owe(a)
}

// mayJoin returns the keyword that keeps s out of a channel, empty where nothing
// does. Rules are not asked about what has been granted.
func (n *Node) mayJoin(s *session, token string, granted bool) string {
	o := &n.opts.Channels
	switch {
	case !n.attached() || s.passing():
		return dialect.Unavailable
	case s.find(token) != nil:
		return ""
	case int(s.count) >= o.MaxSubscriptionsPerConn:
		n.limits.maxSubscriptions.Add(1)
		n.forbidden(s, secLimit, "max-subscriptions")
		return dialect.MaxSubscriptionsPerConn
	case !o.exists(token):
		return dialect.ChannelNotFound
	}
	if allowed, _ := s.decide(opSubscribe, token); !allowed && !granted {
		n.forbidden(s, secSubscribe, "rule")
		return dialect.Forbidden
	}
	return ""
}

// join makes s a subscriber, where mayJoin has found nothing against it, or says
// with a keyword why not. An answer that is not ready waits for the channel's
// interest.
func (n *Node) join(s *session, token string) (sub *subscription, keyword string, ready bool) {
	if sub = s.find(token); sub != nil { // one membership
		return sub, "", !s.waiting().has(sub)
	}
	most := n.opts.Channels.MaxSubscribers
	if _, limits := s.decide(opSubscribe, token); limits.MaxSubscribers > 0 {
		most = limits.MaxSubscribers
	}
	sub, joined := n.channels.Join(token, s, most)
	if joined == hub.Full {
		n.limits.maxSubscribers.Add(1)
		n.forbidden(s, secLimit, "max-subscribers")
		return nil, dialect.MaxSubscribersReached, true
	}
	sub.Next, s.subs = s.subs, sub
	s.count++
	if joined == hub.Created {
		n.bus.Want(bus.KindChan, token, func(err error) { n.channelAnswered(sub.Topic(), err) })
	}
	return sub, "", joined == hub.Confirmed
}

// joinLate is join for who was let in by somebody else than the rules.
func (n *Node) joinLate(s *session, token string, granted bool) (sub *subscription, keyword string, ready bool) {
	if keyword = n.mayJoin(s, token, granted); keyword != "" {
		return nil, keyword, true
	}
	return n.join(s, token)
}

// tell answers a subscribe, and opens the gate with the answer.
func (n *Node) tell(s *session, a answer) {
	switch {
	case a.keyword == "":
		n.watchChannel(s, bus.TraceSubscribed, a.sub.Topic().Key())
		s.openGate(&a.sub.Open, a.callback, a.sub.Topic().Key())
	case a.sub != nil:
		n.refuseSubscribe(s, s.voice().AppendName(nil, channelText(a.sub.Topic().Key())), a.callback, a.keyword)
	default:
		n.refuseSubscribe(s, a.channel, a.callback, a.keyword)
	}
}

// channelAnswered runs on the control goroutine of the bus: it sends the
// answer about an interest to the loop of each connection that waits for it.
func (n *Node) channelAnswered(topic *hub.Topic[*session], err error) {
	var subs []*subscription
	if err == nil {
		subs = n.channels.Confirm(topic)
	} else {
		subs = n.channels.Abandon(topic)
	}
	for _, sub := range subs {
		sub.Conn.post(func() { n.subscribeAnswered(sub, err) })
	}
}

// subscribeAnswered settles a subscription that has waited.
func (n *Node) subscribeAnswered(sub *subscription, err error) {
	s := sub.Conn
	if s.closed || !s.waiting().has(sub) {
		return
	}
	if err != nil {
		s.unlink(sub)
		n.channels.Leave(sub)
		s.waiting().settle(sub, dialect.Unavailable)
	} else {
		s.waiting().settle(sub, "")
	}
	n.tellDue(s)
}

// tellDue gives the answers that are due, and goes on with what the connection
// held back meanwhile. Loop only.
func (n *Node) tellDue(s *session) {
	for {
		a, ok := s.waiting().next()
		if !ok {
			break
		}
		n.tell(s, a)
	}
	if len(s.waiting().owed) == 0 {
		s.setWaiting(nil)
		s.resume()
	}
}

// unsubscribe takes s out of a channel: nothing of it follows the answer.
func (n *Node) unsubscribe(s *session, cmd *dialect.Command) {
	token, keyword := n.channelToken(cmd)
	if keyword == "" {
		if sub := s.find(token); sub != nil {
			s.shutGate(&sub.Open, cmd.Callback, token)
			s.unlink(sub)
			n.leave(bus.KindChan, n.channels, sub)
			n.watchChannel(s, bus.TraceUnsubscribed, token)
			return
		}
		keyword = dialect.NotSubscribed
	}
	n.refusedMessage(s, refusedUnsubscribe)
	if cmd.Callback != nil {
		n.answerResult(s, cmd.Callback, keyword)
		return
	}
	s.tell(s.voice().AppendRefused(nil, cmd.Sent, keyword, true))
}

// leave takes a subscription out of its hub and gives the interest back with
// the last one.
func (n *Node) leave(kind bus.Kind, h *hub.Hub[*session], sub *subscription) {
	if h.Leave(sub) {
		n.bus.Unwant(kind, sub.Topic().Key())
	}
}

func (n *Node) refuseSubscribe(s *session, channel, callback []byte, keyword string) {
	n.refusedMessage(s, refusedSubscribe)
	if callback != nil {
		n.answerResult(s, callback, keyword)
		return
	}
	s.tell(s.voice().AppendRefused(nil, channel, keyword, false))
}

// channelText returns the canonical EDN text of a channel of this node.
func channelText(token string) []byte {
	text, err := bus.ParseToken(token)
	if err != nil {
		return nil
	}
	return text
}

// find returns the subscription of s to the channel with this token, or nil.
// A connection has at most some hundred.
func (s *session) find(token string) *subscription {
	for sub := s.subs; sub != nil; sub = sub.Next {
		if sub.Topic().Key() == token {
			return sub
		}
	}
	return nil
}

// unlink takes sub out of the connection's list.
func (s *session) unlink(sub *subscription) {
	for p := &s.subs; *p != nil; p = &(*p).Next {
		if *p == sub {
			*p = sub.Next
			s.count--
			return
		}
	}
}
