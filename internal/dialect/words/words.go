package words

import (
	"strconv"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// words is dialect.Words of one format. Fixed.
type words struct {
	format codec.Format

	subscribed, subscribeRefused, unsubscribeRefused Phrase
	message, backendMessage                          Phrase // of a channel: from a client, or not
	dropped                                          Phrase
	reply                                            Phrase
	done, failed                                     Phrase // results
}

var _ dialect.Words = (*words)(nil)

var all = func() (w [codec.Formats]*words) {
	for f := range w {
		w[f] = newWords(codec.Format(f))
	}
	return w
}()

// New returns the words of a format.
func New(f codec.Format) dialect.Words { return all[f] }

func newWords(f codec.Format) *words {
	return &words{
		format:             f,
		subscribed:         NewPhrase(f, "[:sente-lite/subscribed {:channel-id %, :success true}]"),
		subscribeRefused:   NewPhrase(f, "[:sente-lite/subscribed {:channel-id %, :success false, :error %}]"),
		unsubscribeRefused: NewPhrase(f, "[:sente-lite/subscribed {:channel-id %, :success nil, :error %}]"),
		message:            NewPhrase(f, "[:sente-lite/channel-msg {:channel-id %, :data %, :from %}]"),
		backendMessage:     NewPhrase(f, "[:sente-lite/channel-msg {:channel-id %, :data %}]"),
		dropped:            NewPhrase(f, "[:sente-lite/dropped {:count %, :reason :queue-full}]"),
		reply:              NewPhrase(f, "[% %]"),
		done:               NewPhrase(f, "[{:success true} %]"),
		failed:             NewPhrase(f, "[{:success false, :error %} %]"),
	}
}

// Format returns the format.
func (w *words) Format() codec.Format { return w.format }

// AppendSubscribed says that a subscribe or unsubscribe was done.
func (w *words) AppendSubscribed(dst, name []byte) []byte {
	p := w.subscribed
	dst = w.AppendName(append(dst, p[0]...), name)
	return append(dst, p[1]...)
}

// AppendRefused says that it was not.
func (w *words) AppendRefused(dst, channel []byte, keyword string, unsubscribe bool) []byte {
	p := w.subscribeRefused
	if unsubscribe {
		p = w.unsubscribeRefused
	}
	dst = append(dst, p[0]...)
	if channel == nil {
		dst = append(dst, w.format.Nil()...)
	} else {
		dst = append(dst, channel...)
	}
	dst = w.appendKeyword(append(dst, p[1]...), keyword)
	return append(dst, p[2]...)
}

// AppendChannelMessage says a message of a channel.
func (w *words) AppendChannelMessage(dst, name, data []byte, from string) []byte {
	p := w.message
	if from == "" {
		p = w.backendMessage
	}
	dst = w.AppendName(append(dst, p[0]...), name)
	dst = append(append(dst, p[1]...), data...)
	dst = append(dst, p[2]...)
	if from == "" {
		return dst
	}
	return append(w.AppendText(dst, from), p[3]...)
}

// AppendDropped says how many messages found no room.
func (w *words) AppendDropped(dst []byte, count int) []byte {
	var digits [20]byte
	p := w.dropped
	dst = w.AppendValue(append(dst, p[0]...), strconv.AppendInt(digits[:0], int64(count), 10))
	return append(dst, p[1]...)
}

// AppendReply answers a callback.
func (w *words) AppendReply(dst, value, callback []byte) []byte {
	return w.reply.Append(dst, value, callback)
}

// AppendError tells a callback that there is no answer.
func (w *words) AppendError(dst []byte, keyword string, callback []byte) []byte {
	p := w.reply
	dst = w.appendKeyword(append(dst, p[0]...), keyword)
	dst = append(append(dst, p[1]...), callback...)
	return append(dst, p[2]...)
}

// AppendResult tells a callback how a channel operation ended.
func (w *words) AppendResult(dst []byte, keyword string, callback []byte) []byte {
	if keyword == "" {
		return w.done.Append(dst, callback)
	}
	p := w.failed
	dst = w.appendKeyword(append(dst, p[0]...), keyword)
	dst = append(append(dst, p[1]...), callback...)
	return append(dst, p[2]...)
}

// AppendValue appends a value given as EDN text.
func (w *words) AppendValue(dst, text []byte) []byte {
	if w.format == codec.EDN {
		return append(dst, text...)
	}
	c := converters.Get().(*codec.Converter)
	defer converters.Put(c)
	out, err := c.Append(dst, text, codec.EDN, w.format)
	if err != nil {
		return append(dst, w.format.Nil()...)
	}
	return out
}

// appendKeyword appends a keyword given with its colon: in JSON its name, whatever
// is in it.
func (w *words) appendKeyword(dst []byte, keyword string) []byte {
	switch w.format {
	case codec.EDN:
		return append(dst, keyword...)
	case codec.JSON:
		return w.AppendText(dst, keyword[1:])
	default:
		return w.AppendValue(dst, []byte(keyword))
	}
}

// AppendText appends a string.
func (w *words) AppendText(dst []byte, s string) []byte { return appendText(w, dst, s) }

func appendText[T string | []byte](w *words, dst []byte, s T) []byte {
	switch {
	case w.format == codec.MessagePack && len(s) < 32:
		return append(append(dst, 0xA0|byte(len(s))), s...)
	case w.format == codec.MessagePack && len(s) < 256:
		return append(append(dst, 0xD9, byte(len(s))), s...)
	case w.format == codec.MessagePack || !plain(w.format, s):
		return w.AppendValue(dst, edn.AppendString(nil, string(s)))
	}
	return append(append(append(dst, '"'), s...), '"')
}

// plain tells whether s has nothing to escape in a format that puts strings in
// quotes.
func plain[T string | []byte](f codec.Format, s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\':
			return false
		case i == 0 && (c == '~' || c == '^' || c == '`') && f != codec.EDN && f != codec.JSON:
			return false
		}
	}
	return true
}

// AppendName appends the name of a channel: in JSON a keyword with its colon, by
// which a parser knows it.
func (w *words) AppendName(dst, name []byte) []byte {
	switch {
	case w.format == codec.EDN:
		return append(dst, name...)
	case len(name) < 2:
	case name[0] == ':' && w.format == codec.JSON:
		return appendText(w, dst, name)
	case name[0] == '"' && plain(codec.EDN, name[1:len(name)-1]): // the same string in every format
		return appendText(w, dst, name[1:len(name)-1])
	}
	return w.AppendValue(dst, name)
}

// AppendVector appends a vector.
func (w *words) AppendVector(dst []byte, values ...[]byte) []byte {
	if w.format == codec.MessagePack {
		n := len(values)
		switch {
		case n < 16:
			dst = append(dst, 0x90|byte(n))
		case n < 1<<16:
			dst = append(dst, 0xDC, byte(n>>8), byte(n))
		default:
			dst = append(dst, 0xDD, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
		for _, v := range values {
			dst = append(dst, v...)
		}
		return dst
	}
	separator := byte(',')
	if w.format == codec.EDN {
		separator = ' '
	}
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}
