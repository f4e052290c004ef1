package roll

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
)

// node is a server that is started again and again on the same addresses. It belongs
// to one goroutine.
type node struct {
	*process.Process // the one that runs, or ran last; nil before the first

	// fixed after newNode
	name, listen, admin, nats string
	program                   string
	args                      []string
	log                       *os.File
}

// newNode describes a node with its own NATS server, or one that uses url.
func (o *Options) newNode(name, url string) (*node, error) {
	addrs, err := process.FreePorts(3)
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
	p, err := process.Start(n.name, cmd, n.log, n.admin)
	if err != nil {
		return err
	}
	n.Process = p
	return p.Await(ctx, "/health/ready", nil)
}

// connections asks how many clients it has.
func (n *node) connections(ctx context.Context) (int, error) {
	var s struct {
		Connections int `json:"connections"`
	}
	body, err := n.Get(ctx, "/stats")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s.Connections, err
}

// drain sends SIGTERM, and returns when the node has ended, with exit code 0 or an
// error.
func (n *node) drain(ctx context.Context) error { return n.End(ctx, syscall.SIGTERM) }

// stop ends the node at once, whether it runs or not.
func (n *node) stop() {
	if n.Process != nil {
		n.Stop()
	}
	_ = n.log.Close()
}
