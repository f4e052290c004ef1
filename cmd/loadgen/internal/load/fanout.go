package load

import (
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// fanout publishes to channels in turn; every healthy subscriber of the channel
// must receive the message.
type fanout struct {
	plain
	client     *client
	finders    []finder  // one for each dialect
	texts      []publish // one for each channel
	publishers []*conn
	shared     bool // several publishers share a channel
	next       int
}

// publish is a channel's message, ready but for its number.
type publish struct {
	marked      []marked // one for each dialect
	subscribers [frozen + 1]int
	publishers  int // how many take turns: number k of them is publishers[channel+k*channels]
	turn        int
}

func newFanout(c *client) *fanout {
	o := c.opt
	f := &fanout{client: c, finders: c.finders(), publishers: make([]*conn, o.Publishers)}
	for i, subscribers := range o.perChannel(o.readers()) {
		p := publish{subscribers: subscribers, publishers: max(1, (o.Publishers-i+o.Channels-1)/o.Channels)}
		for _, share := range o.Dialects {
			p.marked = append(p.marked, newMarked(share.Dialect.AppendPublish(nil, c.channels[i], mark(c.tag), o.Size), c.tag))
		}
		f.texts = append(f.texts, p)
		f.shared = f.shared || p.publishers > 1
	}
	return f
}

// greeted notes the publishers: the connections behind the subscribers.
func (f *fanout) greeted(c *conn, _ []byte) error {
	if c.channel < 0 {
		f.publishers[c.index-f.client.opt.Connections] = c
	}
	return nil
}

func (f *fanout) message(c *conn, fr wsclient.Frame, now int64) bool {
	seq, ok := f.finders[c.dialect].find(fr.Head)
	if !ok {
		return false
	}
	p := f.client.pump
	last := &c.last
	if f.shared {
		last = f.last(c, seq)
	}
	disorder := last != nil && seq-*last-1 >= 1<<31 // not later than the one before; wraps around
	if last != nil {
		*last = seq
	}
	if c.reader != healthy {
		f.client.lags[c.reader].got(fr.Len, disorder)
		return true
	}
	if disorder {
		p.disorder++
	}
	if !p.got(seq, fr.Len, now) {
		f.client.strays++
	}
	return true
}

// last returns where c keeps the number of the last message from the publisher of
// seq, since order is defined between messages of one publisher only. It is nil
// where that is not known any more: several share the channel, and c is behind the
// healthy.
func (f *fanout) last(c *conn, seq uint32) *uint32 {
	n := f.texts[c.channel].publishers
	if n == 1 {
		return &c.last
	}
	from, ok := f.client.pump.from(seq)
	if !ok {
		return nil
	}
	if c.lasts == nil {
		c.lasts = make([]uint32, n)
	}
	return &c.lasts[from]
}

func (f *fanout) send(intended int64) {
	ch := f.next % len(f.texts)
	t := &f.texts[ch]
	f.next++
	turn := t.turn
	if t.turn++; t.turn == t.publishers {
		t.turn = 0
	}
	seq := f.client.pump.take(intended, t.subscribers[healthy], turn)
	for r := slow; r <= frozen; r++ {
		f.client.lags[r].expected += int64(t.subscribers[r])
	}
	cn := f.publishers[(ch+turn*len(f.texts))%len(f.publishers)]
	cn.out = wsclient.AppendText(cn.out, t.marked[cn.dialect].numbered(seq))
	cn.touch(cn)
}
