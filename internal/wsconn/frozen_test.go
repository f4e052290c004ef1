package wsconn_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// freeze returns a connection whose client does not read, whose queue is half full, and that the loop has noted to take
// nothing any more.
func (s *server) freeze(b *wsconn.Batch) (*client, *session) {
	s.t.Helper()
	c, se := s.slowPair()
	large, small := wsconn.NewText(make([]byte, 60000)), wsconn.NewText([]byte("small"))
	fill := func(n int, f *wsconn.Frame) (queued int) {
		for range n {
			if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK {
				s.t.Fatalf("enqueue: %v", r)
			}
		}
		b.Flush()
		se.on(func() {}) // a turn
		queued, _ = wsconn.QueueLen(&se.Conn)
		return queued
	}
	fill(200, large) // more than the system takes, however long
	for fill(300, small); fill(10, small) <= 510; {
	}
	eventually(s.t, "the reader is noted as frozen", func() bool { return wsconn.Frozen(&se.Conn) })
	return c, se
}

// slowPair is pair with a receive buffer of the client that is small from the beginning, and does not grow.
func (s *server) slowPair() (*client, *session) {
	s.t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(err, cerr)
	}}
	conn, err := d.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &client{Conn: conn, t: s.t, r: bufio.NewReader(conn)}
	c.send([]byte(requestHead))
	c.upgraded()
	return c, s.next()
}

// A frozen reader costs nobody anything: what is queued for it leads to no write, and to no wait of who delivers, until
// it reads again.
func TestFrozenReaderCostsNothing(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		const frozen, messages = 4, 300
		// A reader whose system has still taken something at the second look is looked at again each tenth of StallTimeout.
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1 << 30, PingInterval: time.Hour, IdleTimeout: 2 * time.Hour, StallTimeout: 40 * time.Second}, nil)
		b := s.NewBatch()
		var ses []*session
		for range frozen {
			_, se := s.freeze(b)
			ses = append(ses, se)
		}
		reader, healthy := s.pair()
		calls, waited := s.Stats().WriteCalls, wsconn.WaitedForPeer(b)
		f := wsconn.NewText([]byte("all"))
		for range messages {
			for _, se := range append(ses, healthy) {
				if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK {
					t.Fatalf("enqueue: %v", r)
				}
			}
			b.Flush()
			reader.wantText("all")
		}
		if now := wsconn.WaitedForPeer(b); now != waited {
			t.Errorf("the batch has waited for frozen readers, %v after it last did", now.Sub(waited))
		}
		healthy.on(func() {}) // its loop's numbers are published
		for _, se := range ses {
			se.on(func() {})
			se.on(func() {})
		}
		// Each message to the one who reads is a call; the frozen may have been tried once more each.
		if n := s.Stats().WriteCalls - calls; n > messages+frozen {
			t.Errorf("%d write calls for %d messages to one reader", n, messages)
		}
	})
}

// A reader that takes little, but takes it, is not frozen, although its socket does not become writable by that.
func TestFrozenReaderThatTakesALittle(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1 << 30, StallTimeout: 5 * time.Second}, nil)
		c, se := s.freeze(s.NewBatch())
		if _, err := io.CopyN(io.Discard, c.r, 4<<10); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the reader is noted as well", func() bool { return !wsconn.Frozen(&se.Conn) })
	})
}
