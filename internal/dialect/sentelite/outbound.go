package sentelite

import (
	"strconv"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// ProtocolVersion is what the handshake announces: the version that clients of
// the reference know.
const ProtocolVersion = "2.0.0"

// Payloads that never change.
const (
	PingPayload = "[:chsk/ws-ping]"
	PongPayload = "[:chsk/ws-pong]"
)

// Keywords for the :error of an answer.
const (
	MaxSubscriptionsPerConn = ":max-subscriptions-per-conn"
	MaxSubscribersReached   = ":max-subscribers-reached"
	ChannelNotFound         = ":channel-not-found"
	NotSubscribed           = ":not-subscribed"
	BadRequest              = ":bad-request"
	Unavailable             = ":unavailable"
)

// AppendHandshake appends the first event of a connection. uid is EDN text;
// connID and version are plain text.
func AppendHandshake(dst, uid []byte, connID, version string) []byte {
	dst = append(dst, "[:chsk/handshake ["...)
	dst = append(dst, uid...)
	dst = append(dst, ` nil {:sente-lite-version "`+ProtocolVersion+`", :conn-id "`...)
	dst = append(dst, connID...)
	dst = append(dst, `", :hoshi `...)
	dst = edn.AppendString(dst, version)
	return append(dst, "} true]]"...)
}

// AppendSubscribed appends the answer to a subscribe or unsubscribe that was
// done. channel is EDN text.
func AppendSubscribed(dst, channel []byte, wrap bool) []byte {
	dst = openRecv(dst, wrap)
	dst = append(dst, "[:sente-lite/subscribed {:channel-id "...)
	dst = append(dst, channel...)
	dst = append(dst, ", :success true}]"...)
	return closeRecv(dst, wrap)
}

// AppendRefused appends the answer to a subscribe or unsubscribe that was not
// done. keyword, with its colon, is one of this package's; channel is EDN text
// or nil. An unsubscribe says :success nil, as the reference does.
func AppendRefused(dst, channel []byte, keyword string, unsubscribe, wrap bool) []byte {
	dst = openRecv(dst, wrap)
	dst = append(dst, "[:sente-lite/subscribed {:channel-id "...)
	if channel == nil {
		dst = append(dst, "nil"...)
	} else {
		dst = append(dst, channel...)
	}
	if unsubscribe {
		dst = append(dst, ", :success nil, :error "...)
	} else {
		dst = append(dst, ", :success false, :error "...)
	}
	dst = append(dst, keyword...)
	dst = append(dst, "}]"...)
	return closeRecv(dst, wrap)
}

// AppendChannelMessage appends a message of a channel. channel and data are
// EDN text; from is the publisher's conn-id, empty where a backend published.
func AppendChannelMessage(dst, channel, data []byte, from string, wrap bool) []byte {
	dst = openRecv(dst, wrap)
	dst = append(dst, "[:sente-lite/channel-msg {:channel-id "...)
	dst = append(dst, channel...)
	dst = append(dst, ", :data "...)
	dst = append(dst, data...)
	if from != "" {
		dst = append(dst, `, :from "`...)
		dst = append(dst, from...)
		dst = append(dst, '"')
	}
	dst = append(dst, "}]"...)
	return closeRecv(dst, wrap)
}

// AppendEvent appends a backend's event, [id data], as EDN text: as it came
// unless it is to be wrapped.
func AppendEvent(dst, event []byte, wrap bool) []byte {
	dst = openRecv(dst, wrap)
	dst = append(dst, event...)
	return closeRecv(dst, wrap)
}

// AppendDropped appends what a client is told when its queue had no room for
// count messages.
func AppendDropped(dst []byte, count int, wrap bool) []byte {
	dst = openRecv(dst, wrap)
	dst = append(dst, "[:sente-lite/dropped {:count "...)
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, ", :reason :queue-full}]"...)
	return closeRecv(dst, wrap)
}

// AppendReply appends the answer to a callback: value and callback are EDN
// text.
func AppendReply(dst, value, callback []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, value...)
	dst = append(dst, ' ')
	dst = append(dst, callback...)
	return append(dst, ']')
}

// AppendResult appends the answer to a subscribe, unsubscribe or publish that
// was sent with a callback. keyword is empty where it was done.
func AppendResult(dst []byte, keyword string, callback []byte) []byte {
	if keyword == "" {
		return AppendReply(dst, []byte("{:success true}"), callback)
	}
	return AppendReply(dst, []byte("{:success false, :error "+keyword+"}"), callback)
}

// AppendEcho appends the event that the built-in demo backend answers with: id
// and data are EDN text.
func AppendEcho(dst, id, data []byte, connID string, unixMilli int64) []byte {
	dst = append(dst, "[:sente-lite/echo {:original-event-id "...)
	dst = append(dst, id...)
	dst = append(dst, ", :original-data "...)
	if data == nil {
		dst = append(dst, "nil"...)
	} else {
		dst = append(dst, data...)
	}
	dst = append(dst, `, :conn-id "`...)
	dst = append(dst, connID...)
	dst = append(dst, `", :timestamp `...)
	dst = strconv.AppendInt(dst, unixMilli, 10)
	return append(dst, "}]"...)
}

// Wrapped: [:chsk/recv [id data]], for clients set to wrap-recv-evs?.
func openRecv(dst []byte, wrap bool) []byte {
	if wrap {
		return append(dst, "[:chsk/recv "...)
	}
	return dst
}

func closeRecv(dst []byte, wrap bool) []byte {
	if wrap {
		return append(dst, ']')
	}
	return dst
}
