package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kubectl runs it as an administrator, and returns what it says on both
// outputs.
func kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return shell(t, ".", `exec kubectl "$@"`, args...)
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(t, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// shell runs a script in a folder, with kubectl in its path.
func shell(t *testing.T, dir, script string, args ...string) (string, error) {
	t.Helper()
	bin := filepath.Join(here.dir, "bin")
	shim := fmt.Sprintf("#!/bin/sh\nexec %s kubectl \"$@\"\n", here.program)
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(shim), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", append([]string{"-ec", script, "sh"}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "KUBECONFIG="+here.kubeconfig("admin"), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+here.dir)
	out, err := c.CombinedOutput()
	return string(out), err
}

// eventually asks until there is nothing to complain about.
func eventually(t *testing.T, within time.Duration, ask func() (complaint string)) {
	t.Helper()
	complaint := ""
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if complaint = ask(); complaint == "" {
			return
		}
	}
	t.Fatalf("after %v: %s", within, complaint)
}

// apply applies a folder as README.md says, strictly and with warnings for
// errors, and once more: then nothing changes.
func apply(t *testing.T, dir string) {
	t.Helper()
	args := []string{"apply", "-k", dir, "--validate=strict", "--warnings-as-errors"}
	if out := mustKubectl(t, args...); !strings.Contains(out, "deployment.apps/hoshi created") {
		t.Errorf("there was a deployment already:\n%s", out)
	}
	// What a second apply says is of no use: where a list has no keys, or a
	// selector is replaced as a whole, it says "configured" of what stays as it is.
	if out, err := kubectl(t, "diff", "-k", dir); err != nil {
		t.Errorf("a second apply would change something: %v\n%s", err, out)
	}
	if out := mustKubectl(t, args...); strings.Contains(out, " created") {
		t.Errorf("a second apply: %s", out)
	}
	serverSide(t, dir)
}

// serverSide holds that server-side apply takes all objects of a folder too.
func serverSide(t *testing.T, dir string) {
	t.Helper()
	mustKubectl(t, "apply", "-k", dir, "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--warnings-as-errors")
}

// manifestsCopy is a copy of deploy/k8s, as README.md has operators make.
func manifestsCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "k8s")
	if err := os.CopyFS(dir, os.DirFS(manifests)); err != nil {
		t.Fatal(err)
	}
	return dir
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// makeSecrets runs what README.md says about secrets, as it stands.
func makeSecrets(t *testing.T) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(manifests, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range shellBlock.FindAllStringSubmatch(string(readme), -1) {
		if !strings.Contains(block[1], "create secret") {
			continue
		}
		dir := t.TempDir()
		for from, to := range map[string]string{"server.crt": "hoshi.pem", "server.key": "hoshi-key.pem"} {
			if err := os.Link(here.certs.file(from), filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := shell(t, dir, block[1]); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	t.Fatal("README.md does not say how to make secrets")
}

// available waits until all pods of a workload are ready, and long enough.
func available(t *testing.T, namespace, what string) {
	t.Helper()
	if out, err := kubectl(t, "-n", namespace, "rollout", "status", what, "--timeout=90s"); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", what, err, out, mustKubectl(t, "-n", namespace, "get", "pods,events", "-o", "wide"))
	}
}

// pods are those of a workload by its name, without those that end.
func pods(t *testing.T, namespace, name string) []core.Pod {
	t.Helper()
	list, err := here.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	var there []core.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			there = append(there, p)
		}
	}
	return there
}

// isReady reports since when a pod is ready.
func isReady(p *core.Pod) (since time.Time, ok bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == core.PodReady {
			return c.LastTransitionTime.Time, c.Status == core.ConditionTrue
		}
	}
	return since, false
}

// shorten makes a workload count its pods sooner, since nothing runs in them.
func shorten(t *testing.T, namespace, what string, seconds int) {
	t.Helper()
	mustKubectl(t, "-n", namespace, "patch", what, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"minReadySeconds":%d}}`, seconds))
}

// clear takes a namespace away, with all that is in it.
func clear(t *testing.T, namespace string) {
	t.Helper()
	mustKubectl(t, "delete", "namespace", namespace, "--timeout=90s")
}
