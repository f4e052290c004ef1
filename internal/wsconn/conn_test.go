package wsconn_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

func TestEcho(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, se := s.pair()
		c.text("hello")
		c.wantText("hello")
		big := strings.Repeat("ä", 1<<19) // 1 MiB exactly
		c.text(big)
		c.wantText(big)
		c.send(masked(true, ws.OpBinary, []byte{0xff, 0}))
		if f := c.read(); f.Header.OpCode != ws.OpBinary || !bytes.Equal(f.Payload, []byte{0xff, 0}) {
			t.Fatalf("binary echo: %s", show(f))
		}
		c.send(closeFrame(1000, "bye"))
		c.wantClose(1000)
		_ = c.Close()
		if info := se.end(); info.Code != 1000 || info.Reason != wsconn.ClosePeer {
			t.Errorf("info: %+v", info)
		}
	})
}

func TestFrames(t *testing.T) {
	join := func(ps ...[]byte) []byte { return bytes.Join(ps, nil) }
	text := func(s string) []byte { return masked(true, ws.OpText, []byte(s)) }
	part := func(op ws.OpCode, s string) []byte { return masked(false, op, []byte(s)) }
	last := func(s string) []byte { return masked(true, ws.OpContinuation, []byte(s)) }
	euro := "\xe2\x82\xac"
	tests := []struct {
		name  string
		send  []byte
		texts []string      // echoed first
		code  ws.StatusCode // then this close
		why   wsconn.CloseReason
	}{
		{name: "empty message", send: join(text(""), closeFrame(1000, "")), texts: []string{""}, code: 1000, why: wsconn.ClosePeer},
		{name: "several in one write", send: join(text("a"), text("b"), text("c"), closeFrame(1001, "")), texts: []string{"a", "b", "c"}, code: 1001, why: wsconn.ClosePeer},
		{name: "fragments", send: join(part(ws.OpText, "a"), part(ws.OpContinuation, ""), last("b"), closeFrame(1000, "")), texts: []string{"ab"}, code: 1000, why: wsconn.ClosePeer},
		{name: "rune across fragments", send: join(part(ws.OpText, euro[:1]), part(ws.OpContinuation, euro[1:2]), last(euro[2:]), closeFrame(1000, "")), texts: []string{euro}, code: 1000, why: wsconn.ClosePeer},
		{name: "empty close", send: masked(true, ws.OpClose, nil), code: 0, why: wsconn.ClosePeer},
		{name: "frames after close are ignored", send: join(text("a"), closeFrame(1000, ""), text("b")), texts: []string{"a"}, code: 1000, why: wsconn.ClosePeer},
		{name: "second close is ignored", send: join(closeFrame(1000, ""), closeFrame(1001, "")), code: 1000, why: wsconn.ClosePeer},
		{name: "code 3000", send: closeFrame(3000, "x"), code: 3000, why: wsconn.ClosePeer},
		{name: "code 1012", send: closeFrame(1012, "x"), code: 1012, why: wsconn.ClosePeer},

		{name: "unmasked", send: ws.MustCompileFrame(ws.NewTextFrame([]byte("x"))), code: 1002, why: wsconn.CloseProtocol},
		{name: "rsv1", send: []byte{0xc1, 0x80, 0, 0, 0, 0}, code: 1002, why: wsconn.CloseProtocol},
		{name: "rsv2", send: []byte{0xa1, 0x80, 0, 0, 0, 0}, code: 1002, why: wsconn.CloseProtocol},
		{name: "rsv3, header alone", send: []byte{0x91, 0x80}, code: 1002, why: wsconn.CloseProtocol},
		{name: "opcode 3", send: []byte{0x83, 0x80, 0, 0, 0, 0}, code: 1002, why: wsconn.CloseProtocol},
		{name: "opcode 11", send: []byte{0x8b, 0x80, 0, 0, 0, 0}, code: 1002, why: wsconn.CloseProtocol},
		{name: "ping of 126", send: []byte{0x89, 0xfe}, code: 1002, why: wsconn.CloseProtocol},
		{name: "fragmented ping", send: []byte{0x09, 0x80}, code: 1002, why: wsconn.CloseProtocol},
		{name: "continuation first", send: last("x"), code: 1002, why: wsconn.CloseProtocol},
		{name: "text inside of a message", send: join(part(ws.OpText, "a"), text("b")), code: 1002, why: wsconn.CloseProtocol},
		{name: "length of 64 bits", send: []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, code: 1002, why: wsconn.CloseProtocol},
		{name: "good before bad", send: join(text("a"), []byte{0x83, 0x80, 0, 0, 0, 0}, text("b")), texts: []string{"a"}, code: 1002, why: wsconn.CloseProtocol},
		{name: "close body of 1", send: masked(true, ws.OpClose, []byte{3}), code: 1002, why: wsconn.CloseProtocol},
		{name: "close code 999", send: closeFrame(999, ""), code: 1002, why: wsconn.CloseProtocol},
		{name: "close code 1005", send: closeFrame(1005, ""), code: 1002, why: wsconn.CloseProtocol},
		{name: "close code 1006", send: closeFrame(1006, ""), code: 1002, why: wsconn.CloseProtocol},
		{name: "close code 1016", send: closeFrame(1016, ""), code: 1002, why: wsconn.CloseProtocol},
		{name: "close code 5000", send: closeFrame(5000, ""), code: 1002, why: wsconn.CloseProtocol},
		{name: "close reason not utf-8", send: closeFrame(1000, "\xff"), code: 1007, why: wsconn.CloseInvalidUTF8},

		{name: "announced too big", send: []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4}, code: 1009, why: wsconn.CloseTooBig},
		{name: "announced huge", send: []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, code: 1009, why: wsconn.CloseTooBig},
		{name: "too big with its fragments", send: join(part(ws.OpText, "abc"), []byte{0x80, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xfe, 1, 2, 3, 4}), code: 1009, why: wsconn.CloseTooBig},
		{name: "endless empty fragments", send: join(part(ws.OpText, "a"), bytes.Repeat(part(ws.OpContinuation, ""), 1024+1<<16)), code: 1009, why: wsconn.CloseFragments},

		{name: "not utf-8", send: text("a\xff"), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "surrogate", send: text("\xed\xa0\x80"), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "ends within a rune", send: text(euro[:2]), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "fails fast in a fragment", send: part(ws.OpText, "a\xff"), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "fails fast on a carry that cannot be", send: part(ws.OpText, "\xf4\x90"), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "fails fast within a frame", send: append([]byte{0x81, 0xfe, 0x01, 0x00, 0, 0, 0, 0}, 'a', 0xc0), code: 1007, why: wsconn.CloseInvalidUTF8},
		{name: "fragments end within a rune", send: join(part(ws.OpText, euro[:2]), last("")), code: 1007, why: wsconn.CloseInvalidUTF8},
	}
	both(t, func(t *testing.T, portable bool) {
		for _, split := range []int{0, 1} { // at once; byte by byte
			s := start(t, wsconn.Options{Portable: portable}, nil)
			bystander, _ := s.pair()
			for _, tt := range tests {
				if split == 1 && len(tt.send) > 200 {
					continue
				}
				c, se := s.pair()
				if split == 0 {
					go func() { _, _ = c.Write(tt.send) }()
				} else {
					for i := range tt.send {
						if _, err := c.Write(tt.send[i : i+1]); err != nil {
							break
						}
					}
				}
				for _, want := range tt.texts {
					c.wantText(want)
				}
				c.wantClose(tt.code)
				_ = c.Close()
				info := se.end()
				wantCode := uint16(tt.code)
				if wantCode == 0 {
					wantCode = 1005
				}
				if info.Code != wantCode || info.Reason != tt.why || info.Discarded != 0 {
					t.Errorf("%s: info %+v", tt.name, info)
				}
				bystander.text(tt.name)
				bystander.wantText(tt.name)
			}
		}
	})
}

func TestPing(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, _ := s.pair()
		ping := masked(true, ws.OpPing, []byte("p"))
		c.send(bytes.Join([][]byte{masked(false, ws.OpText, []byte("a")), ping, masked(true, ws.OpPong, nil), masked(true, ws.OpContinuation, []byte("b"))}, nil))
		if f := c.read(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "p" {
			t.Fatalf("pong: %s", show(f))
		}
		c.wantText("ab")
		c.send(ping[:3]) // in two pieces
		c.send(ping[3:])
		if f := c.read(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "p" {
			t.Fatalf("pong: %s", show(f))
		}
		// A burst far beyond the queue's bound is answered in full when it is read.
		const n = 5000
		go func() { _, _ = c.Write(bytes.Repeat(ping, n)) }()
		for range n {
			if f := c.read(); f.Header.OpCode != ws.OpPong {
				t.Fatalf("pong: %s", show(f))
			}
		}
	})
}

func TestPingFloodOfFrozenReader(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		c, se := s.pair()
		flood := bytes.Repeat(masked(true, ws.OpPing, bytes.Repeat([]byte{'x'}, 125)), 1000)
		_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		sent := 0
		for sent < 64<<20 { // until TCP holds it back
			n, err := c.Write(flood)
			sent += n
			if err != nil {
				break
			}
		}
		if sent >= 64<<20 {
			t.Errorf("a peer that does not read could send %d bytes", sent)
		}
		se.on(func() {
			if n, bytes := wsconn.QueueLen(&se.Conn); n > 1000 || bytes > 2<<20 {
				t.Errorf("queue holds %d frames, %d bytes", n, bytes)
			}
		})
		_ = c.SetDeadline(time.Now().Add(patience))
		whole := sent / 131 // every ping that was sent whole is answered after all
		for range whole {
			if f := c.read(); f.Header.OpCode != ws.OpPong {
				t.Fatalf("pong: %s", show(f))
			}
		}
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		tries := make(chan string, 100)
		var hold bool // owned by the loop
		s := start(t, wsconn.Options{Portable: portable, IdleTimeout: 300 * time.Millisecond, PingInterval: 100 * time.Millisecond}, func(se *session) {
			se.onMessage = func(se *session, _ ws.OpCode, p []byte) wsconn.Verdict {
				tries <- string(p)
				if hold {
					return wsconn.Hold
				}
				se.Send(wsconn.NewText(p))
				return wsconn.Done
			}
		})
		c, se := s.pair()
		se.on(func() { hold = true })
		var all [][]byte
		for _, m := range []string{"1", "2", "3"} {
			all = append(all, masked(true, ws.OpText, []byte(m)))
		}
		all = append(all, masked(false, ws.OpText, []byte("4")), masked(true, ws.OpContinuation, []byte("4")), closeFrame(1000, ""))
		c.send(bytes.Join(all, nil))
		if m := <-tries; m != "1" {
			t.Fatalf("first try: %q", m)
		}
		se.on(se.Resume) // still held: tried again
		if m := <-tries; m != "1" {
			t.Fatalf("second try: %q", m)
		}
		time.Sleep(500 * time.Millisecond) // longer than IdleTimeout: the peer is not judged while we do not read
		select {
		case m := <-tries:
			t.Fatalf("delivered while held: %q", m)
		case info := <-se.closed:
			t.Fatalf("closed while held: %+v", info)
		default:
		}
		se.on(func() {
			hold = false
			if se.Resume(); !se.Holds() {
				t.Error("not held any more before it is delivered again")
			}
		})
		var got []string
		for {
			f := c.read()
			if f.Header.OpCode == ws.OpText {
				got = append(got, string(f.Payload))
			} else if f.Header.OpCode == ws.OpClose {
				break
			}
		}
		if strings.Join(got, " ") != "1 2 3 44" {
			t.Errorf("got %q", got)
		}
		se.on(func() {
			if se.Holds() {
				t.Error("held when all is consumed")
			}
		})
		c.wantEOF()
		_ = c.Close()
		se.end()
	})
}

func TestHoldManyBytes(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		// Every second try is held, over far more than one read buffer, in odd sizes.
		s := start(t, wsconn.Options{Portable: portable}, func(se *session) {
			tried := 0
			se.onMessage = func(se *session, _ ws.OpCode, p []byte) wsconn.Verdict {
				if tried++; tried%2 == 1 {
					if tried%3 == 0 {
						se.Resume() // before the verdict: counts all the same
					} else {
						se.Post(se.Resume)
					}
					return wsconn.Hold
				}
				se.Send(wsconn.NewText(p))
				return wsconn.Done
			}
		})
		c, _ := s.pair()
		var want []string
		var all []byte
		for i := range 300 {
			m := strings.Repeat(string(rune('a'+i%26)), i*37%5000)
			want = append(want, m)
			all = append(all, masked(true, ws.OpText, []byte(m))...)
		}
		go func() { _, _ = c.Write(all) }()
		for _, m := range want {
			c.wantText(m)
		}
	})
}

func TestRequestAnsweredLater(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		requests := make(chan *session, 10)
		s := start(t, wsconn.Options{Portable: portable}, func(se *session) {
			se.onRequest = func(se *session, r *handshake.Request) { requests <- se }
		})
		c := s.dialRaw()
		c.send(append([]byte(requestHead), masked(true, ws.OpText, []byte("early"))...))
		se := <-requests
		c.text("later")
		se.on(func() {
			se.Accept(wsconn.AcceptOptions{First: wsconn.NewText([]byte("first"))})
			se.Accept(wsconn.AcceptOptions{}) // a second answer does nothing
		})
		c.upgraded()
		c.wantText("first")
		c.wantText("early")
		c.wantText("later")
	})
}

func TestClosePaths(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		t.Run("server", func(t *testing.T) {
			c, se := s.pair()
			se.Enqueue(wsconn.NewText([]byte("a")))
			se.CloseAsync(4000, strings.Repeat("ä", 100))
			c.wantText("a")
			f := c.read()
			code, reason := ws.ParseCloseFrameData(f.Payload)
			if code != 4000 || reason != strings.Repeat("ä", 61) {
				t.Errorf("close %d %q", code, reason)
			}
			c.wantEOF()
			if r := se.Enqueue(wsconn.NewText([]byte("b"))); r != wsconn.Rejected {
				t.Errorf("enqueue after close: %v", r)
			}
			_ = c.Close()
			if info := se.end(); info.Code != 4000 || info.Reason != wsconn.CloseServer {
				t.Errorf("info %+v", info)
			}
		})
		t.Run("unread input does not destroy the close frame", func(t *testing.T) {
			c, se := s.pair()
			se.CloseAsync(4001, "")
			for range 50 {
				if _, err := c.Write(masked(true, ws.OpText, make([]byte, 1000))); err != nil {
					t.Fatalf("the server reset: %v", err)
				}
			}
			// echoes may come first
			for {
				if f := c.read(); f.Header.OpCode == ws.OpClose {
					break
				}
			}
			c.wantEOF()
			_ = c.Close()
			se.end()
		})
		t.Run("eof", func(t *testing.T) {
			c, se := s.pair()
			c.text("a")
			_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			c.wantText("a")
			c.wantEOF()
			if info := se.end(); info.Code != 1006 || info.Reason != wsconn.CloseEOF {
				t.Errorf("info %+v", info)
			}
		})
		t.Run("reset", func(t *testing.T) {
			c, se := s.pair()
			_ = c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
			_ = c.Close()
			if info := se.end(); info.Code != 1006 || info.Reason != wsconn.CloseError {
				t.Errorf("info %+v", info)
			}
		})
		t.Run("peer that never ends", func(t *testing.T) {
			c, se := s.pair()
			se.CloseAsync(1000, "")
			c.wantClose(1000)
			if info := se.end(); info.Code != 1000 { // after CloseTimeout
				t.Errorf("info %+v", info)
			}
		})
		t.Run("close inside of a message", func(t *testing.T) {
			s := start(t, wsconn.Options{Portable: portable}, func(se *session) {
				se.onMessage = func(se *session, _ ws.OpCode, p []byte) wsconn.Verdict {
					se.Close(4002, "")
					return wsconn.Hold
				}
			})
			c, se := s.pair()
			c.text("a")
			c.wantClose(4002)
			_ = c.Close()
			se.end()
		})
	})
}

func TestIdle(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, portable bool) {
		t.Parallel()
		ping := wsconn.NewText([]byte("[:ping]"))
		const idle = 1500 * time.Millisecond // which a busy machine may take to let this client answer
		s := start(t, wsconn.Options{Portable: portable, PingInterval: idle / 5, IdleTimeout: idle}, func(se *session) {
			se.onRequest = func(se *session, r *handshake.Request) {
				se.Accept(wsconn.AcceptOptions{Keepalive: &wsconn.Keepalive{Ping: ping}})
				se.accepted <- se
			}
			se.onMessage = func(*session, ws.OpCode, []byte) wsconn.Verdict { return wsconn.Done }
		})
		silent, silentSession := s.pair()
		alive, aliveSession := s.pair()
		begin := time.Now()
		for time.Since(begin) < 2*idle+idle/4 {
			alive.wantText("[:ping]")
			alive.send(masked(true, ws.OpPong, nil)) // any frame is life
		}
		if info := silentSession.end(); info.Code != 1006 || info.Reason != wsconn.CloseIdle {
			t.Errorf("info %+v", info)
		}
		silent.wantText("[:ping]")
		select {
		case info := <-aliveSession.closed:
			t.Errorf("closed although it answered: %+v", info)
		default:
		}
	})
}

func TestPanic(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, func(se *session) {
			se.onMessage = func(se *session, op ws.OpCode, p []byte) wsconn.Verdict {
				if string(p) == "panic" {
					panic("test")
				}
				se.Send(wsconn.NewText(p))
				return wsconn.Done
			}
		})
		bystander, _ := s.pair()
		for i, how := range []func(c *client, se *session){
			func(c *client, se *session) { c.text("panic") },
			func(c *client, se *session) {
				c.send(masked(true, ws.OpText, []byte("panic"))[:4])
				c.send(masked(true, ws.OpText, []byte("panic"))[4:])
			},
			func(c *client, se *session) { se.Post(func() { panic("posted") }) },
		} {
			c, se := s.pair()
			how(c, se)
			c.wantClose(1011)
			_ = c.Close()
			if info := se.end(); info.Reason != wsconn.ClosePanic {
				t.Errorf("info %+v", info)
			}
			bystander.text("still here")
			bystander.wantText("still here")
			eventually(t, "panic is counted", func() bool { return s.Stats().Panics == uint64(i+1) })
		}
	})
}

func TestSetMaxMessage(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable}, nil)
		before, _ := s.pair()
		s.SetMaxMessage(1000)
		after, _ := s.pair()
		for _, c := range []*client{before, after} {
			c.text(strings.Repeat("x", 1000))
			c.wantText(strings.Repeat("x", 1000))
			c.send(masked(true, ws.OpText, make([]byte, 1001))[:14])
			c.wantClose(1009)
		}
	})
}
