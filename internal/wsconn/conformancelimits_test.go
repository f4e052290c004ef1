package wsconn_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

func optionsOf(portable bool) wsconn.Options {
	return wsconn.Options{Portable: portable, Deflate: true}
}

// inFrames is a message in frames of size bytes.
func inFrames(first byte, s string, size int) []byte {
	out := make([]byte, 0, len(s)+len(s)/size*14+14)
	for ; len(s) > size; s = s[size:] {
		out = append(out, raw(first, s[:size])...)
		first = opCont
	}
	return append(out, raw(first|fin, s)...)
}

// TestConformanceLimits is section 10.4: messages of up to 16 MiB, whole, in frames and in pieces, and what is beyond.
// The queue is much smaller than one of them. Under the race detector it is 4 MiB.
func TestConformanceLimits(t *testing.T) {
	limit := 16 << 20
	if raceEnabled {
		limit = 4 << 20
	}
	exact := strings.Repeat("κόσμε, ", limit/12)
	exact += strings.Repeat("x", limit-len(exact))
	xs := []exchange{
		{"text in one frame", stream(text(exact), end()), []string{"text " + exact, bye}},
		{"text in frames of 4 KiB", stream(inFrames(opText, exact, 4<<10), end()), []string{"text " + exact, bye}},
		{"text in frames of 255 bytes", stream(inFrames(opText, exact[:1<<20], 255), end()), []string{"text " + exact[:1<<20], bye}},
		{"two and a small one, one behind the other", stream(text(exact), binMsg(exact), text("end"), end()), []string{"text " + exact, "binary " + exact, "text end", bye}},
		{"one byte too many", text(exact + "x")[:14], []string{"close 1009"}},
		{"one byte too many in fragments", stream(raw(opText, exact), raw(fin|opCont, "x")), []string{"close 1009"}},
		{"announced much too large", []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, []string{"close 1009"}},
	}
	both(t, func(t *testing.T, portable bool) {
		o := optionsOf(portable)
		o.MaxMessage = limit
		s := echoServer(t, o)
		holdOn(t, s, xs, false, 0)
		holdOn(t, s, xs[:1], false, 64<<10)
		holdOn(t, s, xs[:1], true, 0)
	})
}

// TestConformancePipelined: a client may have sent much before it reads, more than a queue holds.
func TestConformancePipelined(t *testing.T) {
	samples := [2]string{sample(5000, false), sample(10_000, false)}
	both(t, func(t *testing.T, portable bool) {
		o := optionsOf(portable)
		o.QueueBytes, o.QueueMessages = 10_200, 20 // half of it holds a small message, and all of it hardly a large one
		s := echoServer(t, o)
		for _, deflate := range []bool{false, true} {
			var send []byte
			var want []string
			for i := range 2000 {
				m := fmt.Sprint(i, " ", samples[i%2])
				send, want = append(send, binMsg(m)...), append(want, "binary "+m)
			}
			c := s.open(deflate)
			wrote := make(chan struct{})
			var written atomic.Int64
			go func() { // ends with the last byte
				defer close(wrote)
				for piece := range slices.Chunk(stream(send, end()), 4<<10) {
					c.write(piece, 0)
					written.Add(1)
				}
			}()
			for before := int64(-1); written.Load() != before; time.Sleep(100 * time.Millisecond) {
				before = written.Load() // until the server does not read on
			}
			got, err := c.all()
			if err != nil || !slices.Equal(got, append(want, bye)) {
				t.Fatalf("deflate %v: got %d messages, error %v, the last %s", deflate, len(got), err, short(got[max(0, len(got)-1):]))
			}
			<-wrote
			if info := s.next().end(); info.Reason != wsconn.ClosePeer || info.Discarded != 0 {
				t.Errorf("info %+v", info)
			}
		}
	})
}
