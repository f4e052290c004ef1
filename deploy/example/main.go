package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// stopTime bounds the end, whatever browsers and NATS do meanwhile.
const stopTime = 3 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// options are what the environment and flags say. Secrets come from the
// environment alone, by the names that nodes know them by.
type options struct {
	listen      string
	natsURL     string
	natsUser    string
	password    string
	tokenSecret string
}

// run is main without the process around it: `example` serves until it is ended,
// `example health` asks whether one does. It returns the exit code.
func run(args []string, env func(string) string, stdout, stderr io.Writer) int {
	o := options{password: env("HOSHI_NATS_PASSWORD"), tokenSecret: env("HOSHI_TOKEN_SECRET")}
	fs := flag.NewFlagSet("example", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.listen, "listen", orElse(env("EXAMPLE_LISTEN"), "127.0.0.1:8090"), "where the page is served (EXAMPLE_LISTEN)")
	fs.StringVar(&o.natsURL, "nats-url", orElse(env("HOSHI_NATS_URL"), bus.DefaultURL), "NATS servers, with commas between (HOSHI_NATS_URL)")
	fs.StringVar(&o.natsUser, "nats-user", env("HOSHI_NATS_USER"), "user for NATS (HOSHI_NATS_USER, and HOSHI_NATS_PASSWORD)")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case fs.NArg() == 1 && fs.Arg(0) == "health":
		if err = askHealth(ctx, o.listen); err == nil {
			fmt.Fprintln(stdout, "ok")
		}
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "example: unknown command %q: there is only health\n", fs.Arg(0))
		return 2
	case len(o.tokenSecret) < 32:
		fmt.Fprintln(stderr, "example: HOSHI_TOKEN_SECRET must be that of the nodes, of 32 bytes at least")
		return 2
	default:
		err = serve(ctx, o, zerolog.New(stderr).With().Timestamp().Logger())
	}
	if err != nil {
		fmt.Fprintf(stderr, "example: %v\n", err)
		return 1
	}
	return 0
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// serve runs the backend and its page until ctx ends.
func serve(ctx context.Context, o options, log zerolog.Logger) error {
	client, err := bus.Connect(ctx, bus.Options{
		URLs: strings.Split(o.natsURL, ","), Name: "example", Username: o.natsUser, Password: o.password, Logger: &log,
	})
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer client.Stop()
	b := &backend{bus: client, log: log}
	if err := b.take(ctx); err != nil {
		return fmt.Errorf("take events: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler([]byte(o.tokenSecret), client.Connected, time.Now),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }() // ends with Shutdown
	log.Info().Str("listen", l.Addr().String()).Msg("example is started")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info().Msg("example is stopping")
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(server.Shutdown(bounded), client.Drain(bounded))
}

// askHealth fails unless the backend at this address says that it is well.
func askHealth(ctx context.Context, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it says %s", resp.Status)
	}
	return nil
}
