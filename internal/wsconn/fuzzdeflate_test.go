package wsconn_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// inflateOracle reads a message with the standard library, one stream behind the other: the result, or none where it
// is no valid message.
func inflateOracle(message []byte, limit int) (out []byte, ok bool) {
	ending := "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	if len(message) == 0 {
		return nil, true
	}
	src := bytes.NewReader(append(bytes.Clone(message), ending...))
	for {
		r := flate.NewReaderDict(src, out[max(0, len(out)-32<<10):])
		more, err := io.ReadAll(io.LimitReader(r, int64(limit-len(out)+1)))
		if out = append(out, more...); err != nil || len(out) > limit {
			return nil, false
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			return nil, false
		}
		if src.Len() == 0 || src.Len() == len(ending) {
			return out, true
		}
	}
}

// FuzzInflate holds inflating to the standard library, and to its bound.
func FuzzInflate(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00\x05\x00\xfa\xffHello\x00",
		"\x03\x00\x03\x00\x00", deflated(strings.Repeat("a", 100_000), 9), deflated(sample(3000, true), 6), deflated(sample(3000, false), 1),
		"\x06", "\xff\xff", "\xf2\x00\x11\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	var in wsconn.Inflater
	f.Fuzz(func(t *testing.T, message []byte) {
		const limit = 1 << 16
		got, code := in.Inflate(message, limit)
		want, ok := inflateOracle(message, limit)
		switch {
		case code == 0 && len(got) > limit:
			t.Fatalf("%d bytes", len(got))
		case ok && code != 0 && bytes.Count(message, []byte{3, 0}) < 16:
			t.Fatalf("code %d for a valid message of %d bytes", code, len(want))
		case !ok && code == 0:
			t.Fatal("no violation")
		case code == 0 && !bytes.Equal(got, want):
			t.Fatalf("got %.100q, want %.100q", got, want)
		}
	})
}

// FuzzCompress: what is sent compressed is what was to be sent, and smaller.
func FuzzCompress(f *testing.F) {
	for _, n := range []int{0, 1, 10, 200, 5000, 40_000, 100_000} {
		f.Add([]byte(sample(n, true)))
		f.Add([]byte(sample(n, false)))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		frame := wsconn.NewBinary(payload)
		z := wsconn.Compressed(frame)
		if z == frame {
			return
		}
		if z.Len() >= frame.Len() {
			t.Fatalf("%d bytes became %d", frame.Len(), z.Len())
		}
		if first := wsconn.Wire(z)[0]; first != fin|rsv1|opBinary {
			t.Fatalf("first byte %#x", first)
		}
		if got, err := inflated(z.Payload()); err != nil || got != string(payload) {
			t.Fatalf("inflated to %d bytes of %d, error %v", len(got), len(payload), err)
		}
	})
}

// FuzzDeflatedFrames: how a stream is cut into reads makes no difference to what it says, compressed or not.
func FuzzDeflatedFrames(f *testing.F) {
	hello := deflated("Hello", 1)
	for i, seed := range [][]byte{
		raw(fin|rsv1|opText, hello), stream(raw(rsv1|opText, hello[:3]), ping("p"), raw(fin|opCont, hello[3:])),
		stream(text("a"), raw(fin|rsv1|opBinary, hello)), raw(fin|rsv1|opCont, ""), raw(fin|rsv1|opText, "\x06"),
		stream(raw(rsv1|opBinary, ""), raw(fin|opCont, "")), raw(fin|rsv1|opText, deflated("\xff", 1)),
		inFrames(rsv1|opText, deflated(sample(5000, true), 6), 100),
	} {
		f.Add(seed, uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		run := func(cut func(left int) int) (got []string, code uint16) {
			p := wsconn.NewDeflateParser(func(op ws.OpCode, p []byte) { got = append(got, string(rune('0'+op))+string(p)) })
			for rest := bytes.Clone(stream); len(rest) > 0 && code == 0; {
				n := cut(len(rest))
				code = p.Feed(bytes.Clone(rest[:n]))
				rest = rest[n:]
			}
			return got, code
		}
		whole, code := run(func(left int) int { return left })
		cut, codeCut := run(func(left int) int { return 1 + rnd.IntN(min(left, 40)) })
		if code != codeCut || !slices.Equal(whole, cut) {
			t.Fatalf("whole: %.200q and %d, in pieces: %.200q and %d", whole, code, cut, codeCut)
		}
	})
}
