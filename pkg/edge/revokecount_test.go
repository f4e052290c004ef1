package edge_test

import (
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestRevokeCountsOnce: a connection that is found by its user, and by who its
// token or its backend says it is, has been closed once.
func TestRevokeCountsOnce(t *testing.T) {
	c := revoking(t, 1, func(o *edge.Options) { o.Callouts.Connect = true })
	guard(t, c, 0, "connect", always(`{:allow true :uid "alice"}`))
	backend := c.Backend(t, 0)
	for _, test := range []struct {
		name, path string
		ahead      time.Duration // without a token the time of the connection counts, and revocations have whole milliseconds
	}{
		{name: "the same user's token", path: "/?token=" + issued(t, "alice", "a1", time.Minute)},
		{name: "nobody's token", path: "/", ahead: 10 * time.Millisecond},
	} {
		cl := c.Dial(t, 0, test.path)
		before := c.Nodes[0].Stats().Admin.Revoked
		done, err := backend.Revoke(t.Context(), bus.Revocation{UID: bus.String("alice"), IssuedBefore: time.Now().Add(test.ahead)})
		if err != nil || done.Closed() != 1 {
			t.Errorf("%s: %+v, %v", test.name, done, err)
		}
		if n := c.Nodes[0].Stats().Admin.Revoked - before; n != 1 {
			t.Errorf("%s: counted as %d", test.name, n)
		}
		cl.ExpectClose(4403)
	}
}
