package fleet

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/host"
	"github.com/hoshi-ws/hoshi/pkg/client"
)

// member is one client of the fleet.
type member struct {
	// fixed after newMember
	fleet   *fleet
	client  *client.Client
	channel string // "" for none

	connected atomic.Bool // it has been, at least once

	// owned by the client's callbacks
	url    string
	here   bool // connected and subscribed
	was    bool // has been here
	left   time.Duration
	latest []uint32 // number of the last message of each publisher

	received, bytes, disorder, notices, dropped atomic.Int64
}

func newMember(f *fleet, i int) (*member, error) {
	o := f.opt
	m := &member{fleet: f}
	dialer := host.Dialer(o.Sources, i)
	c, err := client.New(client.Options{
		URLs:           o.urls(i),
		ReceiveBuffer:  -1, // there are handlers only
		ConnectTimeout: o.Timeout,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if m.connected.Load() {
				f.tally.attempt()
			}
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &watched{Conn: conn, member: m}, nil
		},
		OnConnect:      m.onConnect,
		OnReconnect:    func(*client.Client, client.Session) { f.tally.connected() },
		OnChannelReady: m.onReady,
		OnDisconnect:   m.onDisconnect,
		OnError:        func(_ *client.Client, err error) { f.tally.failed(err) },
	})
	if err != nil {
		return nil, err
	}
	m.client = c
	if o.Channels > 0 {
		m.channel = f.channels[i%o.Channels]
		m.latest = make([]uint32, o.Publishers)
		if _, err := c.OnChannel(m.channel, m.onMessage); err != nil {
			return nil, err
		}
		c.On(client.DroppedID, m.onDropped)
	}
	return m, nil
}

// watched tells when a connection that has been in use ends.
type watched struct {
	net.Conn
	member *member
}

// Read is the connection's.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil && w.member.connected.Load() {
		w.member.fleet.tally.broken()
	}
	return n, err
}

func (m *member) onConnect(*client.Client, client.Session) {
	m.fleet.tally.connected()
	m.connected.Store(true)
	<-m.fleet.slots
}

// onReady subscribes, as an application does.
func (m *member) onReady(c *client.Client, s client.Session) {
	m.url = s.URL
	if m.channel != "" {
		ctx, cancel := context.WithTimeout(m.fleet.ctx, m.fleet.opt.Timeout)
		defer cancel()
		if err := c.Subscribe(ctx, m.channel); err != nil {
			if !errors.Is(err, client.ErrClosed) && !errors.Is(err, client.ErrStopped) {
				m.fleet.tally.failedSubscribe()
			}
			return
		}
	}
	m.here = true
	m.fleet.tally.came(m.left, m.was)
	m.was = true
}

func (m *member) onDisconnect(_ *client.Client, d *client.Disconnect) {
	m.left = m.fleet.tally.left(d, m.url, m.here)
	m.here = false
}

// onMessage counts a message [publisher number nanoseconds "xx..."].
func (m *member) onMessage(msg client.ChannelMessage) {
	publisher, number, sent, ok := parseData(string(msg.Data))
	if !ok || publisher >= len(m.latest) {
		m.fleet.strays.Add(1)
		return
	}
	m.received.Add(1)
	m.bytes.Add(int64(len(msg.Data)))
	if number <= m.latest[publisher] {
		m.disorder.Add(1)
	}
	m.latest[publisher] = number
	m.fleet.record(time.Duration(int64(m.fleet.tally.now()) - sent))
}

// onDropped counts what the node says that it has dropped.
func (m *member) onDropped(msg client.Message) {
	m.notices.Add(1)
	var data struct{ Count int64 }
	if msg.Data.Decode(&data) == nil {
		m.dropped.Add(data.Count)
	}
}

// appendData appends the data of a message, at least size bytes of it.
func appendData(dst []byte, publisher int, number uint32, sent int64, size int) []byte {
	from := len(dst)
	dst = strconv.AppendInt(append(dst, '['), int64(publisher), 10)
	dst = strconv.AppendUint(append(dst, ' '), uint64(number), 10)
	dst = strconv.AppendInt(append(dst, ' '), sent, 10)
	dst = append(dst, ` "`...)
	for len(dst)-from < size-2 {
		dst = append(dst, 'x')
	}
	return append(dst, `"]`...)
}

// parseData reads the three numbers of what appendData has made.
func parseData(text string) (publisher int, number uint32, sent int64, ok bool) {
	text, ok = strings.CutPrefix(text, "[")
	if !ok {
		return 0, 0, 0, false
	}
	next := func() (n int64) {
		word, rest, _ := strings.Cut(text, " ")
		text = rest
		n, err := strconv.ParseInt(word, 10, 64)
		ok = ok && err == nil && n >= 0
		return n
	}
	publisher, number, sent = int(next()), uint32(next()), next()
	return publisher, number, sent, ok
}
