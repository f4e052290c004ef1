package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// texts makes EDN texts as people and programs write them, and broken ones.
type texts struct{ *rand.Rand }

func (g texts) pick(of ...string) string { return of[g.IntN(len(of))] }

// maybe returns s once in n times, and nothing else.
func (g texts) maybe(n int, s string) string {
	if g.IntN(n) == 0 {
		return s
	}
	return ""
}

// blank is what separates two values.
func (g texts) blank() string {
	if g.IntN(6) > 0 {
		return " "
	}
	return g.pick(",", ", ", "\n", "\t", "\r\n", "  ", ";c\n", " ;c [\r", "#_x ", "#_[1 2] ", " #_#_a b ", "\u2003", "\u00a0", "\x1c", "\v", "#_#a/b 1 ", " ^:m ", " #^{:a 1} ")
}

func (g texts) value(depth int) string {
	if depth > 0 && g.IntN(3) > 0 {
		return g.collection(depth)
	}
	switch g.IntN(12) {
	case 0:
		return g.pick("nil", "true", "false", "nil", "##NaN", "##Inf", "##-Inf", "## Inf", "##^:a Inf", "##x")
	case 1, 2, 3:
		return g.number()
	case 4, 5:
		return g.str()
	case 6:
		return g.char()
	case 7:
		return g.name()
	case 8, 9, 10:
		return ":" + g.name()
	default:
		return g.literal()
	}
}

func (g texts) digits(n int) string {
	b := make([]byte, 1+g.IntN(n))
	for i := range b {
		b[i] = byte('0' + g.IntN(10))
	}
	return string(b)
}

func (g texts) number() string {
	sign := g.pick("", "", "", "-", "+")
	switch g.IntN(12) {
	case 0:
		return sign + g.digits(40)
	case 1:
		return sign + g.digits(20) + "N"
	case 2:
		return sign + g.digits(3) + "." + g.maybe(3, "0") + g.pick("", g.digits(20)) + g.maybe(3, "M")
	case 3:
		return sign + g.digits(2) + g.maybe(2, "."+g.digits(3)) + g.pick("e", "E") + g.pick("", "+", "-") + g.digits(3) + g.maybe(3, "M")
	case 4:
		return sign + g.digits(4) + "/" + g.digits(4)
	case 5:
		return sign + "0" + g.pick("x", "X") + g.pick("1F", "ff", "0", "FFFFFFFFFFFFFFFF", "g", "") + g.maybe(3, "N")
	case 6:
		return sign + "0" + g.digits(5) + g.pick("", "", "N", "M", ".5")
	case 7:
		return sign + g.pick("2", "8", "16", "36", "37", "1", "0", "007", "10") + g.pick("r", "R") + g.pick("101", "zZ", "7", "FN", "9M", "")
	case 8:
		return sign + g.pick("9223372036854775807", "9223372036854775808", "9007199254740993", "1e400", "4.9e-324", "1e-400", "1.7976931348623157e308",
			"1e2147483647M", "1e2147483648M", "100e2147483647M", "1e-2147483647M", "0.0", "0e5", "1.", "1.M", ".5", "1e", "1/0", "0/5", "00", "0N", "1NN", "1-2", "1a", "1_000", "1#", "1'")
	default:
		return sign + g.pick("0", "1", "2", "7", "10", "42", "100")
	}
}

func (g texts) str() string {
	var b strings.Builder
	b.WriteByte('"')
	for range g.IntN(6) {
		b.WriteString(g.pick("a", "b", "word", " ", "é", "日本", "😀", "\n", "\t", "\x00", "\x7f", ";", "[", "#_", `\n`, `\t`, `\\`, `\"`, `\r`, `\b`, `\f`, `\u0041`, `\u00e9`,
			`\ud83d\ude00`, `\ud83d`, `\ude00`, `\101`, `\7`, `\7 `, `\377`))
	}
	b.WriteString(g.maybe(30, g.pick(`\/`, `\x`, `\u12`, `\u123g`, `\400`, `\8`, `\79`, `\a`)))
	b.WriteByte('"')
	return b.String()
}

func (g texts) char() string {
	return `\` + g.pick("a", "b", "Z", "1", "newline", "space", "tab", "return", "backspace", "formfeed", "u0041", "u00e9", "o101", "o7", "o377", "o", "u", "é", "日", "[", "]", `"`, ";", `\`, "@", "#",
		",", " ", "\n", "😀", "ud800", "u004", "u00411", "o400", "o8", "newlin", "abc", "nil", "\u2003", "^", "(")
}

func (g texts) name() string {
	if g.IntN(8) > 0 {
		return g.maybe(3, g.pick("n", "user", "a.b", "chsk", "é")+"/") + g.pick("a", "b", "c", "id", "name", "x1", "ok?", "go!", "*x*", "->y", "é", "日本", "a.b", "+", "-", "<=")
	}
	return g.pick("/", "a/b/c", "a//", "a/", "/a", "//", "a:b", "a:", "a::b", ":a", ":", "", "1", "1/a", "a/1", "-1a", "+a", "-", "-.5", "a#", "a#b", "#a", "a'", "'a", "%", "&", "a@", "@a", "`a",
		"~a", "nil", "true", "nil/a", "a/nil", "a/:b", ":a/b", "_/a", "_", "😀", "\u0085", "\u0085a/b", "٣", "a٣", "\u00a0a", "\ufeffa", "a\x00b", "\x7f", "|a|", "a\\b", "...", ".", "=a", "a=", "/x/y", "a/b/", "a///")
}

func (g texts) literal() string {
	switch g.IntN(4) {
	case 0:
		return g.pick("#inst", "#inst", "#inst ", "#inst #_x ") + `"` + g.pick("2020", "2020-01", "2020-02-29", "2021-02-29", "1900-02-29", "1582-10-10", "1500-02-28", "1066-10-14", "0000", "9999-12-31", "2020-13-01", "2020-04-31", "20", "2020-1-1", "-001") +
			g.maybe(2, g.pick("T12:34:56", "T12:34", "T12", "T23:59:60", "T23:58:60", "T24:00:00", "T12:60", "t12:34", "T12:34:56.", " 12:34", "T12:34:56.789", "T00:00:00.123456789", "T00:00:00.1234567891234", "T00:00:00.1")) +
			g.maybe(2, g.pick("Z", "z", "-00:00", "+02:00", "-23:59", "+24:00", "+0200", "+01", "-01:60", "ZZ")) + `"`
	case 1:
		return g.pick("#uuid", "#uuid ", "#uuid\n") + `"` + g.pick("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "1-1-1-1-1", "+1-1-1-1-1", "-1-1-1-1-1", "123456789-1-1-1-1", "1-1-1-1",
			"f81d4fae7dec11d0a76500a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6a", "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", "", "1-1-1-1-", "1--1-1-1", "0-0-0-0-0", "ffffffffffffffff-1-1-1-1", "7fffffffffffffff-1-1-1-1", "8000000000000000-1-1-1-1", "1-1-1-1-1-1") + `"`
	case 2:
		return g.pick("#inst 1", "#inst nil", "#uuid :a", "#uuid [1]", "#inst", "#uuid \"1-1-1-1-\\u0031\"", "#inst \"202\\u0030\"", "#object[1]", "#js {}", "#foo 1", "#<x>", "#=(+ 1 2)", "#'a", "#\"re\"", "#(a)", "#?(:a 1)", "#!x", "# a/b 1", "#", "#é 1", "#é/x 1", "#日/x 1", "#:", "#::a{}", "^", "@a", "`a", "~a", "'a")
	default:
		return "#" + g.pick("a/b", "my.app/money", "x/y", "a//", "a/b/c", "a:b/c", "inst/x", "é/x") + g.pick(" ", " ", "", "\n", " #_z ") + g.value(g.IntN(2))
	}
}

func (g texts) collection(depth int) string {
	size := g.IntN(5)
	if g.IntN(30) == 0 {
		size = 30 // beyond what is compared key by key, here and there
	}
	var b strings.Builder
	b.WriteString(g.maybe(25, g.pick("^:m ", "^x ", `^"s" `, "^{:a 1} ", "#^:m ", "^:a ^:b ", "^1 ", "^[a] ", "^{:a 1 :a 2} ", "^#:a{:b 1}", "^")))
	inside := func() { b.WriteString(g.blank() + g.value(depth-1)) }
	switch g.IntN(8) {
	case 0, 1:
		b.WriteString("[")
		for range size {
			inside()
		}
		b.WriteString("]")
	case 2:
		b.WriteString("(")
		for range size {
			inside()
		}
		b.WriteString(")")
	case 3:
		b.WriteString("#{")
		g.keys(&b, size, depth, false)
		b.WriteString("}")
	case 4:
		b.WriteString("#:" + g.maybe(20, " ") + g.pick("a", "user", "n", "_", "a.b", "a", "n") + g.maybe(30, g.pick("/b", ":c", "1", "@")) + g.maybe(20, g.pick(" ", ",", "#_x ", "\n")) + "{")
		g.keys(&b, size, depth, true)
		b.WriteString("}")
	default:
		b.WriteString("{")
		g.keys(&b, size, depth, true)
		b.WriteString("}")
	}
	return b.String()
}

// keys writes elements that sometimes are equal in another spelling.
func (g texts) keys(b *strings.Builder, size, depth int, entries bool) {
	var keys []string
	for range size {
		key := g.value(min(depth-1, g.IntN(3)))
		switch {
		case g.IntN(40) == 0 && len(keys) > 0:
			key = keys[g.IntN(len(keys))]
		case g.IntN(12) == 0:
			key = g.pick("1", "1N", "2/2", "1.0", "1M", "1.0M", "0x1", "-0", "0", "0.0", "-0.0", "[1 2]", "(1 2)", "#{1 2}", "#{2 1N}", "{1 2}", "{1N 2}", `\a`, `\u0061`, `"a"`, `"\u0061"`, ":a", ":_/a", ":a/b", ":b",
				"#inst \"2020\"", "#inst \"2020-01-01T00:00:00.0009Z\"", "#uuid \"1-1-1-1-1\"", "#uuid \"01-1-1-1-1\"", "##NaN", "[##NaN]", "{##NaN 1}", "#a/b [1]", "#a/b (1)", "^:m [1 2]", "[1 #_3 2]", "1e1", "10.0", `"\ud83d"`, "a", "_/a", "nil", "[]", "()", "{}", "#{}")
		case g.IntN(3) > 0: // nearly always another
			key = fmt.Sprintf(":%s%d", g.pick("k", "n/k", "a/k"), g.IntN(1000))
		}
		keys = append(keys, key)
		b.WriteString(g.blank() + key)
		if entries && g.IntN(80) > 0 {
			b.WriteString(g.blank() + g.value(depth-1))
		}
	}
}

// text is one value, mostly, with what may be around it.
func (g texts) text() string {
	t := g.value(g.IntN(5))
	if g.IntN(10) == 0 {
		t = g.blank() + t + g.blank()
	}
	return t + g.maybe(60, g.pick(" 1", "]", "}", ")", " #_", "#_ 2", ";", "\x00", " ^:a"))
}

// mutate changes a few bytes, as a bug or an attacker would.
func (g texts) mutate(t, other string) string {
	p := []byte(t)
	for range 1 + g.IntN(3) {
		i := g.IntN(len(p) + 1)
		j := min(len(p), i+1+g.IntN(4))
		switch g.IntN(6) {
		case 0:
			p = slices.Delete(p, i, j)
		case 1:
			p = slices.Insert(p, i, p[i:j]...)
		case 2:
			if i < len(p) {
				p[i] = byte(g.Uint32())
			}
		case 3:
			const likely = "[]{}()#\"\\;^:_/ ,1aNMe.-+'@`~\n\x00"
			p = slices.Insert(p, i, likely[g.IntN(len(likely))])
		case 4:
			if i < len(p) {
				const likely = "[]{}()#\"\\;^:_/ ,1aNMe.-+"
				p[i] = likely[g.IntN(len(likely))]
			}
		default:
			if len(other) > 0 {
				k := g.IntN(len(other))
				p = slices.Insert(p, i, []byte(other[k:min(len(other), k+1+g.IntN(12))])...)
			}
		}
	}
	return string(p)
}
