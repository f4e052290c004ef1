package wsconn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// accuracy is how far a time may be off.
const accuracy = 100 * time.Millisecond

// late is what a busy machine may add to it.
const late = 2 * time.Second

// A ping that finds no room, since what is queued has not had its turn yet, is left out: it is no reason to close.
func TestPingWithoutRoom(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, QueueBytes: 1000, PingInterval: time.Hour, IdleTimeout: 2 * time.Hour}, nil)
		c, se := s.pair()
		big := strings.Repeat("x", 5000)
		se.on(func() {
			if r := se.Send(wsconn.NewText([]byte(big))); r != wsconn.OK {
				t.Errorf("send: %v", r)
			}
			wsconn.KeepAlive(&se.Conn)
		})
		c.wantText(big)
		if n := s.Stats().Overflows; n != 0 {
			t.Errorf("%d overflows", n)
		}
	})
}

func startKeeping(t *testing.T, portable bool, k *wsconn.Keepalive) *server {
	t.Helper()
	return start(t, wsconn.Options{Portable: portable, PingInterval: time.Minute, IdleTimeout: time.Minute}, func(se *session) {
		se.onRequest = func(se *session, _ *handshake.Request) {
			se.Accept(wsconn.AcceptOptions{Keepalive: k})
			se.accepted <- se
		}
		se.onMessage = func(*session, ws.OpCode, []byte) wsconn.Verdict { return wsconn.Done }
	})
}

// wantPing wants a ping so long after the last sign of life.
func (c *client) wantPing(op ws.OpCode, seen time.Time, after time.Duration) {
	c.t.Helper()
	f := c.read()
	silence := time.Since(seen)
	if f.Header.OpCode != op || silence < after-accuracy || silence > after+late {
		c.t.Fatalf("after %v: %s", silence, show(f))
	}
}

// TestQuietKeepalive: no ping while the peer talks, one in each silence, the end when that lasts.
func TestQuietKeepalive(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		k := &wsconn.Keepalive{Interval: 400 * time.Millisecond, Idle: 1500 * time.Millisecond, Quiet: true}
		s := startKeeping(t, portable, k)
		c, se := s.pair()
		stop := make(chan struct{})
		go func() { // what is sent to it does not count; ends when told
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					se.Enqueue(wsconn.NewText([]byte("told")))
				}
			}
		}()
		type ping struct {
			f  ws.Frame
			at time.Time
		}
		pings := make(chan ping)
		go func() { // ends with the connection
			defer close(pings)
			for {
				f, err := c.tryRead()
				if err != nil {
					return
				}
				if f.Header.OpCode != ws.OpText {
					pings <- ping{f, time.Now()}
				}
			}
		}()
		seen := time.Now()
		want := func(p ping) {
			t.Helper()
			if silence := p.at.Sub(seen); p.f.Header.OpCode != ws.OpPing || silence < k.Interval-accuracy || silence > k.Interval+late {
				t.Fatalf("after %v: %s", silence, show(p.f))
			}
		}
		talked := 0
		for begin := time.Now(); time.Since(begin) < 4*k.Interval; {
			select {
			case p := <-pings:
				want(p) // possible when this goroutine was kept waiting
			case <-time.After(k.Interval / 8):
			}
			seen = time.Now()
			c.text("alive")
			talked++
		}
		want(<-pings)
		close(stop)
		if talked < 10 {
			t.Errorf("it talked %d times", talked)
		}
		seen = time.Now()
		c.send(masked(true, ws.OpPong, nil))
		count := 0
		for p := range pings {
			want(p)
			count++
		}
		silence := time.Since(seen)
		if info := se.end(); info.Reason != wsconn.CloseIdle || info.Code != 1006 {
			t.Errorf("%+v", info)
		}
		if count != 1 || silence < k.Idle-accuracy || silence > k.Idle+late {
			t.Errorf("%d pings, the end after %v", count, silence)
		}
	})
}

// TestQuietPeerThatAnswers stays, and is asked after each silence.
func TestQuietPeerThatAnswers(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		k := &wsconn.Keepalive{
			Ping: wsconn.NewText([]byte("ping?")), Interval: 300 * time.Millisecond, Idle: 2500 * time.Millisecond, Quiet: true,
		}
		s := startKeeping(t, portable, k)
		c, _ := s.pair()
		seen := time.Now()
		for begin := seen; time.Since(begin) < 2*k.Idle; {
			c.wantPing(ws.OpText, seen, k.Interval)
			seen = time.Now()
			c.send(masked(true, ws.OpPong, nil))
		}
	})
}

// TestSilentPeerThatAnswers takes its time, but is asked early enough each time.
func TestSilentPeerThatAnswers(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		k := &wsconn.Keepalive{Interval: 800 * time.Millisecond, Idle: 1600 * time.Millisecond}
		s := startKeeping(t, portable, k)
		c, se := s.pair()
		for i, begin := 0, time.Now(); time.Since(begin) < 5*k.Idle; i++ {
			if f := c.read(); f.Header.OpCode != ws.OpPing {
				t.Fatalf("got %s", show(f))
			}
			time.Sleep(time.Duration(i%2) * 200 * time.Millisecond)
			c.send(masked(true, ws.OpPong, nil))
		}
		select {
		case info := <-se.closed:
			t.Errorf("closed: %+v", info)
		default:
		}
	})
}

// TestSetKeepalive: from then on another one.
func TestSetKeepalive(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		s := startKeeping(t, portable, nil)
		c, se := s.pair()
		k := &wsconn.Keepalive{
			Ping:     wsconn.Concat(wsconn.NewText([]byte("text")), wsconn.NewPing([]byte("both"))),
			Interval: 200 * time.Millisecond,
		}
		for range 2 {
			seen := time.Now()
			se.on(func() { se.SetKeepalive(k) })
			c.wantPing(ws.OpText, seen, k.Interval/2)
			if f := c.read(); f.Header.OpCode != ws.OpPing || string(f.Payload) != "both" {
				t.Fatalf("got %s", show(f))
			}
			c.send(masked(true, ws.OpPong, []byte("both")))
		}
		quiet := &wsconn.Keepalive{Interval: 400 * time.Millisecond, Idle: time.Second, Quiet: true}
		c.text("now")
		seen := time.Now()
		se.on(func() { se.SetKeepalive(quiet) })
		for {
			f := c.read()
			if f.Header.OpCode == ws.OpPing && len(f.Payload) == 0 {
				break // not one of before
			}
		}
		if silence := time.Since(seen); silence < quiet.Interval-accuracy {
			t.Errorf("asked after %v", silence)
		}
		c.send(masked(true, ws.OpPong, nil))
		seen = time.Now()
		se.on(func() { se.SetKeepalive(nil) })
		_ = c.SetReadDeadline(time.Now().Add(2 * quiet.Interval))
		if f, err := c.tryRead(); err == nil {
			t.Errorf("after %v, with the server's interval of a minute: %s", time.Since(seen), show(f))
		}
	})
}

// TestPingIsNotDiscarded: nobody handed it over.
func TestPingIsNotDiscarded(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		for name, ping := range map[string]*wsconn.Frame{
			"text":   wsconn.NewText([]byte("ping?")),
			"concat": wsconn.Concat(wsconn.NewText([]byte("ping?")), wsconn.NewPing(nil)),
		} {
			s := startKeeping(t, portable, &wsconn.Keepalive{Ping: ping})
			_, se := s.pair()
			se.on(func() {
				for range 3 {
					se.Send(ping)
				}
				for range 2 {
					se.Send(wsconn.NewText([]byte("counted")))
				}
				wsconn.BreakOff(&se.Conn)
			})
			if info := se.end(); info.Discarded != 2 {
				t.Errorf("%s: %+v", name, info)
			}
		}
	})
}
