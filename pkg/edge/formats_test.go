package edge_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
	"github.com/hoshi-ws/hoshi/pkg/codec/gzip"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// speaker is a client of either dialect in any format. The test says and hears
// EDN, and every format's own bytes are on the wire.
type speaker struct {
	*testkit.Client
	t      testing.TB
	name   string
	format codec.Format
	zipped bool
	sente  bool
	heard  []string // events of a push that have not been asked for
}

func speak(t testing.TB, addr, name string, sente bool) *speaker {
	t.Helper()
	path := "/ws?format=" + name
	if sente {
		path = "/chsk?client-id=" + name + "&format=" + name
	}
	s := &speaker{t: t, name: name, sente: sente}
	if sente {
		s.name = "sente " + name
	}
	plain, zipped := strings.CutSuffix(name, "-gzip")
	s.zipped = zipped
	var ok bool
	if s.format, ok = codec.ParseFormat(plain); !ok {
		t.Fatalf("no format %s", name)
	}
	s.Client = testkit.DialRaw(t, addr, path)
	s.SeePings = true
	if h := s.read(s.Handshake); !strings.Contains(h, "chsk/handshake") {
		t.Fatalf("%s: handshake %s", s.name, h)
	}
	return s
}

// read turns a message into EDN.
func (s *speaker) read(msg string) string {
	s.t.Helper()
	p := []byte(msg)
	var err error
	if s.zipped {
		if p, err = gzip.Unwrap(nil, p, 1<<20); err != nil {
			s.t.Fatalf("%s: unwrap: %v", s.name, err)
		}
	}
	var c codec.Converter
	out, err := c.Append(nil, p, s.format, codec.EDN)
	if err != nil {
		s.t.Fatalf("%s: %q: %v", s.name, msg, err)
	}
	if out, err = edn.AppendCanonical(nil, out); err != nil {
		s.t.Fatalf("%s: %q: %v", s.name, msg, err)
	}
	return string(out)
}

// Say sends a message given in EDN. In JSON ids are keywords again where they
// come first, which is all that the tests send.
func (s *speaker) Say(text string) {
	s.t.Helper()
	var c codec.Converter
	p, err := c.Append(nil, []byte(text), codec.EDN, s.format)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.zipped {
		p = gzip.Wrap(nil, p)
	}
	if s.zipped || s.format.Binary() {
		s.SendBinary(string(p))
	} else {
		s.Send(string(p))
	}
}

// Hear reads one event or reply, as canonical EDN.
func (s *speaker) Hear() string {
	s.t.Helper()
	if len(s.heard) > 0 {
		first := s.heard[0]
		s.heard = s.heard[1:]
		return first
	}
	got := s.read(s.Read())
	if !s.sente || !strings.HasPrefix(got, "[[[") {
		return got
	}
	// A push: a vector of events, and nil.
	var scan edn.Scanner
	var parts [2]edn.Form
	if _, n, err := scan.Split([]byte(got), parts[:]); err != nil || n != 2 || parts[1].Kind != edn.Nil {
		s.t.Fatalf("%s: push %s, %v", s.name, got, err)
	}
	for events := edn.ElementsOf([]byte(got), parts[0]); ; {
		e, ok := events.Next()
		if !ok {
			return s.Hear()
		}
		s.heard = append(s.heard, string(e.Text([]byte(got))))
	}
}

var formatNames = []string{"edn", "json", "transit", "transit-verbose", "msgpack"}

// Both dialects in every format, with and without the wrapper: all hear each
// other, across nodes.
func TestEveryVoice(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 3, func(o *edge.Options) { o.Sente.SendBufWS = -1 })
	var all []*speaker
	for i, name := range formatNames {
		for j, suffix := range []string{"", "-gzip"} {
			for k, sente := range []bool{false, true} {
				s := speak(t, c.Nodes[(i+j+k)%3].Addr().String(), name+suffix, sente)
				s.Say(`[[:sente-lite/subscribe {:channel-id "all"}] "s"]`)
				if got := s.Hear(); got != `[{:success true} "s"]` {
					t.Fatalf("%s: %s", s.name, got)
				}
				all = append(all, s)
			}
		}
	}
	for i, from := range all {
		from.Say(fmt.Sprintf(`[[:sente-lite/publish {:channel-id "all", :data {:n %d, :text "é\n", :list [1 2.5 nil true]}}] "p"]`, i))
		for _, s := range all {
			want := fmt.Sprintf(`{:list [1 2.5 nil true] :n %d :text "é\n"}`, i)
			for {
				got := s.Hear()
				if got == `[{:success true} "p"]` {
					continue
				}
				if !strings.Contains(got, want) || !strings.Contains(got, `"all"`) || !strings.Contains(got, "sente-lite/channel-msg") {
					t.Fatalf("from %s to %s: %s, want %s", from.name, s.name, got, want)
				}
				break
			}
		}
	}
}

// However many subscribers there are, a message is converted once for each
// format, and becomes one frame for each voice.
func TestThreeEncodings(t *testing.T) {
	for _, subscribers := range []int{10, 1000} {
		t.Run(fmt.Sprint(subscribers), func(t *testing.T) {
			c := senteNode(t, 1, func(o *edge.Options) { o.Sente.SendBufWS = -1 })
			backend := c.Backend(t, 0)
			three := []string{"json", "transit", "msgpack"}
			all := make([]*speaker, subscribers)
			for i := range all {
				all[i] = speak(t, c.Nodes[0].Addr().String(), three[i%3], false)
				all[i].Say(`[[:sente-lite/subscribe {:channel-id "c"}] "s"]`)
				all[i].Hear()
			}
			const messages = 7
			before := c.Nodes[0].Stats()
			for i := range messages {
				must(t, backend.PublishChannel(bus.String("c"), fmt.Appendf(nil, "{:n %d}", i)))
			}
			for _, s := range all {
				for i := range messages {
					if got, want := s.Hear(), fmt.Sprintf(`{:n %d}`, i); !strings.Contains(got, want) {
						t.Fatalf("%s: %s", s.name, got)
					}
				}
			}
			after := c.Nodes[0].Stats()
			conversions := map[string]uint64{}
			for k, v := range after.Conversions {
				if d := v - before.Conversions[k]; d > 0 {
					conversions[k] = d
				}
			}
			want := map[string]uint64{"edn>json": messages, "edn>transit": messages, "edn>msgpack": messages}
			if !maps.Equal(conversions, want) {
				t.Errorf("conversions %v, want %v", conversions, want)
			}
			var rendered []string
			for k, v := range after.Rendered {
				if d := v - before.Rendered[k]; d > 0 {
					rendered = append(rendered, fmt.Sprintf("%s %d", k, d))
				}
			}
			slices.Sort(rendered)
			if got := strings.Join(rendered, ", "); got != "sente-lite/json 7, sente-lite/msgpack 7, sente-lite/transit 7" {
				t.Errorf("rendered %s", got)
			}
		})
	}
}

// A value of Transit that is no collection has a quote around it where it is
// all of a body, and none within a message. On NATS verbose Transit is Transit.
func TestWholeBodies(t *testing.T) {
	c := senteNode(t, 1, nil)
	nc := foreign(t, c, 0)
	sub, err := nc.SubscribeSync("hoshi.chan.c")
	must(t, err)
	must(t, nc.Flush())
	for name, want := range map[string]string{
		"transit": `["~#'","~:a"]`, "transit-verbose": `["~#'","~:a"]`, "json": `"a"`, "edn": ":a",
	} {
		s := speak(t, c.Nodes[0].Addr().String(), name, false)
		s.Say(`[[:sente-lite/subscribe {:channel-id "c"}] "s"]`)
		s.Hear()
		s.Say(`[:sente-lite/publish {:channel-id "c", :data :a}]`)
		m, err := sub.NextMsg(testkit.Patience)
		must(t, err)
		if string(m.Data) != want {
			t.Errorf("%s: body %s, want %s", name, m.Data, want)
		}
		if got := s.Hear(); !strings.Contains(got, "data ") || strings.Contains(got, "#'") {
			t.Errorf("%s: heard %s", name, got)
		}
		must(t, s.Conn.Close())
	}
}
