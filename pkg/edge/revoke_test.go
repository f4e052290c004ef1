package edge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// issued makes a token of a user, which was issued so long ago.
func issued(t testing.TB, uid, id string, ago time.Duration) string {
	return token(t, map[string]any{"sub": uid, "jti": id, "iat": in(-ago), "exp": in(time.Hour)})
}

// revoking starts nodes that believe the tests' issuer, also where its clock is
// ahead.
func revoking(t *testing.T, count int, change func(o *edge.Options)) *testkit.Cluster {
	return believing(t, count, func(o *edge.Options) {
		o.Access.Leeway = 2 * time.Minute
		o.Sente = edge.SenteOptions{SendBufWS: -1, SendBufAjax: -1}
		if change != nil {
			change(o)
		}
	})
}

// unauthorized fails the test unless a node refuses a token with that reason.
func unauthorized(t *testing.T, n *edge.Node, path, token, reason string) {
	t.Helper()
	before := n.Stats().RefusedUpgrades["token-"+reason]
	cl, err := testkit.TryDial(t, n.Addr().String(), path+"token="+token)
	if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 401 {
		t.Fatalf("got %v, %v", cl, err)
	}
	if n.Stats().RefusedUpgrades["token-"+reason] != before+1 {
		t.Errorf("refused %v", n.Stats().RefusedUpgrades)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		r     bus.Revocation
		tab   bool // alice's tab, with token t2, is meant too
		poll  bool // and her poll, with t3
		bob   bool // and bob
		later bool // a token that is issued later is good
	}{
		{name: "user", r: bus.Revocation{UID: bus.String("alice")}, tab: true, poll: true, later: true},
		{name: "token", r: bus.Revocation{TokenID: "t1"}, later: true},
		{name: "user, before", r: bus.Revocation{UID: bus.String("alice"), IssuedBefore: time.Now().Add(-time.Minute)}, poll: true, later: true},
		{name: "user, in the future", r: bus.Revocation{UID: bus.String("alice"), IssuedBefore: time.Now().Add(time.Hour)}, tab: true, poll: true},
		{name: "everybody", r: bus.Revocation{IssuedBefore: time.Now()}, tab: true, poll: true, bob: true, later: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := revoking(t, 3, nil)
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			t1, t2, t3 := issued(t, "alice", "t1", 2*time.Minute), issued(t, "alice", "t2", 10*time.Second), issued(t, "alice", "t3", 2*time.Minute)
			lite := c.Dial(t, 0, "/?token="+t1)
			tab := c.Dial(t, 1, "/chsk?client-id=tab-1&token="+t2)
			bob := c.Dial(t, 2, "/?token="+issued(t, "bob", "b1", 10*time.Second))
			nobody := c.Dial(t, 2, "/")
			p := newPoller(t, c, "tab-2", func() int { return 2 })
			p.query.Set("token", t3)
			p.Open()
			polled := p.background(ctx, c.Nodes[2])

			closed := 1
			for _, too := range []bool{tt.tab, tt.poll, tt.bob} {
				if too {
					closed++
				}
			}
			done, err := c.Backend(t, 2).Revoke(ctx, tt.r)
			if err != nil || len(done.Nodes) != 3 || done.Closed() != closed {
				t.Fatalf("%+v, %v, want %d closed", done, err, closed)
			}
			lite.ExpectClose(4403)
			for i := range c.Nodes {
				unauthorized(t, c.Nodes[i], "/?", t1, "revoked")
				unauthorized(t, c.Nodes[i], "/chsk?client-id=x&", t1, "revoked")
			}
			if tt.tab {
				tab.ExpectClose(4403)
				testkit.Eventually(t, "the tab does not linger", func() bool { return c.Nodes[1].Stats().Sente.Away == 0 })
				unauthorized(t, c.Nodes[0], "/?", t2, "revoked")
			} else {
				tab.Nothing()
			}
			if tt.poll {
				if got := <-polled; got.err == nil || !strings.Contains(got.err.Error(), "status 401: Unauthorized request") {
					t.Errorf("polled %+v", got)
				}
				if got, err := p.poll(ctx, ""); err == nil || !strings.Contains(err.Error(), "status 401") {
					t.Errorf("polled again %s, %v", got, err)
				}
			} else {
				must(t, c.Backend(t, 0).PublishClient("tab-2", []byte("[:a/b]")))
				if got := <-polled; got.err != nil || got.body != "[[[:a/b]] nil]" {
					t.Errorf("polled %+v", got)
				}
			}
			if tt.bob {
				bob.ExpectClose(4403)
			} else {
				bob.Nothing()
			}
			nobody.Nothing()

			newer := issued(t, "alice", "t4", -time.Minute)
			if !tt.later {
				unauthorized(t, c.Nodes[1], "/?", newer, "revoked")
				return
			}
			c.Dial(t, 1, "/?token="+newer).Nothing()
		})
	}
}

// TestRevokedRefresh: nobody stays by a token that has been revoked.
func TestRevokedRefresh(t *testing.T) {
	c := revoking(t, 1, nil)
	cl := c.Dial(t, 0, "/?token="+issued(t, "alice", "t1", time.Minute))
	backend := c.Backend(t, 0)
	_, err := backend.Revoke(t.Context(), bus.Revocation{TokenID: "t2"})
	must(t, err)
	cl.Send(`[[:hoshi/refresh {:token "` + issued(t, "alice", "t2", time.Minute) + `"}] "cb"]`)
	cl.Expect(`[{:success false, :error :invalid-token} "cb"]`)
	cl.Send(`[[:hoshi/refresh {:token "` + issued(t, "alice", "t3", time.Minute) + `"}] "cb"]`)
	cl.Expect(`[{:success true} "cb"]`)
	// It is the new token that counts from then on.
	done, err := backend.Revoke(t.Context(), bus.Revocation{TokenID: "t1"})
	if err != nil || done.Closed() != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err = backend.Revoke(t.Context(), bus.Revocation{TokenID: "t3"}); err != nil || done.Closed() != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	cl.ExpectClose(4403)
}

// TestRevokeWithoutToken: who is believed without one is let in again.
func TestRevokeWithoutToken(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	cl := c.Dial(t, 0, "/?uid=alice")
	// A conn-id has whole milliseconds.
	done, err := c.Backend(t, 0).Revoke(t.Context(), bus.Revocation{UID: bus.String("alice"), IssuedBefore: time.Now().Add(10 * time.Millisecond)})
	if err != nil || done.Closed() != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	cl.ExpectClose(4403)
	c.Dial(t, 0, "/?uid=alice").Nothing()

	// Unless it is to be kept out for a while.
	_, err = c.Backend(t, 0).Revoke(t.Context(), bus.Revocation{UID: bus.String("alice"), IssuedBefore: time.Now().Add(time.Hour)})
	must(t, err)
	for _, path := range []string{"/?uid=alice", "/chsk?client-id=tab-1&uid=alice"} {
		_, err = testkit.TryDial(t, c.Nodes[0].Addr().String(), path)
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 401 {
			t.Errorf("%s: %v", path, err)
		}
	}
	c.Dial(t, 0, "/?uid=bob").Nothing()
	c.Dial(t, 0, "/").Nothing()
}

// TestRevokeAtOnce: a revocation means who has come in the same millisecond.
func TestRevokeAtOnce(t *testing.T) {
	now := time.Now().Truncate(time.Second).Add(1_500 * time.Microsecond)
	v, err := bus.ParseRevocation(codec.EDN, []byte(`{:uid "alice"}`), now)
	must(t, err)
	if !v.IssuedBefore.After(now) || v.IssuedBefore.Sub(now) > time.Millisecond {
		t.Errorf("issued before %v, at %v", v.IssuedBefore, now)
	}
}

// gap is a connection between a node and NATS that can be cut.
type gap struct {
	mu    sync.Mutex
	open  bool
	conns []net.Conn
}

func newGap(t *testing.T, target string) (g *gap, url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g = &gap{open: true}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); g.set(false); wg.Wait() })
	wg.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			g.mu.Lock()
			if err != nil || !g.open {
				from.Close()
				if to != nil {
					to.Close()
				}
				g.mu.Unlock()
				continue
			}
			g.conns = append(g.conns, from, to)
			g.mu.Unlock()
			// Not from socket to socket in the kernel: the runtime keeps pipes for that,
			// which look like a leak.
			pass := func(to, from net.Conn) {
				io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from}) //nolint:errcheck // it is cut
				to.Close()
			}
			wg.Go(func() { pass(to, from) })
			wg.Go(func() { pass(from, to) })
		}
	})
	return g, "nats://" + ln.Addr().String()
}

func (g *gap) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

// TestRevokedMeanwhile: a node learns what it has missed before it lets anybody in.
func TestRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	c := revoking(t, 1, nil)
	believe := func(url string) *edge.Node {
		var o edge.Options
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
		o.Access.TokenParam = "token"
		o.Bus.URLs = []string{url}
		return testkit.StartNode(t, o)
	}
	g, url := newGap(t, strings.TrimPrefix(c.NATS[0].ClientURL(), "nats://"))
	c.Nodes = append(c.Nodes, believe(url))
	t1, t2 := issued(t, "alice", "t1", time.Minute), issued(t, "bob", "t2", time.Minute)
	alice, bob := c.Dial(t, 1, "/?token="+t1), c.Dial(t, 1, "/chsk?client-id=tab&token="+t2)
	backend := c.Backend(t, 0)
	g.set(false)
	testkit.Eventually(t, "node 1 is cut off", func() bool { return !c.Nodes[1].Ready() })
	for _, r := range []bus.Revocation{{UID: bus.String("alice")}, {TokenID: "t2"}, {UID: bus.Keyword("admin")}} {
		// The cut off one is silent, as long as it is not forgotten.
		if done, err := backend.Revoke(t.Context(), r); err != nil && !errors.Is(err, bus.ErrSilent) || len(done.Nodes) != 1 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	alice.Nothing()
	bob.Nothing()
	g.set(true)
	alice.ExpectClose(4403)
	bob.ExpectClose(4403)
	testkit.Eventually(t, "node 1 is back", c.Nodes[1].Ready)
	unauthorized(t, c.Nodes[1], "/?", t1, "revoked")
	unauthorized(t, c.Nodes[1], "/?", t2, "revoked")

	// A node that starts asks before it returns.
	n := believe(c.NATS[0].ClientURL())
	unauthorized(t, n, "/?", t1, "revoked")
	unauthorized(t, n, "/?", t2, "revoked")
	if s := n.Stats().Admin; s.Remembered != 3 || s.Learned != 3 || s.Unanswered != 0 {
		t.Errorf("%+v: the second of two tells the same, and needs not", s)
	}
}

// TestRevokeWhileConnecting: whoever is accepted around the moment of a revocation
// does not stay.
func TestRevokeWhileConnecting(t *testing.T) {
	c := revoking(t, 2, nil)
	t1 := issued(t, "alice", "t1", time.Minute)
	backend := c.Backend(t, 0)
	must(t, backend.Barrier(t.Context())) // so that Revoke has nothing to wait for
	var wg sync.WaitGroup
	started := make(chan struct{}, 20)
	for i := range 8 {
		wg.Go(func() {
			for j := range 10_000 {
				path := "/?token=" + t1
				if i%2 == 0 {
					path = fmt.Sprintf("/chsk?client-id=tab-%d-%d&token=%s", i, j, t1)
				}
				_, err := testkit.TryDial(t, c.Nodes[i%2].Addr().String(), path)
				select {
				case started <- struct{}{}:
				default:
				}
				if err != nil {
					return // refused
				}
			}
			t.Error("never refused")
		})
	}
	for range 20 {
		<-started
	}
	_, err := backend.Revoke(t.Context(), bus.Revocation{TokenID: "t1"})
	must(t, err)
	wg.Wait()
	for i, n := range c.Nodes {
		testkit.Eventually(t, fmt.Sprintf("nobody at node %d", i), func() bool { return n.Connections() == 0 && n.Stats().Sente.Away == 0 })
	}
}

// raw is a backend without our help.
func rawBackend(t *testing.T, c *testkit.Cluster, i int) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(c.NATS[i].ClientURL())
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func TestAdminBodies(t *testing.T) {
	c := revoking(t, 1, nil)
	nc := rawBackend(t, c, 0)
	for _, tt := range []struct {
		subject, contentType, body string
		answer, refused            string
	}{
		{subject: "revoke", body: `{:uid "alice"}`, answer: `{:closed 0}`},
		{subject: "revoke", contentType: "application/json", body: `{"token-id": "t1"}`, answer: `{"closed": 0}`},
		{subject: "kick", body: `{:client-id "tab" :code 4000}`, answer: `{:closed 0}`},
		{subject: "kick", contentType: "application/json", body: `{"uid": ":admin"}`, answer: `{"closed": 0}`},
		{subject: "revoke", body: `{:uid "alice" :token-id "t1"}`, refused: ":bad-request"},
		{subject: "revoke", body: `{:uid "alice"`, refused: ":bad-request"},
		{subject: "revoke", contentType: "text/plain", body: `{:uid "alice"}`, refused: ":bad-request"},
		{subject: "kick", body: `[:chsk/close]`, refused: ":bad-request"},
		{subject: "kick", contentType: "application/json", body: `{"uid": "alice", "code": 1}`, refused: ":bad-request"},
	} {
		m := &nats.Msg{Subject: "hoshi.api." + tt.subject, Data: []byte(tt.body), Header: nats.Header{}}
		if tt.contentType != "" {
			m.Header["Content-Type"] = []string{tt.contentType}
		}
		got, err := nc.RequestMsg(m, testkit.Patience)
		must(t, err)
		refused := strings.Join(got.Header["Hoshi-Error"], " ")
		node := strings.Join(got.Header["Hoshi-Node"], " ")
		if string(got.Data) != tt.answer || refused != tt.refused || tt.refused == "" && node != c.Nodes[0].ID().String() {
			t.Errorf("%s %s: answered %q, %v", tt.subject, tt.body, got.Data, got.Header)
		}
		if got, want := strings.Join(got.Header["Content-Type"], " "), tt.contentType; tt.refused == "" && got != want {
			t.Errorf("%s %s: answered as %q", tt.subject, tt.body, got)
		}
	}
	s := c.Nodes[0].Stats()
	if s.Admin.Malformed != 3 || s.Admin.Revocations != 2 || s.Admin.Kicks != 2 || s.Bus.Dropped["invalid"] != 1 || s.Bus.Dropped["unsupported-format"] != 1 {
		t.Errorf("%+v, %v", s.Admin, s.Bus.Dropped)
	}
}

// TestRevokeStorm: ten thousand in a moment, of which not all find room, are
// carried out, and learned by a node that comes.
func TestRevokeStorm(t *testing.T) {
	const all, room = 10_000, 9_000
	c := revoking(t, 2, func(o *edge.Options) { o.MaxRevocations = room })
	victims := []*testkit.Client{
		c.Dial(t, 0, "/?token="+issued(t, "alice", "t0", time.Minute)),
		c.Dial(t, 1, "/?token="+issued(t, "u8999", "x", time.Minute)),
	}
	spared := c.Dial(t, 0, "/?token="+issued(t, "bob", "t9998", time.Minute)) // it found no room
	nc := rawBackend(t, c, 0)
	for i := range all {
		body := fmt.Sprintf(`{:token-id "t%d"}`, i)
		if i%2 == 1 {
			body = fmt.Sprintf(`{:uid "u%d"}`, i)
		}
		must(t, nc.Publish("hoshi.api.revoke", []byte(body)))
	}
	got, err := nc.Request("hoshi.api.revoke", []byte(`{:uid "another"}`), testkit.Patience)
	must(t, err)
	if e := got.Header["Hoshi-Error"]; len(e) != 1 || e[0] != ":too-many-revocations" {
		t.Errorf("answered %v", got.Header)
	}
	for _, v := range victims {
		v.ExpectClose(4403)
	}
	for i, n := range c.Nodes {
		testkit.Eventually(t, fmt.Sprintf("node %d has carried them out", i), func() bool {
			s := n.Stats().Admin
			return s.Remembered == room && s.Revocations == room && s.Full == all-room+1
		})
	}
	spared.Nothing()

	var o edge.Options
	o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{Secret: []byte(tokenSecret)}}}}
	o.Access.TokenParam = "token"
	o.Bus.URLs = []string{c.NATS[1].ClientURL()}
	n := testkit.StartNode(t, o)
	unauthorized(t, n, "/?", issued(t, "alice", "t8998", time.Minute), "revoked")
	unauthorized(t, n, "/?", issued(t, "u8999", "x", time.Minute), "revoked")
	if s := n.Stats().Admin; s.Remembered != room || s.Unanswered != 0 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestRevokedUnderAnotherName: a backend that was asked says who somebody is, and
// whom his token names can be revoked all the same.
func TestRevokedUnderAnotherName(t *testing.T) {
	c := revoking(t, 1, func(o *edge.Options) {
		o.Callouts.Connect = true
		o.Callouts.Cache = -1
	})
	backend := c.Backend(t, 0)
	nc := rawBackend(t, c, 0)
	_, err := nc.QueueSubscribe("hoshi.auth.connect", "q", func(m *nats.Msg) {
		if err := m.Respond([]byte(`{:allow true :uid :member/alice}`)); err != nil {
			t.Error(err)
		}
	})
	must(t, err)
	must(t, nc.Flush())
	for _, uid := range []bus.Name{bus.String("alice"), bus.Keyword("member/alice")} {
		ago := time.Minute
		if uid == bus.Keyword("member/alice") {
			ago = -time.Second // newer than the first revocation
		}
		t1 := issued(t, "alice", "t1", ago)
		cl := c.Dial(t, 0, "/?token="+t1)
		if cl.UID != ":member/alice" {
			t.Fatalf("uid %s", cl.UID)
		}
		before := time.Now()
		if ago < 0 {
			before = before.Add(time.Minute)
		}
		done, err := backend.Revoke(t.Context(), bus.Revocation{UID: uid, IssuedBefore: before})
		if err != nil || done.Closed() != 1 {
			t.Fatalf("%+v, %v", done, err)
		}
		cl.ExpectClose(4403)
		unauthorized(t, c.Nodes[0], "/?", t1, "revoked")
	}
	// Nobody's token: the time of the connection counts.
	cl := c.Dial(t, 0, "/?token="+issued(t, "bob", "b1", -100*time.Second))
	cl.Nothing()
}
