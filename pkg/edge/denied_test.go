package edge_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestDenied: who may not do something on NATS is told so, where the answer is
// waited for.
func TestDenied(t *testing.T) {
	t.Parallel()
	_, servers, _ := documented(t)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	login := func(user, password string) *bus.Client {
		b, err := bus.Connect(ctx, bus.Options{URLs: []string{servers[0].ClientURL()}, Username: user, Password: password})
		must(t, err)
		t.Cleanup(b.Stop)
		return b
	}
	backend, admin := login("backend", "of-backends"), login("admin", "of-administrators")
	var heard bool
	push := func(b *bus.Client) error {
		return b.PublishUser(bus.String("alice"), []byte(`[:a/b 1]`), bus.Heard(ctx, &heard))
	}
	if err := push(admin); !errors.Is(err, bus.ErrDenied) || heard || deniedOn(err) != "hoshi.user.alice" {
		t.Errorf("a push of an administrator: %v, heard %v", err, heard)
	}
	if err := push(backend); err != nil {
		t.Errorf("a push of a backend: %v", err)
	}
	if a, err := admin.AskUser(ctx, bus.String("alice"), []byte(`[:a/b 1]`)); !errors.Is(err, bus.ErrDenied) || deniedOn(err) != "hoshi.user.alice" {
		t.Errorf("a question of an administrator: %+v, %v", a, err)
	}
	if done, err := backend.Kick(ctx, bus.Kick{UID: bus.String("alice")}); !errors.Is(err, bus.ErrDenied) || deniedOn(err) != "hoshi.api.kick" {
		t.Errorf("a kick of a backend: %+v, %v", done, err)
	}
	if done, err := admin.Kick(ctx, bus.Kick{UID: bus.String("alice")}); err != nil {
		t.Errorf("a kick of an administrator: %+v, %v", done, err)
	}
	ignore := func(string, bus.Header, []byte) {}
	if _, err := backend.Tap(ctx, "hoshi.user.*", ignore); !errors.Is(err, bus.ErrDenied) || deniedOn(err) != "hoshi.user.*" {
		t.Errorf("a backend that reads along: %v", err)
	}
	if _, err := backend.Tap(ctx, "hoshi.event.>", ignore); err != nil {
		t.Errorf("a backend that hears events: %v", err)
	}
}

// deniedOn is the subject that the error names.
func deniedOn(err error) string {
	if d, ok := errors.AsType[*bus.DeniedError](err); ok {
		return d.Subject
	}
	return ""
}

// TestNodeDenied: a node with the permissions of a backend complains as of what it
// cannot do without.
func TestNodeDenied(t *testing.T) {
	t.Parallel()
	_, servers, _ := documented(t)
	var said logged
	testkit.StartNode(t, edge.Options{
		Logger: said.logger(),
		Bus:    bus.Options{URLs: []string{servers[0].ClientURL()}, Username: "backend", Password: "of-backends"},
	})
	testkit.Eventually(t, "the complaint", func() bool {
		lines := said.lines("does not permit what a node needs")
		return len(lines) > 0 && strings.Contains(lines[0], `"level":"error"`)
	})
}
