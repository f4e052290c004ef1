package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Ways to count calls.
const (
	countAuto   = "auto"
	countPerf   = "perf"
	countStrace = "strace"
	countNone   = "none"
)

// calls names the system calls that can write to a client. write is also how Go's
// runtime wakes a thread that waits for events, on an eventfd.
var calls = []string{"write", "writev", "sendto", "sendmsg"}

// counter counts the calls of a process from outside it.
type counter struct {
	cmd    *exec.Cmd
	file   string
	strace bool
	stderr bytes.Buffer
	ended  chan struct{}
}

// counts is how often each call was made.
type counts map[string]int64

// clients returns the calls that wrote to clients, as far as can be told apart:
// perf leaves eventfds out; strace cannot, so there plain writes count only where
// nothing else was used.
func (c counts) clients(byStrace bool) int64 {
	n := c["writev"] + c["sendto"] + c["sendmsg"]
	if !byStrace || n == 0 {
		n += c["write"]
	}
	return n
}

// chooseCounter tries perf's tracepoints on this process: they cost the node
// little, while strace stops it at each call, and so changes what is measured.
func (o *Options) chooseCounter(ctx context.Context) {
	if o.Counter != countAuto {
		return
	}
	o.Counter = countStrace
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "perf", "stat", "-x,", "-e", "syscalls:sys_enter_sendto", "true").CombinedOutput()
	if err == nil && bytes.Contains(out, []byte(",syscalls:sys_enter_sendto,")) && !bytes.Contains(out, []byte("<not")) {
		o.Counter = countPerf
	}
}

func (o *Options) startCounter(pid int) (*counter, error) {
	c := &counter{file: filepath.Join(o.Dir, "calls.txt"), strace: o.Counter == countStrace, ended: make(chan struct{})}
	if c.strace {
		c.cmd = exec.Command("strace", "-c", "-f", "-U", "calls,name", "-e", "trace="+strings.Join(calls, ","), "-p", strconv.Itoa(pid), "-o", c.file)
	} else {
		filter, err := noEventfds(pid)
		if err != nil {
			return nil, err
		}
		args := []string{"stat", "-x,", "-o", c.file, "-p", strconv.Itoa(pid)}
		for _, call := range calls {
			args = append(args, "-e", "syscalls:sys_enter_"+call)
			if call == "write" && filter != "" {
				args = append(args, "--filter", filter)
			}
		}
		c.cmd = exec.Command("perf", args...)
	}
	c.cmd.Stderr = &c.stderr
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("count calls: %w", err)
	}
	go func() { // ends with the process, which stop sees to
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// noEventfds returns perf's filter for all descriptors of pid but its eventfds.
func noEventfds(pid int) (string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("count calls: %w", err)
	}
	var terms []string
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.Contains(to, "eventfd") {
			terms = append(terms, "fd != "+fd.Name())
		}
	}
	return strings.Join(terms, " && "), nil
}

// stop ends the counting and returns the counts.
func (c *counter) stop() (counts, error) {
	_ = c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.ended:
	case <-time.After(endWait):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	b, err := os.ReadFile(c.file)
	if err != nil {
		return nil, fmt.Errorf("count calls: %w: %s", err, c.stderr.String())
	}
	return parseCounts(string(b), c.strace)
}

// parseCounts reads what perf stat -x, or strace -c -U calls,name writes.
func parseCounts(s string, strace bool) (counts, error) {
	out := make(counts)
	seen := false
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		var n, name string
		if strace {
			f := strings.Fields(line)
			if len(f) != 2 {
				continue
			}
			n, name = f[0], f[1]
		} else {
			f := strings.Split(line, ",")
			if len(f) < 3 {
				continue
			}
			n, name = f[0], strings.TrimPrefix(f[2], "syscalls:sys_enter_")
		}
		v, err := strconv.ParseInt(n, 10, 64)
		if err != nil || name == "total" {
			continue
		}
		out[name], seen = v, true
	}
	if !seen {
		return nil, errors.New("count calls: nothing was counted: " + strings.TrimSpace(s))
	}
	return out, nil
}
