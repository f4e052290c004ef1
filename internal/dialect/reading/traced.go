package reading

import (
	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// The keys of [:hoshi/traced {:traceparent .. :tracestate .. :event [id data]}].
const (
	tracedParent = iota
	tracedState
	tracedEvent
)

var tracedKeys = [...]string{tracedParent: ":traceparent", tracedState: ":tracestate", tracedEvent: ":event"}

// traced is what a reader needs from the first event on that says what trace it
// belongs to; few clients have such.
type traced struct {
	// A parser of its own: the event is a part of what the other one has taken
	// apart, and may lie in its scratch.
	codec  codec.Parser
	values [len(tracedKeys)][]byte // of one call
	said   dialect.Traced
	parent []byte
	state  []byte
}

// unwrap makes cmd, whose callback is set, what the event inside wants. data is
// that of the event around it.
func (r *Reader) unwrap(data []byte, cmd *dialect.Command) error {
	if cmd.Traced != nil {
		return dialect.BadTraced // within another
	}
	t := r.traced
	if t == nil {
		t = new(traced)
		r.traced = t
	}
	defer clear(t.values[:])
	cmd.Event, cmd.ID = nil, nil
	if !r.Codec.Fields(r.Format, data, tracedKeys[:], t.values[:]) || t.values[tracedEvent] == nil {
		return dialect.BadTraced
	}
	t.said = dialect.Traced{
		Parent: r.short(&t.parent, t.values[tracedParent]),
		State:  r.short(&t.state, t.values[tracedState]),
	}
	cmd.Traced = &t.said
	var env codec.Envelope
	if err := t.codec.Parse(r.Format, t.values[tracedEvent], &env); err != nil || env.Callback != nil {
		return dialect.BadTraced // the callback belongs to the whole
	}
	env.Callback = cmd.Callback
	return r.Command(&env, cmd)
}

// short returns the plain text of a string, in scratch of its own, nil where the
// value is none or longer than dialect.MaxTraced.
func (r *Reader) short(scratch *[]byte, value []byte) []byte {
	const widest = 6 // an escape, \u0041, for each byte
	if len(value) > widest*dialect.MaxTraced {
		return nil
	}
	text := r.text(value)
	if text == nil || len(text) > dialect.MaxTraced {
		return nil
	}
	*scratch = append((*scratch)[:0], text...)
	return *scratch
}
