package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// Exit codes.
const (
	exitOK    = 0
	exitNo    = 1 // errNo
	exitFault = 2 // nothing was done: wrong options, busy port, NATS not there, bad EDN
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// errNo is what a command returns that was asked something and has said no: there is
// nothing more to print.
var errNo = errors.New("the answer is no")

// run is main without the process around it.
func run(args, env []string, stdout, stderr io.Writer) int {
	var c cli
	from := config.Sources{}
	command, err := config.Parse(&c, config.Invocation{
		Args: args, Env: env, Stdout: stdout, Exit: os.Exit,
		Summary: summary, About: about, CheckEDN: checkFile, Sources: from,
	})
	if err != nil {
		return complain(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process the hard way.
	defer context.AfterFunc(ctx, stop)()

	err = command.Run(ctx, c.bindings(from, output{stdout, stderr})...)
	switch {
	case errors.Is(err, errNo):
		return exitNo
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitOK // Ctrl-C while it was still starting
	}
	return complain(stderr, err)
}

// output is where a command writes.
type output struct{ stdout, stderr io.Writer }

// complain prints every line of err and returns the exit code.
func complain(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		// What follows the first line of a quoted text is shown as it is.
		if i > 0 && strings.HasPrefix(line, " ") {
			fmt.Fprintln(stderr, line)
			continue
		}
		fmt.Fprintf(stderr, "hoshi: %s\n", line)
	}
	return exitFault
}
