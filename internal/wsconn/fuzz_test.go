package wsconn_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

const fuzzLimit = 1 << 20

// oracle handles a stream with gobwas/ws's blocking reader: the messages, and the close code with which it ends (0 = it
// does not).
func oracle(stream []byte) (messages []string, code uint16) {
	r := bytes.NewReader(stream)
	state := ws.StateServerSide
	var msg []byte
	var op ws.OpCode
	for {
		h, err := ws.ReadHeader(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return messages, 0
		}
		if err != nil {
			return messages, 1002
		}
		if ws.CheckHeader(h, state) != nil {
			return messages, 1002
		}
		if !h.OpCode.IsControl() && h.Length+int64(len(msg)) > fuzzLimit {
			return messages, 1009
		}
		if int64(r.Len()) < h.Length {
			// What is there of a text is judged already.
			part := make([]byte, r.Len())
			_, _ = io.ReadFull(r, part)
			ws.Cipher(part, h.Mask, 0)
			if h.OpCode == ws.OpText || h.OpCode == ws.OpContinuation && op == ws.OpText {
				if !canBecomeUTF8(append(msg, part...)) {
					return messages, 1007
				}
			}
			return messages, 0
		}
		p := make([]byte, h.Length)
		_, _ = io.ReadFull(r, p)
		ws.Cipher(p, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpClose:
			if len(p) == 0 {
				return messages, 1005
			}
			if len(p) == 1 {
				return messages, 1002
			}
			c, reason := ws.ParseCloseFrameData(p)
			if err := ws.CheckCloseFrameData(c, ""); err != nil && (c < 1012 || c > 1014) || c >= 5000 {
				return messages, 1002
			}
			if !utf8.ValidString(reason) {
				return messages, 1007
			}
			return messages, uint16(c)
		case h.OpCode.IsControl():
			continue
		case h.OpCode != ws.OpContinuation:
			op, msg = h.OpCode, nil
		}
		msg = append(msg, p...)
		state = state.Clear(ws.StateFragmented)
		if !h.Fin {
			state = state.Set(ws.StateFragmented)
		}
		if op == ws.OpText && (!canBecomeUTF8(msg) || h.Fin && !utf8.Valid(msg)) {
			return messages, 1007
		}
		if h.Fin {
			messages = append(messages, string(rune('0'+op))+string(msg))
			msg = nil
		}
	}
}

// canBecomeUTF8 is the slow and obvious way: some ending makes it valid.
func canBecomeUTF8(p []byte) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			return len(p) < 4 && !utf8.FullRune(p)
		}
		p = p[n:]
	}
	return true
}

// FuzzFrames feeds a stream in random pieces and holds the parser to the oracle.
func FuzzFrames(f *testing.F) {
	text := func(s string) []byte { return masked(true, ws.OpText, []byte(s)) }
	for i, seed := range [][]byte{
		text("hello"),
		append(text("a"), masked(true, ws.OpPing, []byte("p"))...),
		append(masked(false, ws.OpText, []byte("\xe2\x82")), masked(true, ws.OpContinuation, []byte("\xac"))...),
		append(masked(false, ws.OpBinary, []byte{0xff}), masked(true, ws.OpPong, nil)...),
		append(text("x"), closeFrame(1000, "bye")...),
		closeFrame(1013, ""), closeFrame(5000, ""), masked(true, ws.OpClose, nil),
		text("\xff"), text("\xed\xa0\x80"), masked(false, ws.OpText, []byte("\xf4\x90")),
		ws.MustCompileFrame(ws.NewTextFrame([]byte("unmasked"))),
		{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		{0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4},
		masked(true, ws.OpText, bytes.Repeat([]byte("abc"), 30000)),
	} {
		f.Add(seed, uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		wantMessages, wantCode := oracle(stream)
		var got []string
		p := wsconn.NewParser(func(op ws.OpCode, p []byte) { got = append(got, string(rune('0'+op))+string(p)) })
		rnd := rand.New(rand.NewPCG(seed, 0))
		code := uint16(0)
		for rest := bytes.Clone(stream); len(rest) > 0 && code == 0; {
			n := 1 + rnd.IntN(len(rest))
			if rnd.IntN(2) == 0 {
				n = min(n, 1+rnd.IntN(20))
			}
			code = p.Feed(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		// A header is judged here as soon as its first two bytes are there, by the oracle when all of it is.
		if code != wantCode && !(wantCode == 0 && code == 1002) && !(wantCode == 0 && code == 1009) {
			t.Fatalf("close code %d, want %d", code, wantCode)
		}
		if len(got) != len(wantMessages) {
			t.Fatalf("messages %.200q, want %.200q", got, wantMessages)
		}
		for i := range got {
			if got[i] != wantMessages[i] {
				t.Fatalf("message %d is %.200q, want %.200q", i, got[i], wantMessages[i])
			}
		}
		if buffered := p.Buffered(); buffered > 2*len(stream)+8192 {
			t.Fatalf("%d bytes are kept of %d", buffered, len(stream))
		}
	})
}
