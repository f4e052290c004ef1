package keys_test

import (
	"bytes"
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
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/auth/keys"
)

type equaler interface{ Equal(x crypto.PublicKey) bool }

func TestNewPublic(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for _, c := range []struct {
		name      string
		public    crypto.PublicKey
		algorithm string
		want      string // empty: refused
	}{
		{"RSA", rsaKey.Public(), "", "RS256"},
		{"RSA with PS", rsaKey.Public(), "PS512", "PS512"},
		{"RSA with ES", rsaKey.Public(), "ES256", ""},
		{"RSA with HS", rsaKey.Public(), "HS256", ""},
		{"RSA with none", rsaKey.Public(), "none", ""},
		{"RSA of 1024 bits", small.Public(), "", ""},
		{"RSA of 8193 bits", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537}, "", ""},
		{"RSA with exponent 1", &rsa.PublicKey{N: rsaKey.N, E: 1}, "", ""},
		{"RSA with an even exponent", &rsa.PublicKey{N: rsaKey.N, E: 4}, "", ""},
		{"RSA with nothing", &rsa.PublicKey{}, "", ""},
		{"P-224", p224.Public(), "", ""},
		{"P-256", p256.Public(), "", "ES256"},
		{"P-256 with ES384", p256.Public(), "ES384", ""},
		{"P-384", p384.Public(), "", "ES384"},
		{"P-521", p521.Public(), "ES512", "ES512"},
		{"Ed25519", edKey.Public(), "", "EdDSA"},
		{"Ed25519, cut", edKey.Public().(ed25519.PublicKey)[:31], "", ""},
		{"private", rsaKey, "", ""},
		{"nil", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := keys.NewPublic("id", c.algorithm, c.public)
			if c.want == "" {
				if !errors.Is(err, keys.ErrBadKey) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || k.Algorithm != c.want || k.ID != "id" {
				t.Fatalf("%+v, %v", k, err)
			}
		})
	}
}

func TestNewSecret(t *testing.T) {
	for _, c := range []struct {
		algorithm string
		secret    string
		ok        bool
	}{
		{"", strings.Repeat("x", 32), true},
		{"", strings.Repeat("x", 31), false},
		{"", "", false},
		{"HS384", strings.Repeat("x", 48), true},
		{"HS384", strings.Repeat("x", 47), false},
		{"HS512", strings.Repeat("x", 64), true},
		{"HS512", strings.Repeat("x", 63), false},
		{"RS256", strings.Repeat("x", 64), false},
		{"none", strings.Repeat("x", 64), false},
		{"", "-----BEGIN PUBLIC KEY-----\n" + strings.Repeat("A", 64), false},
	} {
		secret := []byte(c.secret)
		k, err := keys.NewSecret("", c.algorithm, secret)
		switch {
		case c.ok && err != nil, !c.ok && !errors.Is(err, keys.ErrBadKey):
			t.Errorf("%s with %d bytes: %v", c.algorithm, len(c.secret), err)
		case err != nil && c.secret != "" && strings.Contains(err.Error(), c.secret):
			t.Errorf("error %q quotes the secret", err)
		case err == nil:
			secret[0] = 'y'
			if !bytes.Equal(k.Material.([]byte), []byte(c.secret)) {
				t.Error("the secret is not a copy")
			}
		}
	}
}

func block(kind string, der []byte, err error) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: must(der, err)}))
}

func pkix(public crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	return block("PUBLIC KEY", der, err)
}

func TestParsePEM(t *testing.T) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p384.Public(), p384)
	certificate := block("CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(p256)
	private := block("PRIVATE KEY", der, err)
	for _, c := range []struct {
		name, algorithm, text string
		want                  string // algorithms; empty is an error
	}{
		{"RSA", "", pkix(rsaKey.Public()), "RS256"},
		{"RSA for PS256", "PS256", pkix(rsaKey.Public()), "PS256"},
		{"PKCS #1", "", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil), "RS256"},
		{"EC", "", pkix(p521.Public()), "ES512"},
		{"Ed25519", "", pkix(edKey.Public()), "EdDSA"},
		{"certificate", "", certificate, "ES384"},
		{"three", "", pkix(rsaKey.Public()) + "\n" + pkix(p256.Public()) + certificate + "\n\n", "RS256 ES256 ES384"},
		{"words before", "", "our key:\n" + pkix(p256.Public()), "ES256"},
		{"words behind", "", pkix(p256.Public()) + "x", ""},
		{"cut", "", pkix(p256.Public())[:90], ""},
		{"nothing", "", "", ""},
		{"private", "", private, ""},
		{"EC private", "", block("EC PRIVATE KEY", []byte("x"), nil), ""},
		{"what else", "", block("DH PARAMETERS", []byte("x"), nil), ""},
		{"garbage", "", block("PUBLIC KEY", []byte("x"), nil), ""},
		{"garbled certificate", "", block("CERTIFICATE", []byte("x"), nil), ""},
		{"other algorithm", "ES256", pkix(rsaKey.Public()), ""},
		{"too many", "", strings.Repeat(pkix(p256.Public()), keys.MaxKeys+1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := keys.ParsePEM("id", c.algorithm, []byte(c.text))
			if c.want == "" {
				if !errors.Is(err, keys.ErrBadKey) {
					t.Fatalf("%v, %v", found, err)
				}
				return
			}
			var got []string
			for _, k := range found {
				got = append(got, k.Algorithm)
			}
			if err != nil || strings.Join(got, " ") != c.want {
				t.Fatalf("%v, %v", got, err)
			}
		})
	}
}

func with(o object, name string, value any) object {
	c := maps.Clone(o)
	c[name] = value
	return c
}

// shifted moves the last byte of x to the front of y.
func shifted(e object) object {
	x := must(base64.RawURLEncoding.DecodeString(e["x"].(string)))
	y := must(base64.RawURLEncoding.DecodeString(e["y"].(string)))
	return with(with(e, "x", b64(x[:31])), "y", b64(append(x[31:], y...)))
}

func TestParseJWKS(t *testing.T) {
	all := []crypto.PublicKey{rsaKey.Public(), p256.Public(), p384.Public(), p521.Public(), edKey.Public()}
	var list []object
	for _, k := range all {
		list = append(list, jwkOf("k", k))
	}
	found, left, err := keys.ParseJWKS("", setOf(list...))
	if err != nil || left != 0 || len(found) != len(all) {
		t.Fatalf("%d keys, %d left, %v", len(found), left, err)
	}
	for i, k := range found {
		if !k.Material.(equaler).Equal(all[i]) {
			t.Errorf("key %d is not the one that was written", i)
		}
	}

	r, e := jwkOf("r", rsaKey.Public()), jwkOf("e", p256.Public())
	o := jwkOf("o", edKey.Public())
	for _, c := range []struct {
		name string
		key  object
		want string // its algorithm; empty: left out
	}{
		{"RSA", r, "PS384"}, // as the configuration has it
		{"RSA with alg", with(r, "alg", "RS512"), "RS512"},
		{"RSA, alg of another kind", with(r, "alg", "HS256"), ""},
		{"RSA for encryption by alg", with(r, "alg", "RSA-OAEP"), ""},
		{"RSA, a zero in front", with(r, "n", b64(append([]byte{0}, rsaKey.N.Bytes()...))), "PS384"},
		{"RSA, n is even longer", with(r, "n", b64(bytes.Repeat([]byte{255}, 1026))), ""},
		{"RSA, n is small", with(r, "n", b64(rsaKey.N.Bytes()[:100])), ""},
		{"RSA, e is long", with(r, "e", b64([]byte{1, 0, 0, 0, 1})), ""},
		{"RSA, e is missing", with(r, "e", ""), ""},
		{"RSA, e is 1", with(r, "e", "AQ"), ""},
		{"EC", e, "ES256"},
		{"EC, off the curve", with(e, "x", b64(make([]byte, 32))), ""},
		{"EC, short", with(e, "x", "AAAA"), ""},
		{"EC, a byte of x in y", shifted(e), ""},
		{"EC, another curve", with(e, "crv", "secp256k1"), ""},
		{"EC, a curve of another size", with(e, "crv", "P-384"), ""},
		{"Ed25519", o, "EdDSA"},
		{"Ed25519 by its new name", with(o, "alg", "Ed25519"), "EdDSA"},
		{"Ed448", with(o, "crv", "Ed448"), ""},
		{"X25519", with(o, "crv", "X25519"), ""},
		{"a secret", object{"kty": "oct", "k": b64(bytes.Repeat([]byte{1}, 64)), "alg": "HS256"}, ""},
		{"a kind to come", object{"kty": "AKP", "alg": "ML-DSA-44"}, ""},
		{"use for signatures", with(e, "use", "sig"), "ES256"},
		{"use for encryption", with(e, "use", "enc"), ""},
		{"key_ops verify", with(e, "key_ops", []string{"verify"}), "ES256"},
		{"key_ops sign", with(e, "key_ops", []string{"sign"}), ""},
		{"key_ops nothing", with(e, "key_ops", []string{}), ""},
		{"kid is long", with(e, "kid", strings.Repeat("k", 256)), ""},
		{"kid is a number", with(e, "kid", 1), ""},
		{"private part", with(e, "d", "AAAA"), "ES256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// In company: what is left out harms nobody else.
			found, left, err := keys.ParseJWKS("PS384", setOf(jwkOf("first", p521.Public()), c.key))
			if err != nil || found[0].ID != "first" || len(found)+left != 2 {
				t.Fatalf("%v, %d left, %v", found, left, err)
			}
			switch {
			case c.want == "" && len(found) != 1:
				t.Fatalf("taken as %s", found[1].Algorithm)
			case c.want != "" && (len(found) != 2 || found[1].Algorithm != c.want):
				t.Fatalf("%v, want %s", found[1:], c.want)
			}
		})
	}
	for _, c := range []struct {
		name     string
		document []byte
	}{
		{"empty", nil},
		{"a page", []byte("<html>")},
		{"a list", []byte("[]")},
		{"null", []byte("null")},
		{"no keys", []byte(`{"keys":[]}`)},
		{"keys are no list", []byte(`{"keys":{}}`)},
		{"keys are no objects", []byte(`{"keys":[1,"x",null]}`)},
		{"none that can be used", setOf(object{"kty": "oct", "k": "AAAA"})},
		{"too many", setOf(slices.Repeat([]object{e}, keys.MaxKeys+1)...)},
		{"too long", append(setOf(e), bytes.Repeat([]byte(" "), keys.MaxDocument)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if found, _, err := keys.ParseJWKS("", c.document); !errors.Is(err, keys.ErrBadKey) {
				t.Fatalf("%v, %v", found, err)
			}
		})
	}
}

func FuzzParseJWKS(f *testing.F) {
	for _, k := range []crypto.PublicKey{rsaKey.Public(), p256.Public(), edKey.Public()} {
		f.Add(setOf(jwkOf("k", k)))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		found, left, err := keys.ParseJWKS("", document)
		if err != nil && len(found) > 0 || err == nil && len(found) == 0 || len(found)+left > keys.MaxKeys {
			t.Fatalf("%d keys, %d left, %v", len(found), left, err)
		}
		for _, k := range found {
			// What was taken can be written again, and is the same key.
			again, _, err := keys.ParseJWKS(k.Algorithm, must(json.Marshal(object{"keys": []object{jwkOf(k.ID, k.Material)}})))
			if err != nil || !again[0].Material.(equaler).Equal(k.Material) {
				t.Fatalf("%+v: %v", k, err)
			}
		}
	})
}
