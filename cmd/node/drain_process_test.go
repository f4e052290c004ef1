package main_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// crowd is some clients of a node, and how each was closed.
type crowd struct {
	began   time.Time // of the end
	reading sync.WaitGroup
	codes   []int
	closed  []time.Time
}

// crowdAt connects clients, which are read until they are closed.
func crowdAt(t *testing.T, node *running, count int) *crowd {
	t.Helper()
	host, path := addr(t, greeted(t, node).clients)
	c := &crowd{codes: make([]int, count), closed: make([]time.Time, count)}
	for i := range count {
		cl := testkit.Dial(t, host, path)
		c.reading.Go(func() {
			_, err := cl.TryRead(patience)
			c.closed[i] = time.Now()
			if closed, ok := errors.AsType[*testkit.Closed](err); ok {
				c.codes[i] = int(closed.Code)
			}
			cl.Conn.Close()
		})
	}
	return c
}

// gone holds that all were closed with 1012, none of them before least nor after most.
func (c *crowd) gone(t *testing.T, least, most time.Duration) (early int) {
	t.Helper()
	c.reading.Wait()
	var last time.Duration
	for i, code := range c.codes {
		if code != 1012 {
			t.Errorf("client %d was closed with %d", i, code)
		}
		after := c.closed[i].Sub(c.began)
		if after < most/2 {
			early++
		}
		last = max(last, after)
	}
	if last < least || last > most {
		t.Errorf("the last was closed after %v, want %v to %v", last, least, most)
	}
	return early
}

func drainNode(t *testing.T, drainTime string) *running {
	t.Helper()
	args := append([]string{"--dev", "--log-format", "json", "--drain-time", drainTime}, freePorts...)
	return start(t, nil, exec.Command(hoshi(t), args...))
}

// adminOf returns host and port of the admin listener.
func adminOf(t *testing.T, node *running) string {
	t.Helper()
	hostport, ok := strings.CutSuffix(strings.TrimPrefix(greeted(t, node).admin, "http://"), "/stats")
	if !ok {
		t.Fatalf("admin %s", hostport)
	}
	return hostport
}

// TestTerminate holds that SIGTERM lets clients go evenly, and that a second one,
// and Ctrl-C in any case, does not wait.
func TestTerminate(t *testing.T) {
	t.Parallel()
	const clients = 20
	t.Run("SIGTERM", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "3s")
		c := crowdAt(t, node, clients)
		c.began = time.Now()
		node.signal(t, syscall.SIGTERM)
		if early := c.gone(t, 2*time.Second, 4*time.Second); early < clients/4 || early > clients*7/8 {
			t.Errorf("%d of %d early", early, clients)
		}
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		for _, want := range []string{`"signal":"terminated"`, `"message":"node is draining"`, `"message":"node has drained"`, `"closed":20`} {
			if out, _ := node.output(); !strings.Contains(out, want) {
				t.Errorf("the log has no %s", want)
			}
		}
	})
	t.Run("SIGTERM twice", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "1h")
		c := crowdAt(t, node, clients)
		c.began = time.Now()
		node.signal(t, syscall.SIGTERM)
		node.lineWith(t, "node is draining")
		node.signal(t, syscall.SIGTERM)
		c.gone(t, 0, 20*time.Second)
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		node.lineWith(t, "asked again")
		if out, _ := node.output(); strings.Contains(out, "node has drained") {
			t.Error("it says that it has drained, too")
		}
	})
	t.Run("SIGTERM when the drain is just over", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "1h")
		greeted(t, node)
		node.signal(t, syscall.SIGTERM)
		node.lineWith(t, "node is stopping")
		_ = node.cmd.Process.Signal(syscall.SIGTERM) // it may have ended; it killed the node
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("SIGTERM as soon as it is ready", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		admin := l.Addr().String()
		l.Close()
		node := start(t, nil, exec.Command(hoshi(t), "--log-format", "json", "--drain-time", "1h", "--echo",
			"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--admin-listen", admin))
		testkit.Eventually(t, "it is ready", func() bool {
			resp, err := http.Get("http://" + admin + "/health/ready")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		node.signal(t, syscall.SIGTERM)
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		node.lineWith(t, "node is draining") // it was closed at once: nobody listened for the signal yet
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "1h")
		c := crowdAt(t, node, clients)
		c.began = time.Now()
		node.signal(t, os.Interrupt)
		c.gone(t, 0, 20*time.Second)
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if out, _ := node.output(); strings.Contains(out, "draining") || !strings.Contains(out, `"signal":"interrupt"`) {
			t.Errorf("it has drained, or does not say why it ends:\n%s", out)
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "1h")
		greeted(t, node)
		node.signal(t, syscall.SIGTERM)
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestDrainCommand holds that hoshi drain lets clients go, waits for the node and
// says so.
func TestDrainCommand(t *testing.T) {
	t.Parallel()
	t.Run("to its end", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "2s")
		c := crowdAt(t, node, 10)
		c.began = time.Now()
		r := runHoshi(t, []string{"HOSHI_ADMIN_LISTEN=" + adminOf(t, node)}, "drain")
		c.gone(t, time.Second, 10*time.Second)
		if code := node.ended(t); code != 0 {
			t.Errorf("the node's exit code is %d", code)
		}
		want := regexp.MustCompile(`^node [0-9a-f]{12} drains: 10 connections in 2s\n(\d+ left, \d+ closed\n)*node [0-9a-f]{12} has ended\n$`)
		if r.code != 0 || !want.MatchString(r.stdout) || r.stderr != "" {
			t.Errorf("code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
	t.Run("SIGTERM behind it", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "3s")
		c := crowdAt(t, node, 10)
		c.began = time.Now()
		resp, err := http.Post("http://"+adminOf(t, node)+"/drain", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		node.lineWith(t, "node is draining")
		node.signal(t, syscall.SIGTERM) // changes nothing: it is what has been asked for
		c.gone(t, 2*time.Second, 10*time.Second)
		if code := node.ended(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("over NATS", func(t *testing.T) {
		t.Parallel()
		node := drainNode(t, "1s")
		c := crowdAt(t, node, 5)
		c.began = time.Now()
		backends, _, _ := strings.Cut(greeted(t, node).backends, " ")
		id := node.line(t, "hoshi dev, node ")
		if r := runHoshi(t, nil, "drain", "0123456789ab", "--nats-url", backends); r.code != 2 || r.stderr != "hoshi: no node 0123456789ab is there, see hoshi top\n" {
			t.Errorf("another one: code %d, stderr %q", r.code, r.stderr)
		}
		r := runHoshi(t, nil, "drain", id, "--nats-url", backends)
		if r.code != 0 || r.stdout != "node "+id+" drains\n" || r.stderr != "" {
			t.Errorf("code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		c.gone(t, 0, 20*time.Second)
		if code := node.ended(t); code != 0 {
			t.Errorf("the node's exit code is %d", code)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		r := runHoshi(t, nil, "drain", "--admin-listen", "127.0.0.1:1")
		if r.code != 2 || !strings.HasPrefix(r.stderr, "hoshi: nobody listens on 127.0.0.1:1") {
			t.Errorf("code %d, stderr %q", r.code, r.stderr)
		}
	})
}
