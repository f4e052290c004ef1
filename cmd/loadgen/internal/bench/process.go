package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// endWait is how long whatever is started may take to be there, and to end.
const endWait = process.EndWait

// command prepares a program on one core. The context's end is its Ctrl-C; it is
// in a process group of its own, so that the terminal's goes to this process alone.
func command(ctx context.Context, cpu int, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", tasksetArgs(cpu, name, args)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = process.OwnGroup()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endWait
	return cmd
}

// pinned prepares a [Child] on one core.
func pinned(cpu int, name string, args ...string) *exec.Cmd {
	return exec.Command("taskset", tasksetArgs(cpu, name, args)...)
}

func tasksetArgs(cpu int, name string, args []string) []string {
	return append([]string{"-c", strconv.Itoa(cpu), name}, args...)
}

// node is a running server.
type node struct {
	*process.Process
	listen, natsURL string
	admin, cluster  string // cluster is "" for one alone
}

// startNodes starts nodes with more arguments before those of Options, one cluster
// where they are several, and returns when they know each other.
func (o *Options) startNodes(ctx context.Context, count int, more ...string) (nodes []*node, err error) {
	defer func() {
		if err != nil {
			stopNodes(nodes)
			nodes = nil
		}
	}()
	for i := range count {
		args, cluster := more, ""
		if count > 1 {
			addrs, err := process.FreePorts(1)
			if err != nil {
				return nodes, err
			}
			cluster = addrs[0]
			args = append([]string{"--nats-cluster-listen", cluster}, more...)
			if i > 0 {
				args = append(args, "--nats-routes", nodes[0].cluster)
			}
		}
		n, err := o.startNode(ctx, i, args)
		if err != nil {
			return nodes, err
		}
		n.cluster = cluster
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if count > 1 {
			if err := n.await(ctx, "/stats", knows(count)); err != nil {
				return nodes, err
			}
		}
	}
	return nodes, nil
}

func stopNodes(nodes []*node) {
	for _, n := range slices.Backward(nodes) {
		n.Stop()
	}
}

// startNode starts number i of the nodes.
func (o *Options) startNode(ctx context.Context, i int, more []string) (_ *node, err error) {
	addrs, err := process.FreePorts(3)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.Dir, fmt.Sprintf("node-%d.log", i+1)))
	if err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	// A client of ours stands for many, so that what it may send is not what is measured, unless NodeArgs say so.
	args := slices.Concat([]string{
		"--insecure-uid-param", "uid", "--listen", addrs[0], "--admin-listen", addrs[1], "--nats-listen", addrs[2],
		"--max-event-rate", "0", "--max-byte-rate", "0",
	}, more, o.NodeArgs)
	p, err := process.Start("the node", command(ctx, o.ServerCPU, o.Node, args...), log, addrs[1])
	if err != nil {
		return nil, err
	}
	n := &node{Process: p, listen: addrs[0], admin: addrs[1], natsURL: "nats://" + addrs[2]}
	if err := n.await(ctx, "/health/ready", nil); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// await waits until the node answers path with a body that is good; nil is any.
func (n *node) await(ctx context.Context, path string, good func(body []byte) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, endWait, fmt.Errorf("not there after %v", endWait))
	defer cancel()
	return n.Await(ctx, path, good)
}

// target returns the arguments of a load with those that say where the node is.
func (n *node) target(args []string) []string {
	args = append(slices.Clone(args), "--url", "ws://"+n.listen+"/", "--server-pid", strconv.Itoa(n.PID()))
	if args[0] == "userpush" {
		args = append(args, "--nats-url", n.natsURL)
	}
	return args
}

// knows tells of what a node says of itself whether it knows of so many NATS
// servers with nodes.
func knows(count int) func(stats []byte) bool {
	return func(stats []byte) bool {
		var s struct {
			Bus struct {
				Servers int `json:"servers"`
			} `json:"bus"`
		}
		return json.Unmarshal(stats, &s) == nil && s.Bus.Servers == count
	}
}

// load runs the load generator and returns its result. phase, when set, is called
// with each line of its progress.
func (o *Options) load(ctx context.Context, phase func(line string), args ...string) (*report.Result, error) {
	cmd := command(ctx, o.LoadCPU, o.Self, o.scaled(args)...)
	var out, last bytes.Buffer
	cmd.Stdout = &out
	progress, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		last.Reset()
		last.Write(lines.Bytes())
		if phase != nil {
			phase(lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", args[0], err, last.String())
	}
	var res report.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return nil, fmt.Errorf("%s: read the result: %w", args[0], err)
	}
	if res.Lost != 0 || res.OutOfOrder != 0 {
		return nil, fmt.Errorf("%s: %d deliveries are missing, %d out of order", args[0], res.Lost, res.OutOfOrder)
	}
	return &res, nil
}
