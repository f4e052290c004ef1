package testkit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/natsd"
)

// processEnv makes a test binary a NATS server: its value is the options.
const processEnv = "TESTKIT_NATS_PROCESS"

// processOptions go to the child, processAddrs come back.
type (
	processOptions struct{ Routes []string }
	processAddrs   struct{ Client, Cluster string }
)

// RunProcess is for TestMain, before anything else: in a process that
// [StartProcess] has started it is a NATS server until standard input ends,
// and never returns. Elsewhere it does nothing.
func RunProcess() {
	text, ok := os.LookupEnv(processEnv)
	if !ok {
		return
	}
	var o processOptions
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = serveNATS(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveNATS(o processOptions) error {
	s, err := natsd.Start(context.Background(), natsd.Options{
		Listen: "127.0.0.1:0", ClusterListen: "127.0.0.1:0", ServerName: "process", Routes: o.Routes,
	})
	if err != nil {
		return err
	}
	defer s.Shutdown()
	if err := json.NewEncoder(os.Stdout).Encode(processAddrs{s.Addr().String(), s.ClusterAddr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // ends with the test
	return err
}

// Process is a NATS server in a process of its own, which can be stopped and
// continued by signals where the system has such.
type Process struct {
	Addrs processAddrs
	cmd   *exec.Cmd
}

// StartProcess starts a NATS server in a process of its own, routed to others,
// and ends it with the test. TestMain must call [RunProcess].
func StartProcess(t testing.TB, routes []string) *Process {
	t.Helper()
	options, err := json.Marshal(processOptions{routes})
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), processEnv+"="+string(options))
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.wake()
		in.Close()
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("nats process: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.Addrs)
	}
	if err != nil {
		t.Fatalf("nats process does not say where it listens: %v", err)
	}
	return p
}
