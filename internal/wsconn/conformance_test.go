package wsconn_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// The conformance tests hold an echo server to RFC 6455, clause by clause, over sockets. Those of RFC 7692 are in
// conformancedeflate_test.go.

const bye = "close 1000"

func end() []byte { return closing(1000, "") }

// TestConformanceFraming is section 5.2: lengths in their three forms, both kinds of data.
func TestConformanceFraming(t *testing.T) {
	var xs []exchange
	for _, n := range []int{0, 1, 2, 125, 126, 127, 128, 1000, 65535, 65536, 65537, 1 << 18} {
		s := strings.Repeat("*", n)
		xs = append(xs,
			exchange{fmt.Sprintf("text of %d", n), stream(text(s), end()), []string{"text " + s, bye}},
			exchange{fmt.Sprintf("binary of %d", n), stream(binMsg(s), end()), []string{"binary " + s, bye}},
		)
	}
	hold(t, append(xs,
		exchange{"a length in a form that is too long", stream([]byte{0x81, 0xfe, 0, 1, 0, 0, 0, 0, 'a'}, end()), []string{"text a", bye}},
		exchange{"a length of 64 bits that is 1", stream([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'a'}, end()), []string{"text a", bye}},
		exchange{"a length beyond 63 bits", []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []string{"close 1002"}},
		exchange{"not masked", []byte{0x81, 1, 'a'}, []string{"close 1002"}},
		exchange{"a close that is not masked", []byte{0x88, 0}, []string{"close 1002"}},
		exchange{"a mask of zeros", stream([]byte{0x81, 0x81, 0, 0, 0, 0, 'a'}, end()), []string{"text a", bye}},
	))
}

// TestConformancePings is sections 5.5.2 and 5.5.3.
func TestConformancePings(t *testing.T) {
	full := strings.Repeat("p", 125)
	many, pongs := []byte{}, []string{}
	for i := range 200 {
		s := fmt.Sprint("ping ", i)
		many, pongs = append(many, ping(s)...), append(pongs, "pong "+s)
	}
	hold(t, []exchange{
		{"empty", stream(ping(""), end()), []string{"pong ", bye}},
		{"with a payload", stream(ping("hello"), end()), []string{"pong hello", bye}},
		{"binary payload", stream(ping("\x00\xff\xfe\xfd"), end()), []string{"pong \x00\xff\xfe\xfd", bye}},
		{"of 125", stream(ping(full), end()), []string{"pong " + full, bye}},
		{"of 126", ping(full + "p"), []string{"close 1002"}},
		{"of 126, header alone", ping(full + "p")[:2], []string{"close 1002"}},
		{"pong that was not asked for", stream(raw(fin|opPong, "x"), ping("y"), end()), []string{"pong y", bye}},
		{"pong of 126", raw(fin|opPong, full+"p"), []string{"close 1002"}},
		{"many", stream(many, end()), append(pongs, bye)},
		{"fragmented ping", raw(opPing, "x"), []string{"close 1002"}},
		{"fragmented pong", raw(opPong, "x"), []string{"close 1002"}},
		{"fragmented close", raw(opClose, ""), []string{"close 1002"}},
		{
			"in the middle of a message",
			stream(raw(opText, "a"), ping("1"), raw(opCont, "b"), ping("2"), ping("3"), raw(fin|opCont, "c"), end()),
			[]string{"pong 1", "pong 2", "pong 3", "text abc", bye},
		},
		{
			"between messages",
			stream(text("a"), ping("1"), text("b"), ping("2"), end()),
			[]string{"text a", "pong 1", "text b", "pong 2", bye},
		},
	})
}

// TestConformanceReserved is section 5.2: bits and opcodes that mean nothing.
func TestConformanceReserved(t *testing.T) {
	var xs []exchange
	fails := func(name string, frame []byte) {
		xs = append(xs,
			exchange{name, frame, []string{"close 1002"}},
			exchange{name + ", header alone", frame[:2], []string{"close 1002"}},
			exchange{name + " behind a message", stream(text("a"), frame, text("b")), []string{"text a", "close 1002"}},
			exchange{name + " in a message", stream(raw(opText, "a"), frame, raw(fin|opCont, "b")), []string{"close 1002"}},
		)
	}
	for _, bits := range []byte{rsv2, rsv3, rsv2 | rsv3, rsv1 | rsv2, rsv1 | rsv3, rsv1 | rsv2 | rsv3} {
		for _, op := range []byte{opText, opBinary, opCont, opPing, opPong, opClose} {
			fails(fmt.Sprintf("bits %#x with opcode %d", bits, op), raw(fin|bits|op, ""))
		}
	}
	for _, op := range []byte{opPing, opPong, opClose} { // of data it depends on what was agreed
		fails(fmt.Sprintf("bit 1 with opcode %d", op), raw(fin|rsv1|op, ""))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		fails(fmt.Sprintf("opcode %d", op), raw(fin|op, ""))
		fails(fmt.Sprintf("opcode %d with a payload", op), raw(fin|op, "x"))
		fails(fmt.Sprintf("opcode %d, not final", op), raw(op, "x"))
	}
	hold(t, xs)
}

// TestConformanceFragments is section 5.4: frames in every order, up to four, against a model of a few lines.
func TestConformanceFragments(t *testing.T) {
	kinds := []struct {
		letter byte
		first  byte
	}{{'T', fin | opText}, {'t', opText}, {'b', opBinary}, {'C', fin | opCont}, {'c', opCont}, {'P', fin | opPing}}
	var xs []exchange
	for n := range 5 {
		total := 1
		for range n {
			total *= len(kinds)
		}
		for number := range total {
			name := ""
			var send []byte
			for i, rest := 0, number; i < n; i, rest = i+1, rest/len(kinds) {
				k := kinds[rest%len(kinds)]
				name += string(k.letter)
				send = append(send, raw(k.first, fmt.Sprint(i))...)
			}
			want := modelFragments(name)
			if len(want) == 0 || want[len(want)-1] != "close 1002" {
				want = append(want, bye)
			}
			xs = append(xs, exchange{"order " + name, append(send, end()...), want})
		}
	}
	both(t, func(t *testing.T, portable bool) {
		s := echoServer(t, optionsOf(portable))
		holdOn(t, s, xs, false, 0)
	})
	hold(t, []exchange{
		{"many fragments", stream(raw(opText, ""), []byte(strings.Repeat(string(raw(opCont, "x")), 500)), raw(fin|opCont, ""), end()), []string{"text " + strings.Repeat("x", 500), bye}},
		{"all of them empty", stream(raw(opText, ""), raw(opCont, ""), raw(fin|opCont, ""), end()), []string{"text ", bye}},
		{"a close within a message", stream(raw(opText, "a"), end(), raw(fin|opCont, "b")), []string{bye}},
		{"the end of the message is never sent", stream(text("a"), raw(opText, "b"), end()), []string{"text a", bye}},
	})
}

// modelFragments is what comes back for frames in the order that letters name; the payload of each is its number.
func modelFragments(order string) (want []string) {
	kind, msg := "", ""
	for i := range len(order) {
		switch c := order[i]; {
		case c == 'P':
			want = append(want, fmt.Sprint("pong ", i))
			continue
		case (c == 'C' || c == 'c') == (kind == ""):
			return append(want, "close 1002")
		case c == 'T', c == 't':
			kind = "text "
		case c == 'b':
			kind = "binary "
		}
		if msg += fmt.Sprint(i); order[i] == 'T' || order[i] == 'C' {
			want = append(want, kind+msg)
			kind, msg = "", ""
		}
	}
	return want
}

// someTexts are valid and invalid; which is which says unicode/utf8.
func someTexts() []string {
	all := []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "日本語", "𝄞𐍈", "\u0000", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd",
		"\ufffe", "\uffff", "\U00010000", "\U0001ffff", "\U000fffff", "\U0010ffff",
		"\xc0\x80", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", // longer than need be
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xfe\xfe\xff\xff",
		"\xed\xa0\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // surrogates
		"\xf4\x90\x80\x80", "\xf7\xbf\xbf\xbf", // beyond U+10FFFF
		"\x80", "\xbf", "\x80\xbf", "a\x80b", "\xc2", "\xe2\x82", "\xf0\x9f\x98", "\xc2a", "\xe2\x82a", "\xf0\x9fa", "\xe2a\xac",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
	}
	for b := 0x80; b <= 0xff; b += 5 {
		all = append(all, string([]byte{byte(b)}), string([]byte{'a', byte(b), 'b'}), string([]byte{byte(b), 0x80}), string([]byte{byte(b), 0x80, 0x80}))
	}
	return all
}

// TestConformanceUTF8 is section 8.1, with each text whole, in two frames cut anywhere, and in frames of one byte.
func TestConformanceUTF8(t *testing.T) {
	var xs []exchange
	for _, s := range someTexts() {
		want := []string{"text " + s, bye}
		if !utf8.ValidString(s) {
			want = []string{"close 1007"}
		}
		xs = append(xs, exchange{fmt.Sprintf("%q", s), stream(text(s), end()), want})
		each := raw(opText, "")
		for i := range len(s) {
			if i > 0 {
				xs = append(xs, exchange{fmt.Sprintf("%q cut at %d", s, i), stream(raw(opText, s[:i]), raw(fin|opCont, s[i:]), end()), want})
			}
			each = append(each, raw(opCont, s[i:i+1])...)
		}
		xs = append(xs, exchange{fmt.Sprintf("%q in bytes", s), stream(each, ping("x"), raw(fin|opCont, ""), end()), pinged(s)})
		if utf8.ValidString(s) {
			continue
		}
		xs = append(xs, exchange{fmt.Sprintf("%q as binary", s), stream(binMsg(s), end()), []string{"binary " + s, bye}})
	}
	hold(t, xs)
}

// pinged is what comes back for a text with a ping before its last frame, which is empty: none where the text went
// wrong before.
func pinged(s string) []string {
	switch {
	case utf8.ValidString(s):
		return []string{"pong x", "text " + s, bye}
	case canBecomeUTF8([]byte(s)):
		return []string{"pong x", "close 1007"}
	}
	return []string{"close 1007"}
}

// TestConformanceFailFast: what can no longer become a text is refused before the frame has come whole.
func TestConformanceFailFast(t *testing.T) {
	var xs []exchange
	for _, s := range someTexts() {
		if canBecomeUTF8([]byte(s)) {
			continue
		}
		whole := text(s + strings.Repeat("x", 120-len(s)))
		xs = append(xs,
			exchange{fmt.Sprintf("%q within a frame", s), whole[:6+len(s)], []string{"close 1007"}},
			exchange{fmt.Sprintf("%q in a fragment", s), raw(opText, s), []string{"close 1007"}},
			exchange{fmt.Sprintf("%q behind a fragment", s), stream(raw(opText, "κ"), raw(opCont, s)), []string{"close 1007"}},
		)
	}
	hold(t, xs)
}

// TestConformanceClose is section 7.
func TestConformanceClose(t *testing.T) {
	xs := []exchange{
		{"empty", raw(fin|opClose, ""), []string{"close"}},
		{"of one byte", raw(fin|opClose, "\x03"), []string{"close 1002"}},
		{"reason of 123", closing(1000, strings.Repeat("r", 123)), []string{bye}},
		{"reason of 124", closing(1000, strings.Repeat("r", 124)), []string{"close 1002"}},
		{"reason in UTF-8", closing(1000, "κόσμε"), []string{bye}},
		{"reason that is none", closing(1000, "κ\xff"), []string{"close 1007"}},
		{"reason that ends within a rune", closing(1000, "\xe2\x82"), []string{"close 1007"}},
		{"reason with a surrogate", closing(1000, "\xed\xa0\x80"), []string{"close 1007"}},
		{"twice", stream(closing(1000, ""), closing(1001, "")), []string{bye}},
		{"data behind it", stream(text("a"), end(), text("b"), binMsg("c")), []string{"text a", bye}},
		{"ping behind it", stream(end(), ping("p")), []string{bye}},
		{"rubbish behind it", stream(end(), []byte{0xff, 0xff, 0xff}), []string{bye}},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		answer := []string{fmt.Sprint("close ", code)}
		xs = append(xs, exchange{fmt.Sprint("code ", code), closing(code, ""), answer}, exchange{fmt.Sprint("code and reason ", code), closing(code, "why"), answer})
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		xs = append(xs, exchange{fmt.Sprint("code ", code), closing(code, ""), []string{"close 1002"}}, exchange{fmt.Sprint("code and reason ", code), closing(code, "why"), []string{"close 1002"}})
	}
	hold(t, xs)
}
