package wsclient_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// serverFrame builds what a server sends.
func serverFrame(op byte, payload []byte) []byte {
	dst := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

type got struct {
	op   byte
	head string
	n    int
}

// feed gives the parser chunks of the stream as cut says.
func feed(t *testing.T, stream []byte, cut func(left int) int) ([]got, error) {
	t.Helper()
	var p wsclient.Parser
	var out []got
	for len(stream) > 0 {
		k := min(max(cut(len(stream)), 1), len(stream))
		in := bytes.Clone(stream[:k])
		stream = stream[k:]
		for {
			f, rest, ok, err := p.Next(in)
			if err != nil {
				return out, err
			}
			if !ok {
				break
			}
			out = append(out, got{f.Op, string(f.Head[:min(len(f.Head), wsclient.HeadMax)]), f.Len})
			in = rest
		}
	}
	return out, nil
}

func TestNextInAnyPieces(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 125, 126, 127, 511, 512, 513, 600, 4096, 65535, 65536, 70000}
	var stream []byte
	var want []got
	for i, n := range sizes {
		payload := bytes.Repeat([]byte{byte('a' + i)}, n)
		stream = append(stream, serverFrame(wsclient.OpText, payload)...)
		want = append(want, got{wsclient.OpText, string(payload[:min(n, wsclient.HeadMax)]), n})
		stream = append(stream, serverFrame(wsclient.OpPing, []byte("hi"))...)
		want = append(want, got{wsclient.OpPing, "hi", 2})
	}
	cuts := []struct {
		name string
		cut  func(left int) int
	}{
		{name: "whole", cut: func(left int) int { return left }},
		{name: "bytes", cut: func(int) int { return 1 }},
		{name: "sevens", cut: func(int) int { return 7 }},
		{name: "random", cut: func(int) int { return 1 + rand.IntN(900) }},
	}
	for _, tc := range cuts {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out, err := feed(t, stream, tc.cut)
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != len(want) {
				t.Fatalf("got %d frames, want %d", len(out), len(want))
			}
			for i := range want {
				if out[i] != want[i] {
					t.Errorf("frame %d: got op %d, %d of %d bytes; want op %d, %d of %d", i, out[i].op, len(out[i].head), out[i].n, want[i].op, len(want[i].head), want[i].n)
				}
			}
		})
	}
}

func TestNextRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   []byte
		want error
	}{
		{name: "masked", in: []byte{0x81, 0x81, 1, 2, 3, 4, 5}, want: wsclient.ErrMasked},
		{name: "reserved bit", in: []byte{0xC1, 0x00}, want: wsclient.ErrReserved},
		{name: "reserved opcode", in: []byte{0x83, 0x00}, want: wsclient.ErrReserved},
		{name: "not final", in: []byte{0x01, 0x00}, want: wsclient.ErrFragmented},
		{name: "continuation", in: []byte{0x80, 0x00}, want: wsclient.ErrFragmented},
		{name: "length", in: []byte{0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0}, want: wsclient.ErrTooLong},
		{name: "negative length", in: []byte{0x82, 127, 0xFF, 0, 0, 1, 0, 0, 0, 0}, want: wsclient.ErrTooLong},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{len(tc.in), 1} {
				if _, err := feed(t, tc.in, func(int) int { return step }); !errors.Is(err, tc.want) {
					t.Errorf("in steps of %d: got %v, want %v", step, err, tc.want)
				}
			}
		})
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	stream := bytes.Repeat(serverFrame(wsclient.OpText, make([]byte, 160)), 8)
	var p wsclient.Parser
	allocs := testing.AllocsPerRun(100, func() {
		for _, in := range [][]byte{stream[:400], stream[400:]} {
			for {
				_, rest, ok, err := p.Next(in)
				if err != nil || !ok {
					break
				}
				in = rest
			}
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations for each eight frames, want 0", allocs)
	}
}

func TestClientFramesUnmaskToThePayload(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 9, 125, 126, 65535, 65536} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		f := wsclient.AppendText(nil, payload)
		at := len(f) - n
		key := f[at-4 : at]
		for i := range payload {
			if f[at+i]^key[i&3] != payload[i] {
				t.Fatalf("payload of %d: byte %d differs", n, i)
			}
		}
		if f[0] != 0x81 || f[1]&0x80 == 0 {
			t.Errorf("payload of %d: header % x", n, f[:2])
		}
	}
}

func TestParseUpgrade(t *testing.T) {
	t.Parallel()
	const key = "dGhlIHNhbXBsZSBub25jZQ==" // the example of RFC 6455 section 1.3
	accept := wsclient.Accept(key)
	if accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("Accept = %s", accept)
	}
	ok := "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: " + accept + "\r\n\r\n"
	cases := []struct {
		name string
		in   string
		n    int
		err  string
	}{
		{name: "accepted", in: ok + "\x81\x00", n: len(ok)},
		{name: "incomplete", in: ok[:40]},
		{name: "endless", in: "HTTP/1.1 101 S\r\n" + strings.Repeat("a: b\r\n", 2000), err: "longer than"},
		{name: "refused", in: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nnats away\n", err: "503 Service Unavailable (nats away)"},
		{name: "not http", in: "SSH-2.0-x\r\n\r\n", err: "not HTTP"},
		{name: "wrong accept", in: strings.Replace(ok, accept, "x"+accept[1:], 1), err: "Sec-WebSocket-Accept"},
		{name: "no accept", in: "HTTP/1.1 101 S\r\n\r\n", err: "Sec-WebSocket-Accept"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n, err := wsclient.ParseUpgrade([]byte(tc.in), accept)
			switch {
			case tc.err == "" && err != nil, tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Errorf("got error %v, want %q", err, tc.err)
			case n != tc.n:
				t.Errorf("got %d, want %d", n, tc.n)
			}
		})
	}
}

// FuzzParseUpgrade holds that the end of a good answer is where its head ends,
// however much of it and of what follows is there.
func FuzzParseUpgrade(f *testing.F) {
	const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	for _, head := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n\x81\x02hi",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nTry again",
		"HTTP/1.1 101\r\nsec-websocket-accept:wrong\r\n\r\n",
		"HTTP/1.1", "SSH-2.0\r\n\r\n", "\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := wsclient.ParseUpgrade(in, accept)
		switch {
		case err != nil && n != 0:
			t.Fatalf("%d and %v", n, err)
		case n > len(in) || n != 0 && !bytes.HasSuffix(in[:n], []byte("\r\n\r\n")):
			t.Fatalf("the head of %q ends at %d", in, n)
		case n == 0:
			return
		}
		if again, err := wsclient.ParseUpgrade(in[:n], accept); again != n || err != nil {
			t.Fatalf("its head alone: %d, %v", again, err)
		}
		if early, err := wsclient.ParseUpgrade(in[:n-1], accept); early != 0 || err != nil && n <= 8<<10 {
			t.Fatalf("one byte less: %d, %v", early, err)
		}
	})
}

// FuzzNext holds that how the stream is cut changes nothing.
func FuzzNext(f *testing.F) {
	f.Add([]byte{0x81, 0x02, 'h', 'i', 0x89, 0x00}, uint8(1))
	f.Add(serverFrame(wsclient.OpBinary, make([]byte, 700)), uint8(9))
	f.Add([]byte{0x81, 126, 0x02}, uint8(2))
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3}, uint8(5))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		whole, errWhole := feed(t, stream, func(left int) int { return left })
		pieces, errPieces := feed(t, stream, func(int) int { return int(step) })
		if !errors.Is(errPieces, errWhole) {
			t.Fatalf("whole: %v, in pieces: %v", errWhole, errPieces)
		}
		if len(whole) != len(pieces) {
			t.Fatalf("whole: %d frames, in pieces: %d", len(whole), len(pieces))
		}
		for i := range whole {
			if whole[i] != pieces[i] {
				t.Fatalf("frame %d differs", i)
			}
		}
	})
}
