package compose

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runNode runs a node as docs/operations.md says: it becomes healthy, a client gets
// through, and the end is a drain.
func runNode(t *testing.T, p *podman, im *image) {
	t.Helper()
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:8080"
	p.do("run", "--detach", "--name", "node", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--stop-timeout", "45", "--env", "HOSHI_TOKEN_SECRET=a-secret-of-32-bytes-or-more-for-a-test",
		// What a machine without cgroups, bridges and CAP_SYS_RESOURCE can do.
		"--cgroups", "disabled", "--network", "host", "--ulimit", fmt.Sprintf("nofile=%d", min(65536, files.Max)), "--ulimit", "nproc=4096",
		im.name)
	defer func() {
		if t.Failed() {
			text, err := p.try("logs", "node")
			t.Logf("output of the node (%v):\n%s", err, text)
		}
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		_, err := p.try("healthcheck", "run", "node")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not healthy after %v: %v", patience, err)
		}
	}
	if said := p.do("inspect", "--format", "{{.State.Health.Status}}", "node"); said != "healthy" {
		t.Errorf("its health is %q", said)
	}
	pid := p.do("inspect", "--format", "{{.State.Pid}}", "node")
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532",
		"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("it has not %q:\n%s", want, status)
		}
	}
	if err := os.WriteFile("/proc/"+pid+"/root/written", nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("its root can be written: %v", err)
	}
	if said := p.do("exec", "node", "/hoshi", "version"); !strings.Contains(said, stamps["VERSION"]) || !strings.Contains(said, stamps["COMMIT"][:12]) {
		t.Errorf("hoshi version says %q", said)
	}

	client, err := dial(addr, p.do("exec", "node", "/hoshi", "token", "--uid", "alice"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.conn.Close()
	if client.uid != "alice" {
		t.Errorf("the client is %q", client.uid)
	}
	if err := client.subscribe("chat"); err != nil {
		t.Error(err)
	}
	p.do("stop", "node")
	for {
		_, err := client.next()
		if c, ok := errors.AsType[closed](err); ok && c.code == 1012 {
			break
		}
		if err != nil {
			t.Fatalf("the client was ended by %v", err)
		}
	}
	if said := p.do("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "node"); said != "exited 0" {
		t.Errorf("it is %s", said)
	}
}
