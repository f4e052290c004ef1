package edge_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// bearer sends a token with each request, empty for none.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// What a client that polls may do is what its last request says, and not its
// first.
func TestPollsVouchAnew(t *testing.T) {
	everyWay(t, func(t *testing.T, at int) {
		c := believing(t, 2, func(o *edge.Options) {
			o.InsecureUIDParam = "uid"
			edge.Patient(o, testkit.Patience)
			o.Sente.SendBufAjax = -1
			admin := []edge.Who{{Kind: edge.Claim, Name: "/realm/roles", Value: "admin"}}
			o.Access.Channels = []edge.Rule{
				{Pattern: "staff", Publish: admin, Subscribe: admin},
				{Pattern: "own/{uid}", Publish: []edge.Who{{Kind: edge.User}}},
				{Pattern: "members", Publish: []edge.Who{{Kind: edge.Authenticated}}},
				{Pattern: "*", Publish: []edge.Who{{Kind: edge.Anyone}}},
			}
		})
		where := 0
		p := newPoller(t, c, "tab-1", func() int { return where })
		of := func(roles ...string) string {
			return token(t, map[string]any{"sub": "alice", "exp": in(time.Hour), "realm": map[string]any{"roles": roles}})
		}
		staff, member := of("x", "admin"), of("x")
		with := &bearer{staff, p.http.Transport}
		p.http.Transport = with
		p.Open()
		where = at
		post := func(channel string) string {
			t.Helper()
			got := p.Post(`[[:sente-lite/publish {:channel-id "` + channel + `" :data 1}] :ajax]`)
			switch got {
			case "[{:success true} nil]":
				return "yes"
			case "[{:success false, :error :forbidden} nil]":
				return "no"
			}
			return got
		}
		for _, tt := range []struct {
			name, token, uid             string
			staff, own, members, anybody string
		}{
			{name: "as it came", token: staff, staff: "yes", own: "yes", members: "yes", anybody: "yes"},
			{name: "with less", token: member, staff: "no", own: "yes", members: "yes", anybody: "yes"},
			{name: "with more", token: staff, staff: "yes", own: "yes", members: "yes", anybody: "yes"},
			{name: "who only says so", uid: "alice", staff: "no", own: "no", members: "no", anybody: "yes"},
			{name: "who says nothing", staff: "no", own: "no", members: "no", anybody: "yes"},
			{name: "again", token: staff, staff: "yes", own: "yes", members: "yes", anybody: "yes"},
		} {
			with.token = tt.token
			p.query.Del("uid")
			if tt.uid != "" {
				p.query.Set("uid", tt.uid)
			}
			for channel, want := range map[string]string{"staff": tt.staff, "own/alice": tt.own, "members": tt.members, "lobby": tt.anybody} {
				if got := post(channel); got != want {
					t.Errorf("%s in %s: %s, want %s", tt.name, channel, got, want)
				}
			}
		}
		if n := c.Nodes[0].Connections() + c.Nodes[1].Connections(); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// A poll that waits ends when its token is revoked, whoever has begun the session;
// and what the session was begun with does not matter any more.
func TestRevokedLaterPoll(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, at int) {
		c := revoking(t, 2, nil)
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		where := 0
		p := newPoller(t, c, "tab-1", func() int { return where })
		p.query.Set("token", issued(t, "alice", "t1", time.Minute))
		p.Open()
		where = at
		p.query.Set("token", issued(t, "alice", "t2", time.Minute))
		polled := p.background(ctx, c.Nodes[0])
		done, err := c.Backend(t, 0).Revoke(ctx, bus.Revocation{TokenID: "t1"})
		if err != nil || done.Closed() != 0 {
			t.Errorf("revoked the first: %+v, %v", done, err)
		}
		done, err = c.Backend(t, 0).Revoke(ctx, bus.Revocation{TokenID: "t2"})
		if err != nil || done.Closed() != 1 {
			t.Errorf("revoked the second: %+v, %v", done, err)
		}
		if got := <-polled; got.err == nil || !strings.HasPrefix(got.err.Error(), "status 401: ") {
			t.Errorf("polled %+v", got)
		}
		testkit.Eventually(t, "the session to end", func() bool { return c.Nodes[0].Connections() == 0 })
		if left := edge.Watched(c.Nodes[0]) + edge.Watched(c.Nodes[1]); left != 0 {
			t.Errorf("%d are still watched", left)
		}
	})
}

// A message that waits for a backend is counted once among those that a client may
// send.
func TestCalloutAjaxRate(t *testing.T) {
	c := askingNodes(t, 1, func(o *edge.Options) {
		o.Callouts.Timeout = 5 * time.Second
		o.Callouts.Cache = -1
		o.Limits.MaxEventRate = 1 // of which two may come at once
	})
	waiting := make(chan *nats.Msg, 4)
	guardBy(t, c, 0, "publish", func(m *nats.Msg) { waiting <- m })
	p := newPoller(t, c, "tab-1", func() int { return 0 })
	p.Open()
	answers := make(chan string, 2)
	for range 2 {
		mine := *p
		go func() { answers <- mine.Post(`[[:sente-lite/publish {:channel-id "ask/a" :data 1}] :ajax]`) }()
		select {
		case m := <-waiting:
			respond(t, m, "{:allow true}", "")
		case <-time.After(testkit.Patience):
			t.Fatal("not asked")
		}
		if got := next(t, answers); got != "[{:success true} nil]" {
			t.Errorf("answered %s", got)
		}
	}
}

// A token ends when the clock says so, also where that has been set back.
func TestTokenExpiresByTheClock(t *testing.T) {
	t.Parallel()
	c := believing(t, 1, nil)
	expires := time.Now().Add(2 * time.Second).Truncate(time.Second)
	cl := c.Dial(t, 0, "/?token="+token(t, map[string]any{"sub": "alice", "exp": expires.Unix()}))
	edge.LapseEarly(c.Nodes[0])
	cl.ExpectClose(4401)
	if early := time.Until(expires); early > 0 {
		t.Errorf("closed %v early", early)
	}
}
