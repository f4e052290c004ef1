package compose

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// root is that of the repository.
const root = "../../.."

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

// builds is what was built; tests run one after the other.
var builds struct {
	dir    string // where binaries are
	images bool   // and what images are made of them
}

// built returns a folder with what the head of the Dockerfile has built on a machine,
// for SOURCE=prebuilt, below image/, and the NATS server as nats-server. The folder is
// that of HOSHI_CHECK_IMAGE, where there is one, and what is in it is used: so one user
// can build, and root run.
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
		line := regexp.MustCompile(`(?m)^#   (CGO_ENABLED=0 go build .* )\.out/(image/)hoshi/hoshi \./cmd/node$`).FindStringSubmatch(read(t, "Dockerfile"))
		if line == nil {
			t.Fatal("the head of the Dockerfile does not say how to build elsewhere")
		}
		run(t, line[1]+filepath.Join(out, line[2], "hoshi/hoshi")+" ./cmd/node")
		run(t, line[1]+filepath.Join(out, line[2], "example/example")+" ./deploy/example")
		run(t, line[1]+server+" github.com/nats-io/nats-server/v2")
	}
	builds.dir = out
	return out
}

// run has a shell run a line in the repository.
func run(t *testing.T, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, text)
	}
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

// TestPrebuilt holds that the head of the Dockerfile builds static binaries, which is
// all that an empty root can run.
func TestPrebuilt(t *testing.T) {
	for _, name := range []string{"hoshi", "example"} {
		if err := static(filepath.Join(built(t), "image", name, name)); err != nil {
			t.Error(err)
		}
	}
}

func static(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("%s is not static: it has a segment %v", file, p.Type)
		}
	}
	return nil
}

// images has TestImage make the images, once, and returns the folder where their roots
// are, as hoshi and example, and their configurations beside those.
func images(t *testing.T) string {
	t.Helper()
	out := built(t)
	if !builds.images {
		enter(t, "TestImage", out, "podman", "crun", "ip", "busybox")
		builds.images = true
	}
	return out
}

// TestImage has podman build the images, of source and of binaries, looks at what they
// are, and runs a node. It needs root.
func TestImage(t *testing.T) {
	out := os.Getenv(insideName)
	if out == "" {
		images(t)
		return
	}
	p := newPodman(t)
	hoshi := buildSource(t, p)
	example := buildPrebuilt(t, p, filepath.Join(out, "image"))
	for name, im := range map[string]*image{"hoshi": hoshi, "example": example} {
		if err := checkImage(name, im.config); err != nil {
			t.Error(err)
		}
		if err := im.export(filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	checkIgnored(t, p)
	if t.Failed() {
		t.FailNow()
	}
	runNode(t, p, hoshi)
}

// buildSource builds the node of this repository, as anybody does. What stands in for
// the image of Go is busybox and this machine's Go, with its modules and its cache, at other
// places than those that the Dockerfile mounts; what is written to these is thrown away.
func buildSource(t *testing.T, p *podman) *image {
	t.Helper()
	base := regexp.MustCompile(`(?m)^FROM (golang:(\d+\.\d+\.\d+)) AS build$`).FindStringSubmatch(read(t, "Dockerfile"))
	// Releases are built with that one: nothing is known of its standard library.
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)`).FindStringSubmatch(read(t, "tools/vulndb/go.mod"))
	if base == nil || toolchain == nil || base[2] != toolchain[1] {
		t.Fatalf("the image is built with %q, and releases with %q", base, toolchain)
	}
	known := func(name string) string {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		return strings.TrimSpace(string(value))
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	dir := p.dir + "/golang"
	errs := []error{
		copyFile(busybox, dir+"/bin/busybox"),
		os.MkdirAll(dir+"/tmp", 0o777),
		os.MkdirAll(dir+"/etc/ssl/certs", 0o755),
		os.WriteFile(dir+"/etc/ssl/certs/ca-certificates.crt", []byte("authorities\n"), 0o644),
		os.WriteFile(p.dir+"/golang.txt", []byte(`FROM scratch
COPY . /
ENV PATH=/usr/local/go/bin:/bin HOME=/root GOPATH=/go GOTOOLCHAIN=local GOMODCACHE=/modules GOCACHE=/cache
`), 0o644),
	}
	for _, applet := range []string{"sh", "mkdir", "cp"} {
		errs = append(errs, os.Symlink("busybox", dir+"/bin/"+applet))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	p.do("tag", p.build(dir, "--file", p.dir+"/golang.txt").name, "docker.io/library/"+base[1])

	im := p.build(root, "--build-arg", "SOURCE=build",
		"--volume", known("GOROOT")+":/usr/local/go:ro", "--volume", known("GOMODCACHE")+":/modules:O", "--volume", known("GOCACHE")+":/cache:O",
		"--build-arg", "VERSION="+stamps["VERSION"], "--build-arg", "COMMIT="+stamps["COMMIT"])
	if files, err := im.files(); err != nil || !slices.Equal(files, []string{"/etc/ssl/certs/ca-certificates.crt", "/hoshi"}) {
		t.Errorf("the image has %q (%v)", files, err)
	}
	if err := static(im.root + "/hoshi"); err != nil {
		t.Error(err)
	}
	return im
}

// buildPrebuilt builds the images of binaries, of which that of the node is a dummy, in
// a context that has nothing else; and returns that of the example.
func buildPrebuilt(t *testing.T, p *podman, binaries string) *image {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{
		root + "/Dockerfile":          "Dockerfile",
		root + "/.dockerignore":       ".dockerignore",
		root + "/LICENSE":             ".out/image/hoshi/hoshi",
		root + "/SECURITY.md":         ".out/image/hoshi/etc/ssl/certs/ca-certificates.crt",
		binaries + "/example/example": ".out/image/example/example",
	} {
		if err := copyFile(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	prebuilt := func(target string, want ...string) *image {
		im := p.build(dir, "--build-arg", "SOURCE=prebuilt", "--target", target)
		if files, err := im.files(); err != nil || !slices.Equal(files, want) {
			t.Errorf("%s of binaries has %q (%v)", target, files, err)
		}
		return im
	}
	prebuilt("hoshi", "/etc/ssl/certs/ca-certificates.crt", "/hoshi")
	return prebuilt("example", "/example")
}

// checkIgnored holds that a build sees what it needs, and no secret.
func checkIgnored(t *testing.T, p *podman) {
	t.Helper()
	dir := t.TempDir()
	want := []string{"/.out/image/hoshi/hoshi", "/cmd/node/main.go", "/deploy/example/static/app.js", "/go.mod", "/go.sum", "/internal/hub/hub.go", "/pkg/edge/node.go"}
	others := []string{
		"/.env", "/.git/config", "/.out/hoshi", "/cmd/node/node_test.go", "/deploy/k8s/secret.yml", "/deploy/secrets", "/docker-compose.yml",
		"/e2e/doc.go", "/pkg/edge/testdata/key.pem",
	}
	for _, file := range slices.Concat(want, others) {
		if err := copyFile(root+"/LICENSE", dir+file); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(copyFile(root+"/.dockerignore", dir+"/.dockerignore"), os.WriteFile(p.dir+"/context.txt", []byte("FROM scratch\nCOPY . /\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if files, err := p.build(dir, "--file", p.dir+"/context.txt").files(); err != nil || !slices.Equal(files, want) {
		t.Errorf("a build sees %q (%v), want %q", files, err, want)
	}
}

// checkImage is what holds of both images.
func checkImage(name string, c imageConfig) error {
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s "+format, append([]any{name}, args...)...))
	}
	if c.User != "65532:65532" {
		fault("runs as %q", c.User)
	}
	if !slices.Equal(c.Entrypoint, []string{"/" + name}) || len(c.Cmd) != 0 {
		fault("runs %q %q", c.Entrypoint, c.Cmd)
	}
	if !slices.Equal(c.Health.Test, []string{"CMD", "/" + name, "health"}) || c.Health.Retries < 1 {
		fault("checks its health by %q", c.Health.Test)
	}
	if c.Health.Interval <= 0 || c.Health.Timeout <= 0 || c.Health.StartPeriod <= 0 {
		fault("checks its health at the times %v", c.Health)
	}
	if len(c.Volumes) != 0 {
		fault("has volumes: %v", c.Volumes)
	}
	ports, listen := []string{"8080/tcp", "8082/tcp"}, "HOSHI_LISTEN=0.0.0.0:8080"
	if name == "example" {
		ports, listen = []string{"8090/tcp"}, "EXAMPLE_LISTEN=0.0.0.0:8090"
	}
	for _, port := range ports {
		if _, ok := c.ExposedPorts[port]; !ok || len(c.ExposedPorts) != len(ports) {
			fault("exposes %v, want %q", c.ExposedPorts, ports)
		}
	}
	if !slices.Contains(c.Env, listen) {
		fault("has the variables %q", c.Env)
	}
	if c.StopSignal != "" && c.StopSignal != "SIGTERM" {
		fault("is stopped by %q", c.StopSignal)
	}
	return errors.Join(errs...)
}

// TestImageFaults holds that checkImage finds what it is for.
func TestImageFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*imageConfig)
		want  string
	}{
		{"none", func(*imageConfig) {}, ""},
		{"no user", func(c *imageConfig) { c.User = "" }, `runs as ""`},
		{"a shell", func(c *imageConfig) { c.Entrypoint = []string{"/bin/sh", "-c", "/hoshi"} }, "runs ["},
		{"a command", func(c *imageConfig) { c.Cmd = []string{"top"} }, "runs ["},
		{"no health", func(c *imageConfig) { c.Health = healthCheck{} }, "checks its health by []"},
		{"another check", func(c *imageConfig) { c.Health.Test[2] = "version" }, "checks its health by"},
		{"no start", func(c *imageConfig) { c.Health.StartPeriod = 0 }, "at the times"},
		{"a volume", func(c *imageConfig) { c.Volumes = map[string]struct{}{"/data": {}} }, "has volumes"},
		{"no port", func(c *imageConfig) { delete(c.ExposedPorts, "8082/tcp") }, "exposes"},
		{"loopback", func(c *imageConfig) { c.Env = nil }, "has the variables"},
		{"killed", func(c *imageConfig) { c.StopSignal = "SIGKILL" }, "is stopped by"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := imageConfig{
				User: "65532:65532", Entrypoint: []string{"/hoshi"}, Env: []string{"HOSHI_LISTEN=0.0.0.0:8080"}, StopSignal: "SIGTERM",
				ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8082/tcp": {}},
				Health:       healthCheck{[]string{"CMD", "/hoshi", "health"}, time.Second, time.Second, time.Second, 3},
			}
			tt.fault(&c)
			if err := checkImage("hoshi", c); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
