package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/auth/keys"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// keyServer serves a key set that the test changes.
type keyServer struct {
	*httptest.Server

	document atomic.Pointer[[]byte]
	fetches  atomic.Int64
	gate     atomic.Pointer[chan struct{}] // not nil: answers wait for it to be closed
}

func serveKeys(t *testing.T) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		if gate := s.gate.Load(); gate != nil {
			select {
			case <-*gate:
			case <-r.Context().Done():
				return
			}
		}
		if d := s.document.Load(); d != nil {
			_, _ = w.Write(*d)
			return
		}
		http.Error(w, "out of order", http.StatusInternalServerError)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(keys ...object) {
	document := must(json.Marshal(object{"keys": keys}))
	s.document.Store(&document)
}

func jwkOf(kid string, s signer) object {
	k := s.private.(*ecdsa.PrivateKey)
	point := must(k.PublicKey.Bytes())
	half := len(point) / 2
	return object{"kty": "EC", "crv": k.Params().Name, "kid": kid, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}
}

func newES256() signer {
	return signer{"ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
}

func remote(t *testing.T, s *keyServer, o keys.Options) *auth.Verifier {
	t.Helper()
	v := verifier(t, auth.Options{
		Issuers: []auth.Issuer{{Keys: []auth.KeySource{{URL: s.URL}}}},
		Fetch:   o,
		Now:     time.Now,
	})
	v.Start()
	return v
}

func fresh() object { return object{"sub": "alice", "exp": time.Now().Unix() + 600} }

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return ctx
}

func TestKeySetRotates(t *testing.T) {
	server := serveKeys(t)
	one, two := newES256(), newES256()
	server.set(jwkOf("1", one))
	v := remote(t, server, keys.Options{MinRefresh: time.Nanosecond})

	first := one.sign(t, fresh(), object{"kid": "1"})
	if _, err := v.VerifyWait(patience(t), first); err != nil {
		t.Fatalf("before the rotation: %v", err)
	}
	server.set(jwkOf("2", two))
	second := two.sign(t, fresh(), object{"kid": "2"})
	// The loop is told at once, and whoever waits gets in.
	_, err := v.Verify(second)
	wantReason(t, err, second, auth.ReasonPending)
	if !err.(*auth.Error).Temporary() { //nolint:errorlint // it is what Verify promises
		t.Error("not temporary")
	}
	if _, err := v.VerifyWait(patience(t), second); err != nil {
		t.Fatalf("after the rotation: %v", err)
	}
	// The old key is gone with the old set.
	_, err = v.VerifyWait(patience(t), first)
	wantReason(t, err, first, auth.ReasonKey)
}

// TestKeySetWithoutIDs: a key that tokens do not name is looked for when the
// signature is wrong.
func TestKeySetWithoutIDs(t *testing.T) {
	server := serveKeys(t)
	one, two := newES256(), newES256()
	server.set(jwkOf("", one))
	v := remote(t, server, keys.Options{MinRefresh: time.Nanosecond})
	if _, err := v.VerifyWait(patience(t), one.sign(t, fresh(), nil)); err != nil {
		t.Fatal(err)
	}
	server.set(jwkOf("", two))
	if _, err := v.VerifyWait(patience(t), two.sign(t, fresh(), nil)); err != nil {
		t.Fatal(err)
	}
	token := newES256().sign(t, fresh(), nil)
	_, err := v.VerifyWait(patience(t), token)
	wantReason(t, err, token, auth.ReasonSignature)
}

// TestKeySetWithoutTheID: a key of a url that has no id is not tried for a token
// that names one.
func TestKeySetWithoutTheID(t *testing.T) {
	server := serveKeys(t)
	one := newES256()
	server.set(jwkOf("", one))
	v := remote(t, server, keys.Options{MinRefresh: time.Hour})
	if _, err := v.VerifyWait(patience(t), one.sign(t, fresh(), nil)); err != nil {
		t.Fatal(err)
	}
	token := one.sign(t, fresh(), object{"kid": "1"})
	_, err := v.Verify(token)
	wantReason(t, err, token, auth.ReasonKey)
}

// TestUnknownKeysAreCheap: whoever invents kids causes no fetch for each.
func TestUnknownKeysAreCheap(t *testing.T) {
	server := serveKeys(t)
	one := newES256()
	server.set(jwkOf("1", one))
	v := remote(t, server, keys.Options{MinRefresh: time.Hour})
	if _, err := v.VerifyWait(patience(t), one.sign(t, fresh(), object{"kid": "1"})); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		token := newES256().sign(t, fresh(), object{"kid": rand.Text()})
		_, err := v.VerifyWait(patience(t), token)
		wantReason(t, err, token, auth.ReasonKey)
	}
	// Nor do algorithms that no key of a url can have, nor good tokens.
	for _, token := range []string{
		by("HS256").sign(t, fresh(), object{"kid": "x"}),
		encode([]byte(`{"alg":"none","kid":"x"}`)) + "." + encode([]byte(`{}`)) + ".",
	} {
		if _, err := v.Verify(token); err == nil || errors.Is(err, auth.Refusal(auth.ReasonPending)) {
			t.Errorf("%v", err)
		}
	}
	if n := server.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// TestRotationUnderLoad verifies from many sides while keys change.
func TestRotationUnderLoad(t *testing.T) {
	server := serveKeys(t)
	stays, one, two := newES256(), newES256(), newES256()
	server.set(jwkOf("s", stays), jwkOf("1", one))
	v := remote(t, server, keys.Options{Refresh: time.Millisecond, MinRefresh: time.Nanosecond})
	good := stays.sign(t, fresh(), object{"kid": "s"})
	if _, err := v.VerifyWait(patience(t), good); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if _, err := v.Verify(good); err != nil {
					t.Errorf("a key that stays: %v", err)
				}
				if _, err := v.Verify(two.sign(t, fresh(), object{"kid": "1"})); err == nil {
					t.Error("a key of another name is taken")
				}
			}
		})
	}
	for i := range 20 {
		server.set(jwkOf("s", stays), jwkOf([]string{"1", "3"}[i%2], one), jwkOf("2", two))
		seen := server.fetches.Load()
		testkit.Eventually(t, "a fetch", func() bool { return server.fetches.Load() > seen })
	}
	group.Wait()
}

func TestVerifyDoesNotWait(t *testing.T) {
	server := serveKeys(t)
	gate := make(chan struct{})
	server.gate.Store(&gate)
	one := newES256()
	server.set(jwkOf("1", one))
	v := remote(t, server, keys.Options{})
	token := one.sign(t, fresh(), object{"kid": "1"})
	_, err := v.Verify(token)
	wantReason(t, err, token, auth.ReasonPending)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.VerifyWait(gone, token)
	wantReason(t, err, token, auth.ReasonPending)

	close(gate)
	if _, err := v.VerifyWait(patience(t), token); err != nil {
		t.Fatal(err)
	}
}

func TestKeySetIsAway(t *testing.T) {
	server := serveKeys(t) // says 500
	one := newES256()
	v := remote(t, server, keys.Options{MinRefresh: time.Hour})
	token := one.sign(t, fresh(), object{"kid": "1"})
	_, err := v.VerifyWait(patience(t), token)
	wantReason(t, err, token, auth.ReasonKeys)
	if !errors.Is(err, auth.Refusal(auth.ReasonKeys)) || !auth.Refusal(auth.ReasonKeys).Temporary() {
		t.Errorf("%v", err)
	}
}

// TestStopLetsGo: who waits does not wait for a server that hangs.
func TestStopLetsGo(t *testing.T) {
	server := serveKeys(t)
	gate := make(chan struct{})
	defer close(gate)
	server.gate.Store(&gate)
	v := remote(t, server, keys.Options{Timeout: time.Hour})
	token := newES256().sign(t, fresh(), nil)
	done := make(chan error, 1)
	go func() {
		_, err := v.VerifyWait(context.Background(), token)
		done <- err
	}()
	testkit.Eventually(t, "a fetch", func() bool { return server.fetches.Load() > 0 })
	v.Stop()
	wantReason(t, <-done, token, auth.ReasonKeys)
	v.Stop() // twice is no harm
}

func TestNew(t *testing.T) {
	rs := by("RS256")
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(rs.pem(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "long.pem")
	if err := os.WriteFile(long, []byte(strings.Repeat("\n", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := by("HS256").private.([]byte)
	issuer := func(k ...auth.KeySource) auth.Options { return auth.Options{Issuers: []auth.Issuer{{Keys: k}}} }
	for _, c := range []struct {
		name string
		o    auth.Options
		want string // part of the error, empty for none
	}{
		{"secret", issuer(auth.KeySource{Secret: secret}), ""},
		{"file", issuer(auth.KeySource{File: file}), ""},
		{"https", issuer(auth.KeySource{URL: "https://id.example/keys"}), ""},
		{"several", issuer(auth.KeySource{Secret: secret}, auth.KeySource{PEM: rs.pem(t)}), ""},
		{"nothing", auth.Options{}, "no issuer"},
		{"no keys", issuer(), "no keys"},
		{"empty key", issuer(auth.KeySource{}), "exactly one"},
		{"two in one", issuer(auth.KeySource{Secret: secret, PEM: rs.pem(t)}), "exactly one"},
		{"no file", issuer(auth.KeySource{File: file + "x"}), "no such file"},
		{"long file", issuer(auth.KeySource{File: long}), "more than"},
		{"http", issuer(auth.KeySource{URL: "http://id.example/keys"}), "https"},
		{"id for a url", issuer(auth.KeySource{URL: "https://id.example/keys", ID: "1"}), "ids of their own"},
		{"leeway", auth.Options{Leeway: time.Hour, Issuers: []auth.Issuer{{Keys: []auth.KeySource{{Secret: secret}}}}}, "leeway"},
		{"nameless of two", auth.Options{Issuers: []auth.Issuer{{Keys: []auth.KeySource{{Secret: secret}}}, {Name: "b", Keys: []auth.KeySource{{Secret: secret}}}}}, "needs a name"},
		{"twice", auth.Options{Issuers: []auth.Issuer{{Name: "b", Keys: []auth.KeySource{{Secret: secret}}}, {Name: "b", Keys: []auth.KeySource{{Secret: secret}}}}}, "twice"},
		{"all faults", auth.Options{Leeway: time.Hour, Issuers: []auth.Issuer{{Keys: []auth.KeySource{{Secret: []byte("short-secret")}}}}}, "at least 32 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := auth.New(c.o)
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("error %v, want one with %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "short-secret"):
				t.Fatalf("error %q quotes a secret", err)
			}
		})
	}
}
