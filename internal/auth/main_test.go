package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// now is the time of the tests' clocks, in whole seconds.
var now = time.Unix(1_800_000_000, 0)

func clock() time.Time { return now }

// signer has both halves of a key.
type signer struct {
	algorithm string
	private   any // []byte for secrets
}

func (s signer) public() crypto.PublicKey {
	if k, ok := s.private.(crypto.Signer); ok {
		return k.Public()
	}
	return nil
}

func (s signer) pem(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// source gives the verifying half to an issuer.
func (s signer) source(t testing.TB) auth.KeySource {
	t.Helper()
	if secret, ok := s.private.([]byte); ok {
		return auth.KeySource{Algorithm: s.algorithm, Secret: secret}
	}
	return auth.KeySource{Algorithm: s.algorithm, PEM: s.pem(t)}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaKey  = must(rsa.GenerateKey(rand.Reader, 2048))
	rsaTwo  = must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed   = must2(ed25519.GenerateKey(rand.Reader))
	signers = []signer{
		{"HS256", []byte(rand.Text() + rand.Text())},
		{"HS384", []byte(rand.Text() + rand.Text())},
		{"HS512", []byte(rand.Text() + rand.Text() + rand.Text())},
		{"RS256", rsaKey},
		{"RS384", rsaKey},
		{"RS512", rsaKey},
		{"PS256", rsaKey},
		{"PS384", rsaKey},
		{"PS512", rsaKey},
		{"ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))},
		{"ES384", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))},
		{"ES512", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))},
		{"EdDSA", ed},
	}
)

func must2[T, U any](t T, u U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return t, u
}

func by(algorithm string) signer {
	for _, s := range signers {
		if s.algorithm == algorithm {
			return s
		}
	}
	panic(algorithm)
}

type object map[string]any

// claims are those of a good token, changed; a nil takes one away.
func claims(change object) object {
	c := object{"sub": "alice", "exp": now.Unix() + 60}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a token, whose header says the signer's algorithm and more.
func (s signer) sign(t testing.TB, c object, header object) string {
	t.Helper()
	return s.signText(t, string(must(json.Marshal(c))), header)
}

func (s signer) signText(t testing.TB, payload string, header object) string {
	t.Helper()
	h := object{"alg": s.algorithm, "typ": "JWT"}
	maps.Copy(h, header)
	text := encode(must(json.Marshal(h))) + "." + encode([]byte(payload))
	signature, err := jwt.GetSigningMethod(s.algorithm).Sign(text, s.private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func verifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	if o.Now == nil {
		o.Now = clock
	}
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Stop)
	return v
}

// only makes a verifier of one issuer with one key.
func only(t testing.TB, s signer) *auth.Verifier {
	t.Helper()
	return verifier(t, auth.Options{Issuers: []auth.Issuer{{Keys: []auth.KeySource{s.source(t)}}}})
}

// wantReason checks an error, and that it quotes nothing of the token.
func wantReason(t testing.TB, err error, token string, want auth.Reason) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	fault, ok := errors.AsType[*auth.Error](err)
	if !ok || fault.Reason != want {
		t.Fatalf("error %v, want reason %q", err, want)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 3 && strings.Contains(err.Error(), part) {
			t.Fatalf("error %q quotes %q", err, part)
		}
	}
}
