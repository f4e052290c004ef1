package transit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/transit"
	"github.com/hoshi-ws/hoshi/pkg/codec/value"
)

// values holds texts in any form, and what they are in EDN.
var values = []struct{ text, edn string }{
	// Ground types, bare and quoted, as values and as keys.
	{`null`, `nil`},
	{`["~#'",true]`, `true`},
	{`{"~#'":"~:a"}`, `:a`},
	{` [ "~#'" , 1 ] `, `1`},
	{`["^ ","~_",1,"~?t",2,"~?f",3,"~i12",4,"~d1.5",5]`, `{nil 1, true 2, false 3, 12 4, 1.5 5}`},
	{`["^ ",null,1,true,2,12,3,1.5,4]`, `{nil 1, true 2, 12 3, 1.5 4}`},
	{`{"~_":1,"~?t":2,"~i12":3,"a":4,"~:b":5}`, `{nil 1, true 2, 12 3, "a" 4, :b 5}`},
	{`[0,-0,-1,1.0,-0.0,1e2,1E+2,9007199254740993]`, `[0 0 -1 1.0 -0.0 100.0 100.0 9007199254740993]`},
	{`[1e999,-1e999]`, `[##Inf ##-Inf]`},
	{`["~i9007199254740993","~i123456789012345678901","~i007","~i-007","~i-0"]`, `[9007199254740993 123456789012345678901N 7 -7 0]`},
	{`["~n12","~n-12345678901234567890"]`, `[12N -12345678901234567890N]`},
	{`["~f1.50","~f-007.","~f1e5","~f1E-7"]`, `[1.50M -7M 1e5M 1E-7M]`},
	{`["^ ","~i1.5",1,"~i-1e-7",2]`, `{1.5 1, -1.0E-7 2}`}, // from transit-js
	{`["~d1","~d-1.5E10"]`, `[1.0 -1.5E10]`},
	{`["~zNaN","~zINF","~z-INF"]`, `[##NaN ##Inf ##-Inf]`},
	{`["~ca","~c\n","~c日","~c~"]`, `[\a \newline \日 \~]`},
	{`["~~a","~^a","~` + "`" + `a","` + "`" + `a","a~","~~","~^ "]`, `["~a" "^a" "` + "`" + `a" "` + "`" + `a" "a~" "~" "^ "]`},
	{`["~:a/b","~$a/b","~$+","~:1","~:a.b/c?"]`, `[:a/b a/b + :1 :a.b/c?]`},
	{`["a\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t","\u007e:a"]`, `["aé😀\"\\/\b\f\n\r\t" :a]`},
	{`["~m0","~m-6106017600000","~t1970-01-01T00:00:00.123Z","~t2020-02-29T12:00:00+01:30"]`, `[#inst "1970-01-01T00:00:00.000-00:00" #inst "1776-07-04T12:00:00.000-00:00" #inst "1970-01-01T00:00:00.123-00:00" #inst "2020-02-29T10:30:00.000-00:00"]`},
	{`["~t2020-01-01T00:00:00.123456789Z"]`, `[#inst "2020-01-01T00:00:00.123456789-00:00"]`},
	{`["~u5A2cbea3-e8c6-428b-b525-21239370dd55",["~#u",[6497777973583037067,-5393868542025081515]]]`, `[#uuid "5a2cbea3-e8c6-428b-b525-21239370dd55" #uuid "5a2cbea3-e8c6-428b-b525-21239370dd55"]`},
	{`["~rhttp://example.com/","~bAQID","~b"]`, `["http://example.com/" "AQID" ""]`},
	{`["\ud800","\udc00\ud800a","~^\ud83d\ude00\ud800",{"a":"\ud800"}]`, "[\"\uFFFD\" \"\uFFFD\uFFFDa\" \"^😀\uFFFD\" {\"a\" \"\uFFFD\"}]"},
	// Scalars with their tag apart.
	{`[["~#n","12"],["~#m",0],["~#r","x"],["~#:","a"],["~#$","b"],["~#d",1],["~#_",""],["~#?","t"],["~#f","1"],{"~#i":7},["~#c","~~"]]`, `[12N #inst "1970-01-01T00:00:00.000-00:00" "x" :a b 1.0 nil true 1M 7 \~]`},
	// Collections.
	{`[]`, `[]`},
	{`["^ "]`, `{}`},
	{`{}`, `{}`},
	{`["~#set",[]]`, `#{}`},
	{`["~#list",[1,["~#list",[]]]]`, `(1 ())`},
	{`{"~#list":[{"~#set":["~:a"]}]}`, `(#{:a})`},
	{`["~#cmap",[[1,2],"a",null,["^ "]]]`, `{[1 2] "a", nil {}}`},
	{`["~#cmap",[]]`, `{}`},
	{`["~#ratio",["~n1","~n3"]]`, `1/3`},
	{`[["~#ratio",[4,-2]],["~#ratio",["~i-1",-2]],["~#ratio",[0,-2]]]`, `[-4/2 1/2 0/2]`},
	{`["~#with-meta",[["~:a"],["^ ","~:doc","x"]]]`, `[:a]`},
	{`["~#with-meta",["~$a",null]]`, `a`},
	{`[["~#ints",[1,2]],["~#doubles",[1.5]],["~#bools",[true]]]`, `[[1 2] [1.5] [true]]`},
	{`["~#link",["^ ","href","~rhttp://a/","rel","b"]]`, `{"href" "http://a/", "rel" "b"}`},
	// Tags.
	{`["~#my.app/money",["~f1.50","~:eur"]]`, `#my.app/money [1.50M :eur]`},
	{`{"~#a/b":{"~#c/d":null}}`, `#a/b #c/d nil`},
	{`["~#point",[1,2]]`, `{:tag "point", :value [1 2]}`},
	{`["~Xa b",["~#X",1]]`, `[{:tag "X", :value "a b"} {:tag "X", :value 1}]`},
	// The cache: what counts, and how long.
	{`["~:abcd","~:abcd","^0"]`, `[:abcd :abcd :abcd]`},
	{`["~:ab","^0"]`, `[:ab :ab]`},
	{`[["^ ","abcd",1],["^ ","^0",2],"abcd","^0"]`, `[{"abcd" 1} {"abcd" 2} "abcd" "abcd"]`},
	{`["~#list",[["^0",[1]],["^0",[]]]]`, `((1) ())`},
	{`["~$abcd",["^ ","^0",1]]`, `[abcd {abcd 1}]`},
	{`["~:a\u0062cd","^0"]`, `[:abcd :abcd]`},
	{`[["^ ","~i123",1],["^ ","^0",2]]`, `[{123 1} {123 2}]`},
	{`["~:日本","~:aa","^0"]`, `[:日本 :aa :日本]`},
	{`["~:😀","^0"]`, `[:😀 :😀]`}, // four units
	// What looks like a duplicate and is none.
	{`["~#set",[1,1.0,"~f1","~c1","1","~:1"]]`, `#{1 1.0 1M \1 "1" :1}`},
	{`["~#set",[["~#set",[]],[],["^ "]]]`, `#{#{} [] {}}`},
	{`["~#set",[["^ ","~zNaN",1],["^ ","~zNaN",1]]]`, `#{{##NaN 1} {##NaN 1}}`},
	{`["^ ","~:a",["~#set",[1]],"~:b",["~#set",[1]]]`, `{:a #{1}, :b #{1}}`},
}

func TestWalk(t *testing.T) {
	for _, tt := range values {
		if got := toEDN(t, []byte(tt.text)); got != tt.edn {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.edn)
		}
		if err := transit.Check([]byte(tt.text)); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
}

var refused = []struct {
	text   string
	reason transit.Reason
	offset int
}{
	{``, transit.ReasonEOF, 0},
	{` `, transit.ReasonEOF, 1},
	{`[1`, transit.ReasonEOF, 2},
	{`[1,`, transit.ReasonEOF, 3},
	{`{"a":`, transit.ReasonEOF, 5},
	{`"a`, transit.ReasonEOF, 0},
	{`"a\n`, transit.ReasonEOF, 0},
	{`1 2`, transit.ReasonExtra, 2},
	{`[]]`, transit.ReasonExtra, 2},
	// JSON.
	{`[1,]`, transit.ReasonJSON, 3},
	{`[,1]`, transit.ReasonJSON, 1},
	{`[1 2]`, transit.ReasonJSON, 3},
	{`{"a" 1}`, transit.ReasonJSON, 5},
	{`{"a":1,}`, transit.ReasonJSON, 7},
	{`{1:1}`, transit.ReasonJSON, 1},
	{`{"a":1]`, transit.ReasonJSON, 6},
	{`nul`, transit.ReasonJSON, 0},
	{`tru3`, transit.ReasonJSON, 0},
	{`False`, transit.ReasonJSON, 0},
	{`01`, transit.ReasonJSON, 0},
	{`-`, transit.ReasonJSON, 0},
	{`+1`, transit.ReasonJSON, 0},
	{`1.`, transit.ReasonJSON, 0},
	{`.5`, transit.ReasonJSON, 0},
	{`1e`, transit.ReasonJSON, 0},
	{`NaN`, transit.ReasonJSON, 0},
	{`'a'`, transit.ReasonJSON, 0},
	{`"\x"`, transit.ReasonJSON, 1},
	{`"\u12g4"`, transit.ReasonJSON, 1},
	{`"\u12`, transit.ReasonJSON, 1},
	{"\"a\nb\"", transit.ReasonJSON, 2},
	{"\"abcdefgh\x00\"", transit.ReasonJSON, 9},
	{"\ufeff1", transit.ReasonJSON, 0},
	{"\"\xff\"", transit.ReasonUTF8, 0},
	{"\"\\n\xc0\x80\"", transit.ReasonUTF8, 3},
	{`"~c\ud800"`, transit.ReasonUTF8, 0},
	{`"~:\ud800"`, transit.ReasonUTF8, 0},
	{`{"\ud800":1}`, transit.ReasonUTF8, 1},
	{`["^ ","\ud800a",1]`, transit.ReasonUTF8, 6},
	{`["~#set",[["\ud800"]]]`, transit.ReasonUTF8, 11},
	{`["~#a/b\ud800",1]`, transit.ReasonUTF8, 1},
	{`["~#c","\ud800"]`, transit.ReasonUTF8, 1},
	{`["~X\ud800"]`, transit.ReasonUTF8, 1},
	// Codes and marks.
	{`["^0"]`, transit.ReasonCode, 1},
	{`["~:abcd","^1"]`, transit.ReasonCode, 10},
	{`["~:abc","^"]`, transit.ReasonCode, 9},
	{`["~:abc","^000"]`, transit.ReasonCode, 9},
	{`["~:abc","^!"]`, transit.ReasonCode, 9},
	{`["abcd","^0"]`, transit.ReasonCode, 8},
	{`[{"~:abcd":1},"^0"]`, transit.ReasonCode, 14},
	{`"^ "`, transit.ReasonTag, 0},
	{`[1,"^ "]`, transit.ReasonTag, 3},
	{`["~#set",["^ ","~:a",1]]`, transit.ReasonTag, 10},
	// Tags.
	{`"~#set"`, transit.ReasonTag, 0},
	{`[1,"~#set"]`, transit.ReasonTag, 3},
	{`["^ ","~#set",1]`, transit.ReasonTag, 6},
	{`{"a":1,"~#set":[]}`, transit.ReasonTag, 7},
	{`["~#set",["~#list",[1]]]`, transit.ReasonTag, 10},
	{`["~#",1]`, transit.ReasonTag, 1},
	{`["~#a/",1]`, transit.ReasonTag, 1},
	{`["~#a b/c",1]`, transit.ReasonTag, 1},
	{`["~#1/a",1]`, transit.ReasonTag, 1},
	{`["~é"]`, transit.ReasonTag, 1},
	{`["~ a"]`, transit.ReasonTag, 1},
	{`["~#set",1]`, transit.ReasonJSON, 9},
	{`["~#set",[1],2]`, transit.ReasonJSON, 12},
	{`["~#set"]`, transit.ReasonJSON, 8},
	{`{"~#set":[],"a":1}`, transit.ReasonJSON, 11},
	{`["^ ",[1],2]`, transit.ReasonShape, 6},
	{`["~#link",1]`, transit.ReasonShape, 1},
	{`["~#ratio",[null,1]]`, transit.ReasonShape, 12},
	{`["~#ratio",[1.5,1]]`, transit.ReasonScalar, 12},
	{`["~#ratio",["1",1]]`, transit.ReasonScalar, 12},
	{`["~#ratio",[1,0]]`, transit.ReasonScalar, 11},
	{`["~#with-meta",[1,["^ "]]]`, transit.ReasonShape, 1},
	{`["~#with-meta",[[1],1]]`, transit.ReasonShape, 1},
	{`["~#with-meta",[[1],["^ ","~:a",1,"~:a",2]]]`, transit.ReasonDuplicate, 20},
	{`["~#n",[]]`, transit.ReasonShape, 1},
	{`["~#n",1.5]`, transit.ReasonShape, 1},
	{`["~#?",1]`, transit.ReasonShape, 1},
	{`["~#n","~:a"]`, transit.ReasonShape, 1},
	// Scalars.
	{`"~"`, transit.ReasonScalar, 0},
	{`"~_x"`, transit.ReasonScalar, 0},
	{`"~?x"`, transit.ReasonScalar, 0},
	{`"~i"`, transit.ReasonScalar, 0},
	{`"~i1.5.5"`, transit.ReasonScalar, 0},
	{`"~n1.5"`, transit.ReasonScalar, 0},
	{`"~n+1"`, transit.ReasonScalar, 0},
	{`"~d"`, transit.ReasonScalar, 0},
	{`"~d1.5.5"`, transit.ReasonScalar, 0},
	{`"~dNaN"`, transit.ReasonScalar, 0},
	{`"~zinf"`, transit.ReasonScalar, 0},
	{`"~f"`, transit.ReasonScalar, 0},
	{`"~f1.5M"`, transit.ReasonScalar, 0},
	{`"~f."`, transit.ReasonScalar, 0},
	{`"~f1e99999999999"`, transit.ReasonScalar, 0},
	{`"~c"`, transit.ReasonScalar, 0},
	{`"~cab"`, transit.ReasonScalar, 0},
	{`"~c😀"`, transit.ReasonScalar, 0},
	{`"~bA"`, transit.ReasonScalar, 0},
	{`"~bAB=="`, transit.ReasonScalar, 0},
	{`"~bAQ\nID"`, transit.ReasonScalar, 0},
	{`"~rhttp://a b/"`, transit.ReasonScalar, 0},
	{`"~:"`, transit.ReasonName, 0},
	{`"~:a b"`, transit.ReasonName, 0},
	{`"~:a/"`, transit.ReasonName, 0},
	{`"~::a"`, transit.ReasonName, 0},
	{`"~$1"`, transit.ReasonName, 0},
	{`"~$nil"`, transit.ReasonName, 0},
	{`"~$true"`, transit.ReasonName, 0},
	{`"~$:a"`, transit.ReasonName, 0},
	{`"~$a b"`, transit.ReasonName, 0},
	{`"~m"`, transit.ReasonInst, 0},
	{`"~m1.5"`, transit.ReasonInst, 0},
	{`"~m253402300800000"`, transit.ReasonInst, 0},
	{`"~m-62167219200001"`, transit.ReasonInst, 0},
	{`"~m99999999999999999999"`, transit.ReasonInst, 0},
	{`"~t2020-02-30T00:00:00Z"`, transit.ReasonInst, 0},
	{`"~t2020-01-01T00:00:60Z"`, transit.ReasonInst, 0},
	{`"~t2020-01-01T24:00:00Z"`, transit.ReasonInst, 0},
	{`"~t2020-01-01T00:00:00"`, transit.ReasonInst, 0},
	{`"~t2020-01-01T00:00:00.Z"`, transit.ReasonInst, 0},
	{`"~t2020-01-01T00:00:00+24:00"`, transit.ReasonInst, 0},
	{`"~t2020-01-01 00:00:00Z"`, transit.ReasonInst, 0},
	{`"~u5a2cbea3"`, transit.ReasonUUID, 0},
	{`"~u5a2cbea3-e8c6-428b-b525-21239370dd5g"`, transit.ReasonUUID, 0},
	{`["~#u",[9223372036854775808,1]]`, transit.ReasonUUID, 1},
	// Maps and sets.
	{`["^ ","~:a"]`, transit.ReasonOddMap, 11},
	{`["~#cmap",[1]]`, transit.ReasonOddMap, 12},
	{`["^ ","~:a",1,"~:a",2]`, transit.ReasonDuplicate, 0},
	{`{"a":1,"a":2}`, transit.ReasonDuplicate, 0},
	{`{"~i1":1,"~n1":2}`, transit.ReasonDuplicate, 0},
	{`["~#set",[1,["~#ratio",[2,2]]]]`, transit.ReasonDuplicate, 1},
	{`["~#set",[[1],["~#list",["~n1"]]]]`, transit.ReasonDuplicate, 1},
	{`["~#set",["~f1.0","~f1.00"]]`, transit.ReasonDuplicate, 1},
	{`["~#set",["~m0","~t1970-01-01T00:00:00.0001Z"]]`, transit.ReasonDuplicate, 1},
	{`["~#set",["~bAQID","AQID"]]`, transit.ReasonDuplicate, 1}, // EDN has no bytes
	{`["~#set",["~ra","a"]]`, transit.ReasonDuplicate, 1},
	{`["~#set",["~zNaN","~zNaN"]]`, transit.ReasonDuplicate, 1},
	{`["~#set",[0.0,-0.0]]`, transit.ReasonDuplicate, 1},
	{`["~#set",[["~#a",1],["^ ","~:tag","a","~:value",1]]]`, transit.ReasonDuplicate, 1},
	{`["~#set",[["~#with-meta",[[1],null]],[1]]]`, transit.ReasonDuplicate, 1},
	{`["~#set",["~f1e-2147483647","~f100e2147483647"]]`, transit.ReasonScalar, 28},
}

func TestWalkRefuses(t *testing.T) {
	for _, tt := range refused {
		err := transit.Check([]byte(tt.text))
		fault, ok := errors.AsType[*transit.Error](err)
		if !ok || fault.Reason != tt.reason || fault.Offset != tt.offset {
			t.Errorf("%s: %v, want %v at %d", tt.text, err, tt.reason, tt.offset)
			continue
		}
		if !strings.Contains(err.Error(), tt.reason.String()) || tt.reason.String() == "unknown" {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	if s := transit.Reason(200).String(); s != "unknown" {
		t.Errorf("got %q", s)
	}
}

// TestDepth nests each construct as deep as EDN can, and one deeper.
func TestDepth(t *testing.T) {
	for _, tt := range []struct {
		name, open, inner, end string
		levels                 int // of inner
	}{
		{"vector", `[`, `1`, `]`, 0},
		{"map", `["^ ","~:a",`, `1`, `]`, 0},
		{"object", `{"a":`, `1`, `}`, 0},
		{"set", `["~#set",[`, `1`, `]]`, 0},
		{"list", `{"~#list":[`, `1`, `]}`, 0},
		{"cmap", `["~#cmap",[1,`, `1`, `]]`, 0},
		{"tag", `["~#a/b",`, `1`, `]`, 0},
		{"unknown tag", `["~#a",`, `1`, `]`, 0},
		{"quote", `["~#'",`, `1`, `]`, 0},
		{"metadata", `["~#with-meta",[`, `[]`, `,null]]`, 1},
		{"inst", `[`, `"~m0"`, `]`, 1},
		{"uuid", `[`, `"~u5a2cbea3-e8c6-428b-b525-21239370dd55"`, `]`, 1},
		{"nan", `[`, `"~zNaN"`, `]`, 1},
		{"unknown scalar", `[`, `"~Xa"`, `]`, 1},
	} {
		for _, depth := range []int{value.MaxDepth - 1, value.MaxDepth, value.MaxDepth + 1, 100_000} {
			n := depth - tt.levels
			text := []byte(strings.Repeat(tt.open, n) + tt.inner + strings.Repeat(tt.end, n))
			err := transit.Check(text)
			if depth <= value.MaxDepth {
				if err != nil {
					t.Errorf("%s, %d deep: %v", tt.name, depth, err)
					continue
				}
				if err := edn.Check([]byte(toEDN(t, text))); err != nil {
					t.Errorf("%s, %d deep, in EDN: %v", tt.name, depth, err)
				}
				continue
			}
			if fault, ok := errors.AsType[*transit.Error](err); !ok || fault.Reason != transit.ReasonDepth {
				t.Errorf("%s, %d deep: %v", tt.name, depth, err)
			}
		}
	}
}

// TestRollover holds reader and writer to each other where the numbers of the cache
// are used up.
func TestRollover(t *testing.T) {
	for _, n := range []int{1, 43, 44, 45, 1935, 1936, 1937, 4000} {
		var text strings.Builder
		text.WriteString("[")
		for range 3 {
			for i := range n {
				fmt.Fprintf(&text, " :key%d", i)
			}
		}
		text.WriteString("]")
		w := transit.Writer{Mode: transit.Cached}
		w.Reset(nil)
		if err := edn.Walk([]byte(text.String()), &w); err != nil {
			t.Fatal(err)
		}
		p, err := w.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := toEDN(t, p), canonical(t, text.String()); got != want {
			t.Errorf("%d keys: %.100s", n, got)
		}
		if codes := strings.Count(string(p), `"^`); n <= 1936 && codes != 2*n || n > 1936 && codes != 0 && n == 4000 {
			t.Errorf("%d keys: %d codes", n, codes)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		text         string
		kind         transit.Kind
		outer, inner []string
	}{
		{`[["~:a/b",["^ ","~:n",1]],"cb"]`, transit.Vector, []string{`["~:a/b",["^ ","~:n",1]]`, `"cb"`}, []string{`"~:a/b"`, `["^ ","~:n",1]`}},
		{` [ [ "~:a/b" , 1 ] , null ] `, transit.Vector, []string{`[ "~:a/b" , 1 ]`, `null`}, []string{`"~:a/b"`, `1`}},
		{`["~:a/b",[1,2],[3]]`, transit.Vector, []string{`"~:a/b"`, `[1,2]`, `[3]`}, nil},
		{`[[[1],[2]]]`, transit.Vector, []string{`[[1],[2]]`}, []string{`[1]`, `[2]`}},
		{`[["~#set",[[1]]],[2]]`, transit.Vector, []string{`["~#set",[[1]]]`, `[2]`}, nil},
		{`[[]]`, transit.Vector, []string{`[]`}, nil},
		{`[]`, transit.Vector, nil, nil},
		{`["^ ","~:a",[1]]`, transit.Map, []string{`"~:a"`, `[1]`}, nil},
		{`[ "^ " , "~:a" , 1 , "b" , ["^ ","c",2] ]`, transit.Map, []string{`"~:a"`, `1`, `"b"`, `["^ ","c",2]`}, nil},
		{`{ "~:a" : 1 , "b" : {"c":2} }`, transit.Map, []string{`"~:a"`, `1`, `"b"`, `{"c":2}`}, nil},
		{`["~#cmap",[ [1] , 2 , "~:a" , ["^ ","~:b",1] ]]`, transit.Map, []string{`[1]`, `2`, `"~:a"`, `["^ ","~:b",1]`}, nil},
		{`{"~#cmap":[[1],2]}`, transit.Map, []string{`[1]`, `2`}, nil},
		{`["^ "]`, transit.Map, nil, nil},
		{`["~#set",[["^ ","~:a",1]]]`, transit.Set, nil, nil},
		{`["~#list",[[1]]]`, transit.List, nil, nil},
		{`["~#'",[[1]]]`, transit.Tagged, nil, nil},
		{`["~#with-meta",[[[1]],null]]`, transit.Tagged, nil, nil},
		{`["~#'","~:a"]`, transit.Keyword, nil, nil},
	} {
		var r transit.Reader
		var outer, inner [4]transit.Form
		whole, n, m, err := r.Split([]byte(tt.text), outer[:], inner[:])
		if err != nil || whole.Kind != tt.kind || n != len(tt.outer) || m != len(tt.inner) {
			t.Errorf("%s: %v, %d, %d, %v", tt.text, whole, n, m, err)
			continue
		}
		if tt.text[whole.Start:whole.End] != strings.TrimSpace(tt.text) {
			t.Errorf("%s: the whole is %v", tt.text, whole)
		}
		for i, want := range tt.outer {
			if got := tt.text[outer[i].Start:outer[i].End]; got != want {
				t.Errorf("%s: element %d is %s, want %s", tt.text, i, got, want)
			}
		}
		for i, want := range tt.inner {
			if got := tt.text[inner[i].Start:inner[i].End]; got != want {
				t.Errorf("%s: inner element %d is %s, want %s", tt.text, i, got, want)
			}
		}
	}
	var r transit.Reader
	var few [1]transit.Form
	_, n, _, err := r.Split([]byte(`["~:a/b","~ca",null,true,"x","~$y",1,["~#a/b",1]]`), few[:], nil)
	if n != 8 || err != nil || few[0].Kind != transit.Keyword {
		t.Errorf("%d elements, %v, %v", n, few, err)
	}
	if _, _, _, err := r.Split([]byte(`[1`), nil, nil); err == nil {
		t.Error("half a vector is taken")
	}
}

func TestValue(t *testing.T) {
	var r transit.Reader
	for text, want := range map[string]string{
		` ["~#'", "~:a" ] `:   `"~:a"`,
		` {"~#'" : [1] } `:    `[1]`,
		` [1, ["~#'",2]] `:    `[1, ["~#'",2]]`,
		` ["~#'",["~#'",2]] `: `["~#'",2]`,
		` 7 `:                 `7`,
		`["^ "]`:              `["^ "]`,
	} {
		f, err := r.Value([]byte(text))
		if err != nil || text[f.Start:f.End] != want {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
	for _, text := range []string{`["~#'"]`, `["~#'",1,2]`, `["~#'",1] 2`, ``} {
		if f, err := r.Value([]byte(text)); err == nil || f != (transit.Form{}) {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
}

// TestCodesAreBounded: a short message does not become one of any length.
func TestCodesAreBounded(t *testing.T) {
	long := `"~:` + strings.Repeat("k", 100_000) + `"`
	for n, want := range map[int]bool{1: true, 10: true, 20: false, 1000: false} {
		p := []byte(`[` + long + strings.Repeat(`,"^0"`, n) + `]`)
		err := transit.Check(p)
		if fault, _ := errors.AsType[*transit.Error](err); (err == nil) != want || err != nil && fault.Reason != transit.ReasonTooLong {
			t.Errorf("%d codes: %v", n, err)
		}
	}
	// Keywords as people have them may come as often as they like.
	key := `"~:` + strings.Repeat("k", 75) + `"`
	if err := transit.Check([]byte(`[` + key + strings.Repeat(`,"^0"`, 200_000) + `]`)); err != nil {
		t.Error(err)
	}
}

func TestDetach(t *testing.T) {
	for _, tt := range []struct{ text, data string }{
		{`["~:a/b",["^ ","~:name","x"]]`, `["^ ","~:name","x"]`},
		{`["~:a/bcd",["^ ","^0","x"]]`, `["^ ","~:a/bcd","x"]`},
		{`["~:a/bcd",[["^ ","~:name",1],["^ ","^1",2]]]`, `[["^ ","~:name",1],["^ ","~:name",2]]`},
		{`["~:a/bcd","^0"]`, `"~:a/bcd"`},
		{`["~:a/bcd",["^0","a\"^b"]]`, `["~:a/bcd","a\"^b"]`},
		{`["~:a/bcd", [ "a\"^b" ] ]`, `[ "a\"^b" ]`},
		{`["~:a/bcd", [ "\\^b" ] ]`, `[ "\\^b" ]`},
		{`["~:a/bcd", [ "\"\u0001é\uD83D\uDE00", "~^ x" ] ]`, `[ "\"\u0001é\uD83D\uDE00", "~^ x" ]`},
		{`["~:a/bcd", ["~i1"] ]`, `["~i1"]`},
		{`["~:a/bcd", ["~\u006912", 1] ]`, `[12,1]`},
		// What Java's reader fails on.
		{`["~:a/bcd", ["~\u0069-1.5"] ]`, `[-1.5]`},
		{`["~:a/bcd", ["~#i","1.5"] ]`, `1.5`},
		{`["~:a/bcd", ["~#\u0069",12] ]`, `12`},
		{`["~:a/bcd", ["~#n",12] ]`, `"~n12"`},
		{`["~:a/bcd", ["~i9223372036854775807","~i-9223372036854775808","~i007"] ]`, `["~i9223372036854775807","~i-9223372036854775808","~i007"]`},
		{`["~:a/bcd", ["~i9223372036854775808"] ]`, `["~n9223372036854775808"]`},
		{`["~:a/bcd", ["~m0","~m-10"] ]`, `["~m0","~m-10"]`},
		{`["~:a/bcd", ["~m010"] ]`, `["~m10"]`},
		{`["~:a/bcd", ["~t2014-04-07T22:17:17.000Z"] ]`, `["~t2014-04-07T22:17:17.000Z"]`},
		{`["~:a/bcd", ["~t1970-01-01T23:00:00+23:00"] ]`, `["~m0"]`},
		{`["~:a/bcd", ["~t1970-01-01T00:00:00Z"] ]`, `["~m0"]`},
		{`["~:a/bcd", ["~t0000-12-31T00:00:00.000Z"] ]`, `["~m-62135683200000"]`},
		{`["~:a/bcd", ["~#ratio",["~n-1","~n3"]] ]`, `["~#ratio",["~n-1","~n3"]]`},
		{`["~:a/bcd", ["~#ratio",[1,3]] ]`, `["~#ratio",["~n1","~n3"]]`},
		{`["~:a/bcd", {"~#ratio":["~n1","~n3"]} ]`, `{"~#ratio":["~n1","~n3"]}`},
		{`["~:a/bcd", ["~#ratio",["~n1","~i3"]] ]`, `["~#ratio",["~n1","~n3"]]`},
		{`["~:a/bcd", ["~#ratio",["~n1","~n-3"]] ]`, `["~#ratio",["~n-1","~n3"]]`},
		{`["~:a/bcd",["\u005e0"]]`, `["~:a/bcd"]`},
		{`["~:a/bcd",[ 1 ]]`, `[ 1 ]`},
		// What EDN has not stays what it is.
		{
			`["~:a/bcd",["^0","~rhttp://a/","~bAQID","~Xy",["~#link",["^ ","href","~ra"]],["~#ints",[1]],["~#pt",2],["~#with-meta",[[1],["^ ","^0",1]]],["~#x/y",3]]]`,
			`["~:a/bcd","~rhttp://a/","~bAQID","~Xy",["~#link",["^ ","href","~ra"]],["~#ints",[1]],["~#pt",2],["~#with-meta",[[1],["^ ","~:a/bcd",1]]],["~#x/y",3]]`,
		},
		{`["~:a/bcd",["~#with-meta",[["^0"],null]]]`, `["~#with-meta",[["~:a/bcd"],null]]`},
		{`["~:a/bcd",["~#cmap",[["^0"],1]]]`, `["~#cmap",[["~:a/bcd"],1]]`},
	} {
		var r transit.Reader
		var forms [2]transit.Form
		p := []byte(tt.text)
		if _, n, _, err := r.Split(p, forms[:], nil); err != nil || n != 2 {
			t.Errorf("%s: %d elements, %v", tt.text, n, err)
			continue
		}
		got, err := r.Detach([]byte("x"), p, forms[1])
		if err != nil || string(got) != "x"+tt.data {
			t.Errorf("%s: %s, %v, want %s", tt.text, got, err, tt.data)
		}
	}
	// A form of another message.
	var r transit.Reader
	for _, f := range []transit.Form{{Start: 1, End: 4}, {Start: 0, End: 4}} {
		if got, err := r.Detach([]byte("x"), []byte(`["^0"]`), f); err == nil || string(got) != "x" {
			t.Errorf("%v: %q, %v", f, got, err)
		}
	}
}

// TestYearZero: the verbose form has no text for it that Java's reader takes.
func TestYearZero(t *testing.T) {
	for text, want := range map[string]string{
		`#inst "0000-12-31T00:00:00Z"`: `"~m-62135683200000"`,
		`#inst "0001-01-03T00:00:00Z"`: `"~t0001-01-01T00:00:00.000Z"`,
	} {
		got := fromEDN(t, text, &transit.Writer{Mode: transit.Verbose, Bare: true})
		if strings.HasPrefix(got, `"~t0000`) || !transit.Portable([]byte(got)) || got[:3] != want[:3] {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestValidURI(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "a": true, "a/b?c#d": true, "http://example.com": true, "http://u:p@h:80/p;x=1/?q=[1]#f": true, "mailto:a@b.c": true, "urn:x:y": true,
		"file:///a": true, "http://[::1]:80/": true, "http://u@[::1]": true, "//h/p": true, "?q": true, "#f": true, "http://日本/語?é": true, "a%20b": true,
		"http:///": true, "//#f": true, "http://h:x": true, "a+b-c.1:x": true, "http://a_b/": true, "http://h?q": true,
		"a b": false, "http:": false, ":a": false, "1a:b": false, "a%2": false, "a%zz": false, "http://": false, "//": false, "a\\b": false, "a[1]": false,
		"http://[::1": false, "http://[zz]/": false, "http://[1.2.3.4]/": false, "http://[::1]x": false, "a\u00a0b": false, "a\u0085b": false, "a#b#c": false,
		"<a>": false, "a|b": false, "a^b": false, "a`b": false, "{a}": false, "\"": false, "http:#f": false, "x[]@[::1]": false, "http://x[]@[::1]": false,
	} {
		err := transit.Check([]byte(`"~r` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`))
		if got := err == nil; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
