package edn_test

import (
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// accepted holds texts that clojure.edn 1.11 reads as one value.
var accepted = []string{
	// As Clojure prints.
	`nil`, `true`, `false`, `[]`, `()`, `{}`, `#{}`, `[:chat/hi {:n 1, :text "x"}]`, `#:chat{:id 1, :text "x"}`, `##NaN`, `##Inf`, `##-Inf`,
	`1/2`, `12345678901234567890N`, `1.50M`, `1.0E10`, `\a`, `\newline`, `#inst "2020-01-01T00:00:00.000-00:00"`,
	`#uuid "00000000-0000-0000-0000-000000000001"`, `#my.app/money [1 :eur]`, `(quote a)`,
	// Blanks: Java's whitespace, the comma, comments and discarded forms.
	" 1 ", ",1,", "\t\n\v\f\r1\x1c\x1d\x1e\x1f", "\u2003[\u30001\u2028]\u1680", "1;c", ";c\n1", ";c\r1", "; \"[\n1", "#_a 1", "1 #_a", "#_ #_ a b 1", "[#_1]",
	"#_ [1 2] 1", "#_#a/b 1 2", "#_;c\na 1", "1#_2", "[1#_2]",
	// Symbols and keywords.
	`a`, `a/b`, `a/b/c`, `a//`, `a///`, `/`, `:/`, `+`, `-`, `+a`, `-a`, `+-1`, `.5`, `-.5`, `a.`, `..`, `'a`, `a'b`, `%`, `&`, `a#`, `a#b`, `a#_b`, `|a|`,
	`:a`, `:a/b`, `:a/b/c`, `:a//`, `:1`, `:1/a`, `:a:b`, `:a/:b`, `:/x/y`, `a:b`, `nil/a`, `true/b`, `:nil`, `:true`, `_`, `:_/a`, `é`, `:日本/語`, `😀`, `𝟎`,
	"\x00", "a\x00b", "\u0085", "\u0085a/b", ":\u0085/b", "a/\u0085", "\u00a0a", "\u180ea", "\ufeffa", `:٣`, `a٣`,
	`[:a"b"]`, `[:a[1]]`, `[a\b]`, "[nil\u2003]",
	// Numbers.
	`0`, `00`, `-0`, `+1`, `0N`, `-0N`, `0x1F`, `0X1f`, `0x1FN`, `-0x1F`, `017`, `017N`, `2r101`, `36rZz`, `36rFFN`, `16RF`, `08M`, `08.5`, `017M`, `1.`, `1.M`,
	`1.e5`, `1e5`, `1E+5`, `1e-5M`, `1e400`, `0e5`, `01/02`, `0/5`, `-4/2`, `9223372036854775808`, `1e2147483647M`, `1e-2147483647M`, `1e00000000001M`,
	`## Inf`, `##^:a Inf`,
	// Strings.
	`""`, "\"\n\t\x00\x7f\"", `"\t\n\r\b\f\"\\"`, `"\u0041"`, `"\ud800"`, `"\ud83d\ude00"`, `"é😀"`, `"\1"`, `"\12"`, `"\377"`, `"\1 "`, `"\1,"`, `"\1;"`, `"\1#"`,
	"\"\\1\u2003\"", `"\1\1"`, `"; [ #_"`,
	// Characters.
	`\space`, `\tab`, `\return`, `\backspace`, `\formfeed`, `\u0041`, `\u`, `\o`, `\o7`, `\o377`, `\ `, `[\ ]`, `[\]]`, `\"`, `\;`, `\\`, `\@`, `\#`, `\,`, `\日`, "\\\x00",
	"\\\u2003", "\\\n", `\1`, `[\a\b"c"]`,
	// Dates and uuids, as lenient as Clojure.
	`#inst "2020"`, `#inst "2020-01"`, `#inst "2020-02-29"`, `#inst "2020-01-01T23:59:60Z"`, `#inst "2020-01-01T00:00:00.1234567891234"`, `#inst "2020-01:30"`,
	`#inst "2020-01-02-02:30"`, `#inst "2020Z"`, `#inst"2020"`, `#inst #_x "2020"`, `#inst "202\u0030"`, `#inst "0000"`, `#inst "1582-10-10"`,
	`#uuid "1-1-1-1-1"`, `#uuid "+1-1-1-1-1"`, `#uuid "123456789-1-1-1-1"`, `#uuid "ABCDEF00-0000-0000-0000-000000000001"`,
	// Metadata.
	`^:a []`, `^a b`, `^"s" {}`, `^{:b 1} #{}`, `#^:a ()`, `^:a ^:b c`, `^:a #_x []`, `^#_x :a []`, `^#:a{:b 1} []`,
	// Tags.
	`#a/b 1`, `#a/b nil`, `#a/b #c/d 1`, `#a/b/c 1`, `#a// 1`, `#a:b/c 1`, `#é/x 1`, `#a/b[1]`, `#inst/x 1`,
	// Namespaced maps.
	`#:a{}`, `#: a{:b 1}`, `#:a ,{}`, `#:a{b 1 :c 2 :d/e 3 :_/f 4 1 2 "s" 3}`, `#:a{:1 2}`, `#:^:m a{:b 1}`, `#:_{:a 1}`, `#:a:b{}`, `#:a{:_/b 1 :b 2}`,
	// What looks like a duplicate and is none.
	`#{1 1.0 1M}`, `#{1 \1 "1" :1}`, `#{a :a "a" \a}`, `#{[] #{} {}}`, `#{[1 2] [2 1]}`, `#{{1 2} {2 1}}`, `#{0.1 0.10000000000000001M}`, `#{nil false}`, `#{:a/b :b/a :a :b}`,
	`#{"\ud800" "\udbff"}`, `{:a/b 1 :b 2}`, `#{1/2 0.5 0.5M}`, `#{-1 1 -1.0 1.0}`, `#{#a/b 1 #a/c 1 1}`, `#{#inst "2020" #inst "2021"}`, `#{1 -1 1/2 -1/2 2}`,
	`#{{##NaN 1} {##NaN 1}}`, // NaN is not found in a small map, so these are not equal
	`#{##Inf ##-Inf ##NaN}`, `#{1e10M 1e11M 1e-10M}`,
}

func TestCheckAccepts(t *testing.T) {
	for _, text := range accepted {
		if err := edn.Check([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// refused holds texts that clojure.edn 1.11 refuses, or that are no single value.
var refused = []struct {
	text   string
	reason edn.Reason
}{
	{``, edn.ReasonEmpty},
	{" ,;c", edn.ReasonEmpty},
	{`#_a`, edn.ReasonEmpty},
	{`#_ #_ a b`, edn.ReasonEmpty},
	{`1 2`, edn.ReasonExtra},
	{`:a"b"`, edn.ReasonExtra},
	{`\a"b"`, edn.ReasonExtra},
	{`[1] ;c` + "\n" + `x`, edn.ReasonExtra},
	{`]`, edn.ReasonDelimiter},
	{`[1]]`, edn.ReasonDelimiter},
	{`[1)`, edn.ReasonDelimiter},
	{`[1 #_]`, edn.ReasonDelimiter},
	{`{:a}`, edn.ReasonOddMap},
	{`{:a 1 :b}`, edn.ReasonOddMap},
	{`{:a #_1}`, edn.ReasonOddMap},
	{`#:a{1}`, edn.ReasonOddMap},
	{`[1 2`, edn.ReasonEOF},
	{`(`, edn.ReasonEOF},
	{`{:a 1`, edn.ReasonEOF},
	{`{:a`, edn.ReasonEOF},
	{`#{1`, edn.ReasonEOF},
	{`"a`, edn.ReasonEOF},
	{`"a\"`, edn.ReasonEOF},
	{`#`, edn.ReasonEOF},
	{`#_`, edn.ReasonEOF},
	{`##`, edn.ReasonEOF},
	{`^`, edn.ReasonEOF},
	{`^:a`, edn.ReasonEOF},
	{`\`, edn.ReasonEOF},
	{`#a/b`, edn.ReasonEOF},
	{`#inst`, edn.ReasonEOF},
	{`#:a`, edn.ReasonEOF},
	{`1#a`, edn.ReasonExtra},
	// Tokens.
	{`:`, edn.ReasonToken},
	{`::a`, edn.ReasonToken},
	{`:a:`, edn.ReasonToken},
	{`a:`, edn.ReasonToken},
	{`a::b`, edn.ReasonToken},
	{`:a::b`, edn.ReasonToken},
	{`a:/b`, edn.ReasonToken},
	{`:a:/b`, edn.ReasonToken},
	{`/a`, edn.ReasonToken},
	{`//`, edn.ReasonToken},
	{`://`, edn.ReasonToken},
	{`:/a`, edn.ReasonToken},
	{`a/`, edn.ReasonToken},
	{`:a/`, edn.ReasonToken},
	{`a/b/`, edn.ReasonToken},
	{`a/1`, edn.ReasonToken}, // an array class in Clojure 1.12, which older readers and ClojureScript refuse
	{`:a/1`, edn.ReasonToken},
	{"a\u0085/b", edn.ReasonToken},
	{`@a`, edn.ReasonToken},
	{`a@b`, edn.ReasonToken},
	{"`a", edn.ReasonToken},
	{`~a`, edn.ReasonToken},
	{`٣`, edn.ReasonToken},
	{`+٣`, edn.ReasonToken},
	// Numbers.
	{`08`, edn.ReasonNumber},
	{`08N`, edn.ReasonNumber},
	{`1a`, edn.ReasonNumber},
	{`1'`, edn.ReasonNumber},
	{`1:`, edn.ReasonNumber},
	{`1é`, edn.ReasonNumber},
	{`1_000`, edn.ReasonNumber},
	{`1/0`, edn.ReasonNumber},
	{`1/00`, edn.ReasonNumber},
	{`1/`, edn.ReasonNumber},
	{`1/2N`, edn.ReasonNumber},
	{`1/-2`, edn.ReasonNumber},
	{`1/2/3`, edn.ReasonNumber},
	{`0x`, edn.ReasonNumber},
	{`0xN`, edn.ReasonNumber},
	{`0xG`, edn.ReasonNumber},
	{`1r0`, edn.ReasonNumber},
	{`37r1`, edn.ReasonNumber},
	{`2r102`, edn.ReasonNumber},
	{`2r`, edn.ReasonNumber},
	{`02r1`, edn.ReasonNumber},
	{`16rFFN`, edn.ReasonNumber},
	{`1.5N`, edn.ReasonNumber},
	{`1e`, edn.ReasonNumber},
	{`1e+`, edn.ReasonNumber},
	{`1e5N`, edn.ReasonNumber},
	{`1.2.3`, edn.ReasonNumber},
	{`1e2147483648M`, edn.ReasonNumber},
	{`1e-2147483648M`, edn.ReasonNumber},
	{`1.5e-2147483647M`, edn.ReasonNumber},
	{`0e99999999999M`, edn.ReasonNumber},
	{`#{100e2147483647M}`, edn.ReasonNumber}, // fails when Clojure hashes it
	// Strings.
	{`"\x"`, edn.ReasonString},
	{`"\/"`, edn.ReasonString},
	{`"\'"`, edn.ReasonString},
	{`"\u004"`, edn.ReasonString},
	{`"\u004g"`, edn.ReasonString},
	{`"\u 041"`, edn.ReasonString},
	{`"\u"`, edn.ReasonString},
	{`"\8"`, edn.ReasonString},
	{`"\400"`, edn.ReasonString},
	{`"\1a"`, edn.ReasonString},
	{`"\1:"`, edn.ReasonString},
	{`"\1é"`, edn.ReasonString},
	// Characters.
	{`\ab`, edn.ReasonChar},
	{`\newlines`, edn.ReasonChar},
	{`\a@`, edn.ReasonChar},
	{`\a#`, edn.ReasonChar},
	{`\ a`, edn.ReasonChar},
	{`\ud800`, edn.ReasonChar},
	{`\udfff`, edn.ReasonChar},
	{`\u004`, edn.ReasonChar},
	{`\u00411`, edn.ReasonChar},
	{`\u00g1`, edn.ReasonChar},
	{`\o400`, edn.ReasonChar},
	{`\o8`, edn.ReasonChar},
	{`\o0101`, edn.ReasonChar},
	{`\😀`, edn.ReasonChar},
	// Dispatch.
	{`#<a>`, edn.ReasonDispatch},
	{`#'a`, edn.ReasonDispatch},
	{`#"a"`, edn.ReasonDispatch},
	{`#(a)`, edn.ReasonDispatch},
	{`#=(a)`, edn.ReasonDispatch},
	{`#?(a)`, edn.ReasonDispatch},
	{"#!a\n1", edn.ReasonDispatch},
	{`# a/b 1`, edn.ReasonDispatch},
	{`#1`, edn.ReasonDispatch},
	{`#[1]`, edn.ReasonDispatch},
	{`#λ/a 1`, edn.ReasonDispatch}, // beyond Clojure's table
	{`##Foo`, edn.ReasonDispatch},
	{`##:Inf`, edn.ReasonDispatch},
	{`##"Inf"`, edn.ReasonDispatch},
	{`#::a{}`, edn.ReasonDispatch},
	{`#::{}`, edn.ReasonToken},
	{`#:a/b{}`, edn.ReasonDispatch},
	{`#:a[]`, edn.ReasonDispatch},
	{"#:a;c\n{}", edn.ReasonDispatch},
	{`#:nil{}`, edn.ReasonDispatch},
	{"#:nil\u2003{}", edn.ReasonDispatch},
	{`#:"a"{}`, edn.ReasonDispatch},
	// Tags.
	{`#a 1`, edn.ReasonTag},
	{`#object [1]`, edn.ReasonTag},
	{`#js {}`, edn.ReasonTag},
	{`#true 1`, edn.ReasonTag},
	{`#_#a 1 2`, edn.ReasonTag},
	{`#a/1 1`, edn.ReasonToken},
	{`#inst 1`, edn.ReasonInst},
	{`#inst nil`, edn.ReasonInst},
	{`#inst ""`, edn.ReasonInst},
	{`#inst "20"`, edn.ReasonInst},
	{`#inst "2020-1-1"`, edn.ReasonInst},
	{`#inst "2020-13"`, edn.ReasonInst},
	{`#inst "2020-00"`, edn.ReasonInst},
	{`#inst "2020-02-30"`, edn.ReasonInst},
	{`#inst "2019-02-29"`, edn.ReasonInst},
	{`#inst "1900-02-29"`, edn.ReasonInst},
	{`#inst "1500-02-29"`, edn.ReasonInst},
	{`#inst "2020-01-01T24"`, edn.ReasonInst},
	{`#inst "2020-01-01T23:58:60Z"`, edn.ReasonInst},
	{`#inst "2020-01-01T00:00:00."`, edn.ReasonInst},
	{`#inst "2020-01-01T10-24:00"`, edn.ReasonInst},
	{`#inst "2020-01-01T10-23:60"`, edn.ReasonInst},
	{`#inst "2020-01-01 10:00"`, edn.ReasonInst},
	{`#inst "2020z"`, edn.ReasonInst},
	{`#inst "2020Z "`, edn.ReasonInst},
	{`#uuid 1`, edn.ReasonUUID},
	{`#uuid a`, edn.ReasonUUID},
	{`#uuid ""`, edn.ReasonUUID},
	{`#uuid "1-1-1-1"`, edn.ReasonUUID},
	{`#uuid "1-1-1-1-1-1"`, edn.ReasonUUID},
	{`#uuid "1--1-1-1"`, edn.ReasonUUID},
	{`#uuid "g-1-1-1-1"`, edn.ReasonUUID},
	{`#uuid "+-1-1-1-1"`, edn.ReasonUUID},
	{`#uuid "8000000000000000-1-1-1-1"`, edn.ReasonUUID},
	{`#uuid "0000000000000000000000000000001-1-1-1-1"`, edn.ReasonUUID},
	// Metadata.
	{`^:a 1`, edn.ReasonMeta},
	{`^:a nil`, edn.ReasonMeta},
	{"[^:a nil\u2003]", edn.ReasonMeta},
	{`^:a "s"`, edn.ReasonMeta},
	{`^a :b`, edn.ReasonMeta},
	{`^1 a`, edn.ReasonMeta},
	{`^[] []`, edn.ReasonMeta},
	{`^nil []`, edn.ReasonMeta},
	{`^:a #a/b []`, edn.ReasonMeta},
	{`^#a/b {} []`, edn.ReasonMeta},
	// Duplicates.
	{`{:a 1 :a 2}`, edn.ReasonDuplicate},
	{`#{1 1}`, edn.ReasonDuplicate},
	{`#{1 1N}`, edn.ReasonDuplicate},
	{`#{1 0x1}`, edn.ReasonDuplicate},
	{`#{1 +1}`, edn.ReasonDuplicate},
	{`#{0 -0}`, edn.ReasonDuplicate},
	{`#{2 4/2}`, edn.ReasonDuplicate},
	{`#{1/2 2/4}`, edn.ReasonDuplicate},
	{`#{-1/2 -02/04}`, edn.ReasonDuplicate},
	{`#{12345678901234567890 12345678901234567890N}`, edn.ReasonDuplicate},
	{`#{18446744073709551616 0x10000000000000000}`, edn.ReasonDuplicate},
	{`#{18446744073709551616 36893488147419103232/2}`, edn.ReasonDuplicate},
	{`#{1.0 1e0}`, edn.ReasonDuplicate},
	{`#{0.0 -0.0}`, edn.ReasonDuplicate},
	{`#{1e400 ##Inf}`, edn.ReasonDuplicate},
	{`#{##NaN ##NaN}`, edn.ReasonDuplicate}, // one object in the reader
	{`#{[##NaN] (##NaN)}`, edn.ReasonDuplicate},
	{`#{{1 ##NaN} {1 ##NaN}}`, edn.ReasonDuplicate},
	{`#{#{##NaN} #{##NaN}}`, edn.ReasonDuplicate},
	{`#{{##NaN 0 1 0 2 0 3 0 4 0 5 0 6 0 7 0 8 0} {##NaN 0 1 0 2 0 3 0 4 0 5 0 6 0 7 0 8 0}}`, edn.ReasonDuplicate},
	{`#{1.0M 1.00M}`, edn.ReasonDuplicate},
	{`#{100M 1e2M}`, edn.ReasonDuplicate},
	{`#{0M -0.00M}`, edn.ReasonDuplicate},
	{`#{"a" "\u0061"}`, edn.ReasonDuplicate},
	{`#{"😀" "\ud83d\ude00"}`, edn.ReasonDuplicate},
	{`#{"\ud800" "\uD800"}`, edn.ReasonDuplicate},
	{`#{\a \u0061}`, edn.ReasonDuplicate},
	{`#{[1] (1)}`, edn.ReasonDuplicate},
	{`#{[] ()}`, edn.ReasonDuplicate},
	{`#{[1 [2]] (1 (2N))}`, edn.ReasonDuplicate},
	{`#{{1 2, 3 4} {3 4, 1 2}}`, edn.ReasonDuplicate},
	{`#{#{1 2} #{2 1}}`, edn.ReasonDuplicate},
	{`#{a ^:x a}`, edn.ReasonDuplicate},
	{`#{[a] [#_b a #_b]}`, edn.ReasonDuplicate},
	{`#{:a/b :a/b}`, edn.ReasonDuplicate},
	{`#:a{:b 1 :a/b 2}`, edn.ReasonDuplicate},
	{`#:a{:_/b 1 :_/b 2}`, edn.ReasonDuplicate},
	{`#{#:a{:b 1} {:a/b 1}}`, edn.ReasonDuplicate},
	{`#{#:a{^:m b 1} {a/b 1}}`, edn.ReasonDuplicate},
	{`#{#:a{:_/b 1} {:b 1}}`, edn.ReasonDuplicate},
	{`#{#:a{:x//  1} {:x// 1}}`, edn.ReasonDuplicate},
	{`#{#inst "2020" #inst "2020-01-01T00:00:00.0009Z"}`, edn.ReasonDuplicate},
	{`#{#inst "2020-01-01T01+01:00" #inst "2020"}`, edn.ReasonDuplicate},
	{`#{#inst "1582-10-10" #inst "1582-10-20"}`, edn.ReasonDuplicate},
	{`#{#uuid "1-1-1-1-1" #uuid "00000001-0001-0001-0001-000000000001"}`, edn.ReasonDuplicate},
	{`#{#a/b [1] #a/b [1]}`, edn.ReasonDuplicate},
	{"{[:a nil\u2003] 1 [:a nil] 2}", edn.ReasonDuplicate},
	{`[{:x #{{:a 1 :a 2}}}]`, edn.ReasonDuplicate},
	{`^{:a 1 :a 2} []`, edn.ReasonDuplicate},
	{`#_{:a 1 :a 2} []`, edn.ReasonDuplicate},
	// Not UTF-8.
	{"\"\xff\"", edn.ReasonUTF8},
	{"\"\xed\xa0\x80\"", edn.ReasonUTF8},
	{"a\xff", edn.ReasonUTF8},
	{":\xc3", edn.ReasonUTF8},
	{"1\xff", edn.ReasonUTF8},
	{"\\\xff", edn.ReasonUTF8},
	{"\\a\xff", edn.ReasonUTF8},
	{"1;\xff", edn.ReasonUTF8},
	{"\xff", edn.ReasonUTF8},
	{"#\xff", edn.ReasonDispatch},
	// Digits of other scripts in an escape pass in Clojure, by an accident of Java, and nothing prints them.
	{`\u０041`, edn.ReasonChar},
	{`"\u０041"`, edn.ReasonString},
	// What a tag's reader makes of 1 and 1N nobody knows; Clojure without that reader tells them apart.
	{`#{#a/b 1 #a/b 1N}`, edn.ReasonDuplicate},
}

func TestCheckRefuses(t *testing.T) {
	for _, tt := range refused {
		err := edn.Check([]byte(tt.text))
		if err == nil {
			t.Errorf("%q was accepted, want %v", tt.text, tt.reason)
			continue
		}
		if got := err.(*edn.Error); got.Reason != tt.reason { //nolint:errorlint // the type is part of the contract
			t.Errorf("%q: %v, want %v", tt.text, got, tt.reason)
		}
	}
}

// TestAllInsideOthers puts every text of the tables into places where its end matters.
func TestAllInsideOthers(t *testing.T) {
	for _, wrap := range []string{"[%s\n]", "{%s\n1}", "[#_ %s\n]", "{:k %s\n}", "(1 %s\n2)", "#my/tag %s\n", "^:m [%s\n]", "#:n{:k %s\n}", "^{:k %s\n} []"} {
		for _, text := range accepted {
			in := strings.Replace(wrap, "%s", text, 1)
			if err := edn.Check([]byte(in)); err != nil {
				t.Errorf("%q: %v", in, err)
			}
		}
		for _, tt := range refused {
			if tt.reason == edn.ReasonEmpty || tt.reason == edn.ReasonExtra || tt.reason == edn.ReasonEOF {
				continue
			}
			in := strings.Replace(wrap, "%s", tt.text, 1)
			if err := edn.Check([]byte(in)); err == nil {
				t.Errorf("%q was accepted", in)
			}
		}
	}
}

func TestIsKeyword(t *testing.T) {
	for _, text := range accepted {
		var s edn.Scanner
		f, _, err := s.Split([]byte(text), nil)
		want := err == nil && f.Kind == edn.Keyword && f.Start == 0 && f.End == len(text)
		if got := edn.IsKeyword([]byte(text)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, tt := range refused {
		if edn.IsKeyword([]byte(tt.text)) {
			t.Errorf("%q is a keyword", tt.text)
		}
	}
}
