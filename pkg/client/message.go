package client

import (
	"sync"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// Message is an event that came from the server. It does not change and may be
// kept.
type Message struct {
	// ID is the event id with its colon, such as ":chat/hi".
	ID string
	// Data is the event's data, "" where it has none.
	Data EDN

	question *question // nil where it asks for no answer
}

// weight is what m takes in memory, roughly, in bytes.
func (m Message) weight() int64 { return int64(len(m.ID) + len(m.Data)) }

// ChannelMessage is what has been published on a channel.
type ChannelMessage struct {
	// Channel is the channel's id in canonical text.
	Channel EDN
	// Data is what was published.
	Data EDN
	// From is the publisher's conn-id, "" where a backend published.
	From string

	question *question // as of the Message
}

// IDs of events of the dialect that an application may want to see.
const (
	ChannelMessageID = ":sente-lite/channel-msg"
	DroppedID        = ":sente-lite/dropped"    // the node has left out deliveries: {:count n :reason kw}
	SubscribedID     = ":sente-lite/subscribed" // the answer to a subscribe or unsubscribe without a callback
)

// Channel returns what was published where m is a message of a channel.
func (m Message) Channel() (ChannelMessage, bool) {
	if m.ID != ChannelMessageID {
		return ChannelMessage{}, false
	}
	c := ChannelMessage{question: m.question}
	data := []byte(m.Data)
	entries := edn.EntriesOf(data, form(data))
	found := false
	for {
		key, value, ok := entries.Next()
		if !ok {
			return c, found
		}
		text := m.Data[value.Start:value.End]
		switch {
		case entries.KeyIs(key, ":channel-id"):
			if !isPlain(text) {
				name, err := edn.AppendCanonical(nil, data[value.Start:value.End])
				if err != nil {
					return ChannelMessage{}, false
				}
				text = EDN(name)
			}
			c.Channel, found = text, true
		case entries.KeyIs(key, ":data"):
			c.Data = text
		case entries.KeyIs(key, ":from") && value.Kind == edn.String:
			if isPlain(text) {
				c.From = string(text[1 : len(text)-1])
				continue
			}
			from, err := edn.Unquote(nil, value.Text(data))
			if err != nil {
				return ChannelMessage{}, false
			}
			c.From = string(from)
		}
	}
}

// isPlain reports whether text is a string that is written as it is, which its
// canonical text is then too: nearly every channel id and conn-id.
func isPlain(text EDN) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return text[0] == '"'
}

// get returns the text of a map's value by its keyword key, nil where m's data
// is no map or has no such key.
func (m Message) get(keyword string) []byte {
	data := []byte(m.Data)
	entries := edn.EntriesOf(data, form(data))
	for {
		key, value, ok := entries.Next()
		if !ok {
			return nil
		}
		if entries.KeyIs(key, keyword) {
			return data[value.Start:value.End]
		}
	}
}

var scanners = sync.Pool{New: func() any { return new(edn.Scanner) }}

// form returns the one form that p, which has been checked, is.
func form(p []byte) edn.Form {
	s := scanners.Get().(*edn.Scanner)
	defer scanners.Put(s)
	f, err := s.Form(p, 0)
	if err != nil {
		return edn.Form{}
	}
	return f
}

// message copies what the envelope borrows. [:chsk/recv [id data]], which a
// server set to wrap-recv-evs? sends, is the event inside.
func message(p *codec.Parser, env *codec.Envelope) (Message, error) {
	if string(env.ID) == ":chsk/recv" {
		if err := p.EDN(env.Data, env); err != nil {
			return Message{}, err
		}
	}
	text := string(env.Event) // the parts lie within the event: one copy holds them
	m := Message{ID: within(text, env.Event, env.ID)}
	if env.Data != nil {
		m.Data = EDN(within(text, env.Event, env.Data))
	}
	return m, nil
}

// within returns the part of text that part is of whole, whose copy text is.
func within(text string, whole, part []byte) string {
	start := cap(whole) - cap(part) // both end where their array does
	return text[start : start+len(part)]
}
