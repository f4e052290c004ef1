package sentelite

import (
	"strconv"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// ProtocolVersion is what the handshake announces: the version that clients of
// the reference know.
const ProtocolVersion = "2.0.0"

// EDN is the dialect in EDN, as the reference speaks it.
type EDN struct {
	// Wrap puts every event but those of namespace chsk into [:chsk/recv ..],
	// for clients set to wrap-recv-evs?.
	Wrap bool
}

var _ dialect.Voice = EDN{}

// Name is the name of the dialect.
const Name = "sente-lite"

// Dialect returns [Name].
func (EDN) Dialect() string { return Name }

// Format returns codec.EDN.
func (EDN) Format() codec.Format { return codec.EDN }

// NewParser returns a [*Parser].
func (EDN) NewParser() dialect.Parser { return &Parser{} }

// Ping returns the ping.
func (EDN) Ping() string { return "[:chsk/ws-ping]" }

// Pong returns the answer to a ping.
func (EDN) Pong() string { return "[:chsk/ws-pong]" }

// AppendHandshake appends the first event of a connection. uid is EDN text;
// connID and version are plain text.
func (EDN) AppendHandshake(dst, uid []byte, connID, version string) []byte {
	dst = append(dst, "[:chsk/handshake ["...)
	dst = append(dst, uid...)
	dst = append(dst, ` nil {:sente-lite-version "`+ProtocolVersion+`", :conn-id "`...)
	dst = append(dst, connID...)
	dst = append(dst, `", :hoshi `...)
	dst = edn.AppendString(dst, version)
	return append(dst, "} true]]"...)
}

// AppendName appends the name of a channel as it is.
func (EDN) AppendName(dst, name []byte) []byte { return append(dst, name...) }

// AppendSubscribed appends the answer to a subscribe or unsubscribe that was
// done. channel is EDN text.
func (v EDN) AppendSubscribed(dst, channel []byte) []byte {
	dst = v.open(dst)
	dst = append(dst, "[:sente-lite/subscribed {:channel-id "...)
	dst = append(dst, channel...)
	dst = append(dst, ", :success true}]"...)
	return v.close(dst)
}

// AppendRefused appends the answer to a subscribe or unsubscribe that was not
// done. keyword, with its colon, is one of package dialect's; channel is EDN text
// or nil. An unsubscribe says :success nil, as the reference does.
func (v EDN) AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte {
	dst = v.open(dst)
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
	return v.close(dst)
}

// AppendChannelMessage appends a message of a channel. channel and data are
// EDN text; from is the publisher's conn-id, empty where a backend published.
func (v EDN) AppendChannelMessage(dst, channel, data []byte, from string) []byte {
	dst = v.open(dst)
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
	return v.close(dst)
}

// AppendEvent appends a backend's event, [id data], as EDN text: as it came
// unless it is to be wrapped.
func (v EDN) AppendEvent(dst, event []byte) []byte {
	dst = v.open(dst)
	dst = append(dst, event...)
	return v.close(dst)
}

// AppendDropped appends what a client is told when its queue had no room for
// count messages.
func (v EDN) AppendDropped(dst []byte, count int) []byte {
	dst = v.open(dst)
	dst = append(dst, "[:sente-lite/dropped {:count "...)
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, ", :reason :queue-full}]"...)
	return v.close(dst)
}

// AppendReply appends the answer to a callback: value and callback are EDN
// text.
func (EDN) AppendReply(dst, value, callback []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, value...)
	dst = append(dst, ' ')
	dst = append(dst, callback...)
	return append(dst, ']')
}

// AppendError appends what a callback gets instead of an answer.
func (v EDN) AppendError(dst []byte, keyword string, callback []byte) []byte {
	return v.AppendReply(dst, []byte(keyword), callback)
}

// AppendResult appends the answer to a subscribe, unsubscribe or publish that
// was sent with a callback. keyword is empty where it was done.
func (v EDN) AppendResult(dst []byte, keyword string, callback []byte) []byte {
	if keyword == "" {
		return v.AppendReply(dst, []byte("{:success true}"), callback)
	}
	return v.AppendReply(dst, []byte("{:success false, :error "+keyword+"}"), callback)
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
func (v EDN) open(dst []byte) []byte {
	if v.Wrap {
		return append(dst, "[:chsk/recv "...)
	}
	return dst
}

func (v EDN) close(dst []byte) []byte {
	if v.Wrap {
		return append(dst, ']')
	}
	return dst
}
