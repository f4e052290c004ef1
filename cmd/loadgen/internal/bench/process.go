package bench

import (
	"bufio"
	"bytes"
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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// endWait is how long a process may take to end before it is killed.
const endWait = 15 * time.Second

// command prepares a program on one core. The context's end is its Ctrl-C; it is
// in a process group of its own, so that the terminal's goes to this process alone.
func command(ctx context.Context, cpu int, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", tasksetArgs(cpu, name, args)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = OwnGroup()
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
	cmd             *exec.Cmd
	log             *os.File
	ended           chan struct{} // closed when the process is gone
	listen, natsURL string
	admin, cluster  string // cluster is "" for one alone
}

// startNodes starts nodes with more arguments before those of Options, one cluster
// where they are several, and returns when they know each other.
func (o *Options) startNodes(ctx context.Context, count int, more ...string) (nodes []*node, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, stopNodes(nodes))
			nodes = nil
		}
	}()
	for i := range count {
		args, cluster := more, ""
		if count > 1 {
			addrs, err := freePorts(1)
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
			if err := n.wait(ctx, "/stats", knows(count)); err != nil {
				return nodes, err
			}
		}
	}
	return nodes, nil
}

func stopNodes(nodes []*node) error {
	var errs []error
	for _, n := range slices.Backward(nodes) {
		errs = append(errs, n.stop())
	}
	return errors.Join(errs...)
}

// startNode starts number i of the nodes.
func (o *Options) startNode(ctx context.Context, i int, more []string) (_ *node, err error) {
	addrs, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.Dir, fmt.Sprintf("node-%d.log", i+1)))
	if err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	// A client of ours stands for many, so that what it may send is not what is measured, unless NodeArgs say so.
	args := slices.Concat([]string{
		"--insecure-uid-param", "uid", "--listen", addrs[0], "--admin-listen", addrs[1], "--nats-listen", addrs[2],
		"--max-event-rate", "0", "--max-byte-rate", "0",
	}, more, o.NodeArgs)
	cmd := command(ctx, o.ServerCPU, o.Node, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the node: %w", err), log.Close())
	}
	n := &node{cmd: cmd, log: log, ended: make(chan struct{}), listen: addrs[0], admin: addrs[1], natsURL: "nats://" + addrs[2]}
	go func() { // ends with the process, which stop sees to
		_ = cmd.Wait()
		close(n.ended)
	}()
	if err := n.wait(ctx, "/health/ready", func([]byte) bool { return true }); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

func (n *node) pid() int { return n.cmd.Process.Pid }

// target returns the arguments of a load with those that say where the node is.
func (n *node) target(args []string) []string {
	args = append(slices.Clone(args), "--url", "ws://"+n.listen+"/", "--server-pid", strconv.Itoa(n.pid()))
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

// wait waits until the node answers path with 200 and a body that is good.
func (n *node) wait(ctx context.Context, path string, good func(body []byte) bool) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	deadline := time.After(endWait)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+path, nil)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if res, err := client.Do(req); err == nil {
			body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
			_ = res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK && good(body) {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-n.ended:
			return fmt.Errorf("node ended at once, see %s: %s", n.log.Name(), lastLine(n.log.Name()))
		case <-deadline:
			return fmt.Errorf("node is not ready after %v, see %s", endWait, n.log.Name())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lastLine returns the last line of a log, as far as that can be had.
func lastLine(file string) string {
	b, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// stop ends the node and waits for it.
func (n *node) stop() error {
	_ = n.cmd.Process.Signal(os.Interrupt)
	select {
	case <-n.ended:
	case <-time.After(endWait):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
	return n.log.Close()
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

// freePorts returns loopback addresses that nobody listens on at the moment.
func freePorts(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // all at the end, so that no two are the same
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
