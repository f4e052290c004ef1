package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type object map[string]any

// jwkOf writes a public key as RFC 7518 and 8037 have it.
func jwkOf(kid string, public crypto.PublicKey) object {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return object{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point := must(k.Bytes())
		half := len(point) / 2
		return object{"kty": "EC", "kid": kid, "crv": k.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	case ed25519.PublicKey:
		return object{"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(k)}
	}
	panic("no such key")
}

func setOf(list ...object) []byte { return must(json.Marshal(object{"keys": list})) }

var (
	rsaKey = must(rsa.GenerateKey(rand.Reader, 2048))
	p256   = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384   = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521   = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	edKey  = func() ed25519.PrivateKey {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return must(k, err)
	}()
)
