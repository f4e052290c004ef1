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
	"time"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// Exit codes.
const (
	exitOK    = 0
	exitNo    = 1 // it was asked, and the answer is no
	exitFault = 2 // nothing was done: wrong options, busy port, NATS not there, bad EDN
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(args, env []string, stdout, stderr io.Writer) int {
	var c cli
	from := config.Sources{}
	command, err := config.Parse(&c, config.Invocation{
		Args: args, Env: env, Stdout: stdout, Exit: os.Exit,
		Summary: summary, About: about, CheckEDN: checkFile,
		Alone: aloneCommands, Sources: from,
	})
	if err != nil {
		return complain(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process the hard way.
	defer context.AfterFunc(ctx, stop)()

	out := output{stdout, stderr}
	switch command {
	case "pub user":
		err = c.Pub.User.run(ctx, &c.Shared, out)
	case "pub conn":
		err = c.Pub.Conn.run(ctx, &c.Shared, out)
	case "pub client":
		err = c.Pub.Client.run(ctx, &c.Shared, out)
	case "pub chan":
		err = c.Pub.Chan.run(ctx, &c.Shared, out)
	case "pub all":
		err = c.Pub.All.run(ctx, &c.Shared, out)
	case "ask user":
		err = c.Ask.User.run(ctx, &c.Shared, out)
	case "ask conn":
		err = c.Ask.Conn.run(ctx, &c.Shared, out)
	case "ask client":
		err = c.Ask.Client.run(ctx, &c.Shared, out)
	case "ask chan":
		err = c.Ask.Chan.run(ctx, &c.Shared, out)
	case "kick user":
		err = c.Kick.User.run(ctx, &c.Shared, out)
	case "kick conn":
		err = c.Kick.Conn.run(ctx, &c.Shared, out)
	case "kick client":
		err = c.Kick.Client.run(ctx, &c.Shared, out)
	case "revoke user":
		err = c.Revoke.User.run(ctx, &c.Shared, time.Now(), out)
	case "revoke token":
		err = c.Revoke.Token.run(ctx, &c.Shared, time.Now(), out)
	case "revoke all":
		err = c.Revoke.All.run(ctx, &c.Shared, time.Now(), out)
	case "top":
		err = c.Top.run(ctx, &c.Shared, out)
	case "who user":
		err = c.Who.User.run(ctx, &c.Shared, out)
	case "who conn":
		err = c.Who.Conn.run(ctx, &c.Shared, out)
	case "who client":
		err = c.Who.Client.run(ctx, &c.Shared, out)
	case "channels":
		err = c.Channels.run(ctx, &c.Shared, out)
	case "trace user":
		err = c.Trace.User.run(ctx, &c.Shared, out)
	case "trace conn":
		err = c.Trace.Conn.run(ctx, &c.Shared, out)
	case "trace client":
		err = c.Trace.Client.run(ctx, &c.Shared, out)
	case "trace chan":
		err = c.Trace.Chan.run(ctx, &c.Shared, out)
	case "tap":
		err = c.Tap.run(ctx, &c.Shared, out)
	case "token":
		err = c.Token.run(time.Now(), out)
	case "drain":
		err = c.Drain.run(ctx, &c.Shared, out)
	case "health":
		return c.Health.run(ctx, out)
	case "log-level":
		err = c.LogLevel.run(ctx, &c.Shared, out)
	case "config check":
		err = c.Configuration.Check.run(&c.Shared, out)
	case "config print":
		err = c.Configuration.Print.run(&c.Shared, from, out)
	case "config example":
		err = c.Configuration.Example.run(out)
	case "version":
		err = printVersion(stdout)
	default:
		err = runNode(ctx, &c, out)
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
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
