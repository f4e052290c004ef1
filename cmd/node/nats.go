package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// busOptions says how to reach the NATS that the options name.
func busOptions(s *config.Shared) bus.Options {
	o := bus.Options{
		URLs:            s.NATSURL,
		Prefix:          s.Prefix,
		CredentialsFile: s.NATSCreds,
		Username:        s.NATSUser,
		Password:        s.NATSPassword,
		Token:           s.NATSToken,
		NKeyFile:        s.NATSNKey,
		TLSCAFile:       s.NATSTLSCA,
		TLSCertFile:     s.NATSTLSCert,
		TLSKeyFile:      s.NATSTLSKey,
	}
	for _, u := range s.NATSURL {
		if strings.HasPrefix(u, "tls://") {
			o.TLSRequired = true
		}
	}
	return o
}

// natsName is how messages call the NATS servers that the options name,
// without credentials.
func natsName(s *config.Shared) string {
	urls := s.NATSURL
	if len(urls) == 0 {
		urls = []string{bus.DefaultURL}
	}
	names := make([]string, len(urls))
	for i, u := range urls {
		names[i] = config.Redact(u)
	}
	return strings.Join(names, ", ")
}

// connect opens the bus for a command.
func connect(ctx context.Context, s *config.Shared) (*bus.Client, error) {
	o := busOptions(s)
	o.Name = "hoshi-cli"
	c, err := bus.Connect(ctx, o)
	if err != nil {
		return nil, unreachable(s, err)
	}
	return c, nil
}

// unreachable words why NATS could not be had.
func unreachable(s *config.Shared, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if file, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("credentials for NATS: %s: %w", file.Path, file.Err)
	}
	if strings.Contains(strings.ToLower(err.Error()), "authorization") {
		return fmt.Errorf("NATS at %s refuses us: give --nats-creds, --nats-user and --nats-password, --nats-token or --nats-nkey", natsName(s))
	}
	hint := ": is it up? --nats-url names another"
	if len(s.NATSURL) == 0 {
		hint = ": start a node with `hoshi`, or name another server with --nats-url"
	}
	return fmt.Errorf("NATS at %s cannot be reached (%s)%s", natsName(s), oneLine(cause(err)), hint)
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
