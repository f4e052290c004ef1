package wsconn_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/poller"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// benchServer runs a server without test hooks.
func benchServer(b *testing.B, o wsconn.Options, newConn func() (wsconn.Handler, *wsconn.Conn)) *wsconn.Server {
	b.Helper()
	o.NewConn = newConn
	o.Loops = 1
	s, err := wsconn.New(o)
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Stop(ctx, 1001, "")
	})
	return s
}

// plain is the cheapest owner.
type plain struct {
	wsconn.Conn
	ready   chan<- *plain
	message func(*plain, []byte)
}

func (p *plain) OnRequest(*handshake.Request) {
	p.Accept(wsconn.AcceptOptions{})
	p.ready <- p
}

func (p *plain) OnMessage(_ ws.OpCode, msg []byte) wsconn.Verdict {
	if p.message != nil {
		p.message(p, msg)
	}
	return wsconn.Done
}

func (p *plain) OnClosed(wsconn.CloseInfo) {}

// sink is a client's socket on a loop of its own: it counts bytes.
type sink struct {
	poller.Socket
	got func(n int)
}

type sinkHandler struct{ *sink }

func (h sinkHandler) Socket() *poller.Socket { return &h.sink.Socket }
func (h sinkHandler) OnRead(p []byte)        { h.got(len(p)) }
func (h sinkHandler) OnHangup(error)         {}
func (h sinkHandler) OnWritable()            {}
func (h sinkHandler) OnTimer()               {}

// clients connects n sinks.
func clients(b *testing.B, s *wsconn.Server, n int, ready <-chan *plain, got func(int)) (*poller.Loop, []*sink, []*plain) {
	b.Helper()
	l, err := poller.New(poller.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l.Start()
	b.Cleanup(l.Stop)
	sinks := make([]*sink, n)
	conns := make([]*plain, n)
	for i := range n {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write([]byte(requestHead)); err != nil {
			b.Fatal(err)
		}
		conns[i] = <-ready
		if _, err := c.Read(make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
		k := &sink{got: got}
		sinks[i] = k
		done := make(chan error)
		l.Post(func() { done <- l.Attach(poller.AdoptConn(c), sinkHandler{k}) })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	return l, sinks, conns
}

// BenchmarkFanOut delivers each frame to all subscribers, a number of frames in flight; an operation is one delivery.
func BenchmarkFanOut(b *testing.B) {
	for _, c := range []struct{ subs, flight int }{{1000, 1}, {1000, 64}, {5000, 16}} {
		b.Run(fmt.Sprintf("subs=%d/flight=%d/size=128", c.subs, c.flight), func(b *testing.B) {
			benchFanOut(b, c.subs, c.flight, wsconn.NewText(bytes.Repeat([]byte("x"), 128)))
		})
	}
}

// BenchmarkFanOutParts is BenchmarkFanOut where what is delivered is a part, or one that may wait, and with whole frames
// for comparison: the frames are made once for all, and are as large together as the parts were.
func BenchmarkFanOutParts(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 132) // a whole one is so much on the wire
	part, waiting := wsconn.NewPart(disconnect, payload), wsconn.NewPart(disconnect.Within(5*time.Millisecond), payload)
	whole := wsconn.NewText(bytes.Repeat([]byte("x"), 128))
	for _, c := range []struct{ subs, flight int }{{1000, 1}, {1000, 64}} {
		for _, f := range []struct {
			name  string
			frame *wsconn.Frame
		}{{"parts", part}, {"waiting", waiting}, {"whole", whole}} {
			b.Run(fmt.Sprintf("subs=%d/flight=%d/size=128/%s", c.subs, c.flight, f.name), func(b *testing.B) {
				benchFanOut(b, c.subs, c.flight, f.frame)
			})
		}
	}
}

func benchFanOut(b *testing.B, subs, flight int, frame *wsconn.Frame) {
	b.Helper()
	ready := make(chan *plain, 16)
	var made [17]*wsconn.Frame // by how many were joined; the loop's
	s := benchServer(b, wsconn.Options{Join: func(_ *wsconn.Conn, parts []*wsconn.Frame) *wsconn.Frame {
		f := made[len(parts)]
		if f == nil {
			f = wsconn.NewText(bytes.Repeat([]byte("x"), 132*len(parts)-4))
			made[len(parts)] = f
		}
		return f
	}}, func() (wsconn.Handler, *wsconn.Conn) {
		p := &plain{ready: ready}
		return p, &p.Conn
	})
	var received int64 // bytes; on the clients' loop
	room := make(chan struct{}, flight)
	per := int64(frame.Len() * subs)
	_, _, conns := clients(b, s, subs, ready, func(n int) {
		before := received / per
		received += int64(n)
		for range received/per - before {
			<-room
		}
	})
	batch := s.NewBatch()
	before := s.Stats()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%subs == 0 {
			if n > 0 {
				batch.Flush()
			}
			room <- struct{}{}
		}
		batch.Enqueue(&conns[n%subs].Conn, frame, nil)
		n++
	}
	batch.Flush()
	if rest := n % subs; rest != 0 { // the last one goes to all, so that it counts
		for _, p := range conns[rest:] {
			batch.Enqueue(&p.Conn, frame, nil)
		}
		batch.Flush()
	}
	for range flight {
		room <- struct{}{}
	}
	after := s.Stats()
	b.ReportMetric(float64(after.FramesOut-before.FramesOut)/float64(max(after.WriteCalls-before.WriteCalls, 1)), "frames/call")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkRawWrite is the ceiling for one frame in flight: a send for each delivery and nothing else.
func BenchmarkRawWrite(b *testing.B) {
	ready := make(chan *plain, 16)
	s := benchServer(b, wsconn.Options{}, func() (wsconn.Handler, *wsconn.Conn) {
		p := &plain{ready: ready}
		return p, &p.Conn
	})
	const subs = 1000
	frame := make([]byte, 132)
	var received int64
	room := make(chan struct{}, 1)
	_, _, conns := clients(b, s, subs, ready, func(n int) {
		before := received / (132 * subs)
		received += int64(n)
		for range received/(132*subs) - before {
			<-room
		}
	})
	n := 0
	for b.Loop() {
		if n%subs == 0 {
			room <- struct{}{}
		}
		wsconn.RawWrite(&conns[n%subs].Conn, frame)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkEcho is one message in flight on each of 500 connections, with rates that are never reached and without.
func BenchmarkEcho(b *testing.B) {
	b.Run("free", func(b *testing.B) { benchEcho(b, wsconn.Limits{}) })
	b.Run("limited", func(b *testing.B) { benchEcho(b, wsconn.Limits{EventRate: 1e9, ByteRate: 1e12}) })
}

func benchEcho(b *testing.B, limits wsconn.Limits) {
	ready := make(chan *plain, 16)
	s := benchServer(b, wsconn.Options{Limits: limits}, func() (wsconn.Handler, *wsconn.Conn) {
		p := &plain{ready: ready, message: func(p *plain, msg []byte) { p.Send(wsconn.NewText(msg)) }}
		return p, &p.Conn
	})
	const n = 500
	msg := masked(true, ws.OpText, bytes.Repeat([]byte("x"), 128))
	done := make(chan struct{}, 1<<16)
	l, sinks, _ := clients(b, s, n, ready, func(int) { done <- struct{}{} })
	left := b.N
	for _, k := range sinks {
		k.got = func(int) {
			done <- struct{}{}
			_, _ = l.Write(&k.Socket, msg)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	l.Post(func() {
		for _, k := range sinks {
			_, _ = l.Write(&k.Socket, msg)
		}
	})
	for ; left > 0; left-- {
		<-done
	}
	b.StopTimer()
	stop := make(chan struct{})
	l.Post(func() {
		for _, k := range sinks {
			k.got = func(int) {}
		}
		close(stop)
	})
	for {
		select {
		case <-done:
		case <-stop:
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "roundtrips/s")
			return
		}
	}
}

// BenchmarkParse feeds a read of whole frames to the parser.
func BenchmarkParse(b *testing.B) {
	for _, size := range []int{16, 128, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			read := bytes.Repeat(masked(true, ws.OpText, bytes.Repeat([]byte("x"), size)), 8)
			p := wsconn.NewParser(func(ws.OpCode, []byte) {})
			buf := make([]byte, len(read))
			b.ReportAllocs()
			b.SetBytes(int64(len(read)))
			for b.Loop() {
				copy(buf, read)
				p.Feed(buf)
			}
		})
	}
}

// BenchmarkEnqueue appends to a queue and takes from it, without a socket.
func BenchmarkEnqueue(b *testing.B) {
	for _, depth := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			f := wsconn.NewText(make([]byte, 128))
			q := wsconn.NewQueue()
			gate := true
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				q.Push(f, &gate)
				if n++; n%depth == 0 {
					q.Take()
				}
			}
		})
	}
}

// TestIdleConnectionMemory pins what a connection that does nothing holds on the heap: Conn in its owner's struct, and
// the loop's table. In a process that holds the clients as well, so their memory is made before the measurement.
func TestIdleConnectionMemory(t *testing.T) {
	if wsconn.ConnSize > 112 {
		t.Errorf("Conn is %d bytes", wsconn.ConnSize)
	}
	const n = 2048
	ready := make(chan *plain, n)
	srv, err := wsconn.New(wsconn.Options{Loops: 1, NewConn: func() (wsconn.Handler, *wsconn.Conn) {
		p := &plain{ready: ready}
		return p, &p.Conn
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	s := &server{Server: srv, t: t}
	all := make([]*client, n)
	kept := make([]*plain, n)
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range all {
		all[i] = s.dialRaw()
	}
	eventually(t, "all are attached", func() bool {
		done := make(chan int)
		wsconn.OnLoop(srv, 0, func(attached int) { done <- attached })
		return <-done == n
	})
	clients := heap()
	for i, c := range all {
		c.send([]byte(requestHead))
		c.upgraded()
		kept[i] = <-ready
	}
	for _, p := range kept {
		done := make(chan bool)
		p.Post(func() { done <- wsconn.Idle(&p.Conn) })
		if !<-done {
			t.Error("an idle connection holds a buffer")
		}
	}
	grown := (heap() - clients) / n
	t.Logf("heap for each: %d bytes with its client when it is attached, %d more after the handshake", (clients-before)/n, grown)
	if grown > 16 && !raceEnabled {
		t.Errorf("an idle connection keeps %d bytes from its handshake", grown)
	}
	for _, c := range all {
		_ = c.Close()
	}
	if err := srv.Stop(context.Background(), 1001, ""); err != nil {
		t.Error(err)
	}
}

// BenchmarkEnqueueFull appends to the full queue of a reader who takes nothing.
func BenchmarkEnqueueFull(b *testing.B) {
	for _, c := range []struct {
		name  string
		slots int
		class func(i int) wsconn.Class
	}{
		{"drop-oldest", 1, func(int) wsconn.Class { return dropOldest }},
		{"drop-newest", 1, func(int) wsconn.Class { return dropNewest }},
		{"latest-only/slots=10", 10, func(i int) wsconn.Class { return latest(uint32(i%10) + 1) }},
		{"latest-only/slots=100", 100, func(i int) wsconn.Class { return latest(uint32(i%100) + 1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := wsconn.NewQueue()
			frames := make([]*wsconn.Frame, c.slots)
			for i := range frames {
				frames[i] = wsconn.NewDelivery(c.class(i), make([]byte, 128))
			}
			for i := range 1100 {
				q.Push(frames[i%c.slots], nil)
			}
			q.BeginWrite()
			q.EndWrite(1)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				q.Push(frames[n%c.slots], nil)
				n++
			}
		})
	}
}
