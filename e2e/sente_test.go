package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// senteVersions are clients of sente/versions.mjs, each with the same checks.
var (
	senteVersions = []string{"1.16", "1.17", "1.18", "1.20", "1.21"}
	senteChecks   = []string{"handshake", "callback", "event", "push", "ping", "channel", "newest-socket", "close"}
)

// senteScenarios run in this order in TestSente.
var senteScenarios = []scenario{
	{name: "versions", checks: versionChecks()},
	{
		name:   "formats",
		checks: []string{"handshakes", "pings", "callbacks", "pushes", "channel", "large-is-packed", "bad-input-dropped"},
	},
	{
		name:   "jvm",
		checks: []string{"jvm-pushed", "jvm-published", "jvm-several-in-a-frame", "jvm-many-values", "jvm-ends"},
	},
	{
		name: "nbb",
		checks: []string{
			"handshakes", "callback-values", "push-values", "subscribed", "channel", "channel-from-lite",
			"user-in-both-dialects", "nothing-else",
		},
		start: func(t *testing.T, c *cluster) *process {
			return start(t, t, "nbb", c.dir, c.settings(t), nodeJS(t), filepath.Join("node_modules", "nbb", "cli.js"),
				"--classpath", strings.Join([]string{"sente", "clj"}, string(filepath.ListSeparator)), filepath.Join("sente", "nbb.cljs"))
		},
	},
}

func versionChecks() []string {
	checks := []string{"grace", "server-pings", "silence"}
	for _, v := range senteVersions {
		for _, check := range senteChecks {
			checks = append(checks, v+"-"+check)
		}
	}
	return checks
}

// TestSente plays Sente's wire by hand, as each of its versions and formats has
// it, with clients on three nodes and their backend beside one of them.
func TestSente(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.args = []string{"--insecure-uid-param", "uid"}
	c.startEmbedded(t, 3)
	backend := c.senteBackend(t, 1)
	for _, s := range senteScenarios {
		if s.start == nil {
			s.start = func(t *testing.T, c *cluster) *process { return c.javascript(t, "sente/"+s.name+".mjs") }
		}
		t.Run(s.name, func(t *testing.T) { s.run(t, c) })
	}
	endBackend(t, backend)
	interrupt(t, c)
}

// senteBackend starts the backend of the tests of Sente, connected to node k.
func (c *cluster) senteBackend(t *testing.T, k int) *process {
	t.Helper()
	p := start(t, c.life, "sente backend", c.dir, nil, nodeJS(t), filepath.Join("sente", "backend.mjs"), c.natsURL[k])
	p.await(t, "ready")
	return p
}
