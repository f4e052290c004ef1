package config_test

import (
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string // part of a fault, empty for none
	}{
		{"defaults", nil, ""},
		{"no rates", []string{"--max-event-rate=0", "--max-byte-rate=0"}, ""},
		{"part of all", []string{"--max-connections=5", "--max-connections-per-address=5"}, ""},
		{"more than all", []string{"--max-connections=5", "--max-connections-per-address=6"}, "--max-connections-per-address: 6 is more than --max-connections 5"},
		{"of a user", []string{"--max-connections=5", "--max-connections-per-user=6"}, "--max-connections-per-user: 6 is more"},
		{"handshakes", []string{"--max-handshake-rate=5", "--max-handshake-rate-per-address=6"}, "--max-handshake-rate-per-address: 6 is more"},
		{"heads", []string{"--max-heads=5", "--max-heads-per-address=6"}, "--max-heads-per-address: 6 is more"},
		{"callbacks", []string{"--queue-messages=10", "--max-callbacks=5"}, ""},
		{"callbacks beyond the queue", []string{"--queue-messages=10", "--max-callbacks=6"}, "--max-callbacks: 6 is more than half of --queue-messages 10"},
		{"below nothing", []string{"--max-heads=-1"}, "--max-heads"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, faults := parse(t, tt.args, nil, "")
			if tt.want == "" && len(faults) > 0 || tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tt.want)) {
				t.Errorf("%q, want %q", faults, tt.want)
			}
		})
	}
}
