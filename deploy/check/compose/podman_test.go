package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// podman is a container engine that keeps everything it has in one folder. It runs in
// namespaces that enter has made, and sees nothing of another one on this machine.
type podman struct {
	t   *testing.T
	dir string
	env []string
}

func newPodman(t *testing.T) *podman {
	t.Helper()
	dir := "/run/engine"
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE)) // nobody else's concern
	try(mount("proc", "/proc", "proc", 0))
	for _, d := range []string{"/run", "/dev/shm", "/var/lib"} { // where engines leave things
		try(mount("tmpfs", d, "tmpfs", 0))
	}
	// crun wants either generation of cgroups, and some machines have both; containers
	// here are in none.
	try(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0))
	try(ip("link", "set", "lo", "up"))
	for _, d := range []string{"tmp", "home"} {
		try(os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	return &podman{t: t, dir: dir, env: append(os.Environ(),
		"TMPDIR="+dir+"/tmp", "HOME="+dir+"/home", "XDG_RUNTIME_DIR="+dir+"/home",
		"DISABLE_HC_SYSTEMD=true", // no timers: podman healthcheck run is asked for
	)}
}

// try runs a command of podman and returns what it has printed.
func (p *podman) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "podman", append([]string{
		"--root", p.dir + "/store", "--runroot", p.dir + "/run", "--storage-driver", "vfs",
		"--cgroup-manager", "cgroupfs", "--runtime", "crun", "--network-config-dir", p.dir + "/networks", "--events-backend", "none",
	}, args...)...)
	cmd.Env = p.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		text := out.String() + said.String()
		return "", fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, text[max(0, len(text)-4<<10):])
	}
	return strings.TrimSpace(out.String()), nil
}

func (p *podman) do(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// build builds an image without network, and returns it. The format is Docker's: that
// of the OCI has no health check.
func (p *podman) build(dir string, args ...string) *image {
	p.t.Helper()
	began := time.Now()
	name := fmt.Sprintf("localhost/built:%d", began.UnixNano())
	p.do(slices.Concat([]string{
		"build", "--tag", name, "--format", "docker", "--isolation", "chroot", "--network", "host", "--pull=never",
		// Every line as a layer is a copy of everything, in this storage; and with
		// --force-rm podman 4.3 fails over a stage that is another one by a new name.
		"--layers=false", "--force-rm=false",
	}, args, []string{dir})...)
	im := &image{name: name, root: p.do("image", "mount", name)}
	var said []struct {
		Size        int64
		Config      imageConfig
		HealthCheck healthCheck
	}
	if err := json.Unmarshal([]byte(p.do("image", "inspect", name)), &said); err != nil || len(said) != 1 {
		p.t.Fatalf("podman image inspect: %d, %v", len(said), err)
	}
	im.config = said[0].Config
	im.config.Health = said[0].HealthCheck
	p.t.Logf("built %q in %.1f s: %.1f MB", args, time.Since(began).Seconds(), float64(said[0].Size)/1e6)
	return im
}

// image is one that is built.
type image struct {
	name, root string
	config     imageConfig
}

type imageConfig struct {
	User         string
	Entrypoint   []string
	Cmd          []string
	Env          []string
	ExposedPorts map[string]struct{}
	StopSignal   string
	Volumes      map[string]struct{}
	Health       healthCheck
}

// healthCheck has its times in nanoseconds.
type healthCheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// files lists those of the image.
func (im *image) files() ([]string, error) {
	var found []string
	err := filepath.WalkDir(im.root, func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(file, im.root))
		}
		return err
	})
	return found, err
}

// export writes the image's root and its configuration to a folder.
func (im *image) export(dir string) error {
	text, err := json.Marshal(im.config)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(im.root)), os.WriteFile(dir+".json", text, 0o644))
}

// readConfig returns the configuration of an image that was exported to dir.
func readConfig(dir string) (c imageConfig, err error) {
	text, err := os.ReadFile(dir + ".json")
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}
