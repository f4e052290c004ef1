package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

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

// natsWait is how long a node's first connect may take, for pkg/bus.
func natsWait(o *config.Node) time.Duration {
	if o.NATSWait == 0 {
		return -1
	}
	return o.NATSWait
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

// connectFor opens the bus for one question, with the context of that: both end with end,
// and the context after so long.
func connectFor(ctx context.Context, s *config.Shared, within time.Duration) (question context.Context, c *bus.Client, end func(), err error) {
	question, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %v", within))
	if c, err = connect(question, s); err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return question, c, func() {
		c.Stop()
		cancel()
	}, nil
}

// unreachable words why NATS could not be had.
func unreachable(s *config.Shared, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if file, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %s: %w", optionOfFile(s, file.Path), file.Path, file.Err)
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "authorization") || strings.Contains(text, "authentication expired") || strings.Contains(text, "authentication revoked") {
		return fmt.Errorf("NATS at %s refuses us: %s", natsName(s), loginHint(s))
	}
	for _, f := range credentialFiles(s) {
		// These come from reading the file, before anything is dialled.
		if f.path != "" && f.sign != "" && strings.Contains(text, f.sign) {
			return fmt.Errorf("--%s: %s holds no %s (%s)", f.option, f.path, f.what, oneLine(cause(err)))
		}
	}
	switch {
	case strings.Contains(text, "secure connection not available"):
		return fmt.Errorf("NATS at %s speaks no TLS: name it with nats:// and leave the --nats-tls options out", natsName(s))
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls: "):
		return fmt.Errorf("NATS at %s and we do not agree on TLS (%s): check --nats-tls-ca, --nats-tls-cert and --nats-tls-key", natsName(s), oneLine(cause(err)))
	}
	why := " (" + oneLine(cause(err)) + ")"
	if errors.Is(err, bus.ErrUnavailable) { // which says no more
		why = ""
	}
	hint := ": is it up? --nats-url names another"
	if len(s.NATSURL) == 0 {
		hint = ": start a node with `hoshi`, or name another server with --nats-url"
	}
	return fmt.Errorf("NATS at %s cannot be reached%s%s", natsName(s), why, hint)
}

// credentialFile is a file that an option names, and how an error of reading it
// is told from one of the network, "" where another file's error says it.
type credentialFile struct{ option, path, what, sign string }

func credentialFiles(s *config.Shared) []credentialFile {
	return []credentialFile{
		{option: "nats-creds", path: s.NATSCreds, what: "credentials", sign: "nkeys:"},
		{option: "nats-nkey", path: s.NATSNKey, what: "nkey seed", sign: "nkeys:"},
		{option: "nats-tls-ca", path: s.NATSTLSCA, what: "certificates in PEM", sign: "root certificate"},
		{option: "nats-tls-cert", path: s.NATSTLSCert, what: "certificate in PEM that goes with --nats-tls-key", sign: "client certificate"},
		{option: "nats-tls-key", path: s.NATSTLSKey},
	}
}

// optionOfFile is the option that named the file.
func optionOfFile(s *config.Shared, path string) string {
	for _, f := range credentialFiles(s) {
		if f.path == path {
			return "--" + f.option
		}
	}
	return "credentials for NATS"
}

// loginHint says what to look at when NATS refuses a login: what was given, or
// else what can be.
func loginHint(s *config.Shared) string {
	switch {
	case s.NATSCreds != "":
		return "check --nats-creds " + s.NATSCreds
	case s.NATSUser != "":
		return "check --nats-user " + s.NATSUser + " and its --nats-password"
	case s.NATSToken != "":
		return "check --nats-token"
	case s.NATSNKey != "":
		return "check --nats-nkey " + s.NATSNKey
	}
	for _, u := range s.NATSURL {
		if u != config.Redact(u) {
			return "check user and password in --nats-url"
		}
	}
	return "give --nats-creds, --nats-user and --nats-password, --nats-token or --nats-nkey"
}

// denied words that NATS does not permit its user to do something on a subject.
// Others are named by files or tokens, which say nothing to a person.
func denied(s *config.Shared, err error, do string) error {
	user := "this user"
	if s.NATSUser != "" {
		user = "the user " + printable(s.NATSUser)
	}
	where := "a subject that this needs"
	if d, ok := errors.AsType[*bus.DeniedError](err); ok {
		where = printable(d.Subject)
	}
	return fmt.Errorf("NATS does not permit %s to %s %s: name another one with --nats-user, --nats-creds, --nats-token or --nats-nkey", user, do, where)
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
