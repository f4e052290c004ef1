package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestCalloutDocument runs a node as docs/callouts.md configures it, with the
// backend of its example, and holds that it is asked what the document says.
func TestCalloutDocument(t *testing.T) {
	raw, err := os.ReadFile("../../docs/callouts.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	part := func(from, to string) string {
		_, rest, found := strings.Cut(text, from)
		inside, _, end := strings.Cut(rest, to)
		if !found || !end {
			t.Fatalf("no %q in the document", from)
		}
		return inside
	}
	file := filepath.Join(t.TempDir(), "hoshi.edn")
	if err := os.WriteFile(file, []byte(part(";; hoshi.edn\n", "```")), 0o600); err != nil {
		t.Fatal(err)
	}
	o := optionsOf(t, "--config="+file)
	server := testkit.StartNATS(t, 1)[0]
	o.Logger, o.Bus = nil, bus.Options{URLs: []string{server.ClientURL()}}
	nc, err := nats.Connect(server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	questions := make(chan string, 8)
	for kind, answer := range map[string]string{"connect": part("nats reply hoshi.auth.connect '", "'"), "subscribe": "{:allow true}", "publish": "{:allow false}"} {
		if _, err := nc.QueueSubscribe("hoshi.auth."+kind, "doormen", func(m *nats.Msg) {
			questions <- string(m.Data)
			if err := m.Respond([]byte(answer)); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	n := testkit.StartNode(t, o)
	tab := testkit.Dial(t, n.Addr().String(), "/chsk?client-id=tab-1&csrf-token=x")
	if want := `[[:chsk/handshake ["alice" nil {:theme :dark}]] nil]`; tab.Handshake != want {
		t.Errorf("handshake %s, want %s", tab.Handshake, want)
	}
	tab.Expect(`[[[:sente-lite/subscribed {:channel-id "news", :success true}]] nil]`)
	tab.Send(`[[:sente-lite/subscribe {:channel-id "room/7"}] "s"]`, `[[:sente-lite/publish {:channel-id "room/7"}] "p"]`)
	tab.Expect(`[{:success true} "s"]`, `[{:success false, :error :forbidden} "p"]`)

	// The keys, in the order of the document's examples.
	keys := regexp.MustCompile(`[{,] ?(:[a-z-]+) `)
	for _, section := range []string{"## Connect", "## Subscribe and publish"} {
		_, rest, _ := strings.Cut(text, section)
		_, example, _ := strings.Cut(rest, "```clojure\n")
		example, _, _ = strings.Cut(strings.ReplaceAll(example, "\n", ""), "```")
		want := keys.FindAllString(example, -1)
		if section == "## Connect" { // a stranger
			want = append(want[:1:1], want[2:]...)
		}
		if got := keys.FindAllString(<-questions, -1); len(want) < 4 || strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("%s: asked %q, documented %q", section, got, want)
		}
	}
}
