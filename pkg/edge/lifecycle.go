package edge

import (
	"strconv"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// The events about a socket's life.
const (
	connOpen  = ":chsk/conn-open"
	connClose = ":chsk/conn-close"
)

// publishOpen tells backends of a new socket. Its event is on the way before
// any event of the socket, since the loop hands both to the same publisher.
func (n *Node) publishOpen(s *session) {
	n.watchOpen(s)
	n.publishLife(s, connOpen, append(s.appendLife(nil, connOpen), "}]"...))
}

// publishClose tells backends that a socket is gone, after its last event.
func (n *Node) publishClose(s *session, info wsconn.CloseInfo) {
	n.watchClose(s, info)
	body := s.appendLife(nil, connClose)
	body = append(body, ", :reason "...)
	body = strconv.AppendQuote(body, info.Reason.String())
	body = append(body, ", :code "...)
	body = strconv.AppendUint(body, uint64(info.Code), 10)
	n.publishLife(s, connClose, append(body, "}]"...))
}

func (s *session) appendLife(dst []byte, id string) []byte {
	dst = append(dst, '[')
	dst = append(dst, id...)
	dst = append(dst, ` {:conn-id "`...)
	dst = s.id.AppendTo(dst)
	dst = append(dst, `", :uid `...)
	dst = append(dst, s.uidText()...)
	dst = append(dst, ", :dialect :"...)
	dst = append(dst, s.voice().Dialect()...)
	if t := s.tab(); t != nil {
		dst = append(dst, ", :client-id "...)
		dst = edn.AppendString(dst, t.id)
	}
	if s.socketless() != nil {
		dst = append(dst, ", :transport :ajax"...)
	}
	return dst
}

// sign says on an event who it is from.
func (s *session) sign(out *bus.Outgoing) {
	t := s.tab()
	switch {
	case t != nil:
		out.UID, out.Client = t.uid, t.client
	case s.user != nil:
		out.UID = s.user.Topic().Key()
	}
}

func (n *Node) publishLife(s *session, id string, body []byte) {
	subject, err := n.bus.Subjects().Event([]byte(id))
	if err != nil {
		n.counts.lostEvent(reasonOf(err))
		return
	}
	out := &bus.Outgoing{Subject: subject, Body: body, Conn: s.id.String(), Urgent: true}
	s.sign(out)
	if err = n.bus.Publish(out); err != nil {
		n.counts.lostEvent(reasonOf(err))
	}
}

// refuseBody counts a backend's push that cannot be delivered, logs it at a
// bounded rate, and tells the backend where it asked for a reply.
func (n *Node) refuseBody(m *bus.Message, err error) {
	reason := reasonOf(err)
	n.counts.refusedPush(reason)
	n.badPush.Warn().Str("subject", m.Subject).Str("reason", reason).Msg("push refused")
	if m.ReplyTo != "" {
		n.bus.ReplyError(m.ReplyTo, ":bad-request")
	}
}
