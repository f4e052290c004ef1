package gzip_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/gzip"
)

func TestWrap(t *testing.T) {
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, p := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("a"), 1023), bytes.Repeat([]byte("a"), 1024), bytes.Repeat([]byte("abc"), 100_000), noise} {
		got := gzip.Wrap([]byte("x"), p)
		if got[0] != 'x' || got[1] != 0 && len(p) < 1024 || got[1] != 1 && len(p) >= 1024 {
			t.Errorf("%d bytes: begins with %x", len(p), got[:2])
		}
		for _, scratch := range [][]byte{nil, make([]byte, 5, 7), make([]byte, 0, 400_000)} {
			back, err := gzip.Unwrap(scratch, got[1:], len(p))
			if err != nil || !bytes.Equal(back, p) {
				t.Errorf("%d bytes: %d come back, %v", len(p), len(back), err)
			}
			if len(p) == 0 {
				continue
			}
			if _, err := gzip.Unwrap(scratch, got[1:], len(p)-1); !errors.Is(err, gzip.ErrTooLong) {
				t.Errorf("%d bytes with room for one less: %v", len(p), err)
			}
		}
	}
}

// TestBomb unfolds no more than the limit.
func TestBomb(t *testing.T) {
	bomb := gzip.Wrap(nil, make([]byte, 8<<20))
	if len(bomb) > 10_000 {
		t.Fatalf("%d bytes", len(bomb))
	}
	scratch := make([]byte, 0, 1<<17)
	call := func() {
		if _, err := gzip.Unwrap(scratch, bomb, 1<<16); !errors.Is(err, gzip.ErrTooLong) {
			t.Errorf("%v", err)
		}
	}
	call()
	if n := testing.AllocsPerRun(5, call); n > 1 && !raceEnabled { // a pool may be empty
		t.Errorf("%v allocations", n)
	}
}

func TestUnwrapRefuses(t *testing.T) {
	good := gzip.Wrap(nil, []byte(strings.Repeat("a", 2000)))
	damaged := bytes.Clone(good)
	damaged[len(damaged)-5] ^= 1 // of the checksum
	var members bytes.Buffer
	w := stdgzip.NewWriter(&members)
	_, _ = w.Write([]byte("second"))
	_ = w.Close()
	for _, tt := range []struct {
		name string
		p    []byte
		err  error
	}{
		{"nothing", nil, gzip.ErrWrapper},
		{"another kind", []byte{2, 'a'}, gzip.ErrWrapper},
		{"EDN", []byte("[:a/b]"), gzip.ErrWrapper},
		{"no stream", []byte{1}, gzip.ErrStream},
		{"no gzip", []byte{1, 'a', 'b', 'c'}, gzip.ErrStream},
		{"half", good[:len(good)/2], gzip.ErrStream},
		{"one byte less", good[:len(good)-1], gzip.ErrStream},
		{"damaged", damaged, gzip.ErrStream},
		{"one byte more", append(bytes.Clone(good), 0), gzip.ErrStream},
		{"two streams", append(bytes.Clone(good), members.Bytes()...), gzip.ErrStream},
	} {
		if got, err := gzip.Unwrap(nil, tt.p, 1<<20); !errors.Is(err, tt.err) || got != nil {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte{0, 'a'})
	f.Add(gzip.Wrap(nil, bytes.Repeat([]byte("abc"), 1000)))
	f.Fuzz(func(t *testing.T, p []byte) {
		const limit = 1 << 16
		got, err := gzip.Unwrap(nil, p, limit)
		if err != nil {
			if !errors.Is(err, gzip.ErrWrapper) && !errors.Is(err, gzip.ErrStream) && !errors.Is(err, gzip.ErrTooLong) {
				t.Fatal(err)
			}
			return
		}
		if len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		again, err := gzip.Unwrap(nil, gzip.Wrap(nil, got), limit)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%x: %v", p, err)
		}
	})
}

func BenchmarkGzip(b *testing.B) {
	p := []byte(strings.Repeat(`{:id 12345, :text "a short line of chat"} `, 50))
	b.Run("wrap", func(b *testing.B) {
		var dst []byte
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		for b.Loop() {
			dst = gzip.Wrap(dst[:0], p)
		}
	})
	b.Run("unwrap", func(b *testing.B) {
		wrapped := gzip.Wrap(nil, p)
		scratch := make([]byte, 0, 4096)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := gzip.Unwrap(scratch, wrapped, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
}
