package edge_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Every hostile frame has a bystander on the same channel, who receives every
// good message and nothing else; whatever happens to the sender.
func TestHostileFramesWithABystander(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			c := one(t, func(o *edge.Options) { o.Portable = portable; o.MaxMessage = 64 << 10 })
			bystander := c.Dial(t, 0, "/")
			bystander.Subscribe(`"b"`)
			good := c.Dial(t, 0, "/")
			publish := []byte(`[:sente-lite/publish {:channel-id "b" :data "hostile"}]`)
			masked := func(first byte, rest []byte) []byte {
				f := testkit.AppendFrame(nil, ws.OpText, rest)
				f[0] = first
				return f
			}
			long := []byte(`[:sente-lite/publish {:channel-id "b" :data "` + strings.Repeat("x", 64<<10) + `"}]`)
			tests := []struct {
				name  string
				bytes []byte
				code  int
			}{
				{"unmasked", append([]byte{0x81, byte(len(publish))}, publish...), 1002},
				{"RSV1", masked(0xc1, publish), 1002},
				{"RSV2", masked(0xa1, publish), 1002},
				{"RSV3", masked(0x91, publish), 1002},
				{"opcode 3", masked(0x83, publish), 1002},
				{"opcode 11", masked(0x8b, publish), 1002},
				{"continuation of nothing", masked(0x80, publish), 1002},
				{"fragmented ping", masked(0x09, publish), 1002},
				{"ping of 126 bytes", masked(0x89, make([]byte, 126)), 1002},
				{"text within a message", append(masked(0x01, publish), masked(0x81, publish)...), 1002},
				{"length with the top bit", append([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1}, publish...), 1002},
				{"announces too much", []byte{0x81, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 1, 1, 2, 3, 4}, 1009},
				{"too long", masked(0x81, long), 1009},
				{"fragments too long", append(masked(0x01, long[:60<<10]), masked(0x80, long[60<<10:])...), 1009},
				{"no UTF-8", masked(0x81, []byte("[:sente-lite/publish {:channel-id \"b\" :data \"\xff\"}]")), 1007},
				{"no UTF-8, told in the first fragment", masked(0x01, []byte("\xff")), 1007},
				{"close of one byte", masked(0x88, []byte{3}), 1002},
				{"close with 1005", masked(0x88, []byte{0x03, 0xed}), 1002},
				{"close with 999", masked(0x88, []byte{0x03, 0xe7}), 1002},
				{"close with 1006", masked(0x88, []byte{0x03, 0xee}), 1002},
				{"close with 5000", masked(0x88, []byte{0x13, 0x88}), 1002},
				{"a surrogate", masked(0x81, []byte("[:sente-lite/publish {:channel-id \"b\" :data \"\xed\xa0\x80\"}]")), 1007},
				{"ends within a rune", append(masked(0x01, publish), masked(0x80, []byte("\xe2\x82"))...), 1007},
				{"endless empty fragments", append(masked(0x01, publish), bytes.Repeat(masked(0x00, nil), 80<<10)...), 1009},
				{"close reason is no UTF-8", masked(0x88, []byte{0x03, 0xe8, 0xff}), 1007},
				{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), 1002},
			}
			for i, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					bad := c.Dial(t, 0, "/")
					bad.Subscribe(`"b"`)
					bad.Write(tt.bytes)
					bad.ExpectClose(tt.code)
					good.Publish(`"b"`, fmt.Sprint(i))
					bystander.Expect(testkit.Message(`"b"`, fmt.Sprint(i), good.ConnID))
					bystander.Nothing()
				})
			}
			if s := c.Nodes[0].Stats().Sockets; s.Panics != 0 {
				t.Errorf("%d panics", s.Panics)
			}
		})
	}
}

// A message may come in any pieces.
func TestFragmentsAndSplits(t *testing.T) {
	c := one(t, nil)
	cl := c.Dial(t, 0, "/")
	cl.Subscribe(`"é"`)
	msg := []byte(`[:sente-lite/publish {:channel-id "é" :data "😀"}]`)
	var out []byte
	for i := range msg {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		f := testkit.AppendFrame(nil, op, msg[i:i+1])
		if i < len(msg)-1 {
			f[0] &^= 0x80
		}
		out = append(out, f...)
	}
	for chunk := range bytes.SplitAfterSeq(out, []byte{0x81}) {
		cl.Write(chunk)
	}
	cl.Expect(testkit.Message(`"é"`, `"😀"`, cl.ConnID))
}

// While NATS stands still the node stops reading who publishes, does not judge
// it dead, and loses nothing.
func TestBackpressureInward(t *testing.T) {
	t.Parallel()
	process := testkit.StartProcess(t, nil)
	node := testkit.StartNode(t, edge.Options{
		Bus:          bus.Options{URLs: []string{"nats://" + process.Addrs.Client}},
		PingInterval: 500 * time.Millisecond,
		IdleTimeout:  3 * time.Second,
		QueueBytes:   64 << 20, // what was held back comes in a burst
	})
	sub := testkit.Dial(t, node.Addr().String(), "/")
	sub.Subscribe(`"in"`)
	pub := testkit.Dial(t, node.Addr().String(), "/")
	const count = 1500
	payload := strings.Repeat("x", 32<<10) // 48 MiB: more than queue and socket buffers hold
	done := make(chan error, 1)
	process.Stop(t)
	stopped := time.Now()
	go func() {
		if err := pub.Conn.SetWriteDeadline(time.Now().Add(2 * testkit.Patience)); err != nil {
			done <- err
			return
		}
		for i := range count {
			frame := testkit.AppendFrame(nil, ws.OpText, fmt.Appendf(nil, `[:sente-lite/publish {:channel-id "in" :data [%d "%s"]}]`, i, payload))
			if _, err := pub.Conn.Write(frame); err != nil {
				done <- fmt.Errorf("message %d: %w", i, err)
				return
			}
		}
		done <- nil
	}()
	// The reader lives: it says so by itself.
	for time.Since(stopped) < 4*time.Second {
		sub.Nothing()
		time.Sleep(50 * time.Millisecond)
	}
	select {
	case err := <-done:
		t.Fatalf("everything was taken while NATS stood still: %v", err)
	default:
	}
	process.Continue(t)
	for i := range count {
		if i%10 == 0 {
			sub.Send("[:chsk/ws-pong]") // its sign of life
		}
		if got, want := sub.Read(), testkit.Message(`"in"`, fmt.Sprintf(`[%d "%s"]`, i, payload), pub.ConnID); got != want {
			t.Fatalf("message %d: got %.100s", i, got)
		}
	}
	must(t, <-done)
	if s := node.Stats(); s.Bus.Connects != 1 || len(s.RefusedMessages) != 0 {
		t.Errorf("connects %d, refused %v", s.Bus.Connects, s.RefusedMessages)
	}
}
