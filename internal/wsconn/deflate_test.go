package wsconn_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// TestDeflateOnce: a broadcast is compressed once for all loops and peers, and those without compression get it as it
// is.
func TestDeflateOnce(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Deflate: true, Loops: 4}, nil)
		var all []*client
		for i := range 40 {
			all = append(all, s.open(i%4 != 0))
		}
		for range all {
			s.next()
		}
		frames := []struct {
			text   string
			packed bool
		}{
			{sample(10_000, true), true},
			{sample(1024, true), true},
			{sample(1023, true), false},
			{"small", false},
			{sample(1<<20, true), true},
		}
		for _, f := range frames {
			s.Broadcast(wsconn.NewText([]byte(f.text)), nil)
		}
		for i, c := range all {
			for _, f := range frames {
				what, packed, err := c.readAs()
				if err != nil || what != "text "+f.text || packed != (f.packed && i%4 != 0) {
					t.Fatalf("peer %d, %d bytes: %.40q, compressed %v, error %v", i, len(f.text), what, packed, err)
				}
			}
		}
		eventually(t, "three frames are compressed, each once", func() bool { return s.Stats().Deflated == 3 })
	})
}

// TestDeflateNot: what is not worth it, may not be, or was declined.
func TestDeflateNot(t *testing.T) {
	long := sample(5000, true)
	random := sample(5000, false)
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Deflate: true}, func(se *session) {
			se.onRequest = func(se *session, r *handshake.Request) {
				se.Accept(wsconn.AcceptOptions{Uncompressed: r.Header("X-No") != "", First: wsconn.NewText([]byte(long))})
				se.accepted <- se
			}
		})
		c := s.dialDeflate()
		se := s.next()
		se.Enqueue(wsconn.NewBinary([]byte(random)))
		se.Enqueue(wsconn.NewPing([]byte(strings.Repeat("p", 125))))
		se.Enqueue(wsconn.Concat(wsconn.NewText([]byte(long)), wsconn.NewText([]byte("x"))))
		for _, want := range []struct {
			what   string
			packed bool
		}{
			{"text " + long, true},
			{"binary " + random, false},
			{"ping " + strings.Repeat("p", 125), false},
			{"text " + long, false},
			{"text x", false},
		} {
			what, packed, err := c.readAs()
			if err != nil || what != want.what || packed != want.packed {
				t.Errorf("got %.40q, compressed %v, error %v, want %.40q, %v", what, packed, err, want.what, want.packed)
			}
		}
		c, answer := s.dialOffering("permessage-deflate\r\nX-No: 1")
		if what, packed, err := c.readAs(); answer != "" || what != "text "+long || packed || err != nil {
			t.Errorf("declined: answer %q, %.40q, compressed %v, error %v", answer, what, packed, err)
		}
		c.send(raw(fin|rsv1|opText, deflated("x", 1)))
		c.wantClose(1002)
	})
}

// TestDeflateWindow: a peer with a smaller window gets compressed what fits it whole, and the rest as it is.
func TestDeflateWindow(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Deflate: true, DeflateMin: 100}, nil)
		for bits := 8; bits <= 15; bits++ {
			c, _ := s.dialOffering("permessage-deflate; server_max_window_bits=" + strconv.Itoa(bits))
			se := s.next()
			for _, n := range []int{1 << bits, 1<<bits + 1} {
				m := sample(n, true)
				se.Enqueue(wsconn.NewText([]byte(m)))
				what, packed, err := c.readAs()
				if want := n == 1<<bits || bits == 15; err != nil || what != "text "+m || packed != want {
					t.Errorf("%d bits, %d bytes: compressed %v, error %v", bits, n, packed, err)
				}
			}
		}
	})
}

// TestDeflateFrozenReader: frames that are half written, dropped and superseded in a queue whose peer takes them
// compressed: what it reads and what it is told of add up to what was handed over, and all of it is whole.
func TestDeflateFrozenReader(t *testing.T) {
	payload := strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]|", r) {
			return '.' // these are JoinText's
		}
		return r
	}, sample(24_000, true))
	classes := []wsconn.Class{dropOldest, latest(3), dropNewest, dropOldest.Within(time.Millisecond), latest(4)}
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{
			Portable: portable, Deflate: true, QueueMessages: 100, Join: wsconn.JoinText,
			Notice: func(_ *wsconn.Conn, n int) *wsconn.Frame {
				return wsconn.NewText(fmt.Appendf(nil, "dropped %d %s", n, strings.Repeat(".", 2000)))
			},
		}, nil)
		c := s.dialDeflate()
		se := s.next()
		b := s.NewBatch()
		handed := 0
		for sum(s.Stats().Dropped) < 300 {
			m := fmt.Appendf(nil, "%d %s", handed, payload)
			f := wsconn.NewDelivery(classes[handed%5], m)
			if handed%3 == 1 {
				f = wsconn.NewPart(classes[handed%5], m)
			}
			if r := b.Enqueue(&se.Conn, f, nil); r != wsconn.OK && r != wsconn.Dropped {
				t.Fatalf("enqueue: %v", r)
			}
			handed++
			b.Flush()
			if n, size := wsconn.QueueLen(&se.Conn); n > 101 || size > 2<<20+4000 {
				t.Fatalf("queue holds %d frames, %d bytes", n, size)
			}
		}
		read, told, packed := 0, 0, 0
		last := map[wsconn.Class]int{}
		for read+told < handed {
			what, z, err := c.readAs()
			if err != nil {
				t.Fatal(err)
			}
			if z {
				packed++
			}
			for _, m := range partsOf(ws.NewTextFrame([]byte(strings.TrimPrefix(what, "text ")))) {
				number, rest, _ := strings.Cut(m, " ")
				if number == "dropped" {
					number, _, _ = strings.Cut(rest, " ")
					n, _ := strconv.Atoi(number)
					told += n
					continue
				}
				n, err := strconv.Atoi(number)
				if err != nil || rest != payload {
					t.Fatalf("damaged: %.60q", m)
				}
				if before, ok := last[classes[n%5]]; ok && n <= before {
					t.Fatalf("%d comes behind %d", n, before)
				}
				last[classes[n%5]] = n
				read++
			}
		}
		if dropped := sum(s.Stats().Dropped); dropped != told || packed < 100 {
			t.Errorf("handed over %d, read %d, told of %d, counted %d; %d compressed", handed, read, told, dropped, packed)
		}
		t.Logf("handed over %d, read %d in %d compressed frames, told of %d", handed, read, packed, told)
	})
}

// TestDeflateHalfWritten: of a frame that is half written the rest follows, also if what was compressed could be
// compressed again.
func TestDeflateHalfWritten(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Deflate: true, QueueMessages: 2000, QueueBytes: 1 << 31}, nil)
		c := s.dialDeflate()
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		se := s.next()
		f := wsconn.NewText(bytes.Repeat([]byte("x"), 1<<20))
		z := wsconn.Compressed(f)
		if again := wsconn.Compressed(wsconn.NewBinary(z.Payload())); again.Len() > z.Len()/2 {
			t.Fatalf("%d bytes compressed, %d when it is done again", z.Len(), again.Len())
		}
		n := 0
		for blocked := false; !blocked; { // until the system takes no more
			for range 100 {
				if r := se.Enqueue(f); r != wsconn.OK {
					t.Fatalf("enqueue %d: %v", n, r)
				}
				n++
			}
			blocked = true
			for begin := time.Now(); blocked && time.Since(begin) < 300*time.Millisecond; time.Sleep(time.Millisecond) {
				left, _ := wsconn.QueueLen(&se.Conn)
				blocked = left > 0
			}
		}
		for i := range n {
			got := make([]byte, z.Len())
			if _, err := io.ReadFull(c.r, got); err != nil || !bytes.Equal(got, wsconn.Wire(z)) {
				t.Fatalf("%d of %d is damaged, error %v", i, n, err)
			}
		}
	})
}

// TestDeflateFits: a connection with compression is as large as one without, and holds nothing while it is idle.
func TestDeflateFits(t *testing.T) {
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, wsconn.Options{Portable: portable, Deflate: true})
		c := s.dialDeflate()
		se := s.next()
		m := sample(200_000, true)
		for range 3 {
			c.send(inFrames(rsv1|opText, deflated(m, 1), 1000))
			if what, packed, err := c.readAs(); what != "text "+m || !packed || err != nil {
				t.Fatalf("echo of %d bytes, compressed %v, error %v", len(what), packed, err)
			}
		}
		se.on(func() {})
		se.on(func() {
			if !wsconn.Idle(&se.Conn) {
				t.Error("an idle connection holds a buffer")
			}
		})
	})
}

// TestDeflateDiscards: what was queued for a peer that goes is counted as without compression.
func TestDeflateDiscards(t *testing.T) {
	m := fmt.Sprintf("%x", sample(500_000, false))
	both(t, func(t *testing.T, portable bool) {
		s := start(t, wsconn.Options{Portable: portable, Deflate: true, QueueBytes: 64 << 20, CloseTimeout: 100 * time.Millisecond}, nil)
		c := s.dialDeflate()
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		se := s.next()
		handed := 0
		for range 40 { // compressed they are half as large, and more than the system takes
			if se.Enqueue(wsconn.NewText([]byte(m))) == wsconn.OK {
				handed++
			}
		}
		for range 2 { // and then it takes nothing
			if what, packed, err := c.readAs(); !packed || err != nil || len(what) != 1_000_005 {
				t.Fatalf("%d bytes, compressed %v, error %v", len(what), packed, err)
			}
		}
		se.CloseAsync(1000, "")
		info := se.end()
		if info.Discarded == 0 || info.Discarded > handed-2 {
			t.Errorf("%d of %d discarded", info.Discarded, handed)
		}
	})
}
