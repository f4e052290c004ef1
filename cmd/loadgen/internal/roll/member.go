package roll

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// channel is what is published on one, and when.
type channel struct {
	// fixed
	name string

	mu struct {
		sync.Mutex
		times []time.Duration // of number 1, 2 and so on
	}
}

// next notes that a message is published, and returns its number.
func (c *channel) next(now time.Duration) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.times = append(c.mu.times, now)
	return len(c.mu.times)
}

func (c *channel) published() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.times)
}

// between returns when the numbers first to last were published.
func (c *channel) between(first, last int) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.times[first-1 : last] // what is there does not change
}

// slack is how long before a client notices its close a message may have been
// published and still not have come to its node by then; beyond the longest time that
// any delivery took, since a machine that stands still makes both late.
const slack = 500 * time.Millisecond

// member is a client that listens to one channel.
type member struct {
	// fixed after newMember
	run     *run
	client  *client.Client
	channel *channel

	// owned by the client's callbacks, and by whoever has stopped the client
	was   bool            // it has been here before
	fresh bool            // nothing has come on this connection
	left  time.Duration   // when it lost the last one
	since time.Duration   // when it has been subscribed on this one
	last  int             // number of the newest message
	early []time.Duration // how long before it noticed a close what it missed was published, where that is long
}

func newMember(r *run, i int) (*member, error) {
	m := &member{run: r, channel: r.channels[i%len(r.channels)]}
	c, err := client.New(client.Options{
		URLs:           r.urls(i),
		ReceiveBuffer:  -1, // there are handlers only
		ConnectTimeout: 20 * time.Second,
		OnConnect:      func(*client.Client, client.Session) { <-r.slots },
		OnReconnect:    func(*client.Client, client.Session) { r.tally.reconnected() },
		OnChannelReady: m.onReady,
		OnDisconnect:   m.onDisconnect,
		OnError:        func(_ *client.Client, err error) { r.tally.failed(err) },
	})
	if err != nil {
		return nil, err
	}
	m.client = c
	_, err = c.OnChannel(m.channel.name, m.onMessage)
	return m, err
}

// onReady subscribes, as an application does.
func (m *member) onReady(c *client.Client, _ client.Session) {
	m.fresh = true
	ctx, cancel := context.WithTimeout(m.run.ctx, m.run.opt.Timeout)
	defer cancel()
	if err := c.Subscribe(ctx, m.channel.name); err != nil {
		return // its connection has ended, which OnDisconnect says; it comes back
	}
	m.since = m.run.tally.now()
	m.run.tally.came(m.since-m.left, m.was)
	m.was = true
}

func (m *member) onDisconnect(_ *client.Client, d *client.Disconnect) {
	if m.run.ctx.Err() != nil {
		return // it is the end of the run
	}
	if m.since > m.left {
		m.left = m.run.tally.now()
		m.run.tally.went(d.Code)
	}
}

func (m *member) onMessage(msg client.ChannelMessage) {
	t := m.run.tally
	number, sent, ok := parseData(string(msg.Data))
	if !ok || number < 1 || number > m.channel.published() {
		t.strays.Add(1)
		return
	}
	t.delivered.Add(1)
	t.took(t.now() - sent)
	if number <= m.last {
		t.doubled.Add(1)
		return
	}
	if number > m.last+1 {
		m.missed(m.last+1, number-1)
	}
	m.last, m.fresh = number, false
}

// missed judges the numbers that have not come.
func (m *member) missed(first, last int) {
	for _, at := range m.channel.between(first, last) {
		switch {
		case !m.fresh || at > m.since:
			m.run.tally.lost.Add(1)
		case at >= m.left-slack:
			m.run.tally.missed.Add(1)
		default:
			m.early = append(m.early, m.left-at)
		}
	}
}

// appendData appends the data of a message.
func appendData(dst []byte, number int, sent time.Duration) []byte {
	return fmt.Appendf(dst, `[%d %d "%064d"]`, number, int64(sent), number)
}

// parseData reads the two numbers of what appendData has made.
func parseData(text string) (number int, sent time.Duration, ok bool) {
	words := strings.Fields(strings.TrimPrefix(text, "["))
	if len(words) != 3 || !strings.HasPrefix(text, "[") {
		return 0, 0, false
	}
	number, err := strconv.Atoi(words[0])
	at, err2 := strconv.ParseInt(words[1], 10, 64)
	return number, time.Duration(at), err == nil && err2 == nil
}

// finish judges what has come after all that could. The client is stopped.
func (m *member) finish() {
	if all := m.channel.published(); m.last < all {
		m.missed(m.last+1, all)
	}
	longest := slack + time.Duration(m.run.tally.longest.Load())
	for _, before := range m.early {
		if before > longest {
			m.run.tally.lost.Add(1)
		} else {
			m.run.tally.missed.Add(1)
		}
	}
}
