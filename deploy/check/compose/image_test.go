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

// stamps are the build arguments of what is built here.
var stamps = map[string]string{"VERSION": "v9.8.7", "COMMIT": "0123456789abcdef0123456789abcdef01234567"}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := builds.dir; dir != "" && os.Getenv("HOSHI_CHECK_IMAGE") == "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// builds is where binaries are, once built made them; tests run one after the other.
var builds struct{ dir string }

// built returns a folder that holds /out of the stage build, and the NATS server as
// nats-server: the go build lines of the Dockerfile are run as they stand, in a copy of
// the build context, with another folder in place of /out. Modules and cache are those of
// this machine. The folder is that of HOSHI_CHECK_IMAGE, where there is one, and what is
// in it is used: so one user can build, and root run.
func built(t *testing.T) string {
	t.Helper()
	if builds.dir != "" {
		return builds.dir
	}
	out := os.Getenv("HOSHI_CHECK_IMAGE")
	if out == "" {
		var err error
		if out, err = os.MkdirTemp("", "hoshi-image"); err != nil {
			t.Fatal(err)
		}
	}
	out, err := filepath.Abs(out)
	if err != nil {
		t.Fatal(err)
	}
	server := filepath.Join(out, "nats-server")
	if _, err := os.Stat(server); err != nil { // the last one to be built
		buildImage(t, out)
		// As the image is, so that the cache serves both.
		run(t, root, "CGO_ENABLED=0 go build -trimpath -o "+server+" github.com/nats-io/nats-server/v2")
	}
	builds.dir = out
	return out
}

func buildImage(t *testing.T, out string) {
	t.Helper()
	s := readDockerfile(t, stamps).stage("build")
	vars := s.args(stamps)
	c, err := readContext(root)
	if err != nil {
		t.Fatal(err)
	}
	src := t.TempDir()
	if err := c.copies(s, vars, src); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	lines := 0
	for _, in := range s.lines {
		if in.word == "RUN" && strings.Contains(in.args, "go build") {
			run(t, src, strings.ReplaceAll(in.args, " /out/", " "+out+"/"), env...)
			lines++
		}
	}
	if lines != 2 {
		t.Fatalf("%d go build lines, want 2", lines)
	}
}

// run has a shell run a line, as an engine does with RUN.
func run(t *testing.T, dir, line string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, text)
	}
}

// TestImageBuild holds that the build lines, which see only what .dockerignore lets
// through, make static binaries that are stamped.
func TestImageBuild(t *testing.T) {
	out := built(t)
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
	for _, want := range []string{stamps["VERSION"], stamps["COMMIT"][:12]} {
		if !strings.Contains(string(said), want) {
			t.Errorf("hoshi version says %q, without %s", said, want)
		}
	}
}

// TestPrebuilt holds that what was built elsewhere becomes the root, without a stage
// that needs a registry.
func TestPrebuilt(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	for _, name := range []string{"hoshi/hoshi", "hoshi/etc/ssl/certs/ca-certificates.crt", "example/example"} {
		if err := copyFile(filepath.Join(root, "LICENSE"), filepath.Join(dir, ".out/image", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyFile(filepath.Join(root, ".dockerignore"), filepath.Join(dir, ".dockerignore")); err != nil {
		t.Fatal(err)
	}
	c, err := readContext(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := readDockerfile(t, nil).stage("prebuilt")
	if s.base != "scratch" {
		t.Errorf("it is built on %s", s.base)
	}
	if err := c.copies(s, s.args(nil), dest); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"out/hoshi/hoshi", "out/hoshi/etc/ssl/certs/ca-certificates.crt", "out/example/example"} {
		if _, err := os.Stat(filepath.Join(dest, name)); err != nil {
			t.Error(err)
		}
	}
	// Where there is nothing an engine refuses, and so do we.
	if err := os.RemoveAll(filepath.Join(dir, ".out")); err != nil {
		t.Fatal(err)
	}
	if err := c.copies(s, s.args(nil), dest); err == nil {
		t.Error("there is nothing to copy, and nobody minds")
	}
}
