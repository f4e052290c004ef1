package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// accessDoc is docs/access.md, and the configuration files in it.
func accessDoc(t *testing.T) (text string, files []string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```clojure\n(;; hoshi\\.edn\n.*?)```").FindAllStringSubmatch(string(b), -1) {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.edn", len(files)))
		if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(files) != 4 {
		t.Fatalf("%d configuration files in docs/access.md", len(files))
	}
	return string(b), files
}

// startWith starts a node as a file says, on a NATS of the test.
func startWith(t *testing.T, file string) *edge.Node {
	t.Helper()
	o := optionsOf(t, "--config="+file)
	o.Logger, o.Bus = nil, bus.Options{URLs: []string{testkit.StartNATS(t, 1)[0].ClientURL()}}
	return testkit.StartNode(t, o)
}

// TestAccessDocument runs the first configuration of docs/access.md, and holds
// that its rules do what the table below them says.
func TestAccessDocument(t *testing.T) {
	text, files := accessDoc(t)
	addr := startWith(t, files[0]).Addr().String()
	signed := func(uid, claims string) string {
		c := tokenCmd{
			TokenSecret: "a-secret-of-at-least-32-bytes-0123", TokenIssuer: "https://shop.example.com/", TokenAudience: []string{"hoshi"},
			UID: uid, For: time.Hour, Claims: claims,
		}
		token, err := c.sign(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	clients := map[string]*testkit.Client{
		"nobody": testkit.Dial(t, addr, "/"),
		"alice":  testkit.Dial(t, addr, "/?token="+signed("alice", "")),
		"root":   testkit.Dial(t, addr, "/?token="+signed("root", `{"role": "admin"}`)),
	}
	if clients["root"].UID != `"root"` {
		t.Errorf("root is %s", clients["root"].UID)
	}
	rows := regexp.MustCompile(`(?m)^\| (nobody|alice|root) \| (subscribe|publish|send) \| (\S+) \| (yes|no) \|$`).FindAllStringSubmatch(text, -1)
	if len(rows) < 15 {
		t.Fatalf("%d rows of rules in docs/access.md", len(rows))
	}
	for _, row := range rows {
		cl, name := clients[row[1]], row[3]
		say := fmt.Sprintf(`[[:sente-lite/%s {:channel-id %q :data 1}] "cb"]`, row[2], name)
		want := `[{:success true} "cb"]`
		if row[2] == "send" {
			say, want = `[[`+name+` 1] "cb"]`, `[:chsk/error "cb"]` // nobody takes it
		}
		if row[4] == "no" {
			want = `[{:success false, :error :forbidden} "cb"]`
		}
		cl.Send(say)
		for { // publishes come to those who have subscribed above
			got := cl.Read()
			if strings.HasPrefix(got, "[:sente-lite/channel-msg") {
				continue
			}
			if got != want {
				t.Errorf("%s: answered %s", strings.Join(row[1:], " "), got)
			}
			break
		}
	}
	for origin, ok := range map[string]bool{"http://" + addr: true, "https://a.example.com": true, "https://example.com": false} {
		_, err := testkit.TryDialWith(t, addr, "/", http.Header{"Origin": {origin}})
		if (err == nil) != ok {
			t.Errorf("origin %s: %v", origin, err)
		}
	}
	other := tokenCmd{TokenSecret: "a-secret-of-at-least-32-bytes-0123", UID: "alice", For: time.Hour}
	if token, err := other.sign(time.Now()); err != nil {
		t.Error(err)
	} else if _, err := testkit.TryDial(t, addr, "/?token="+token); err == nil {
		t.Error("a token without issuer and audience is believed")
	}
}

// TestAccessDocumentOthers starts nodes as its other configurations say.
func TestAccessDocumentOthers(t *testing.T) {
	text, files := accessDoc(t)
	addr := startWith(t, files[1]).Addr().String()
	c := tokenCmd{
		TokenSecret: "another-secret-of-at-least-32-bytes", TokenIssuer: "cron", TokenAudience: []string{"hoshi"},
		UID: "job", For: time.Hour, Claims: `{"email": "job@example.com"}`,
	}
	token, err := c.sign(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := testkit.TryDialWith(t, addr, "/", http.Header{"Cookie": {"session=" + token}})
	if err != nil || cl.UID != `"job"` {
		t.Errorf("by cookie: %v", err)
	}
	if _, err := testkit.TryDial(t, addr, "/"); err == nil {
		t.Error("let in without a token")
	}

	addr = startWith(t, files[2]).Addr().String()
	csrf, err := auth.NewCSRF([]byte("a-csrf-secret-of-at-least-32-bytes"), "sid")
	if err != nil {
		t.Fatal(err)
	}
	good := csrf.Token("visitor-1")
	if !strings.Contains(text, "\n`"+good+"`") {
		t.Errorf("the token in the document should be %s", good)
	}
	for query, ok := range map[string]bool{"&csrf-token=" + good: true, "&csrf-token=x": false, "": false} {
		_, err := testkit.TryDialWith(t, addr, "/chsk?client-id=tab-1"+query, http.Header{"Cookie": {"sid=visitor-1"}})
		if (err == nil) != ok {
			t.Errorf("csrf %q: %v", query, err)
		}
	}

	bidder, err := testkit.TryDial(t, startWith(t, files[3]).Addr().String(), "/")
	if err != nil {
		t.Fatal(err)
	}
	for range 11 {
		bidder.Send(`[[:sente-lite/publish {:channel-id "auction/7" :data 100}] "cb"]`)
	}
	for range 10 {
		bidder.Expect(`[{:success true} "cb"]`)
	}
	bidder.Expect(`[{:success false, :error :rate-limited} "cb"]`)
	bidder.Send(`[[:sente-lite/publish {:channel-id "auction/7" :data "` + strings.Repeat("x", 4096) + `"}] "cb"]`)
	bidder.Expect(`[{:success false, :error :bad-request} "cb"]`)
}

// TestTokenFaults holds what hoshi token does not make.
func TestTokenFaults(t *testing.T) {
	good := tokenCmd{TokenSecret: secretOf('a'), UID: "alice", For: time.Hour}
	for _, tt := range []struct {
		name   string
		change func(c *tokenCmd)
		want   string
	}{
		{"no secret", func(c *tokenCmd) { c.TokenSecret = "" }, "--token-secret: needs the secret of a node"},
		{"short secret", func(c *tokenCmd) { c.TokenSecret = "hunter2" }, "--token-secret: bad key: a secret for HS256 has at least 32 bytes, this one has 7"},
		{"nobody", func(c *tokenCmd) { c.UID = "" }, "--uid: needs the user that the token is for"},
		{"claims that are none", func(c *tokenCmd) { c.Claims = "role" }, `--claims: wants one JSON object, like {"role": "admin"}`},
		{"nil claims", func(c *tokenCmd) { c.Claims = "null" }, `--claims: wants one JSON object, like {"role": "admin"}`},
	} {
		c := good
		tt.change(&c)
		if token, err := c.sign(time.Now()); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %q, %v", tt.name, token, err)
		}
	}
	v, err := auth.New(auth.Options{Issuers: []auth.Issuer{{Keys: []auth.KeySource{{Secret: []byte(secretOf('a'))}}}}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := good.sign(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	who, err := v.VerifyWait(context.Background(), token)
	if err != nil || who.UID != "alice" || who.Expires.Before(time.Now().Add(59*time.Minute)) {
		t.Errorf("%+v, %v", who, err)
	}
}
