package edge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestKick: by each name, in both dialects, on each node.
func TestKick(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	backend := c.Backend(t, 0)
	kick := func(k bus.Kick, closed int) {
		t.Helper()
		done, err := backend.Kick(ctx, k)
		if err != nil || len(done.Nodes) != 3 || done.Closed() != closed {
			t.Errorf("%+v: %+v, %v, want %d closed", k, done, err, closed)
		}
	}
	closed := func(cl *testkit.Client, code uint16, reason string) {
		t.Helper()
		_, err := cl.TryRead(testkit.Patience)
		if end, ok := errors.AsType[*testkit.Closed](err); !ok || uint16(end.Code) != code || end.Reason != reason {
			t.Errorf("ended with %v, want %d %s", err, code, reason)
		}
	}

	var alice []*testkit.Client
	for i := range c.Nodes {
		alice = append(alice, c.Dial(t, i, "/?uid=alice"), c.Dial(t, i, fmt.Sprintf("/chsk?uid=alice&client-id=tab-%d", i)))
	}
	bob, nobody := c.Dial(t, 1, "/?uid=bob"), c.Dial(t, 2, "/")

	kick(bus.Kick{UID: bus.String("nobody")}, 0)
	kick(bus.Kick{ConnID: bob.ConnID, Code: 1012, Reason: "ünïcode"}, 1)
	closed(bob, 1012, "ünïcode")
	kick(bus.Kick{UID: bus.String(nobody.ConnID)}, 1) // nobody has vouched for it
	closed(nobody, 4410, "kicked")
	kick(bus.Kick{ClientID: "tab-1", Code: 1000}, 1)
	closed(alice[3], 1000, "kicked")
	kick(bus.Kick{ConnID: alice[4].ConnID, Code: 4999}, 1)
	closed(alice[4], 4999, "kicked")
	kick(bus.Kick{UID: bus.String("alice"), Code: 1013, Reason: "later"}, 4)
	for _, i := range []int{0, 1, 2, 5} {
		closed(alice[i], 1013, "later")
	}
	for i, n := range c.Nodes {
		testkit.Eventually(t, fmt.Sprintf("nothing is left at node %d", i), func() bool {
			s := n.Stats()
			return s.Connections == 0 && s.Sente.Away == 0 && s.Users == 0
		})
	}
	if s := c.Nodes[0].Stats().Admin; s.Kicks != 6 || s.Kicked != 2 {
		t.Errorf("%+v", s)
	}
	c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1").Nothing() // and may come back
}

// TestKickedTabDoesNotLinger: what waits for a client that is away is dropped.
func TestKickedTabDoesNotLinger(t *testing.T) {
	t.Parallel()
	c := senteNode(t, 2, func(o *edge.Options) { o.Sente.ReconnectWS = time.Minute })
	cl := c.Dial(t, 1, "/chsk?uid=alice&client-id=tab-1")
	cl.Conn.Close()
	away(t, c.Nodes[1], 1)
	backend := c.Backend(t, 0)
	for i := range 3 {
		must(t, backend.PublishUser(bus.String("alice"), fmt.Appendf(nil, "[:a/b %d]", i)))
	}
	testkit.Eventually(t, "kept", func() bool { return c.Nodes[1].Stats().Sente.Kept == 3 })
	done, err := backend.Kick(t.Context(), bus.Kick{UID: bus.String("alice")})
	if err != nil || done.Closed() != 0 {
		t.Errorf("%+v, %v: it was not there", done, err)
	}
	away(t, c.Nodes[1], 0)
	if s := c.Nodes[1].Stats(); s.Admin.Dropped != 3 || s.Sente.Expired != 0 {
		t.Errorf("%+v, expired %d", s.Admin, s.Sente.Expired)
	}
	c.Dial(t, 0, "/chsk?uid=alice&client-id=tab-1").Nothing()
}

// TestKickedPoll: a poll that waits, at the node of its tab or at another one, is
// told by a status; the next one gets a new session.
func TestKickedPoll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ code, status int }{{0, 403}, {1012, 503}} {
		everyWay(t, func(t *testing.T, at int) {
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			c, p, node := ajaxNodes(t, 2, nil)
			p.query.Set("uid", "alice")
			p.Open()
			*node = at
			polled := p.background(ctx, c.Nodes[0])
			done, err := c.Backend(t, 1).Kick(ctx, bus.Kick{UID: bus.String("alice"), Code: tt.code})
			if err != nil || done.Closed() != 1 {
				t.Errorf("%+v, %v", done, err)
			}
			if got := <-polled; got.err == nil || !strings.Contains(got.err.Error(), fmt.Sprintf("status %d", tt.status)) {
				t.Errorf("polled %+v, want status %d", got, tt.status)
			}
			if got := c.Nodes[0].Stats().Sente.Sessions; got != 0 {
				t.Errorf("%d sessions", got)
			}
			if got := p.Poll(""); !strings.HasPrefix(got, "[[:chsk/handshake [") {
				t.Errorf("polled again %s", got)
			}
		})
	}
}
