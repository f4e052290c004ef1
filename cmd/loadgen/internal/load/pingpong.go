package load

import (
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/dialect"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// pingpong has one ping under way on each connection.
type pingpong struct {
	plain
	client *client
	rested []*conn  // those with none
	pings  [][]byte // frames, one for each dialect
}

func newPingpong(c *client) *pingpong {
	p := &pingpong{client: c}
	for _, share := range c.opt.Dialects {
		p.pings = append(p.pings, wsclient.AppendText(nil, share.Dialect.AppendPing(nil)))
	}
	return p
}

func (p *pingpong) greeted(c *conn, _ []byte) error {
	p.rested = append(p.rested, c)
	return nil
}

func (p *pingpong) message(c *conn, f wsclient.Frame, now int64) bool {
	if c.last == 0 || c.speaks().Read(f.Head).Kind != dialect.Pong {
		return false
	}
	p.client.pump.got(c.last, f.Len, now)
	c.last = 0
	p.rested = append(p.rested, c)
	return true
}

func (p *pingpong) send(intended int64) {
	c := p.rested[len(p.rested)-1]
	p.rested = p.rested[:len(p.rested)-1]
	c.last = p.client.pump.take(intended, 1, 0)
	c.out = append(c.out, p.pings[c.dialect]...)
	c.touch(c)
}
