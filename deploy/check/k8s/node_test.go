package k8s_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// nodePod is one pod of the Deployment.
type nodePod struct {
	*process
	w                *workload
	c                *core.Container
	env              map[string]string
	clients, metrics string // addresses
}

// startNode starts a pod of nodes, with some variables changed, and waits until
// all of its probes are content.
func (c *cluster) startNode(t *testing.T, w *workload, changed map[string]string) *nodePod {
	t.Helper()
	n := c.newNode(t, w, changed)
	n.process = start(t, n.env, program(t, "hoshi"), w.container().Args...)
	for _, kind := range []string{"startup", "liveness", "readiness"} {
		eventually(t, kind, n.process, func() error { return n.probe(kind) })
	}
	return n
}

// newNode is what startNode starts.
func (c *cluster) newNode(t *testing.T, w *workload, changed map[string]string) *nodePod {
	t.Helper()
	addrs := freeAddrs(t, 3)
	n := &nodePod{w: w, c: w.container(), env: c.env(t, w, "hoshi-0"), clients: addrs[0], metrics: addrs[1]}
	n.env["HOSHI_LISTEN"], n.env["HOSHI_METRICS_LISTEN"], n.env["HOSHI_ADMIN_LISTEN"] = n.clients, n.metrics, addrs[2]
	maps.Copy(n.env, changed)
	c.files(t, w, n.env, t.TempDir(), func(_, text string) string { return text })
	return n
}

// probe asks as a kubelet does.
func (n *nodePod) probe(kind string) error {
	return answers("http://" + n.metrics + probes(n.c)[kind].Path)
}

// end asks it to end after its preStop, and holds that it does in what is left
// of its grace period.
func (n *nodePod) end(t *testing.T) {
	t.Helper()
	n.signal(t)
	within := time.Duration(*n.w.template.Spec.TerminationGracePeriodSeconds-n.c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if code := n.ends(t, within); code != 0 {
		t.Errorf("the node ended with %d:\n%s", code, n.out.String())
	}
}

// measures holds that it has the metric that the autoscaler goes by.
func (n *nodePod) measures(t *testing.T, rule adapterRule) {
	t.Helper()
	name, _, _ := strings.Cut(rule.SeriesQuery, "{")
	status, body, err := asked("http://" + n.metrics + "/metrics")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "\n"+name+" ") {
		t.Errorf("no %s at /metrics: %d, %v", name, status, err)
	}
}

// loses kills all of NATS: the node becomes unready, and stays alive.
func (n *nodePod) loses(t *testing.T, nats []natsPod) {
	t.Helper()
	for _, s := range nats {
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-s.done
	}
	n.unready(t, "without NATS")
}

// awaits holds that a pod that starts without NATS is not killed for it, and takes
// no clients.
func (c *cluster) awaits(t *testing.T, w *workload) {
	t.Helper()
	n := c.newNode(t, w, nil)
	n.process = start(t, n.env, program(t, "hoshi"), w.container().Args...)
	eventually(t, "startup without NATS", n.process, func() error { return n.probe("startup") })
	n.unready(t, "without NATS, which it waits for")
	n.end(t)
}

// drains ends the node under clients: it becomes unready at once, stays alive
// while they leave, and tells each to come back at once.
func (n *nodePod) drains(t *testing.T) {
	t.Helper()
	const clients = 8
	var conns []*bufio.Reader
	for range clients {
		conns = append(conns, dial(t, n.clients))
	}
	began := time.Now()
	n.signal(t)
	n.unready(t, "in a drain")
	for _, c := range conns {
		if err := restarted(c); err != nil {
			t.Error(err)
		}
	}
	if code := n.ends(t, patience); code != 0 {
		t.Errorf("the node ended with %d:\n%s", code, n.out.String())
	}
	whole, err := time.ParseDuration(n.env["HOSHI_DRAIN_TIME"])
	if took := time.Since(began); err != nil || took < whole/2 {
		t.Errorf("clients left within %v, of %v", took, whole)
	}
}

// unready waits until it takes no clients, and holds that it is alive before
// and after.
func (n *nodePod) unready(t *testing.T, when string) {
	t.Helper()
	eventually(t, "not ready "+when, n.process, func() error {
		if err := n.probe("liveness"); err != nil {
			t.Fatalf("liveness %s: %v", when, err)
		}
		if n.probe("readiness") == nil {
			return fmt.Errorf("it is ready %s", when)
		}
		return nil
	})
	if err := n.probe("liveness"); err != nil {
		t.Errorf("liveness %s, when it is not ready: %v", when, err)
	}
}

// dial connects a WebSocket.
func dial(t *testing.T, addr string) *bufio.Reader {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /?uid=alice HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	r := bufio.NewReader(conn)
	line, err2 := r.ReadString('\n')
	if err = errors.Join(err, err2, conn.SetReadDeadline(time.Now().Add(patience))); err != nil || !strings.Contains(line, " 101 ") {
		t.Fatalf("%q, %v", line, err)
	}
	for line != "\r\n" {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// restarted reads to the end, whose last frame is a close with 1012.
func restarted(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	i := strings.LastIndexByte(string(text), 0x88)
	if i < 0 || len(text) < i+4 || int(text[i+2])<<8|int(text[i+3]) != 1012 {
		return fmt.Errorf("not closed with 1012: %q", text)
	}
	return nil
}
