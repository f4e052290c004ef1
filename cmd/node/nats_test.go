package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestUnreachable holds that what is said of a NATS that cannot be reached is about
// what is wrong with it.
func TestUnreachable(t *testing.T) {
	tests := []struct{ name, cause, want string }{
		{"nobody there, by TLS", "dial tls://10.0.0.1:4222: connection refused", "is it up?"},
		{"nobody there", "dial tcp 10.0.0.1:4222: connection refused", "is it up?"},
		{"another protocol", "tls: first record does not look like a TLS handshake", "--nats-tls-ca"},
		{"an unknown authority", "x509: certificate signed by unknown authority", "--nats-tls-ca"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &config.Shared{NATSURL: []string{"tls://10.0.0.1:4222"}}
			if got := unreachable(s, errors.New(tt.cause)).Error(); !strings.Contains(got, tt.want) {
				t.Errorf("%q does not say %q", got, tt.want)
			}
		})
	}
}

// TestUnreachableLost: a connection that is lost says no more than that.
func TestUnreachableLost(t *testing.T) {
	const want = "NATS at nats://10.0.0.1:4222 cannot be reached: is it up? --nats-url names another"
	if got := unreachable(&config.Shared{NATSURL: []string{"nats://10.0.0.1:4222"}}, fmt.Errorf("ask nodes: %w", bus.ErrUnavailable)).Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDenied holds that who may not do something hears who he is for NATS, and where it is.
func TestDenied(t *testing.T) {
	err := fmt.Errorf("ask nodes: %w", &bus.DeniedError{Subject: "hoshi.api.stats"})
	for _, tt := range []struct {
		name string
		s    config.Shared
		err  error
		want string
	}{
		{"a user", config.Shared{NATSUser: "backend"}, err, "NATS does not permit the user backend to publish on hoshi.api.stats: name another one with --nats-user"},
		{"credentials", config.Shared{NATSCreds: "a.creds"}, err, "NATS does not permit this user to publish on hoshi.api.stats: "},
		{"nowhere", config.Shared{}, bus.ErrDenied, "NATS does not permit this user to publish on a subject that this needs: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lookFault(&tt.s, bus.APIStats, tt.err).Error(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
