package compose

import (
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for something that must come.
const patience = 60 * time.Second

// builtBy returns a folder that holds /out of the stage build: the go build lines of
// the Dockerfile are run as they stand, in a copy of the build context, with another
// folder in place of /out. Modules and cache are those of this machine. With
// HOSHI_CHECK_IMAGE it is the folder named there, where that has been done before.
func builtBy(t *testing.T, args map[string]string) string {
	t.Helper()
	if done := os.Getenv("HOSHI_CHECK_IMAGE"); done != "" {
		return done
	}
	r := readDockerfile(t, args)
	s := r.stage("build")
	vars := s.args(args)
	c, err := readContext(root)
	if err != nil {
		t.Fatal(err)
	}
	src, out := t.TempDir(), t.TempDir()
	if err := c.copies(s, vars, src); err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, in := range s.lines {
		if in.word != "RUN" || !strings.Contains(in.args, "go build") {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(in.args, " /out/", " "+out+"/"))
		cmd.Dir = src
		cmd.Env = os.Environ()
		for name, value := range vars {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", in.args, err, text)
		}
		built++
	}
	if built != 2 {
		t.Fatalf("%d go build lines, want 2", built)
	}
	return out
}

// TestImageBuild holds that the build lines, which see only what .dockerignore lets
// through, make static binaries that are stamped.
func TestImageBuild(t *testing.T) {
	args := map[string]string{"VERSION": "v9.8.7", "COMMIT": "0123456789abcdef0123456789abcdef01234567"}
	out := builtBy(t, args)
	for _, name := range []string{"hoshi", "example"} {
		f, err := elf.Open(filepath.Join(out, name, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static: it has a segment %v", name, p.Type)
			}
		}
	}
	said, err := exec.CommandContext(t.Context(), filepath.Join(out, "hoshi", "hoshi"), "version").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, want := range []string{"v9.8.7", "0123456789ab"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("hoshi version says %q, without %s", said, want)
		}
	}
}
