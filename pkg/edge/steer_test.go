package edge_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// One node is drained, or has its level changed, and no other; what is refused, and
// what is not, is in the security log.
func TestSteerNode(t *testing.T) {
	t.Parallel()
	var (
		said  logged
		mu    sync.Mutex
		calls []string
	)
	call := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, text)
	}
	c := testkit.StartCluster(t, 2, func(i int, o *edge.Options) {
		if i == 1 {
			return
		}
		o.Logger = said.logger()
		o.OnDrain = func() { call("drain") }
		o.OnLogLevel = func(level string, lasts time.Duration) error {
			if level == "error" {
				return errors.New("no such level")
			}
			call(level + " " + lasts.String())
			return nil
		}
	})
	admin, ctx := surveyor(t, c, 1)
	one, other := c.Nodes[0].ID().String(), c.Nodes[1].ID().String()
	level := func(node, name string, lasts time.Duration) error {
		_, err := admin.LogLevel(ctx, node, bus.LevelQuery{Level: name, For: lasts})
		return err
	}
	must(t, level(one, "debug", time.Minute))
	must(t, level(one, "warn", 0))
	must(t, admin.DrainNode(ctx, one))
	must(t, admin.DrainNode(ctx, one))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a level that its program does not take", level(one, "error", 0), ":bad-request"},
		{"a node whose level is its program's", level(other, "warn", 0), ":unavailable"},
		{"a node whose end is its program's", admin.DrainNode(ctx, other), ":unavailable"},
	} {
		if remote, ok := errors.AsType[*bus.RemoteError](tt.err); !ok || remote.Keyword != tt.want {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
	if err := admin.DrainNode(ctx, "000000000000"); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("a node that is not there: %v", err)
	}
	for _, bad := range []string{"", "*", ">", "a.b", "a b"} {
		if err := admin.DrainNode(ctx, bad); !errors.Is(err, bus.ErrBadBody) {
			t.Errorf("node %q: %v", bad, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"debug 1m0s", "warn 0s", "drain"}; !slices.Equal(calls, want) {
		t.Errorf("called %q, want %q", calls, want)
	}
	for part, want := range map[string]int{`"event":"drained"`: 2, `"event":"log-level-set"`: 3, `"event":"request-refused"`: 1} {
		if got := said.lines(part); len(got) != want {
			t.Errorf("%s: %d lines, want %d:\n%s", part, len(got), want, strings.Join(got, ""))
		}
	}
}
