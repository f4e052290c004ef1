package client

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// EDN is the text of one EDN value. As an argument it stands for the value that
// it spells, not for a string.
type EDN string

// Decode puts the value into v, a pointer, by the rules of olympos.io/encoding/edn.
func (t EDN) Decode(v any) error {
	if err := edn.Decode([]byte(t), v); err != nil {
		return fmt.Errorf("decode %s: %w", clip(string(t)), err)
	}
	return nil
}

// Keyword is an EDN keyword; its colon may be left out: Keyword("chat/room").
type Keyword string

// Event is an event to be sent, [id] or [id data], as EDN text that has been
// checked. It does not change, so any number of goroutines and clients may send
// the same one. The zero Event is none: it is refused with [ErrBadEvent].
type Event struct{ text string }

// NewEvent returns the event [id data]. The id is a keyword with a namespace,
// its colon may be left out: "chat/hi". data is an [EDN] text, a [Keyword], a
// string, or any value that olympos.io/encoding/edn encodes; nil makes [id].
// The error matches [ErrBadEvent].
func NewEvent(id string, data any) (Event, error) {
	id = ":" + strings.TrimPrefix(id, ":")
	if !edn.IsKeyword([]byte(id)) {
		return Event{}, fmt.Errorf("%w %s: the id is no keyword", ErrBadEvent, clip(id))
	}
	b := append(make([]byte, 0, 64), '[')
	b = append(b, id...)
	if data != nil {
		b = append(b, ' ')
		var err error
		if b, err = appendValue(b, data); err != nil {
			return Event{}, fmt.Errorf("%w %s: %w", ErrBadEvent, clip(id), err)
		}
	}
	return ParseEvent(string(append(b, ']')))
}

// MustEvent is [NewEvent] for ids and data that are known to be right. It
// panics otherwise.
func MustEvent(id string, data any) Event {
	e, err := NewEvent(id, data)
	if err != nil {
		panic(err)
	}
	return e
}

// ParseEvent returns the event that is written as [id] or [id data]. The error
// matches [ErrBadEvent] and says where the text is wrong.
func ParseEvent(text string) (Event, error) {
	var (
		p   codec.Parser
		env codec.Envelope
	)
	if err := p.EDN([]byte(text), &env); err != nil {
		return Event{}, fmt.Errorf("%w %s: %w", ErrBadEvent, clip(text), err)
	}
	if env.Callback != nil {
		return Event{}, fmt.Errorf("%w %s: it has a callback, which is for Request to add", ErrBadEvent, clip(text))
	}
	return Event{string(env.Event)}, nil
}

// String returns the event's EDN text.
func (e Event) String() string { return e.text }

// appendValue appends what v is in EDN, checked.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case EDN:
		if err := edn.Check([]byte(v)); err != nil {
			return dst, err
		}
		dst = append(dst, v...)
		if strings.Contains(string(v), ";") {
			dst = append(dst, '\n') // a comment at the end must not swallow what comes behind it
		}
		return dst, nil
	case string:
		return edn.AppendString(dst, v), nil
	case Keyword:
		text := ":" + strings.TrimPrefix(string(v), ":")
		if !edn.IsKeyword([]byte(text)) {
			return dst, fmt.Errorf("%s is no keyword", clip(text))
		}
		return append(dst, text...), nil
	}
	b, err := edn.Marshal(v)
	if err != nil {
		return dst, err
	}
	if err := edn.Check(b); err != nil {
		return dst, err
	}
	return append(dst, b...), nil
}

// canonical returns what v is in EDN, in the form in which equal values are
// equal texts.
func canonical(v any) (EDN, error) {
	b, err := appendValue(nil, v)
	if err != nil {
		return "", err
	}
	b, err = edn.AppendCanonical(nil, b)
	return EDN(b), err
}

// clip shortens a text for an error message.
func clip(s string) string { return oneLine(s, 60) }

// oneLine returns s as a log can hold it: at most so many bytes of it, valid, and
// without line ends and other control characters, which it may be a server that
// has chosen.
func oneLine(s string, most int) string {
	end := ""
	if len(s) > most {
		s, end = s[:most], "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")) + end
}
