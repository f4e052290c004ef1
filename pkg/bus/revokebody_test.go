package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestCompleteRevocation: a Go program is told of times that every node would
// refuse.
func TestCompleteRevocation(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	const year = bus.MaxRevocation
	for _, tt := range []struct {
		name string
		r    bus.Revocation
		bad  bool
	}{
		{name: "user", r: bus.Revocation{UID: bus.String("a")}},
		{name: "a year", r: bus.Revocation{IssuedBefore: now.Add(year), Until: now.Add(year)}},
		{name: "issued beyond a year", r: bus.Revocation{IssuedBefore: now.Add(year + 1)}, bad: true},
		{name: "issued before tokens", r: bus.Revocation{UID: bus.String("a"), IssuedBefore: time.Unix(1, 0)}, bad: true},
		{name: "until beyond a year", r: bus.Revocation{TokenID: "t", Until: now.Add(year + 1)}, bad: true},
		{name: "until now", r: bus.Revocation{TokenID: "t", Until: now}, bad: true},
	} {
		if err := tt.r.Complete(now); (err != nil) != tt.bad || err != nil && !errors.Is(err, bus.ErrBadBody) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
