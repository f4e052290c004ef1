package e2e

import (
	"path/filepath"
	"testing"
)

// TestJSON runs a client in plain JavaScript that speaks JSON, beside one in
// EDN, on three nodes.
func TestJSON(t *testing.T) {
	t.Parallel()
	c := startEmbedded(t, 3)
	scenario{
		name: "json",
		checks: []string{
			"handshake", "subprotocol", "ping", "subscribed", "json-to-all", "edn-to-all",
			"callback", "push", "bad-input", "nothing-else",
		},
		start: func(t *testing.T, c *cluster) *process {
			return start(t, t, "json", c.dir, c.settings(t), nodeJS(t), filepath.Join("js", "json.mjs"))
		},
	}.run(t, c)
	interrupt(t, c)
}
