package roll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// node is a server that is started again and again on the same addresses. It belongs
// to one goroutine.
type node struct {
	// fixed after newNode
	name, listen, admin, nats string
	program                   string
	args                      []string
	log                       *os.File

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd is gone
}

// newNode describes a node with its own NATS server, or one that uses url.
func (o *Options) newNode(name, url string) (*node, error) {
	addrs, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	n := &node{name: name, listen: addrs[0], admin: addrs[1], program: o.Program}
	n.args = []string{
		"--listen", n.listen, "--admin-listen", n.admin, "--log-format", "json",
		"--drain-time", o.DrainTime.String(), "--drain-rate", fmt.Sprint(o.DrainRate),
	}
	if url == "" {
		n.nats = "nats://" + addrs[2]
		n.args = append(n.args, "--nats-listen", addrs[2])
	} else {
		n.args = append(n.args, "--nats-url", url)
	}
	n.args = append(n.args, o.NodeArgs...)
	if n.log, err = os.Create(filepath.Join(o.Dir, name+".log")); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return n, nil
}

// start starts it, and returns when it is ready.
func (n *node) start(ctx context.Context) error {
	cmd := exec.Command(n.program, n.args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "HOSHI_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Stdout, cmd.Stderr = n.log, n.log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	ended := make(chan struct{})
	n.cmd, n.ended = cmd, ended
	go func() { // ends with the process, which stop sees to
		_ = cmd.Wait()
		close(ended)
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := n.get(ctx, "/health/ready", nil); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-n.ended:
			return fmt.Errorf("%s ended at once, see %s", n.name, n.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready, see %s: %w", n.name, n.log.Name(), context.Cause(ctx))
		}
	}
}

// get asks the admin listener; 200 alone is no error.
func (n *node) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+path, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", n.name, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s", n.name, resp.Status)
	case into == nil:
		return nil
	}
	return json.Unmarshal(body, into)
}

// connections asks how many clients it has.
func (n *node) connections(ctx context.Context) (int, error) {
	var s struct {
		Connections int `json:"connections"`
	}
	err := n.get(ctx, "/stats", &s)
	return s.Connections, err
}

// drain sends SIGTERM, and returns when the node has ended, with exit code 0 or an
// error.
func (n *node) drain(ctx context.Context) error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %s: %w", n.name, err)
	}
	select {
	case <-n.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end, see %s: %w", n.name, n.log.Name(), context.Cause(ctx))
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with exit code %d, see %s", n.name, code, n.log.Name())
	}
	return nil
}

// stop ends the node at once, whether it runs or not.
func (n *node) stop() {
	if n.cmd != nil && n.ended != nil {
		_ = n.cmd.Process.Signal(os.Interrupt)
		select {
		case <-n.ended:
		case <-time.After(15 * time.Second):
			_ = n.cmd.Process.Kill()
			<-n.ended
		}
	}
	_ = n.log.Close()
}

// freePorts returns loopback addresses that nobody listens on at the moment.
func freePorts(count int) (addrs []string, err error) {
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(errors.New("find a free port"), err)
		}
		defer func() { _ = l.Close() }() // all at the end, so that no two are the same
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
