package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
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
