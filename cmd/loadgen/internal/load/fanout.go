package load

import (
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// fanout publishes to channels in turn; every subscriber of the channel must
// receive the message.
type fanout struct {
	plain
	client     *client
	finder     finder
	texts      []publish // one for each channel
	publishers []*conn
	next       int
}

// publish is a channel's message, ready but for its number.
type publish struct {
	text        []byte
	number      int // where in text the number stands
	subscribers int
}

func newFanout(c *client) *fanout {
	f := &fanout{client: c, finder: newFinder(c.tag)}
	for i, name := range c.channels {
		text := []byte(`[:sente-lite/publish {:channel-id "` + name + `" :data `)
		text, number := appendPayload(text, c.tag, c.opt.Size)
		n := c.opt.Connections / len(c.channels)
		if i < c.opt.Connections%len(c.channels) {
			n++
		}
		f.texts = append(f.texts, publish{text: append(text, "}]"...), number: number, subscribers: n})
	}
	return f
}

// greeted notes the publishers: the connections without a channel.
func (f *fanout) greeted(c *conn, _ []byte) error {
	if c.channel < 0 {
		f.publishers = append(f.publishers, c)
	}
	return nil
}

func (f *fanout) message(c *conn, fr wsclient.Frame, now int64) bool {
	seq, ok := f.finder.find(fr.Head)
	if !ok {
		return false
	}
	p := f.client.pump
	if seq-c.last-1 >= 1<<31 { // not later than the one before; wraps around
		p.disorder++
	}
	c.last = seq
	if !p.got(seq, fr.Len, now) {
		f.client.strays++
	}
	return true
}

func (f *fanout) send(intended int64) {
	ch := f.next % len(f.texts)
	t := &f.texts[ch]
	f.next++
	putNumber(t.text[t.number:], f.client.pump.take(intended, t.subscribers))
	// A channel always has the same publisher, so its order is defined.
	cn := f.publishers[ch%len(f.publishers)]
	cn.out = wsclient.AppendText(cn.out, t.text)
	cn.touch(cn)
}
