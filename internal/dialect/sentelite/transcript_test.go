package sentelite_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/dialect"
	"github.com/hoshi-ws/hoshi/internal/dialect/sentelite"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

var recordedConn = regexp.MustCompile(`conn-\d+-\d+`)

// TestTranscripts plays what clients sent, and holds what the reference server said
// to what a voice writes. The handshake has more here; the echo is a backend's; and
// a subscription without a channel is refused.
func TestTranscripts(t *testing.T) {
	for f, name := range map[codec.Format]string{codec.EDN: "edn", codec.JSON: "json", codec.Transit: "transit"} {
		file, err := os.ReadFile("testdata/" + name + ".frames")
		if err != nil {
			t.Fatal(err)
		}
		v := sentelite.New(f, false)
		p := v.NewParser()
		conns := recordedConn.FindAllString(string(file), -1)
		said := map[string]bool{v.Ping(dialect.FormTwo): true, string(v.AppendPong(nil, nil)): true} // what may be said
		// A subscription without a channel.
		said[string(v.AppendSubscribed(nil, []byte("nil")))] = true
		ops := map[dialect.Op]int{}
		heard, refused := 0, 0
		for line := range strings.Lines(string(file)) {
			frame := strings.TrimSuffix(line, "\n")[2:]
			if line[0] == '<' {
				if strings.Contains(frame, "chsk/handshake") || strings.Contains(frame, "sente-lite/echo") {
					continue
				}
				if heard++; !said[frame] {
					t.Errorf("%s: nobody here says %s", name, frame)
				}
				continue
			}
			var cmd dialect.Command
			if err := p.Parse([]byte(frame), &cmd); err != nil {
				refused++
				continue
			}
			ops[cmd.Op]++
			if cmd.Channel == nil {
				continue
			}
			said[string(v.AppendSubscribed(nil, cmd.Channel))] = true
			said[string(v.AppendRefused(nil, cmd.Sent, dialect.NotSubscribed, true))] = true
			said[string(v.AppendRefused(nil, cmd.Sent, dialect.MaxSubscriptionsPerConn, false))] = true
			for _, conn := range conns {
				said[string(v.AppendChannelMessage(nil, cmd.Channel, cmd.Data, conn))] = true
			}
		}
		want := map[string]struct{ heard, refused, subscribed, published int }{
			"edn": {30, 5, 5, 5}, "json": {1, 0, 2, 0}, "transit": {4, 2, 1, 1},
		}[name]
		if heard < want.heard || refused < want.refused || ops[dialect.Subscribe] < want.subscribed || ops[dialect.Publish] < want.published || ops[dialect.Event] == 0 {
			t.Errorf("%s: commands %v, %d refused, %d frames heard", name, ops, refused, heard)
		}
	}
}
