package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
)

// childWait is how long a child may take to start, and to end.
const childWait = 10 * time.Second

// Child is a server in a process of its own, which says "listening HOST:PORT" when
// it does, and ends with its standard input.
type Child struct {
	// Addr is where it listens.
	Addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// StartChild starts cmd, whose standard input and output it takes, on one thread for
// Go code. End it with [Child.Stop].
func StartChild(cmd *exec.Cmd) (*Child, error) {
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = process.OwnGroup()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd, err)
	}
	c := &Child{cmd: cmd, stdin: in}
	kill := time.AfterFunc(childWait, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	kill.Stop()
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err == nil && !ok {
		err = errors.New("want listening HOST:PORT")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: it says %q: %w", cmd, line, err), c.Stop())
	}
	c.Addr = addr
	return c, nil
}

// PID returns the process's id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Stop ends the process and waits for it. It may be called once.
func (c *Child) Stop() error {
	_ = c.stdin.Close()
	kill := time.AfterFunc(childWait, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c.cmd, err)
	}
	return nil
}
