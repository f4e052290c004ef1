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
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
)

// endWait is how long a process may take to end before it is killed.
const endWait = 15 * time.Second

// command prepares a program on one core. The context's end is its Ctrl-C; it is
// in a process group of its own, so that the terminal's goes to this process alone.
func command(ctx context.Context, cpu int, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(cpu), name}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = OwnGroup()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endWait
	return cmd
}

// node is a running server.
type node struct {
	cmd             *exec.Cmd
	log             *os.File
	ended           chan struct{} // closed when the process is gone
	listen, natsURL string
}

// startNode starts a node with more arguments before those of Options.
func (o *Options) startNode(ctx context.Context, more ...string) (_ *node, err error) {
	addrs, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.Dir, "node.log"))
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
	n := &node{cmd: cmd, log: log, ended: make(chan struct{}), listen: addrs[0], natsURL: "nats://" + addrs[2]}
	go func() { // ends with the process, which stop sees to
		_ = cmd.Wait()
		close(n.ended)
	}()
	if err := n.ready(ctx, "http://"+addrs[1]+"/health/ready"); err != nil {
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

// ready waits until the node says that it is.
func (n *node) ready(ctx context.Context, url string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	deadline := time.After(endWait)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if res, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-n.ended:
			return fmt.Errorf("node ended at once, see %s", n.log.Name())
		case <-deadline:
			return fmt.Errorf("node is not ready after %v, see %s", endWait, n.log.Name())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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
	cmd := command(ctx, o.LoadCPU, o.Self, args...)
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
