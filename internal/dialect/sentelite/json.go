package sentelite

import (
	"strconv"
	"sync"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// JSON is the dialect in JSON, by the rule of docs/formats.md: an event is
// ["ns/name", data]. In the name of a channel a string that begins with a colon
// is a keyword.
type JSON struct {
	// Wrap puts every event but those of namespace chsk into ["chsk/recv", ..].
	Wrap bool
}

var _ dialect.Voice = JSON{}

// Dialect returns [Name].
func (JSON) Dialect() string { return Name }

// Format returns codec.JSON.
func (JSON) Format() codec.Format { return codec.JSON }

// NewParser returns a [*JSONParser].
func (JSON) NewParser() dialect.Parser { return &JSONParser{} }

// Ping returns the ping.
func (JSON) Ping() string { return `["chsk/ws-ping"]` }

// Pong returns the answer to a ping.
func (JSON) Pong() string { return `["chsk/ws-pong"]` }

// converters serve what is converted here, which is short: names and uids.
var converters = sync.Pool{New: func() any { return new(codec.Converter) }}

// AppendHandshake appends the first event of a connection.
func (JSON) AppendHandshake(dst, uid []byte, connID, version string) []byte {
	dst = append(dst, `["chsk/handshake",[`...)
	dst = appendValue(dst, uid)
	dst = append(dst, `,null,{"sente-lite-version":"`+ProtocolVersion+`","conn-id":"`...)
	dst = append(dst, connID...)
	dst = append(dst, `","hoshi":`...)
	dst = appendText(dst, version)
	return append(dst, "},true]]"...)
}

// appendValue appends a value given as EDN text, null where JSON cannot say it.
func appendValue(dst, text []byte) []byte {
	c := converters.Get().(*codec.Converter)
	defer converters.Put(c)
	out, err := c.Append(dst, text, codec.EDN, codec.JSON)
	if err != nil {
		return append(dst, "null"...)
	}
	return out
}

// appendText appends s as a string.
func appendText[T string | []byte](dst []byte, s T) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' {
			return appendValue(dst, edn.AppendString(nil, string(s)))
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// AppendName appends the name of a channel, a keyword with its colon.
func (JSON) AppendName(dst, name []byte) []byte {
	switch {
	case len(name) > 1 && name[0] == ':':
		return appendText(dst, name)
	case len(name) > 1 && name[0] == '"':
		// Where there is nothing to escape EDN and JSON have one text.
		for _, c := range name {
			if c < ' ' || c == '\\' {
				return appendValue(dst, name)
			}
		}
		return append(dst, name...)
	}
	return appendValue(dst, name)
}

// AppendSubscribed appends the answer to a subscribe or unsubscribe that was
// done.
func (v JSON) AppendSubscribed(dst, name []byte) []byte {
	dst = v.open(dst)
	dst = append(dst, `["sente-lite/subscribed",{"channel-id":`...)
	dst = v.AppendName(dst, name)
	dst = append(dst, `,"success":true}]`...)
	return v.close(dst)
}

// AppendRefused appends the answer to one that was not. An unsubscribe says
// null, as the reference does.
func (v JSON) AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte {
	dst = v.open(dst)
	dst = append(dst, `["sente-lite/subscribed",{"channel-id":`...)
	if channel == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, channel...)
	}
	if unsubscribe {
		dst = append(dst, `,"success":null,"error":`...)
	} else {
		dst = append(dst, `,"success":false,"error":`...)
	}
	dst = appendText(dst, keyword[1:])
	dst = append(dst, "}]"...)
	return v.close(dst)
}

// AppendChannelMessage appends a message of a channel.
func (v JSON) AppendChannelMessage(dst, name, data []byte, from string) []byte {
	dst = v.open(dst)
	dst = append(dst, `["sente-lite/channel-msg",{"channel-id":`...)
	dst = v.AppendName(dst, name)
	dst = append(dst, `,"data":`...)
	dst = append(dst, data...)
	if from != "" {
		dst = append(dst, `,"from":"`...)
		dst = append(dst, from...)
		dst = append(dst, '"')
	}
	dst = append(dst, "}]"...)
	return v.close(dst)
}

// AppendEvent appends a backend's event: as it came unless it is to be wrapped.
func (v JSON) AppendEvent(dst, event []byte) []byte {
	dst = v.open(dst)
	dst = append(dst, event...)
	return v.close(dst)
}

// AppendDropped appends what a client is told when its queue had no room for
// count messages.
func (v JSON) AppendDropped(dst []byte, count int) []byte {
	dst = v.open(dst)
	dst = append(dst, `["sente-lite/dropped",{"count":`...)
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, `,"reason":"queue-full"}]`...)
	return v.close(dst)
}

// AppendReply appends the answer to a callback.
func (JSON) AppendReply(dst, value, callback []byte) []byte {
	dst = append(append(dst, '['), value...)
	dst = append(append(dst, ','), callback...)
	return append(dst, ']')
}

// AppendError appends what a callback gets instead of an answer: the keyword's
// name, as a string.
func (v JSON) AppendError(dst []byte, keyword string, callback []byte) []byte {
	return v.AppendReply(dst, appendText(nil, keyword[1:]), callback)
}

// AppendResult appends the answer to a subscribe, unsubscribe or publish that
// was sent with a callback.
func (v JSON) AppendResult(dst []byte, keyword string, callback []byte) []byte {
	if keyword == "" {
		return v.AppendReply(dst, []byte(`{"success":true}`), callback)
	}
	return v.AppendReply(dst, []byte(`{"success":false,"error":"`+keyword[1:]+`"}`), callback)
}

// Wrapped: ["chsk/recv", [id, data]].
func (v JSON) open(dst []byte) []byte {
	if v.Wrap {
		return append(dst, `["chsk/recv",`...)
	}
	return dst
}

func (v JSON) close(dst []byte) []byte {
	if v.Wrap {
		return append(dst, ']')
	}
	return dst
}
