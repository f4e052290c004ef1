package edge

import (
	"sync"
	"sync/atomic"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// rendering is the message that a shard is delivering, as it becomes frames:
// at most one for each voice, made when the first who speaks it is met, and its
// payload converted at most once for each format. Owned by the shard.
type rendering struct {
	m      *bus.Message
	class  wsconn.Class
	made   int64          // when the first frame of it was, by wsconn's clock; 0: none yet
	age    int64          // how long ago it was published then, in nanoseconds; negative: nobody knows
	env    codec.Envelope // of an event
	frames [voiceCount]*wsconn.Frame

	scratch   []byte                // the message around the payload
	texts     [codec.Formats][]byte // what was converted, as scratch
	converted [codec.Formats]bool
	failed    [codec.Formats]bool
	converter codec.Converter
}

// maxScratch bounds each buffer that a shard keeps between messages.
const maxScratch = 64 << 10

// begin starts on a message of the bus.
func (r *rendering) begin(m *bus.Message, class wsconn.Class) {
	if r.m != nil {
		r.done() // a panic has ended the last one
	}
	r.m, r.class, r.made = m, class, 0
}

// done lets go of the message.
func (r *rendering) done() {
	r.m, r.env = nil, codec.Envelope{}
	r.frames = [voiceCount]*wsconn.Frame{}
	if cap(r.scratch) > maxScratch {
		r.scratch = nil
	}
	for f, did := range r.converted {
		if did && cap(r.texts[f]) > maxScratch {
			r.texts[f] = nil
		}
		r.converted[f], r.failed[f] = false, false
	}
}

// frame returns the message as one for those who speak a voice, nil where it
// cannot be said in their format.
func (o *outbound) frame(voice uint8) *wsconn.Frame {
	if f := o.frames[voice]; f != nil {
		return f
	}
	return o.render(voice)
}

func (o *outbound) render(number uint8) *wsconn.Frame {
	v := o.node.voices[number]
	// A snapshot of subscribers may hold some that have left.
	if o.failed[v.format] || o.node.speakers[number].Load() == 0 {
		return nil
	}
	payload, err := o.payload(v.format)
	if err != nil {
		o.failed[v.format] = true
		o.node.badPush.Warn().Err(err).Str("subject", o.m.Subject).Msg("message not converted")
		return nil
	}
	if o.ask != nil {
		o.scratch = o.appendAsk(o.scratch[:0], v, payload)
	} else if o.m.Kind == bus.KindChan {
		o.scratch = v.AppendChannelMessage(o.scratch[:0], channelText(o.m.Token), payload, o.m.From)
	} else {
		o.scratch = v.AppendEvent(o.scratch[:0], payload)
	}
	o.rendered[number].Add(1)
	frame := v.delivery(o.node.patience(v, o.class, o.m), o.scratch)
	if o.made == 0 {
		o.made = o.clock.read(o.node.ws)
		o.age = o.node.counts.ageOf(o.m.Time)
	}
	frame.Stamp(o.made, o.age)
	o.frames[number] = frame
	return frame
}

// payload returns the event, or the data of a channel's message, in a format.
func (o *outbound) payload(f codec.Format) ([]byte, error) {
	m := o.m
	switch {
	case f == m.Format && m.Kind == bus.KindChan:
		return m.Body, nil
	case f == m.Format:
		return o.env.Event, nil
	case o.converted[f]:
		return o.texts[f], nil
	}
	var (
		p   = o.texts[f][:0]
		err error
	)
	if m.Kind == bus.KindChan {
		p, err = o.converter.Append(p, m.Body, m.Format, f)
	} else {
		p, err = o.converter.AppendEvent(p, &o.env, m.Format, f)
	}
	o.payloads.count(m.Format, f, err)
	if err != nil {
		return nil, err
	}
	o.texts[f], o.converted[f] = p, true
	return p, nil
}

// conversions counts what was converted between formats. Any goroutine.
type conversions struct {
	done, failed [codec.Formats][codec.Formats]atomic.Uint64
}

func (c *conversions) count(from, to codec.Format, err error) {
	if err != nil {
		c.failed[from][to].Add(1)
		return
	}
	c.done[from][to].Add(1)
}

// add adds the counters that are not zero to those of a snapshot.
func (c *conversions) add(done, failed map[string]uint64) {
	for from := range codec.Format(codec.Formats) {
		for to := range codec.Format(codec.Formats) {
			name := from.String() + ">" + to.String()
			if v := c.done[from][to].Load(); v > 0 {
				done[name] += v
			}
			if v := c.failed[from][to].Load(); v > 0 {
				failed[name] += v
			}
		}
	}
}

var converters = sync.Pool{New: func() any { return new(codec.Converter) }}

// convert appends a value in another format. Any goroutine.
func (c *conversions) convert(dst, p []byte, from, to codec.Format) ([]byte, error) {
	converter := converters.Get().(*codec.Converter)
	defer converters.Put(converter)
	out, err := converter.Append(dst, p, from, to)
	c.count(from, to, err)
	return out, err
}

// pusher makes frames of pushes outside of the shards.
type pusher struct {
	parser    codec.Parser
	env       codec.Envelope
	converter codec.Converter
	text      []byte
}

var pushers = sync.Pool{New: func() any { return new(pusher) }}
