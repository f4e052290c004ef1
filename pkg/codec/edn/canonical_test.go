package edn_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

func TestAppendCanonical(t *testing.T) {
	for _, tt := range []struct {
		text, want string
	}{
		{` nil `, `nil`},
		{`true`, `true`},
		{`:chat/room`, `:chat/room`},
		{`a/b`, `a/b`},
		{`[1 , 2 (3 #_x)]`, `[1 2 [3]]`},
		{`()`, `[]`},
		{`#{}`, `#{}`},
		{`{}`, `{}`},
		{`^{:m 1} [^a b]`, `[b]`},
		{"[1;c\n2]", `[1 2]`},
		{`{:b 1, :a 2}`, `{:a 2 :b 1}`},
		{`{10 :a 9 :b "x" :c}`, `{"x" :c 10 :a 9 :b}`},
		{`{[1] 1 [] 2}`, `{[1] 1 [] 2}`},
		{`{:ab 1 :a 2}`, `{:a 2 :ab 1}`},
		{`#{3 1 2}`, `#{1 2 3}`},
		{`#{:é :z "é"}`, `#{"é" :z :é}`},
		{`#{#{2 1} {:y #{4 3} :x ()}}`, `#{#{1 2} {:x [] :y #{3 4}}}`},
		{`#:n{:b 1 a 2 :x/y 3 :_/z 4 "s" 5}`, `{"s" 5 :n/b 1 :x/y 3 :z 4 n/a 2}`},
		{`#: n {:a 1}`, `{:n/a 1}`},
		{`#:n{nil 1 true 2 +1 3}`, `{1 3 nil 1 true 2}`},
		{`#my/tag  [ 1 ]`, `#my/tag [1]`},
		{`#my/tag,#a/b"x"`, `#my/tag #a/b "x"`},
		{`#my/tag#a/b"x"`, `#my/tag#a/b "x"`},
		// Integers.
		{`+7`, `7`},
		{`-0`, `0`},
		{`7N`, `7`},
		{`00`, `0`},
		{`0x1F`, `31`},
		{`-017N`, `-15`},
		{`36rZZ`, `1295`},
		{`12345678901234567890N`, `12345678901234567890`},
		{`0xFFFFFFFFFFFFFFFFFF`, `4722366482869645213695`},
		{`4/2`, `2`},
		{`-0/5`, `0`},
		{`+6/4`, `3/2`},
		{`-06/04`, `-3/2`},
		{`36893488147419103232/6`, `18446744073709551616/3`},
		// Doubles, as Double.toString of JDK 19 has them.
		{`1.0`, `1.0`},
		{`-0.0`, `0.0`},
		{`0e5`, `0.0`},
		{`1.`, `1.0`},
		{`1e6`, `1000000.0`},
		{`9999999.0`, `9999999.0`},
		{`1e7`, `1.0E7`},
		{`12345678.9`, `1.23456789E7`},
		{`0.001`, `0.001`},
		{`0.00099`, `9.9E-4`},
		{`1e-5`, `1.0E-5`},
		{`-1.5e-10`, `-1.5E-10`},
		{`1e10`, `1.0E10`},
		{`1e23`, `1.0E23`},
		{`2e23`, `2.0E23`},
		{`4.9e-324`, `4.9E-324`},
		{`2e-323`, `2.0E-323`},
		{`2.2250738585072014E-308`, `2.2250738585072014E-308`},
		{`1.7976931348623157e308`, `1.7976931348623157E308`},
		{`1e100`, `1.0E100`},
		{`1e400`, `##Inf`},
		{`## -Inf`, `##-Inf`},
		{`0.1`, `0.1`},
		{`123.456`, `123.456`},
		// Decimals, as BigDecimal.toString of the stripped value has them.
		{`1.0M`, `1M`},
		{`1.50M`, `1.5M`},
		{`100M`, `1E+2M`},
		{`120M`, `1.2E+2M`},
		{`0.00M`, `0M`},
		{`-0M`, `0M`},
		{`-1.230M`, `-1.23M`},
		{`0.000001M`, `0.000001M`},
		{`0.0000012M`, `0.0000012M`},
		{`0.0000001M`, `1E-7M`},
		{`0.00000012M`, `1.2E-7M`},
		{`12.3400e-2M`, `0.1234M`},
		{`007.5M`, `7.5M`},
		{`1e2147483647M`, `1E+2147483647M`},
		// Characters.
		{`\u0041`, `\A`},
		{`\o101`, `\A`},
		{`\u000a`, `\newline`},
		{`\ `, `\space`},
		{`\u0009`, `\tab`},
		{`\u000D`, `\return`},
		{`\u0008`, `\backspace`},
		{`\u000c`, `\formfeed`},
		{`[\] \u]`, `[\] \u]`},
		{`\u0000`, "\\\x00"},
		// Strings.
		{"\"a\nb\r\t\b\f\"", `"a\nb\r\t\b\f"`},
		{`"\u00e9\\\""`, `"é\\\""`},
		{`"\ud83d\ude00"`, `"😀"`},
		{`"\101\0"`, "\"A\x00\""},
		{`"/"`, `"/"`},
		{"\"\x7f\x01\"", "\"\x7f\x01\""},
		// Dates and uuids.
		{`#inst "2020"`, `#inst "2020-01-01T00:00:00.000-00:00"`},
		{`#inst "2020-02-29T23:59:60.1239+01:30"`, `#inst "2020-02-29T22:30:00.123-00:00"`},
		{`#inst "2020-12-31T23:30-01:00"`, `#inst "2021-01-01T00:30:00.000-00:00"`},
		{`#inst "1969-12-31T23:59:59.999Z"`, `#inst "1969-12-31T23:59:59.999-00:00"`},
		{`#inst "1582-10-10"`, `#inst "1582-10-20T00:00:00.000-00:00"`},
		{`#inst "1582-10-15T00+01:00"`, `#inst "1582-10-04T23:00:00.000-00:00"`},
		{`#inst "1000-06-15T12:34:56.789Z"`, `#inst "1000-06-15T12:34:56.789-00:00"`},
		{`#inst "0000-06-15"`, `#inst "0000-06-15T00:00:00.000-00:00"`},
		{`#uuid "ABCDEF00-0000-0000-0000-00000000000F"`, `#uuid "abcdef00-0000-0000-0000-00000000000f"`},
		{`#uuid "1-2-3-4-5"`, `#uuid "00000001-0002-0003-0004-000000000005"`},
	} {
		got, err := edn.AppendCanonical([]byte("dst"), []byte(tt.text))
		if err != nil || string(got) != "dst"+tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.text, got, err, tt.want)
			continue
		}
		again, err := edn.AppendCanonical(nil, got[3:])
		if err != nil || !bytes.Equal(again, got[3:]) {
			t.Errorf("%q: canonical text of %q is %q, %v", tt.text, got[3:], again, err)
		}
	}
}

func TestAppendCanonicalRefuses(t *testing.T) {
	long := string(bytes.Repeat([]byte("7"), 5000))
	for _, tt := range []struct {
		text   string
		reason edn.Reason
	}{
		{`##NaN`, edn.ReasonNoCanonical},
		{`[1 {:a ##NaN}]`, edn.ReasonNoCanonical},
		{`"\ud800"`, edn.ReasonNoCanonical},
		{`#{"\ude00\ud83d"}`, edn.ReasonNoCanonical},
		{`#:a{:1 2}`, edn.ReasonNoCanonical},
		{`#:a{_/:b 2}`, edn.ReasonNoCanonical}, // a symbol, and not the keyword that its text is
		{`#:_{1a 2}`, edn.ReasonNumber},
		{`#:+1{a 2}`, edn.ReasonDispatch},
		{`#:/{:a 1}`, edn.ReasonNoCanonical},
		{`#:a{:_/:b 1}`, edn.ReasonNoCanonical},
		{`#:a{:_/b/c 1}`, edn.ReasonNoCanonical},
		{`#:a{_/nil 1}`, edn.ReasonNoCanonical},
		{`#inst "9999-12-31T23:59-01:00"`, edn.ReasonNoCanonical},
		{`#inst "0000-01-01T00:00+01:00"`, edn.ReasonNoCanonical},
		{`#inst "1500-03-01T00+01:00"`, edn.ReasonNoCanonical}, // a Julian leap day, which the reader refuses
		{`100e2147483647M`, edn.ReasonNoCanonical},
		{`0x` + long, edn.ReasonTooLong},
		{`1/` + long, edn.ReasonTooLong},
		{`{:a 1 :a 2}`, edn.ReasonDuplicate},
		{`1 2`, edn.ReasonExtra},
	} {
		got, err := edn.AppendCanonical([]byte("dst"), []byte(tt.text))
		fault, ok := errors.AsType[*edn.Error](err)
		if !ok || fault.Reason != tt.reason || string(got) != "dst" {
			t.Errorf("%.40q: got %q, %v, want %v", tt.text, got, err, tt.reason)
		}
	}
	if _, err := edn.AppendCanonicalMax(nil, []byte(`[1 2 3]`), 6); err == nil {
		t.Error("7 bytes fit in 6")
	}
	if _, err := edn.AppendCanonicalMax(nil, []byte(`[1 2 3]`), 7); err != nil {
		t.Errorf("7 bytes do not fit in 7: %v", err)
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		value, literal string
	}{
		{``, `""`},
		{`a/b`, `"a/b"`},
		{"\"\\\n\r\t\b\f", `"\"\\\n\r\t\b\f"`},
		{"é😀\x00\x7f", "\"é😀\x00\x7f\""},
	} {
		if got := edn.AppendString(nil, tt.value); string(got) != tt.literal {
			t.Errorf("%q: got %q, want %q", tt.value, got, tt.literal)
		}
		if got, err := edn.Unquote([]byte("x"), []byte(tt.literal)); err != nil || string(got) != "x"+tt.value {
			t.Errorf("%q: got %q, %v, want %q", tt.literal, got, err, tt.value)
		}
	}
	for _, literal := range []string{``, `a`, `"a`, `"\ud800"`, `"a" `, `"a" "b"`, `"\x"`, `:a`} {
		if got, err := edn.Unquote([]byte("x"), []byte(literal)); err == nil || string(got) != "x" {
			t.Errorf("%q: got %q, %v", literal, got, err)
		}
	}
}

func TestTyped(t *testing.T) {
	type config struct {
		Listen string `edn:"listen"`
	}
	var c config
	if err := edn.Decode([]byte(`{:listen "x"}`), &c); err != nil || c.Listen != "x" {
		t.Errorf("got %+v, %v", c, err)
	}
	if err := edn.Decode([]byte(`{:listen`), &c); err == nil {
		t.Error("half a map was decoded")
	}
	if got, err := edn.Marshal(config{"y"}); err != nil || string(got) != `{:listen"y"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := edn.Marshal(make(chan int)); err == nil {
		t.Error("a channel was marshalled")
	}
}
