package sente_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sente"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// TestTranscripts plays what real clients sent, and holds what the server said to
// what a voice writes: everything but the data of the handshake, which is the
// application's.
func TestTranscripts(t *testing.T) {
	for f, name := range map[codec.Format]string{codec.EDN: "edn", codec.Transit: "transit"} {
		text, err := os.ReadFile("testdata/" + name + ".frames")
		if err != nil {
			t.Fatal(err)
		}
		v := sente.New(f)
		p := v.NewParser()
		said := map[string]bool{v.Ping(dialect.FormTwo): true} // what may be said after what was heard
		ops := map[dialect.Op]int{}
		heard := 0
		for line := range strings.Lines(string(text)) {
			frame := strings.TrimSuffix(line, "\n")[2:]
			if line[0] == '<' {
				heard++
				if !said[frame] && !handshake(t, f, frame) {
					t.Errorf("%s: nobody here says %s", name, frame)
				}
				continue
			}
			var cmd dialect.Command
			if err := p.Parse([]byte(frame), &cmd); err != nil {
				t.Errorf("%s: %s: %v", name, frame, err)
				continue
			}
			if cmd.Form != dialect.FormTwo {
				t.Errorf("%s: %s has form %d", name, frame, cmd.Form)
			}
			ops[cmd.Op]++
			var e codec.Envelope
			var envelopes codec.Parser
			if err := envelopes.Parse(f, cmd.Event, &e); err != nil {
				t.Fatal(err)
			}
			switch string(cmd.ID) {
			case ":chsk/ws-ping":
				said[string(v.AppendFramed(nil, cmd.Form, v.AppendPong(nil, cmd.Callback)))] = true
			case ":test/echo":
				said[string(v.AppendFramed(nil, cmd.Form, v.AppendReply(nil, e.Data, cmd.Callback)))] = true
			case ":test/error":
				said[string(v.AppendFramed(nil, cmd.Form, v.AppendError(nil, ":chsk/error", cmd.Callback)))] = true
			case ":test/push-me":
				said[string(v.AppendPush(nil, cmd.Form, elements(t, f, e.Data)...))] = true
			}
		}
		if ops[dialect.Event] < 8 || ops[dialect.Ping] < 3 || ops[dialect.Pong] < 3 || len(ops) != 3 || heard < 15 {
			t.Errorf("%s: commands %v, %d frames heard", name, ops, heard)
		}
	}
}

// handshake tells whether a frame is a handshake in the shape of ours.
func handshake(t *testing.T, f codec.Format, frame string) bool {
	t.Helper()
	shape := func(msg []byte) string {
		var p codec.Parser
		var e codec.Envelope
		n, err := p.ParseWrapped(f, msg, &e)
		if err != nil || n != 2 || e.Callback != nil || string(e.ID) != ":chsk/handshake" {
			return "none"
		}
		parts := elements(t, f, e.Data)
		if len(parts) != 3 || !p.Fields(f, parts[2], nil, nil) {
			return "none"
		}
		return out(t, f, parts[1])
	}
	ours := sente.New(f).AppendHandshake(nil, []byte(`"alice"`), "conn-1", "1", nil)
	return shape([]byte(frame)) == "nil" && shape(ours) == "nil"
}

// elements returns the elements of a vector.
func elements(t *testing.T, f codec.Format, p []byte) (parts [][]byte) {
	t.Helper()
	text := []byte(out(t, f, p))
	var s edn.Scanner
	form, err := s.Form(text, 0)
	if err != nil || form.Kind != edn.Vector {
		t.Fatalf("%s is no vector", text)
	}
	for el := edn.ElementsOf(text, form); ; {
		e, ok := el.Next()
		if !ok {
			return parts
		}
		parts = append(parts, in(t, f, string(e.Text(text))))
	}
}
