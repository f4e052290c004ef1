package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sys/unix"
)

// container is a service that runs as an engine would have it: in a namespace of the
// network, in a root that is read-only, as its user, without capabilities.
type container struct {
	// Fixed after up.
	s    types.ServiceConfig
	e    *engine
	root string
	argv []string
	env  []string
	uid  uint32
	gid  uint32

	cmd  *exec.Cmd
	done chan struct{}      // closed when it has ended
	stop context.CancelFunc // ends what serves it

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

// Write takes the output.
func (c *container) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *container) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// engine starts containers of a project.
type engine struct {
	p      *types.Project
	w      *wiring
	images map[string]imageConfig // of those that are built, by target
	files  string                 // with their roots
	tools  string                 // what images of others have in /usr/local/bin here
	dir    string                 // for roots
	vols   map[string]string
}

// mounts are the places of a root where something is mounted, in order.
func mount(source, target, fstype string, flags uintptr) error {
	if err := unix.Mount(source, target, fstype, flags, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

// bind shows a file or folder at a place of the root, which is made for it.
func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err == nil {
		err = mount(source, target, "", unix.MS_BIND)
	}
	if err == nil && readOnly {
		err = mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	}
	return err
}

// newRoot makes the root of a service: what its image has, what engines add to it, and
// its volumes. Of an image of ours it is what podman has built; for those of others
// Debian's programs stand in, and what is in tools.
func (e *engine) newRoot(s types.ServiceConfig, uid, gid uint32) (string, error) {
	dir, err := os.MkdirTemp(e.dir, s.Name)
	if err != nil {
		return "", err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := mount("tmpfs", dir, "tmpfs", 0); err != nil {
		return "", err
	}
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	if s.Build != nil {
		try(os.CopyFS(dir, os.DirFS(filepath.Join(e.files, s.Build.Target))))
	} else {
		try(bind("/usr", at("usr"), true))
		try(mount("tmpfs", at("usr/local"), "tmpfs", 0))
		try(bind(e.tools, at("usr/local/bin"), true))
		for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
			try(os.Symlink("usr/"+link, at(link)))
		}
	}
	for _, d := range []string{"proc", "dev", "etc"} {
		try(os.MkdirAll(at(d), 0o755))
	}
	try(mount("proc", at("proc"), "proc", 0))
	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		try(bind("/dev/"+device, at("dev/"+device), false))
	}
	try(os.WriteFile(at("etc/resolv.conf"), []byte("nameserver "+nameServer+"\noptions ndots:0\n"), 0o644))
	try(os.WriteFile(at("etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644))
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			try(bind(v.Source, at(v.Target), v.ReadOnly))
			continue
		}
		if e.vols[v.Source] == "" { // a named one outlives its container
			e.vols[v.Source], err = os.MkdirTemp(e.dir, "volume")
			try(err)
			try(os.Chown(e.vols[v.Source], int(uid), int(gid)))
		}
		try(bind(e.vols[v.Source], at(v.Target), false))
	}
	if s.ReadOnly {
		try(mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY))
		if err := os.WriteFile(at("written"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			try(fmt.Errorf("the root of %s can be written", s.Name))
		}
	}
	return dir, errors.Join(errs...)
}

// up starts a service.
func (e *engine) up(t *testing.T, name string) *container {
	t.Helper()
	s := e.p.Services[name]
	c := &container{s: s, e: e, done: make(chan struct{})}
	c.argv = append(c.argv, s.Entrypoint...)
	user := s.User
	if s.Build != nil {
		im := e.images[s.Build.Target]
		user, c.env = im.User, slices.Clone(im.Env)
		if len(s.Entrypoint) == 0 {
			c.argv = append(c.argv, im.Entrypoint...)
		}
	}
	c.argv = append(c.argv, s.Command...)
	c.env = append(c.env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME="+name)
	for key, value := range s.Environment {
		if value != nil {
			c.env = append(c.env, key+"="+*value)
		}
	}
	if _, err := fmt.Sscanf(user, "%d:%d", &c.uid, &c.gid); err != nil {
		t.Fatalf("%s: user %q: %v", name, user, err)
	}
	var err error
	if c.root, err = e.newRoot(s, c.uid, c.gid); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	if err := e.w.join(ctx, s); err != nil {
		t.Fatal(err)
	}
	if c.cmd, err = c.command(c.argv); err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	if err := c.start(c.cmd, func() { close(c.done) }); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.done
		if t.Failed() {
			out := c.output()
			t.Logf("output of %s (%v):\n%s", name, c.cmd.ProcessState, out[max(0, len(out)-4<<10):])
		}
	})
	return c
}

// command is one to be run in the container, its program found there.
func (c *container) command(argv []string) (*exec.Cmd, error) {
	program := argv[0]
	if !strings.Contains(program, "/") {
		for _, dir := range []string{"/usr/local/bin", "/usr/sbin", "/usr/bin"} {
			if _, err := os.Stat(c.root + dir + "/" + program); err == nil {
				program = dir + "/" + program
				break
			}
		}
	}
	if _, err := os.Lstat(c.root + program); err != nil {
		return nil, fmt.Errorf("%s has no %s: %w", c.s.Name, argv[0], err)
	}
	return &exec.Cmd{
		Path: program, Args: argv, Env: c.env, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: c.root, Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid},
		},
	}, nil
}

// limits serialises changes of what children inherit of the whole process.
var limits sync.Mutex

// start starts a command of the container, and calls ended when it has ended.
func (c *container) start(cmd *exec.Cmd, ended func()) error {
	started := make(chan error, 1)
	go func() { // ends with the command
		runtime.LockOSThread() // and never unlocks: what it gives up is gone for good
		err := func() error {
			f, err := os.Open("/run/netns/" + c.s.Name)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
				if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
					return fmt.Errorf("give up capability %d: %w", capability, err)
				}
			}
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				return err
			}
			return c.limited(cmd.Start)
		}()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		ended()
	}()
	return <-started
}

// limited calls fn with the number of descriptors that the service says, or as many
// as this machine allows.
func (c *container) limited(fn func() error) error {
	u := c.s.Ulimits["nofile"]
	if u == nil {
		return fn()
	}
	limits.Lock()
	defer limits.Unlock()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		return err
	}
	want := min(uint64(u.Single), before.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: before.Max}); err != nil {
		return err
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) }()
	return fn()
}

// exec runs a command in the container, as `docker compose exec` does, and returns
// what it has printed.
func (c *container) exec(argv ...string) (string, error) { return c.execWith(nil, argv...) }

// execWith is exec with variables (-e NAME=VALUE).
func (c *container) execWith(env []string, argv ...string) (string, error) {
	cmd, err := c.command(argv)
	if err != nil {
		return "", err
	}
	cmd.Env = append(slices.Clone(cmd.Env), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ended := make(chan struct{})
	if err := c.start(cmd, func() { close(ended) }); err != nil {
		return "", err
	}
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
		return out.String(), fmt.Errorf("%q: still runs after %v", argv, patience)
	}
	if !cmd.ProcessState.Success() {
		return out.String(), fmt.Errorf("%q: %v: %s", argv, cmd.ProcessState, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// healthy waits until the service's health check succeeds, which it must within the
// time that compose gives it.
func (c *container) healthy(t *testing.T) {
	t.Helper()
	h := c.s.HealthCheck
	most := time.Duration(*h.Interval) * time.Duration(*h.Retries)
	if h.StartPeriod != nil {
		most += time.Duration(*h.StartPeriod)
	}
	for deadline := time.Now().Add(most); ; time.Sleep(100 * time.Millisecond) {
		began := time.Now()
		_, err := c.exec(h.Test[1:]...)
		if took := time.Since(began); took > time.Duration(*h.Timeout) {
			err = errors.Join(err, fmt.Errorf("it takes %v", took))
		}
		if err == nil {
			return
		}
		select {
		case <-c.done:
			t.Fatalf("%s has ended: %v", c.s.Name, c.cmd.ProcessState)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not healthy after %v: %v", c.s.Name, most, err)
		}
	}
}

// end stops the service as compose does and returns its exit code, -1 where it was
// ended by a signal.
func (c *container) end(t *testing.T) int {
	t.Helper()
	signal := unix.SIGTERM
	if name := c.s.StopSignal; name != "" {
		if signal = unix.SignalNum(name); signal == 0 {
			t.Fatalf("%s: there is no signal %s", c.s.Name, name)
		}
	}
	if err := c.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return c.ended(t, time.Duration(*c.s.StopGracePeriod))
}

// ended waits for the end, and takes the container away.
func (c *container) ended(t *testing.T, most time.Duration) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(most):
		t.Fatalf("%s has not ended within %v", c.s.Name, most)
	}
	c.stop()
	if err := c.e.w.leave(c.s.Name); err != nil {
		t.Error(err)
	}
	return c.cmd.ProcessState.ExitCode()
}

// status reads a line of /proc/PID/status.
func (c *container) status(t *testing.T, key string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
