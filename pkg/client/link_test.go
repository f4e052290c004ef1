package client_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.PingInterval, o.PeerTimeout = 10*time.Second, 25*time.Second
		var ended *client.Disconnect
		o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { ended = d }
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		began := time.Now()
		after := func(what string, want time.Duration) {
			t.Helper()
			if d := time.Since(began); d != want {
				t.Errorf("%s after %v, want %v", what, d, want)
			}
		}
		// The server's pings, of both kinds, are answered at once.
		p.write("[:chsk/ws-ping]")
		p.want("[:chsk/ws-pong]")
		p.frame(ws.NewPingFrame([]byte("hey")))
		if op, text, err := p.next(); op != ws.OpPong || text != "hey" || err != nil {
			t.Errorf("a ping is answered with opcode %d, %q, %v", op, text, err)
		}
		after("pongs", 0)
		// Silence is asked about; any frame is life.
		p.want("[:chsk/ws-ping]")
		after("first ping", 10*time.Second)
		time.Sleep(4 * time.Second)
		p.frame(ws.NewPongFrame(nil))
		p.want("[:chsk/ws-ping]")
		after("second ping", 24*time.Second)
		// From now on the peer is dead: it is asked twice and then given up.
		p.want("[:chsk/ws-ping]")
		after("third ping", 34*time.Second)
		if _, _, err := p.next(); err == nil {
			t.Error("the client goes on")
		}
		after("the end", 39*time.Second)
		synctest.Wait()
		if ended == nil || ended.Cause != client.CauseSilent {
			t.Errorf("disconnect %v, want silent", ended)
		}
		stopNow(c)
	})
}

// While the application keeps the client from reading, the silence is its own.
func TestHeartbeatOfABusyApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		o := n.options()
		o.Backlog = 2
		o.PingInterval, o.PeerTimeout = 10*time.Second, 25*time.Second
		c := mustNew(t, o)
		release := make(chan struct{})
		seen := 0
		c.On("a/b", func(client.Message) { <-release; seen++ })
		c.Start()
		p := n.accept()
		go func() {
			for range 10 {
				p.frame(ws.NewTextFrame([]byte("[:a/b]")))
			}
		}()
		for i := range 10 {
			p.want("[:chsk/ws-ping]")
			if i == 9 {
				close(release)
			}
		}
		synctest.Wait()
		if seen != 10 || c.Status().State != client.Connected {
			t.Errorf("%d of 10 messages seen, client %v", seen, c.Status().State)
		}
		stopNow(c)
	})
}

func TestViolations(t *testing.T) {
	raw := func(b ...byte) []byte { return b }
	frame := func(f ws.Frame) []byte { return ws.MustCompileFrame(f) }
	for _, tt := range []struct {
		name string
		wire []byte
		code ws.StatusCode
		want string
	}{
		{"masked", frame(ws.MaskFrame(ws.NewTextFrame([]byte("[:a/b]")))), 1002, "masks"},
		{"binary", frame(ws.NewBinaryFrame([]byte("[:a/b]"))), 1002, "binary"},
		{"reserved bit", raw(0xc1, 0), 1002, "rsv"},
		{"reserved opcode", raw(0x83, 0), 1002, "op code"},
		{"continuation of nothing", raw(0x80, 0), 1002, "continuation"},
		{"two beginnings", raw(0x01, 1, '[', 0x81, 1, ']'), 1002, "continuation"},
		{"fragmented ping", raw(0x09, 0), 1002, "control"},
		{"long ping", append(raw(0x89, 126, 0, 126), make([]byte, 126)...), 1002, "control"},
		{"not UTF-8", frame(ws.NewTextFrame([]byte("[:a/b \"\xff\"]"))), 1002, "UTF-8"},
		{"close of one byte", raw(0x88, 1, 3), 1002, "close frame"},
		{"close with 1005", raw(0x88, 2, 0x03, 0xed), 1002, "close frame"},
		{"close with 999", raw(0x88, 2, 0x03, 0xe7), 1002, "close frame"},
		{"close with 5000", raw(0x88, 2, 0x13, 0x88), 1002, "close frame"},
		{"close with a reason that is not UTF-8", raw(0x88, 3, 0x03, 0xe8, 0xff), 1002, "close frame"},
		{"too long", raw(0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0), 1009, "MaxReceive"},
		{"too long in parts", append(append(raw(0x01, 126, 3, 0xe8), make([]byte, 1000)...), 0x80, 126, 3, 0xe8), 1009, "MaxReceive"},
		{"length of 64 bits", raw(0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0), 1002, "most significant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				o := n.options()
				o.MaxReceive = 1500
				var ended *client.Disconnect
				o.OnDisconnect = func(_ *client.Client, d *client.Disconnect) { ended = d }
				c := mustNew(t, o)
				c.Start()
				p := n.accept()
				go func() { _, _ = p.conn.Write(tt.wire) }() // it may close before it has read all
				if code := p.wantClose(); code != tt.code {
					t.Errorf("closed with %d, want %d", code, tt.code)
				}
				p.hangUp()
				synctest.Wait()
				if ended == nil || ended.Cause != client.CauseProtocol || !strings.Contains(strings.ToLower(ended.Error()), strings.ToLower(tt.want)) {
					t.Errorf("disconnect %v, want %q", ended, tt.want)
				}
				n.accept() // and it comes back
				stopNow(c)
			})
		})
	}
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var j journal
		o := n.options()
		o.OnError = func(_ *client.Client, err error) { j.add("error %v", err) }
		c := mustNew(t, o)
		c.On("*", func(m client.Message) {
			if len(m.Data) > 100 {
				m.Data = client.EDN("long")
			}
			j.add("%s %s", m.ID, m.Data)
		})
		c.Start()
		p := n.accept()
		// In fragments, with a ping between them.
		p.frame(ws.Frame{Header: ws.Header{OpCode: ws.OpText, Length: 3}, Payload: []byte("[:a")})
		p.frame(ws.NewPingFrame(nil))
		if op, _, err := p.next(); op != ws.OpPong || err != nil {
			t.Errorf("opcode %d, %v", op, err)
		}
		p.frame(ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpContinuation, Length: 7}, Payload: []byte("/b {} ]")})
		j.want(t, ":a/b {}")
		// Long ones.
		for _, size := range []int{126, 65535, 65536, 200_000, 1 << 20} {
			p.write(`[:a/long "` + strings.Repeat("x", size) + `"]`)
			j.want(t, ":a/long long")
		}
		// What is no event is passed over and reported.
		for _, bad := range []string{"", "{:a 1}", "[:a/b", "[:b 1]", "[:a/b {:x}]", "[:chsk/recv [1 2]]"} {
			p.write(bad)
			synctest.Wait()
			if len(j) != 1 || !strings.HasPrefix(j[0], "error client: message from the server: ") {
				t.Errorf("%q: %v", bad, j)
			}
			j = nil
		}
		p.write("[:a/b nil]")
		p.write(`[:sente-lite/channel-msg {:channel-id "a"}]`)
		j.want(t, ":a/b nil", `:sente-lite/channel-msg {:channel-id "a"}`)
		if s := stopNow(c); s.BadMessages != 6 || s.BytesRead < 1<<20 {
			t.Errorf("statistics %+v", s)
		}
	})
}

func TestErrorsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		release := make(chan struct{})
		told := 0
		o := n.options()
		o.OnError = func(*client.Client, error) { <-release; told++ }
		c := mustNew(t, o)
		c.Start()
		p := n.accept()
		for range 1000 {
			p.write("nonsense")
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		s := stopNow(c)
		if s.BadMessages != 1000 || uint64(told)+s.Unreported != 1000 || told > 200 {
			t.Errorf("%d bad, %d told, %d not", s.BadMessages, told, s.Unreported)
		}
	})
}

func TestStop(t *testing.T) {
	event := func(i int) client.Event { return client.MustEvent("a/n", i) }

	t.Run("drains", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			c := mustNew(t, n.options())
			c.Start()
			p := n.accept()
			for i := range 10 {
				c.Enqueue(event(i))
			}
			done := make(chan client.Stats)
			go func() { done <- c.Stop(t.Context()) }()
			for i := range 10 {
				p.want(event(i).String())
			}
			if code := p.wantClose(); code != 1000 {
				t.Errorf("closed with %d", code)
			}
			p.hangUp()
			if s := (<-done).Send; s.Sent != 10 || s.Dropped != 0 || s.Depth != 0 {
				t.Errorf("statistics %+v", s)
			}
		})
	})
	t.Run("drains once it is back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			c := mustNew(t, n.options())
			n.setDown(true)
			c.Start()
			c.Enqueue(event(1))
			done := make(chan client.Stats)
			go func() { done <- c.Stop(t.Context()) }()
			time.Sleep(3 * time.Second)
			n.setDown(false)
			p := n.accept()
			p.want(event(1).String())
			p.wantClose()
			p.hangUp()
			if s := (<-done).Send; s.Sent != 1 || s.Dropped != 0 {
				t.Errorf("statistics %+v", s)
			}
		})
	})
	t.Run("counts what it drops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			c := mustNew(t, n.options())
			n.setDown(true)
			c.Start()
			for i := range 5 {
				c.Enqueue(event(i))
			}
			ctx, cancel := contextIn(t, 7*time.Second)
			defer cancel()
			began := time.Now()
			s := c.Stop(ctx).Send
			if d := time.Since(began); d != 7*time.Second || s.Dropped != 5 || s.Sent != 0 || s.Depth != 0 {
				t.Errorf("after %v: %+v", d, s)
			}
		})
	})
	t.Run("not started", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := mustNew(t, newNetwork(t).options())
			c.Enqueue(event(1))
			if s := c.Stop(t.Context()).Send; s.Dropped != 1 {
				t.Errorf("statistics %+v", s)
			}
			c.Start() // has nothing to start
			c.Stop(t.Context())
			if err := c.Err(); !errors.Is(err, client.ErrStopped) {
				t.Errorf("Err: %v", err)
			}
		})
	})
	t.Run("a peer that does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			o := n.options()
			o.CloseTimeout = 3 * time.Second
			c := mustNew(t, o)
			c.Start()
			p := n.accept()
			synctest.Wait()
			done := make(chan struct{})
			began := time.Now()
			go func() { c.Stop(t.Context()); close(done) }()
			p.wantClose()
			<-done
			if d := time.Since(began); d != 3*time.Second {
				t.Errorf("stopped after %v, want CloseTimeout", d)
			}
		})
	})
	t.Run("a peer that does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			c := mustNew(t, n.options())
			c.Start()
			n.accept()
			synctest.Wait()
			c.Enqueue(event(1))
			ctx, cancel := contextIn(t, 4*time.Second)
			defer cancel()
			began := time.Now()
			s := c.Stop(ctx)
			if d := time.Since(began); d > 7*time.Second || s.Send.Dropped != 1 {
				t.Errorf("stopped after %v: %+v", d, s.Send)
			}
		})
	})
	t.Run("a callback that does not return", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			o := n.options()
			o.Backlog = 1
			c := mustNew(t, o)
			release := make(chan struct{})
			c.On("a/b", func(client.Message) { <-release })
			c.Start()
			p := n.accept()
			go func() {
				for range 5 {
					if ws.WriteFrame(p.conn, ws.NewTextFrame([]byte("[:a/b]"))) != nil {
						return // the client has gone before it has read all
					}
				}
			}()
			synctest.Wait()
			ctx, cancel := contextIn(t, 4*time.Second)
			defer cancel()
			began := time.Now()
			c.Stop(ctx)
			if d := time.Since(began); d > 7*time.Second {
				t.Errorf("stopped after %v", d)
			}
			close(release)
		})
	})
	t.Run("while the client gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.setDown(true)
			o := n.options()
			o.MaxAttempts = 4
			c := mustNew(t, o)
			c.Enqueue(event(1))
			c.Start()
			time.Sleep(time.Millisecond)
			ctx, cancel := contextIn(t, time.Hour)
			defer cancel()
			if s := c.Stop(ctx); s.Send.Dropped != 1 || s.Attempts != 4 || ctx.Err() != nil {
				t.Errorf("statistics %+v, %v", s, ctx.Err())
			}
		})
	})
	t.Run("twice at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			c := mustNew(t, n.options())
			c.Start()
			p := n.accept()
			synctest.Wait()
			done := make(chan struct{}, 2)
			for range 2 {
				go func() { c.Stop(t.Context()); done <- struct{}{} }()
			}
			p.wantClose()
			p.hangUp()
			<-done
			<-done
		})
	})
}
