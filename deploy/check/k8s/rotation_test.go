package k8s_test

import (
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// TestRotation changes passwords of NATS as README.md says: a user's by a second
// user beside the first, so that nodes of both are there; that of routes by
// ending all servers at once.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := &cluster{b: mustBuild(t, filepath.Join(manifests, "overlays", "production")), secrets: made(t, gather(t)), here: map[string]string{}}
	c.secrets["hoshi-nats"]["node-2-password"] = "another"
	conf := natsConfig(c.b)
	_, block, _ := strings.Cut(conf["accounts.conf"], "users = [\n")
	block, _, found := strings.Cut(block, "      {\n        user: backend")
	if !found {
		t.Fatalf("the first user is not the nodes':\n%s", conf["accounts.conf"])
	}
	second := strings.NewReplacer("user: node,", "user: node-2,", "$NATS_NODE_PASSWORD", "$NATS_NODE_2_PASSWORD").Replace(block)
	conf["accounts.conf"] = strings.Replace(conf["accounts.conf"], block, block+second, 1)
	more := *variable(server(c.b), "NATS_NODE_PASSWORD").DeepCopy()
	more.Name, more.ValueFrom.SecretKeyRef.Key = "NATS_NODE_2_PASSWORD", "node-2-password"
	server(c.b).Env = append([]core.EnvVar{more}, server(c.b).Env...)

	nats := c.startNATS(t)
	w, _ := nodes(c.b)
	begins := c.startNode(t, w, nil)
	for i, v := range pod(c.b).Volumes {
		if v.Name == "nats" {
			pod(c.b).Volumes[i].Secret.Items[0].Key = "node-2-password"
		}
	}
	w, _ = nodes(c.b)
	next := c.startNode(t, w, map[string]string{"HOSHI_NATS_USER": "node-2"})
	for _, s := range nats {
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-s.done
	}
	for _, n := range []*nodePod{begins, next} {
		n.unready(t, "without NATS")
	}

	c.secrets["hoshi-nats"]["route-password"] = "xother"
	for _, s := range c.startNATS(t) {
		eventually(t, "routes with another password", s.process, func() error { return routed(s.monitor, 2) })
	}
	for _, n := range []*nodePod{begins, next} {
		eventually(t, "ready again", n.process, func() error { return n.probe("readiness") })
		n.end(t)
	}
}
