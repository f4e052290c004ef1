package compose

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// enter runs a test anew in namespaces of its own, as a child of their first process:
// all that it starts ends with it. It is told the folder where things are.
func enter(t *testing.T, test, dir string, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: run scripts/deploy-test.sh, which knows how to")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: run scripts/setup.sh", err)
		}
	}
	// The shell takes note of the end of those that nobody waits for, as podman has them.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$@"; exit $?`, "sh", os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideName+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// system is everything that runs.
type system struct {
	t     *testing.T
	e     *engine
	order []string // in which services were started
	runs  map[string]*container
}

func newSystem(t *testing.T) *system {
	p := loadOurs(t)
	files := os.Getenv(insideName)
	e := &engine{p: p, files: files, images: map[string]imageConfig{}, vols: map[string]string{}, dir: t.TempDir()}
	for _, target := range []string{"hoshi", "example"} {
		c, err := readConfig(filepath.Join(files, target))
		if err != nil {
			t.Fatal(err)
		}
		e.images[target] = c
	}
	if err := os.Chmod(e.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := mount("tmpfs", e.dir, "tmpfs", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(e.dir, unix.MNT_DETACH) })
	// What images of others have: the server, and the wget of their busybox.
	e.tools = filepath.Join(e.dir, "tools")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		copyFile(filepath.Join(files, "nats-server"), filepath.Join(e.tools, "nats-server")),
		copyFile(busybox, filepath.Join(e.tools, "wget")),
	); err != nil {
		t.Fatal(err)
	}
	if e.w, err = newWiring(p); err != nil {
		t.Fatal(err)
	}
	return &system{t: t, e: e, runs: map[string]*container{}}
}
