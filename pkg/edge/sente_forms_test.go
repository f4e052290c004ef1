package edge_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/gzip"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

func convert(t *testing.T, from, to codec.Format, text string) string {
	t.Helper()
	var c codec.Converter
	out, err := c.Append(nil, []byte(text), from, to)
	must(t, err)
	return string(out)
}

// inForm frames a message as clients of a form read it: text is in the form of 1.21,
// [value nil] or [value "cb"].
func inForm(form, text string) string {
	if form != "two" {
		if rest, ok := strings.CutSuffix(text, " nil]"); ok {
			text = rest + "]"
		}
	}
	if form == "prefixed" {
		text = "+" + text
	}
	return text
}

// Everything that follows the first message of a client is in its form.
func TestFormsOfVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, first string
		form        string
		replies     string // to first
	}{
		{"1.21", "[[:test/nocb] nil]", "two", ""},
		{"1.21 with callback", `[[:test/echo 1] "cb"]`, "two", `[1 "cb"]`},
		{"1.18", "[[:test/nocb]]", "one", ""},
		{"1.17", "+[[:test/nocb]]", "prefixed", ""},
		{"1.17 with callback", `+[[:test/echo 1] "cb"]`, "prefixed", `[1 "cb"]`},
		{"bare", "-[:test/nocb]", "prefixed", ""},
		{"refused", `+[[:chsk/own] "cb"]`, "prefixed", `[:chsk/error "cb"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := senteNode(t, 1, func(o *edge.Options) { o.Echo = true })
			backend := c.Backend(t, 0)
			cl := c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
			wrap := func(event, cb string) string {
				switch {
				case tt.form == "one" && cb == "nil":
					return "[" + event + "]"
				case tt.form == "prefixed" && cb == "nil":
					return "+[" + event + "]"
				case tt.form == "prefixed":
					return "+[" + event + " " + cb + "]"
				}
				return "[" + event + " " + cb + "]"
			}
			cl.Send(tt.first)
			if tt.replies != "" {
				cl.Expect(inForm(tt.form, tt.replies))
			} else {
				if got := cl.Read(); !strings.Contains(got, ":sente-lite/echo") || got != inForm(tt.form, unframed(got)) {
					t.Errorf("echo %s", got)
				}
			}
			cl.Send(wrap("[:chsk/ws-ping]", `"p"`))
			cl.Expect(inForm(tt.form, `["pong" "p"]`))
			cl.Send(wrap("[:test/echo {:a 1}]", `"e"`))
			cl.Expect(inForm(tt.form, `[{:a 1} "e"]`))
			cl.Send(wrap("[:test/echo nil]", `"n"`))
			cl.Expect(inForm(tt.form, `[nil "n"]`))
			cl.Send(wrap("[:hoshi/own]", `"x"`))
			cl.Expect(inForm(tt.form, `[:chsk/error "x"]`))
			cl.Send(wrap("[:chsk/ws-ping]", "nil")) // nothing
			cl.Send(wrap(`[:sente-lite/subscribe {:channel-id "lobby"}]`, "nil"))
			cl.Expect(inForm(tt.form, `[[[:sente-lite/subscribed {:channel-id "lobby", :success true}]] nil]`))
			cl.Send(wrap(`[:sente-lite/subscribe {:channel-id "lobby"}]`, `"s"`))
			cl.Expect(inForm(tt.form, `[{:success true} "s"]`))
			must(t, backend.PublishChannel(bus.String("lobby"), []byte("7")))
			cl.Expect(inForm(tt.form, `[[[:sente-lite/channel-msg {:channel-id "lobby", :data 7}]] nil]`))
			must(t, backend.PublishClient("tab-1", []byte("[:a/b]")))
			cl.Expect(inForm(tt.form, "[[[:a/b]] nil]"))

			// It keeps its form when it comes back, before it has said anything.
			cl.Conn.Close()
			away(t, c.Nodes[0], 1)
			must(t, backend.PublishClient("tab-1", []byte("[:a/c]")))
			testkit.Eventually(t, "kept", func() bool { return c.Nodes[0].Stats().Sente.Kept > 0 })
			cl = c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1")
			if !strings.HasPrefix(cl.Handshake, "[[:chsk/handshake ") || !strings.HasSuffix(cl.Handshake, " nil]") {
				t.Errorf("handshake %s", cl.Handshake)
			}
			cl.Expect(inForm(tt.form, "[[[:a/c]] nil]"))
			cl.Send(wrap("[:chsk/ws-ping]", `"p"`))
			cl.Expect(inForm(tt.form, `["pong" "p"]`))
		})
	}
}

// unframed takes the form of 1.21, or any other, off a push: what remains is the
// form of 1.21 again.
func unframed(text string) string {
	text = strings.TrimPrefix(text, "+")
	if !strings.HasSuffix(text, " nil]") {
		text = strings.TrimSuffix(text, "]") + " nil]"
	}
	return text
}

// Binary voices have binary messages in both directions, and text is counted.
func TestBinaryVoices(t *testing.T) {
	c := senteNode(t, 1, func(o *edge.Options) { o.Echo = true })
	node := c.Nodes[0]
	for _, tt := range []struct {
		format string
		say    func(edn string) string
		read   func(t *testing.T, msg string) string
	}{
		{"edn-gzip", func(s string) string { return string(gzip.Wrap(nil, []byte(s))) }, func(t *testing.T, msg string) string {
			p, err := gzip.Unwrap(nil, []byte(msg), 1<<20)
			must(t, err)
			return string(p)
		}},
		{"msgpack", func(s string) string { return convert(t, codec.EDN, codec.MessagePack, s) }, func(t *testing.T, msg string) string {
			return convert(t, codec.MessagePack, codec.EDN, msg)
		}},
	} {
		t.Run(tt.format, func(t *testing.T) {
			cl := testkit.DialRaw(t, node.Addr().String(), "/chsk?uid=alice&client-id=t-"+tt.format+"&format="+tt.format)
			if got := tt.read(t, cl.Handshake); !strings.HasPrefix(got, `[[:chsk/handshake ["alice" nil {`) {
				t.Errorf("handshake %s", got)
			}
			big := `{:a "` + strings.Repeat("x", 4096) + `"}`
			cl.SendBinary(tt.say("[[:test/echo " + big + `] "cb"]`))
			if got := tt.read(t, cl.Read()); got != "["+big+` "cb"]` {
				t.Errorf("reply %.80s", got)
			}
			before := node.Stats().RefusedMessages["text-message"]
			cl.Send("[[:chsk/ws-ping] nil]")
			cl.SendBinary(tt.say(`[[:chsk/ws-ping] "p"]`))
			if got := tt.read(t, cl.Read()); got != `["pong" "p"]` {
				t.Errorf("pong %s", got)
			}
			if n := node.Stats().RefusedMessages["text-message"]; n != before+1 {
				t.Errorf("%d text messages refused", n-before)
			}
			must(t, c.Backend(t, 0).PublishClient("t-"+tt.format, []byte("[:a/b {:n 1}]")))
			if got := tt.read(t, cl.Read()); got != "[[[:a/b {:n 1}]] nil]" {
				t.Errorf("push %s", got)
			}
		})
	}
}

// Silence brings a ping and then the end; whatever a client sends is life.
func TestSentePings(t *testing.T) {
	t.Parallel()
	const kalive, timeout = 2000 * time.Millisecond, 1200 * time.Millisecond // in which a busy machine lets a client answer
	c := senteNode(t, 1, func(o *edge.Options) {
		o.Sente.WSKalive, o.Sente.WSPingTimeout = kalive, timeout
	})
	for _, tt := range []struct {
		name, first, ping string
		control           bool // a ping of RFC 6455 comes with it
		pong              string
	}{
		{"silent from the start", "", "[:chsk/ws-ping nil]", true, ""},
		{"1.21", "[[:chsk/ws-pong] nil]", "[:chsk/ws-ping nil]", false, "[[:chsk/ws-pong] nil]"},
		{"1.18", "[[:chsk/ws-pong]]", "[:chsk/ws-ping]", true, "[[:chsk/ws-pong]]"},
		{"1.17", "+[[:chsk/ws-pong]]", "+[:chsk/ws-ping]", true, "+[[:chsk/ws-pong]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			conn, buffered, _, err := ws.Dial(t.Context(), "ws://"+c.Nodes[0].Addr().String()+"/chsk?client-id="+strings.ReplaceAll(tt.name, " ", "-"))
			must(t, err)
			defer conn.Close()
			must(t, conn.SetDeadline(time.Now().Add(testkit.Patience)))
			frames := io.Reader(conn)
			if buffered != nil {
				frames = buffered
			}
			send := func(f []byte) {
				_, err := conn.Write(f)
				must(t, err)
			}
			next := func() (string, bool) {
				h, err := ws.ReadHeader(frames)
				must(t, err)
				payload := make([]byte, h.Length)
				_, err = io.ReadFull(frames, payload)
				must(t, err)
				return string(payload), h.OpCode == ws.OpPing
			}
			next() // the handshake
			if tt.first != "" {
				send(testkit.AppendFrame(nil, ws.OpText, []byte(tt.first)))
			}
			expect := func() {
				t.Helper()
				if got, control := next(); got != tt.ping || control {
					t.Fatalf("got %q", got)
				}
				if tt.control {
					if got, control := next(); !control {
						t.Fatalf("got %q, no ping of RFC 6455", got)
					}
				}
			}
			expect()
			if took := time.Since(begin); took < kalive/2-100*time.Millisecond || took > kalive/2+2*time.Second {
				t.Errorf("the ping came after %v", took)
			}
			if tt.pong != "" {
				send(testkit.AppendFrame(nil, ws.OpText, []byte(tt.pong)))
				expect()
			}
			send(testkit.AppendFrame(nil, ws.OpPong, nil)) // what the system of an old one answers
			expect()
			begin = time.Now()
			if h, err := ws.ReadHeader(frames); err == nil {
				t.Errorf("after silence %+v", h)
			}
			if took := time.Since(begin); took > timeout+2*time.Second {
				t.Errorf("cut after %v", took)
			}
		})
	}
}
