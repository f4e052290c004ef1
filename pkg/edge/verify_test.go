package edge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// slowIssuer makes tokens whose signature takes a loop too long (ES512).
type slowIssuer struct{ key *ecdsa.PrivateKey }

func newSlowIssuer(t *testing.T) slowIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(t, err)
	return slowIssuer{key}
}

func (i slowIssuer) pem(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (i slowIssuer) token(t *testing.T, uid string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"sub": uid, "exp": in(time.Hour)})
	must(t, err)
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"ES512"}`)) + "." + enc.EncodeToString(body)
	sum := sha512.Sum512([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	must(t, err)
	signature := make([]byte, 132) // RFC 7518, section 3.4
	r.FillBytes(signature[:66])
	s.FillBytes(signature[66:])
	return text + "." + enc.EncodeToString(signature)
}

// slowNode believes the issuer.
func slowNode(t *testing.T, i slowIssuer) *testkit.Cluster {
	t.Helper()
	return testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
		o.Access.Issuers = []edge.Issuer{{Keys: []edge.KeySource{{PEM: i.pem(t)}}}}
		o.Access.TokenParam = "token"
		o.WSEcho = "/echo"
	})
}

func TestSlowTokens(t *testing.T) {
	issuer := newSlowIssuer(t)
	c := slowNode(t, issuer)
	addr := c.Nodes[0].Addr().String()
	good := issuer.token(t, "alice")
	for _, path := range []string{"/?token=", "/chsk?client-id=tab-1&token="} {
		if cl := c.Dial(t, 0, path+good); cl.UID != `"alice"` {
			t.Errorf("%s: uid %s", path, cl.UID)
		}
		_, err := testkit.TryDial(t, addr, path+issuer.token(t, "mallory")[:len(good)-4]+"AAAA")
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 401 {
			t.Errorf("%s, forged: %v", path, err)
		}
	}
	p := newPoller(t, c, "tab-2", func() int { return 0 })
	p.query.Set("token", good)
	if got := p.Open(); !strings.Contains(got, `"alice"`) {
		t.Errorf("polled %s", got)
	}
}

// While tokens are verified elsewhere the loop goes on, and what is beyond the
// queue is refused.
func TestSlowTokensWait(t *testing.T) {
	issuer := newSlowIssuer(t)
	c := slowNode(t, issuer)
	n := c.Nodes[0]
	good := issuer.token(t, "alice")
	renewing := c.Dial(t, 0, "/?token="+good)
	release := edge.HoldVerifiers(n, 2)
	renewing.Send(
		`[[:hoshi/refresh {:token "`+issuer.token(t, "alice")+`"}] "r"]`,
		`[[:sente-lite/subscribe {:channel-id "a"}] "s"]`,
	)
	waiting := make(chan error, 1)
	go func() {
		_, err := testkit.TryDial(t, n.Addr().String(), "/?token="+good)
		waiting <- err
	}()
	testkit.Eventually(t, "a full queue", func() bool { return edge.Verifying(n) == edge.SlowQueue })
	for range 2 {
		_, err := testkit.TryDial(t, n.Addr().String(), "/?token="+good)
		if status, ok := errors.AsType[ws.StatusError](err); !ok || status != 503 {
			t.Errorf("beyond the queue: %v", err)
		}
	}
	c.Dial(t, 0, "/").Nothing() // nobody else waits
	resp, err := http.Get("http://" + n.Addr().String() + "/chsk?client-id=tab-1&handshake%3F=1&token=" + good)
	must(t, err)
	must(t, resp.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("poll beyond the queue: %d", resp.StatusCode)
	}
	release()
	must(t, <-waiting)
	renewing.Expect(`[{:success true} "r"]`, `[{:success true} "s"]`)
	if r := n.Stats().RefusedUpgrades["token-verifiers-busy"]; r != 3 {
		t.Errorf("refused %d", r)
	}
}

// A client that closes while its token is verified leaves nothing.
func TestSlowTokenTooLate(t *testing.T) {
	t.Parallel()
	issuer := newSlowIssuer(t)
	c := slowNode(t, issuer)
	n := c.Nodes[0]
	release := edge.HoldVerifiers(n, 5)
	for _, path := range []string{"/?token=", "/chsk?client-id=tab-1&token=", "/echo?token="} {
		conn := dialTCP(t, n.Addr().String())
		_, err := conn.Write([]byte(upgradeOf(path + issuer.token(t, "alice"))))
		must(t, err)
		testkit.Eventually(t, "a token that waits", func() bool { return edge.Verifying(n) > edge.SlowQueue-5 })
		must(t, conn.Close())
	}
	release()
	testkit.Eventually(t, "the queue to empty", func() bool { return edge.Verifying(n) == 0 })
	testkit.Eventually(t, "connections to end", func() bool { return n.Connections() == 0 && n.Stats().Users == 0 && n.Stats().Sente.Away <= 1 })
	c.Dial(t, 0, "/?token="+issuer.token(t, "alice")).Nothing()
}

// The path of --ws-echo is for those who may come.
func TestWSEchoIsJudged(t *testing.T) {
	c := believing(t, 1, func(o *edge.Options) {
		o.WSEcho, o.Access.TokenRequired = "/echo", true
		o.Access.Origins = []string{"https://example.com"}
	})
	good := token(t, map[string]any{"sub": "alice", "exp": in(time.Hour)})
	for _, tt := range []struct {
		path, origin string
		status       string
	}{
		{"/echo?token=" + good, "", "101"},
		{"/echo?token=" + good, "https://example.com", "101"},
		{"/echo?token=" + good, "https://example.org", "403"},
		{"/echo", "", "401"},
		{"/echo?token=" + good[:len(good)-2] + "AA", "", "401"},
		{"/echo?token=%zz", "", "400"},
	} {
		conn := dialTCP(t, c.Nodes[0].Addr().String())
		request := upgradeOf(tt.path)
		if tt.origin != "" {
			request = strings.TrimSuffix(request, "\r\n") + "Origin: " + tt.origin + "\r\n\r\n"
		}
		_, err := conn.Write([]byte(request))
		must(t, err)
		answer := make([]byte, 12)
		_, err = conn.Read(answer)
		must(t, err)
		if string(answer[9:]) != tt.status {
			t.Errorf("%s from %q: %s, want %s", tt.path, tt.origin, answer, tt.status)
		}
	}
}

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(testkit.Patience)))
	return conn
}

// upgradeOf is an upgrade's head.
func upgradeOf(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}
