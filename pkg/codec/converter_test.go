package codec_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// asNodesDo takes a body in format x as it comes from NATS, and says it to those who speak y: as a part of an event, and as a
// body again.
func asNodesDo(t *testing.T, x, y format, body []byte) {
	t.Helper()
	var s codec.Scanner
	p, err := s.Value(x.format, body)
	if err != nil { // what was replaced became equal to something else
		return
	}
	said := read(t, x, body)
	if !bytes.Contains(body, p) {
		said = x.lossy(said)
	}
	if got := read(t, x, p); got.String() != said.String() {
		t.Fatalf("%s %q as a part is %q, and says\n%v, want\n%v", x.name, body, p, got, said)
	}
	var c codec.Converter
	out, err := c.Append([]byte("> "), p, x.format, y.format)
	if err != nil {
		if string(out) != "> " {
			t.Fatalf("%s %q to %s: %q, %v", x.name, p, y.name, out, err)
		}
		return
	}
	out = out[2:]
	if x.format == y.format {
		if !bytes.Equal(out, p) {
			t.Fatalf("%s %q is copied as %q", x.name, p, out)
		}
	} else if got, want := read(t, y, out), y.lossy(said); got.String() != want.String() {
		t.Fatalf("%s %q to %s %q says\n%v, want\n%v", x.name, p, y.name, out, got, want)
	}
	whole := y.format.AppendWhole(nil, out)
	if got, want := read(t, y, whole), read(t, y, out); got.String() != want.String() {
		t.Fatalf("%s %q as a whole is %q, and says\n%v, want\n%v", y.name, out, whole, got, want)
	}
	if again, err := s.Value(y.format, whole); err != nil || read(t, y, again).String() != read(t, y, out).String() {
		t.Fatalf("%s %q as a whole is %q, and again %q, %v", y.name, out, whole, again, err)
	}
	event, err := c.AppendEvent(nil, &codec.Envelope{ID: []byte(":a/b"), Event: eventOf(x.format, p), Data: p}, x.format, y.format)
	if err != nil {
		t.Fatalf("%s %q to %s: %v", x.name, p, y.name, err)
	}
	var parser codec.Parser
	var e codec.Envelope
	if err := parser.Parse(y.format, event, &e); err != nil {
		if fault, ok := errors.AsType[*codec.Error](err); ok && fault.Label() == "too-deep" {
			return
		}
		t.Fatalf("%s %q to %s %q: %v", x.name, p, y.name, event, err)
	}
	if string(e.ID) != ":a/b" || !bytes.Equal(e.Data, out) || !bytes.Equal(e.Event, event) || e.Callback != nil {
		t.Fatalf("%s %q to %s %q: id %q, data %q, want %q", x.name, p, y.name, event, e.ID, e.Data, out)
	}
}

// eventOf is the event :a/b with this data.
func eventOf(f codec.Format, data []byte) []byte {
	head := map[codec.Format]string{
		codec.EDN: "[:a/b ", codec.JSON: `["a/b",`, codec.Transit: `["~:a/b",`, codec.TransitVerbose: `["~:a/b",`, codec.MessagePack: "\x92\xc7\x03\x00a/b",
	}[f]
	p := append([]byte(head), data...)
	if f == codec.MessagePack {
		return p
	}
	return append(p, ']')
}

// TestEveryPair sends generated values from each format to each, as nodes do.
func TestEveryPair(t *testing.T) {
	const seed = 3
	values := 120
	if raceEnabled {
		values = 30
	}
	t.Logf("%d values of seed %d", values, seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for range values {
		n := g.value(4)
		for _, x := range formats {
			text := write(t, x, n)
			for _, y := range formats {
				asNodesDo(t, x, y, text)
			}
		}
	}
}

func TestConvertEvents(t *testing.T) {
	const (
		edn, json, transit, verbose, msgpack = codec.EDN, codec.JSON, codec.Transit, codec.TransitVerbose, codec.MessagePack
	)
	for _, tt := range []struct {
		from, to  codec.Format
		msg, want string
	}{
		{edn, edn, `[:a/b  #{1}]`, `[:a/b  #{1}]`},
		{edn, json, `[:a/b  #{1}]`, `["a/b",[1]]`},
		{edn, json, `[:a/b ^:m {:k/x :v}]`, `["a/b",{"k/x":"v"}]`},
		{edn, json, `[:a/b]`, `["a/b"]`},
		{edn, json, `[:a/b nil]`, `["a/b",null]`},
		{edn, transit, `[:a/b {:k/x :v}]`, `["~:a/b",["^ ","~:k/x","~:v"]]`},
		{edn, transit, `[:a/b :v]`, `["~:a/b","~:v"]`},
		{edn, transit, `[:a/b]`, `["~:a/b"]`},
		{edn, verbose, `[:a/b {:k/x #inst "1970-01-01"}]`, `["~:a/b",{"~:k/x":"~t1970-01-01T00:00:00.000Z"}]`},
		{edn, msgpack, `[:a/b {:k 7}]`, "\x92\xc7\x03\x00a/b\x81\xd4\x00k\x07"},
		{edn, msgpack, `[:a/b]`, "\x91\xc7\x03\x00a/b"},
		{json, edn, `[":a/b" , {"k/x": "v"}]`, `[:a/b {:k/x "v"}]`},
		{json, edn, `["a/b"]`, `[:a/b]`},
		{json, edn, `["a/b",null]`, `[:a/b nil]`},
		{json, json, `[":a/b" , 1]`, `[":a/b" , 1]`},
		{json, transit, `[":a/b" , {"k": "v"}]`, `["~:a/b",["^ ","~:k","v"]]`},
		{transit, edn, `["~:a/b",["^ ","~:k","~$v"]]`, `[:a/b {:k v}]`},
		{transit, edn, `["~:a/b",[["^ ","~:name",1],["^ ","^1",2]]]`, `[:a/b [{:name 1} {:name 2}]]`},
		{transit, edn, `["~:a/bc",["^ ","^0",2]]`, `[:a/bc {:a/bc 2}]`},
		{transit, transit, `["~:a/b", 1 ]`, `["~:a/b", 1 ]`},
		{transit, transit, `["~:a/bc",["^ ","^0",2]]`, `["~:a/bc",["^ ","~:a/bc",2]]`},
		{transit, verbose, `["~:a/b",["^ ","~:k","~rhttp://a/"]]`, `["~:a/b",{"~:k":"~rhttp://a/"}]`},
		{verbose, transit, `["~:a/b",{"~:k":"~t1970-01-01T00:00:00.000Z"}]`, `["~:a/b",["^ ","~:k","~m0"]]`},
		{msgpack, edn, "\x92\xc7\x03\x00a/b\x81\xd4\x00k\x07", `[:a/b {:k 7}]`},
		{msgpack, edn, "\x92\x91\xc7\x03\x00a/b\xa2cb", `[:a/b]`},
		{msgpack, msgpack, "\x92\xc7\x03\x00a/b\xce\x00\x00\x00\x07", "\x92\xc7\x03\x00a/b\xce\x00\x00\x00\x07"},
	} {
		var p codec.Parser
		var c codec.Converter
		var e codec.Envelope
		if err := p.Parse(tt.from, []byte(tt.msg), &e); err != nil {
			t.Fatalf("%s: %v", tt.msg, err)
		}
		got, err := c.AppendEvent([]byte("> "), &e, tt.from, tt.to)
		if err != nil || string(got) != "> "+tt.want {
			t.Errorf("%s %q to %s: %q, %v, want %q", tt.from, tt.msg, tt.to, got, err, tt.want)
		}
	}
	var c codec.Converter
	for to := range codec.Format(codec.Formats) {
		for _, e := range []codec.Envelope{{ID: []byte(":a/b"), Data: []byte(`#{"\ud83d"}`)}, {ID: []byte(":a/b"), Data: []byte(`#:a{:1 2}`)}} {
			if got, err := c.AppendEvent([]byte("> "), &e, codec.EDN, to); to != codec.EDN && (err == nil || string(got) != "> ") {
				t.Errorf("%s: got %s, %v", to, got, err)
			}
		}
	}
}

func TestFormats(t *testing.T) {
	var s codec.Scanner
	for f := range codec.Format(codec.Formats) {
		if again, ok := codec.ParseFormat(f.String()); !ok || again != f {
			t.Errorf("%s is %v, %v", f, again, ok)
		}
		if v, err := s.Value(f, []byte(f.Nil())); err != nil || string(v) != f.Nil() {
			t.Errorf("%s: %q, %v", f, v, err)
		}
		if v, err := s.Value(f, []byte("\x81{")); err == nil || v != nil {
			t.Errorf("%s: %q is a value", f, v)
		}
		if f.Binary() != (f == codec.MessagePack) || f.Carried().Carried() != f.Carried() || (f.Carried() == f) != (f != codec.TransitVerbose) {
			t.Errorf("%s: binary %v, carried as %s", f, f.Binary(), f.Carried())
		}
		if f.Binary() {
			continue
		}
		if v, err := s.Value(f, []byte(" "+f.Nil()+" ")); err != nil || string(v) != f.Nil() {
			t.Errorf("%s: %q, %v", f, v, err)
		}
	}
	odd := codec.Format(99)
	if _, ok := codec.ParseFormat("yaml"); ok || odd.String() != "unknown" || odd.Nil() != "nil" {
		t.Error("an unknown format is known")
	}
}

// TestParts says what of a body becomes a part of a message, and what a part is as a body.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		f                 codec.Format
		body, part, whole string
	}{
		{codec.EDN, ` :a ; kw`, `:a`, `:a`},
		{codec.JSON, ` "a" `, `"a"`, `"a"`},
		{codec.Transit, `["~#'","~:a"]`, `"~:a"`, `["~#'","~:a"]`},
		{codec.Transit, ` 7 `, `7`, `["~#'",7]`},
		{codec.Transit, `{"~#'":1}`, `1`, `["~#'",1]`},
		{codec.Transit, `["~:name","^0"]`, `["~:name","~:name"]`, `["~:name","~:name"]`},
		{codec.Transit, `["^ "]`, `["^ "]`, `["^ "]`},
		{codec.TransitVerbose, `{"~#'":"~:a"}`, `"~:a"`, `{"~#'":"~:a"}`},
		{codec.TransitVerbose, ` {"~:a":1} `, `{"~:a":1}`, `{"~:a":1}`},
		{codec.MessagePack, "\x07", "\x07", "\x07"},
		{codec.MessagePack, "\x92\x81\xa1a\x01\x81\xd4\x08\x00\x02", "\x92\x81\xa1a\x01\x81\xa1a\x02", "\x92\x81\xa1a\x01\x81\xa1a\x02"},
	} {
		var s codec.Scanner
		part, err := s.Value(tt.f, []byte(tt.body))
		if err != nil || string(part) != tt.part {
			t.Errorf("%s %q: %q, %v", tt.f, tt.body, part, err)
		}
		if whole := tt.f.AppendWhole([]byte("> "), part); string(whole) != "> "+tt.whole {
			t.Errorf("%s %q: %q", tt.f, part, whole)
		}
	}
}
