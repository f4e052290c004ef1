package wsconn_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

const deflateAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// sample is text of n bytes that compresses as messages do, or random bytes that do not.
func sample(n int, compressible bool) string {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, 0, n+80)
	for len(b) < n {
		if compressible {
			b = fmt.Appendf(b, `[:chat/message {:id %d :from "user-%d" :text "%x"}] `, r.IntN(1e6), r.IntN(50), r.Uint32())
		} else {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
	}
	return string(b[:n])
}

// TestConformanceOffers: what is answered to offers of compression, and that the connection then works. The grammar in
// full is tested where it is read.
func TestConformanceOffers(t *testing.T) {
	offers := []struct {
		offers []string
		answer string
	}{
		{[]string{"permessage-deflate"}, deflateAnswer},
		{[]string{"permessage-deflate; client_max_window_bits"}, deflateAnswer},
		{[]string{"permessage-deflate; client_no_context_takeover; client_max_window_bits"}, deflateAnswer},
		{[]string{"permessage-deflate; client_no_context_takeover; client_max_window_bits=8"}, deflateAnswer},
		{[]string{"permessage-deflate; client_no_context_takeover; client_max_window_bits=15"}, deflateAnswer},
		{[]string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9"}, deflateAnswer + "; server_max_window_bits=9"},
		{[]string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=15"}, deflateAnswer + "; server_max_window_bits=15"},
		{[]string{"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9, permessage-deflate"}, deflateAnswer + "; server_max_window_bits=9"},
		{[]string{"permessage-deflate; mode=fast, permessage-deflate"}, deflateAnswer},
		{[]string{"permessage-bzip2", "permessage-deflate"}, deflateAnswer},
		{nil, ""},
		{[]string{"permessage-bzip2"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=1000"}, ""},
		{[]string{"permessage-deflate; client_no_context_takeover=1"}, ""},
		{[]string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"}, ""},
		{[]string{"permessage-deflate;;"}, ""},
		{[]string{"permessage-deflate", "\"permessage-deflate\""}, ""},
	}
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, optionsOf(portable))
		off := echoServer(t, wsconn.Options{Portable: portable})
		for _, tt := range offers {
			c, answer := s.dialOffering(tt.offers...)
			if answer != tt.answer {
				t.Errorf("%q is answered with %q, want %q", tt.offers, answer, tt.answer)
			}
			long := sample(3000, true)
			c.send(text(long))
			what, packed, err := c.readAs()
			if err != nil || what != "text "+long {
				t.Errorf("%q: echo %.60q, error %v", tt.offers, what, err)
			}
			if want := answer != "" && !strings.Contains(answer, "bits=9"); packed != want { // 3000 do not fit 512
				t.Errorf("%q: compressed %v, want %v", tt.offers, packed, want)
			}
			_ = c.Close()
			if _, answer := off.dialOffering(tt.offers...); answer != "" {
				t.Errorf("%q is answered with %q by a server that does not compress", tt.offers, answer)
			}
		}
	})
}

// TestConformanceDeflate is RFC 7692: compressed messages of many sizes and levels, in every way in frames.
func TestConformanceDeflate(t *testing.T) {
	var xs []exchange
	whole := sample(1<<20, false)
	xs = append(xs, exchange{"all that a message may be", stream(raw(fin|rsv1|opBinary, deflated(whole, 0)), end()), []string{"binary " + whole, bye}})
	for _, n := range []int{0, 1, 2, 16, 64, 125, 126, 127, 128, 256, 1023, 1024, 1025, 4096, 8192, 16384, 32768, 65535, 65536, 131072, 1 << 18} {
		for _, compressible := range []bool{true, false} {
			s := sample(n, compressible)
			first, what := opText, "text "
			if !compressible {
				first, what = opBinary, "binary "
			}
			for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
				z := deflated(s, level)
				name := fmt.Sprintf("%s%d, level %d", what, n, level)
				xs = append(xs, exchange{name, stream(raw(fin|rsv1|first, z), end()), []string{what + s, bye}})
				for _, size := range []int{1, 100, 4096} {
					if len(z)/size <= 400 && n > 0 {
						xs = append(xs, exchange{fmt.Sprintf("%s, frames of %d", name, size), stream(inFrames(rsv1|first, z, size), end()), []string{what + s, bye}})
					}
				}
			}
		}
	}
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692 section 7.2.3.1
	xs = append(xs,
		exchange{"one block", stream(raw(fin|rsv1|opText, hello), end()), []string{"text Hello", bye}},
		exchange{"two fragments", stream(raw(rsv1|opText, hello[:3]), raw(fin|opCont, hello[3:]), end()), []string{"text Hello", bye}},
		exchange{"a block without compression", stream(raw(fin|rsv1|opText, "\x00\x05\x00\xfa\xffHello\x00"), end()), []string{"text Hello", bye}},
		exchange{"a block with BFINAL", stream(raw(fin|rsv1|opText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), end()), []string{"text Hello", bye}},
		exchange{"BFINAL and nothing behind", stream(raw(fin|rsv1|opText, "\xf3\x48\xcd\xc9\xc9\x07\x00"), end()), []string{"text Hello", bye}},
		exchange{"several with BFINAL", stream(raw(fin|rsv1|opText, strings.Repeat("\xf3\x48\xcd\xc9\xc9\x07\x00", 3)+"\x00"), end()), []string{"text HelloHelloHello", bye}},
		exchange{"BFINAL, then one without", stream(raw(fin|rsv1|opText, "\xf3\x48\xcd\xc9\xc9\x07\x00"+hello), end()), []string{"text HelloHello", bye}},
		exchange{"two blocks", stream(raw(fin|rsv1|opText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), end()), []string{"text Hello", bye}},
		exchange{"empty: a lone zero", stream(raw(fin|rsv1|opText, "\x00"), end()), []string{"text ", bye}},
		exchange{"empty: nothing at all", stream(raw(fin|rsv1|opText, ""), end()), []string{"text ", bye}},
		exchange{"empty fragments", stream(raw(rsv1|opText, ""), raw(opCont, hello), raw(fin|opCont, ""), end()), []string{"text Hello", bye}},
		exchange{"not compressed although agreed", stream(text("plain"), raw(fin|rsv1|opText, hello), text("plain"), end()), []string{"text plain", "text Hello", "text plain", bye}},
		exchange{"not compressed, in fragments", stream(raw(opText, "pl"), raw(fin|opCont, "ain"), raw(fin|rsv1|opText, hello), end()), []string{"text plain", "text Hello", bye}},
		exchange{"ping within", stream(raw(rsv1|opText, hello[:3]), ping("p"), raw(fin|opCont, hello[3:]), end()), []string{"pong p", "text Hello", bye}},
		exchange{"bit on a continuation", stream(raw(rsv1|opText, hello[:3]), raw(fin|rsv1|opCont, hello[3:])), []string{"close 1002"}},
		exchange{"bit on a ping", stream(raw(rsv1|opText, hello[:3]), raw(fin|rsv1|opPing, "")), []string{"close 1002"}},
		exchange{"bits 1 and 2", raw(fin|rsv1|rsv2|opText, hello), []string{"close 1002"}},
		exchange{"not DEFLATE", raw(fin|rsv1|opText, "\xff\xff\xff\xff"), []string{"close 1007"}},
		exchange{"block type 3", raw(fin|rsv1|opText, "\x06"), []string{"close 1007"}},
		exchange{"cut short", raw(fin|rsv1|opText, hello[:3]), []string{"close 1007"}},
		exchange{"stored length that is wrong", raw(fin|rsv1|opText, "\x00\x05\x00\xfa\xfeHello\x00"), []string{"close 1007"}},
		exchange{"refers back before the message", stream(raw(fin|rsv1|opText, hello), raw(fin|rsv1|opText, "\xf2\x00\x11\x00\x00")), []string{"text Hello", "close 1007"}},
		exchange{"good before bad", stream(raw(fin|rsv1|opText, hello), raw(fin|rsv1|opText, "\x06"), raw(fin|rsv1|opText, hello)), []string{"text Hello", "close 1007"}},
		exchange{"text that is no UTF-8", raw(fin|rsv1|opText, deflated("a\xff", 1)), []string{"close 1007"}},
		exchange{"text that ends within a rune", raw(fin|rsv1|opText, deflated("\xe2\x82", 1)), []string{"close 1007"}},
		exchange{"the same as binary", stream(raw(fin|rsv1|opBinary, deflated("\xe2\x82", 1)), end()), []string{"binary \xe2\x82", bye}},
		exchange{"a rune across frames", stream(inFrames(rsv1|opText, deflated("κόσμε", 0), 1), end()), []string{"text κόσμε", bye}},
		exchange{"one byte too many", raw(fin|rsv1|opText, deflated(strings.Repeat("x", 1<<20+1), 9)), []string{"close 1009"}},
		exchange{"a bomb", raw(fin|rsv1|opText, deflated(strings.Repeat("x", 1<<23), 9)), []string{"close 1009"}},
		exchange{"a bomb in frames", inFrames(rsv1|opText, deflated(strings.Repeat("x", 1<<23), 9), 1000), []string{"close 1009"}},
		exchange{"blocks with BFINAL without end", raw(fin|rsv1|opText, strings.Repeat("\x03\x00", 1<<18)), []string{"close 1007"}},
		exchange{"too long when it is announced", raw(fin|rsv1|opText, strings.Repeat("x", 1<<20+1<<13))[:14], []string{"close 1009"}},
	)
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, optionsOf(portable))
		for _, chop := range []int{0, 1, 997} {
			holdOn(t, s, xs, true, chop)
		}
		if st := s.Stats(); st.Closed["deflate"] == 0 || st.Inflated == 0 {
			t.Errorf("counters: %+v", st)
		}
	})
}

// TestConformanceDeflateReferences: data behind a block with BFINAL may refer back beyond it, but not before the
// message.
func TestConformanceDeflateReferences(t *testing.T) {
	s := sample(40_000, true)
	var first, second bytes.Buffer
	w, _ := flate.NewWriter(&first, 9)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	w, _ = flate.NewWriterDict(&second, 9, []byte(s[len(s)-32<<10:]))
	_, _ = io.WriteString(w, s[len(s)-20_000:])
	_ = w.Flush()
	z := strings.TrimSuffix(second.String(), "\x00\x00\xff\xff")
	want := []string{"text " + s + s[len(s)-20_000:], bye}
	both(t, func(t *testing.T, portable bool) {
		holdOn(t, echoServer(t, optionsOf(portable)), []exchange{
			{"a window that is carried on", stream(raw(fin|rsv1|opText, first.String()+z), end()), want},
			{"a window that is not there", raw(fin|rsv1|opText, z), []string{"close 1007"}},
		}, true, 0)
	})
}

// TestConformanceDeflateHeld: a message that is held, and delivered again, is inflated once.
func TestConformanceDeflateHeld(t *testing.T) {
	long := sample(100_000, true)
	both(t, func(t *testing.T, portable bool) {
		o := optionsOf(portable)
		o.QueueBytes = 120_000
		s := echoServer(t, o)
		var send []byte
		var want []string
		for i := range 20 {
			m := fmt.Sprint(i, long)
			z := deflated(m, 1)
			if i%2 == 0 {
				send = append(send, raw(fin|rsv1|opText, z)...)
			} else {
				send = append(send, inFrames(rsv1|opText, z, 5000)...)
			}
			want = append(want, "text "+m)
		}
		c := s.dialDeflate()
		wrote := make(chan struct{})
		go func() { // ends with the last byte
			defer close(wrote)
			c.write(stream(send, end()), 0)
		}()
		got, err := c.all()
		<-wrote
		if err != nil || !slices.Equal(got, append(want, bye)) {
			t.Errorf("got %d messages, error %v", len(got), err)
		}
		s.next().end()
		eventually(t, "each is inflated once", func() bool { return s.Stats().Inflated == 20 })
	})
}
