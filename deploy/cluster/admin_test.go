package cluster_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// admin holds that the pod that hoshi.sh makes is let into the namespace, is let
// through to NATS, and is told the password by nobody but Kubernetes.
func admin(t *testing.T) {
	script, err := filepath.Abs(filepath.Join(manifests, "hoshi.sh"))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing runs, so there is nothing to attach to: the API server is asked
	// what it would make.
	bin := t.TempDir()
	shim := "#!/bin/sh\nif [ \"$3\" = run ]; then\n  for a; do shift; case $a in --rm|-i) ;; --quiet) set -- \"$@\" --dry-run=server -o json ;; *) set -- \"$@\" \"$a\" ;; esac; done\nfi\nexec " +
		here.program + " kubectl \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(shim), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := shell(t, bin, `PATH=$PWD:$PATH exec "$@" who user alice </dev/null`, script)
	var p core.Pod
	if err != nil || json.Unmarshal([]byte(out), &p) != nil || len(p.Spec.Containers) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	c := p.Spec.Containers[0]
	if p.Labels["hoshi-nats-client"] != "true" || c.Image == "" || strings.Join(c.Args, " ") != "who user alice" || p.Spec.RestartPolicy != core.RestartPolicyNever {
		t.Errorf("it makes\n%s", out)
	}
	if missing := world.missing(t.Context(), &p); missing != "" || len(c.EnvFrom) != 1 || len(c.Env) != 2 || c.Env[1].Name != "HOSHI_NATS_PASSWORD" || c.Env[1].Value != "" {
		t.Errorf("it is missing %q, and has %+v and %+v", missing, c.EnvFrom, c.Env)
	}
}
