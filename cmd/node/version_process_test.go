package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What scripts/build.sh builds says what it is, in the answer of every command
// that is asked for it.
func TestBuildStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "../../scripts/build.sh")
	build.Env = append(os.Environ(), "OUT="+dir, "VERSION=v9.8.7-rc.1", "COMMIT=0123abcd4567-dirty", "DATE=2026-11-27")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := filepath.Join(dir, "hoshi")
	r := finish(t, nil, exec.CommandContext(t.Context(), program, "version"))
	if want := "hoshi v9.8.7-rc.1 (commit 0123abcd4567-dirty, 2026-11-27, go1."; !strings.HasPrefix(r.stdout, want) || !strings.Contains(r.stdout, ", nats-server v2.") || r.code != 0 {
		t.Errorf("code %d, %q, want %q", r.code, r.stdout, want)
	}
	node := start(t, nil, exec.Command(program, append([]string{"--log-format", "json"}, freePorts...)...))
	if line := node.lineWith(t, "node is started"); !strings.Contains(line, `"version":"v9.8.7-rc.1"`) || !strings.Contains(line, `"commit":"0123abcd4567-dirty"`) {
		t.Errorf("the log has %s", line)
	}
	_, body := ask(t, "GET", "http://"+adminAddr(t, node)+"/health", "")
	if !strings.Contains(body, `"version": "v9.8.7-rc.1"`) || !strings.Contains(body, `"commit": "0123abcd4567-dirty"`) {
		t.Errorf("/health says %s", body)
	}
}

// What nobody stamped is dev, or what the module system knows.
func TestNoBuildStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "../../scripts/build.sh")
	build.Env = append(os.Environ(), "OUT="+dir, "VERSION=", "COMMIT=", "DATE=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := finish(t, nil, exec.CommandContext(t.Context(), filepath.Join(dir, "hoshi"), "version"))
	if !strings.HasPrefix(r.stdout, "hoshi dev (go1.") {
		t.Errorf("it says %q", r.stdout)
	}
}
