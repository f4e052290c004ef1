package k8s_test

import (
	"strings"
	"testing"
)

// TestConfig asks the node itself what it thinks of the options that each
// bundle gives it, with the files that it finds mounted.
func TestConfig(t *testing.T) {
	secrets := made(t, gather(t))
	secrets["nats-tls"] = certificate(t, nil)
	for name, b := range whole(t) {
		t.Run(name, func(t *testing.T) {
			c := &cluster{b: b, secrets: secrets, here: map[string]string{}}
			w, ok := nodes(b)
			if !ok {
				t.Fatal("there is no node")
			}
			n := c.newNode(t, w, nil)
			code, out := run(t, n.env, program(t, "hoshi"), "config", "check")
			if code != 0 || !strings.HasSuffix(out, "ok\n") {
				t.Errorf("code %d: %s", code, out)
			}
			if open := strings.Contains(out, "anybody"); open && (name == "production" || name == "external-nats") {
				t.Errorf("it warns: %s", out)
			}
			n.env["HOSHI_NATS_PASSWORD_FILE"] += "-of-another"
			if code, out := run(t, n.env, program(t, "hoshi"), "config", "check"); code != 2 || !strings.Contains(out, "HOSHI_NATS_PASSWORD_FILE") {
				t.Errorf("without the secret: code %d: %s", code, out)
			}
		})
	}
}
