package words_test

import (
	"bytes"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/words"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

const conn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"

// in is an EDN text in a format.
func in(t testing.TB, f codec.Format, text string) []byte {
	t.Helper()
	var c codec.Converter
	p, err := c.Append(nil, []byte(text), codec.EDN, f)
	if err != nil {
		t.Fatalf("%s in %s: %v", text, f, err)
	}
	return p
}

// said is one thing in every format; MessagePack is held to what it is in EDN.
type said struct {
	name                        string
	say                         func(w dialect.Words, dst []byte) []byte
	edn, json, transit, verbose string
}

func (s said) in(f codec.Format) string {
	switch f {
	case codec.JSON:
		return s.json
	case codec.Transit:
		return s.transit
	case codec.TransitVerbose:
		return s.verbose
	case codec.EDN, codec.MessagePack:
	}
	return s.edn
}

func TestWords(t *testing.T) {
	for f := range codec.Format(codec.Formats) {
		of := func(text string) []byte { return in(t, f, text) }
		for _, tt := range []said{
			{
				"subscribed", func(w dialect.Words, dst []byte) []byte { return w.AppendSubscribed(dst, []byte(`"news"`)) },
				`[:sente-lite/subscribed {:channel-id "news", :success true}]`,
				`["sente-lite/subscribed",{"channel-id":"news","success":true}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id","news","~:success",true]]`,
				`["~:sente-lite/subscribed",{"~:channel-id":"news","~:success":true}]`,
			},
			{
				"subscribed to a keyword", func(w dialect.Words, dst []byte) []byte { return w.AppendSubscribed(dst, []byte(`:a/b`)) },
				`[:sente-lite/subscribed {:channel-id :a/b, :success true}]`,
				`["sente-lite/subscribed",{"channel-id":":a/b","success":true}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id","~:a/b","~:success",true]]`,
				`["~:sente-lite/subscribed",{"~:channel-id":"~:a/b","~:success":true}]`,
			},
			{
				"refused", func(w dialect.Words, dst []byte) []byte {
					return w.AppendRefused(dst, of(`[:doc 7]`), dialect.MaxSubscribersReached, false)
				},
				`[:sente-lite/subscribed {:channel-id [:doc 7], :success false, :error :max-subscribers-reached}]`,
				`["sente-lite/subscribed",{"channel-id":["doc",7],"success":false,"error":"max-subscribers-reached"}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id",["~:doc",7],"~:success",false,"~:error","~:max-subscribers-reached"]]`,
				`["~:sente-lite/subscribed",{"~:channel-id":["~:doc",7],"~:success":false,"~:error":"~:max-subscribers-reached"}]`,
			},
			{
				"unsubscribe refused, no channel", func(w dialect.Words, dst []byte) []byte {
					return w.AppendRefused(dst, nil, dialect.BadRequest, true)
				},
				`[:sente-lite/subscribed {:channel-id nil, :success nil, :error :bad-request}]`,
				`["sente-lite/subscribed",{"channel-id":null,"success":null,"error":"bad-request"}]`,
				`["~:sente-lite/subscribed",["^ ","~:channel-id",null,"~:success",null,"~:error","~:bad-request"]]`,
				`["~:sente-lite/subscribed",{"~:channel-id":null,"~:success":null,"~:error":"~:bad-request"}]`,
			},
			{
				"message", func(w dialect.Words, dst []byte) []byte {
					return w.AppendChannelMessage(dst, []byte(`"news"`), of(`{:msg "hi"}`), conn)
				},
				`[:sente-lite/channel-msg {:channel-id "news", :data {:msg "hi"}, :from "` + conn + `"}]`,
				`["sente-lite/channel-msg",{"channel-id":"news","data":{"msg":"hi"},"from":"` + conn + `"}]`,
				`["~:sente-lite/channel-msg",["^ ","~:channel-id","news","~:data",["^ ","~:msg","hi"],"~:from","` + conn + `"]]`,
				`["~:sente-lite/channel-msg",{"~:channel-id":"news","~:data":{"~:msg":"hi"},"~:from":"` + conn + `"}]`,
			},
			{
				"message of a backend", func(w dialect.Words, dst []byte) []byte {
					return w.AppendChannelMessage(dst, []byte(`{:x [1.0 "~a"]}`), of(`:kw`), "")
				},
				`[:sente-lite/channel-msg {:channel-id {:x [1.0 "~a"]}, :data :kw}]`,
				`["sente-lite/channel-msg",{"channel-id":{"x":[1.0,"~a"]},"data":"kw"}]`,
				`["~:sente-lite/channel-msg",["^ ","~:channel-id",["^ ","~:x",[1.0,"~~a"]],"~:data","~:kw"]]`,
				`["~:sente-lite/channel-msg",{"~:channel-id":{"~:x":[1.0,"~~a"]},"~:data":"~:kw"}]`,
			},
			{
				"dropped", func(w dialect.Words, dst []byte) []byte { return w.AppendDropped(dst, 1200) },
				`[:sente-lite/dropped {:count 1200, :reason :queue-full}]`,
				`["sente-lite/dropped",{"count":1200,"reason":"queue-full"}]`,
				`["~:sente-lite/dropped",["^ ","~:count",1200,"~:reason","~:queue-full"]]`,
				`["~:sente-lite/dropped",{"~:count":1200,"~:reason":"~:queue-full"}]`,
			},
			{
				"reply", func(w dialect.Words, dst []byte) []byte { return w.AppendReply(dst, of(`{:a 1}`), of(`"cb-1"`)) },
				`[{:a 1} "cb-1"]`, `[{"a":1},"cb-1"]`, `[["^ ","~:a",1],"cb-1"]`, `[{"~:a":1},"cb-1"]`,
			},
			{
				"scalar reply", func(w dialect.Words, dst []byte) []byte { return w.AppendReply(dst, of(`nil`), of(`:ajax`)) },
				`[nil :ajax]`, `[null,"ajax"]`, `[null,"~:ajax"]`, `[null,"~:ajax"]`,
			},
			{
				"error", func(w dialect.Words, dst []byte) []byte { return w.AppendError(dst, ":chsk/error", of(`0`)) },
				`[:chsk/error 0]`, `["chsk/error",0]`, `["~:chsk/error",0]`, `["~:chsk/error",0]`,
			},
			{
				"done", func(w dialect.Words, dst []byte) []byte { return w.AppendResult(dst, "", of(`"cb"`)) },
				`[{:success true} "cb"]`, `[{"success":true},"cb"]`, `[["^ ","~:success",true],"cb"]`, `[{"~:success":true},"cb"]`,
			},
			{
				"failed", func(w dialect.Words, dst []byte) []byte {
					return w.AppendResult(dst, dialect.Unavailable, of(`"cb"`))
				},
				`[{:success false, :error :unavailable} "cb"]`, `[{"success":false,"error":"unavailable"},"cb"]`,
				`[["^ ","~:success",false,"~:error","~:unavailable"],"cb"]`, `[{"~:success":false,"~:error":"~:unavailable"},"cb"]`,
			},
			{
				"vector", func(w dialect.Words, dst []byte) []byte { return w.AppendVector(dst, of(`1`), of(`:a`), of(`[]`)) },
				`[1 :a []]`, `[1,"a",[]]`, `[1,"~:a",[]]`, `[1,"~:a",[]]`,
			},
			{
				"empty vector", func(w dialect.Words, dst []byte) []byte { return w.AppendVector(dst) },
				`[]`, `[]`, `[]`, `[]`,
			},
			{
				"text", func(w dialect.Words, dst []byte) []byte { return w.AppendText(dst, "^a \"\\\n é") },
				`"^a \"\\\n é"`, `"^a \"\\\n é"`, `"~^a \"\\\n é"`, `"~^a \"\\\n é"`,
			},
			{
				"name with escapes", func(w dialect.Words, dst []byte) []byte { return w.AppendName(dst, []byte(`"a\\b"`)) },
				`"a\\b"`, `"a\\b"`, `"a\\b"`, `"a\\b"`,
			},
			{
				"name that Transit escapes", func(w dialect.Words, dst []byte) []byte { return w.AppendName(dst, []byte(`"~:a"`)) },
				`"~:a"`, `"~:a"`, `"~~:a"`, `"~~:a"`,
			},
			{
				"number as a name", func(w dialect.Words, dst []byte) []byte { return w.AppendName(dst, []byte(`7`)) },
				`7`, `7`, `7`, `7`,
			},
			{
				"value", func(w dialect.Words, dst []byte) []byte { return w.AppendValue(dst, []byte(`#{:a}`)) },
				`#{:a}`, `["a"]`, `["~#set",["~:a"]]`, `{"~#set":["~:a"]}`,
			},
		} {
			w := words.New(f)
			got := tt.say(w, []byte("> "))
			if !bytes.HasPrefix(got, []byte("> ")) {
				t.Errorf("%s in %s: %q is not appended", tt.name, f, got)
				continue
			}
			got = got[2:]
			if f == codec.MessagePack {
				var c codec.Converter
				inEDN, err := c.Append(nil, got, f, codec.EDN)
				if err != nil {
					t.Errorf("%s in %s: %q: %v", tt.name, f, got, err)
				} else if want := canonical(t, tt.edn); canonical(t, string(inEDN)) != want {
					t.Errorf("%s in %s: %q says %s, want %s", tt.name, f, got, inEDN, want)
				}
				if want := in(t, f, tt.edn); !bytes.Equal(got, want) {
					t.Errorf("%s in %s: %q, want %q", tt.name, f, got, want)
				}
				continue
			}
			if string(got) != tt.in(f) {
				t.Errorf("%s in %s:\n%s, want\n%s", tt.name, f, got, tt.in(f))
			}
			var s codec.Scanner
			if p, err := s.Value(f, got); err != nil || !bytes.Equal(p, got) {
				t.Errorf("%s in %s: %q as a part is %q, %v", tt.name, f, got, p, err)
			}
		}
		if w := words.New(f); w.Format() != f {
			t.Errorf("the words of %s are those of %s", f, w.Format())
		}
	}
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	p, err := edn.AppendCanonical(nil, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(p)
}

// TestOdd: what a format cannot say, and lengths at the edges.
func TestOdd(t *testing.T) {
	const day = `#inst "9999-12-31T23:59:59-01:00"`
	for f := range codec.Format(codec.Formats) {
		w := words.New(f)
		want := f.Nil()
		if f == codec.EDN {
			want = day
		}
		if got := w.AppendValue(nil, []byte(day)); string(got) != want {
			t.Errorf("%s: %q", f, got)
		}
		for _, n := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
			text := string(bytes.Repeat([]byte("x"), n))
			if got, want := w.AppendText(nil, text), in(t, f, `"`+text+`"`); !bytes.Equal(got, want) {
				t.Errorf("%s: a text of %d is %.20q", f, n, got)
			}
		}
		for _, n := range []int{15, 16, 65536} {
			values := make([][]byte, n)
			text := []byte("[")
			for i := range values {
				values[i] = in(t, f, "7")
				text = append(text, " 7"...)
			}
			var c codec.Converter
			got, err := c.Append(nil, w.AppendVector(nil, values...), f, codec.EDN)
			if want := string(append(text, ']')); err != nil || canonical(t, string(got)) != canonical(t, want) {
				t.Errorf("%s: a vector of %d: %.40q, %v", f, n, got, err)
			}
		}
	}
	// A name of an error that JSON alone can say.
	if got := words.New(codec.JSON).AppendError(nil, ":my/n\x01", []byte("1")); string(got) != `["my/n\u0001",1]` {
		t.Errorf("%s", got)
	}
}

func TestPhrase(t *testing.T) {
	for f, want := range map[codec.Format]string{
		codec.EDN: `[:a/b {:x 1, :y "x"}]`, codec.JSON: `["a/b",{"x":1,"y":"x"}]`, codec.Transit: `["~:a/b",["^ ","~:x",1,"~:y","x"]]`,
		codec.TransitVerbose: `["~:a/b",{"~:x":1,"~:y":"x"}]`,
	} {
		if got := words.NewPhrase(f, `[:a/b {:x %, :y %}]`).Append([]byte("> "), []byte("1"), []byte(`"x"`)); string(got) != "> "+want {
			t.Errorf("%s: %s, want %s", f, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("half a phrase is one")
		}
	}()
	words.NewPhrase(codec.JSON, "[%")
}

func TestWordsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector drops what is in pools
	}
	dst := make([]byte, 0, 1024)
	for f := range codec.Format(codec.Formats) {
		w := words.New(f)
		data, callback := in(t, f, `{:text "hello" :n 1}`), in(t, f, `"cb"`)
		for _, text := range []string{`"news"`, `:chat/room`, `[:doc 7]`} {
			name := []byte(text)
			if n := testing.AllocsPerRun(100, func() {
				w.AppendChannelMessage(dst, name, data, conn)
				w.AppendSubscribed(dst, name)
				w.AppendReply(dst, data, callback)
				w.AppendResult(dst, "", callback)
			}); n != 0 {
				t.Errorf("%s %s: %v allocations", f, name, n)
			}
		}
	}
}

func BenchmarkChannelMessage(b *testing.B) {
	for f := range codec.Format(codec.Formats) {
		b.Run("format="+f.String(), func(b *testing.B) {
			w, data, name := words.New(f), in(b, f, `{:text "hello" :n 1}`), []byte(`"news"`)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = w.AppendChannelMessage(dst[:0], name, data, conn)
			}
		})
	}
}
