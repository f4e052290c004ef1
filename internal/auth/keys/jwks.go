package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// Bounds of a set of keys.
const (
	MaxKeys     = 64        // of one set
	MaxDocument = 256 << 10 // bytes of a JWKS
	MaxKeyID    = 255       // bytes of a kid
)

// jwk has what is read of a key of a set. Private parts are passed over.
type jwk struct {
	Kty    string   `json:"kty"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Kid    string   `json:"kid"`
	Crv    string   `json:"crv"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
}

// ParseJWKS reads a set of keys. What cannot check signatures is left out and
// counted, as sets hold keys for other uses, and of kinds to come; a set without
// one usable key is an error, and so is one beyond the bounds. algorithm goes
// for RSA keys that name none.
func ParseJWKS(algorithm string, document []byte) (found []Key, left int, err error) {
	if len(document) > MaxDocument {
		return nil, 0, fmt.Errorf("%w: a key set of more than %d bytes", ErrBadKey, MaxDocument)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, 0, fmt.Errorf("%w: a key set that is no JSON object with keys", ErrBadKey)
	}
	if len(set.Keys) > MaxKeys {
		return nil, 0, fmt.Errorf("%w: a key set of %d keys, more than %d", ErrBadKey, len(set.Keys), MaxKeys)
	}
	for _, raw := range set.Keys {
		var j jwk
		if json.Unmarshal(raw, &j) != nil {
			left++
			continue
		}
		k, err := j.key(algorithm)
		if err != nil {
			left++
			continue
		}
		found = append(found, k)
	}
	if len(found) == 0 {
		return nil, left, fmt.Errorf("%w: a key set without a usable key, of %d", ErrBadKey, len(set.Keys))
	}
	return found, left, nil
}

func (j *jwk) key(fallback string) (Key, error) {
	if j.Use != "" && j.Use != "sig" || j.KeyOps != nil && !slices.Contains(j.KeyOps, "verify") || len(j.Kid) > MaxKeyID {
		return Key{}, ErrBadKey
	}
	switch j.Kty {
	case "RSA":
		n, err := number(j.N, maxRSA/8)
		if err != nil {
			return Key{}, err
		}
		e, err := number(j.E, 4)
		if err != nil {
			return Key{}, err
		}
		if j.Alg == "" {
			j.Alg = fallback
		}
		return NewPublic(j.Kid, j.Alg, &rsa.PublicKey{N: n, E: int(e.Int64())})
	case "EC":
		return j.curve()
	case "OKP":
		x, err := base64.RawURLEncoding.DecodeString(j.X)
		if err != nil || j.Crv != "Ed25519" {
			return Key{}, ErrBadKey
		}
		if j.Alg == "Ed25519" { // its name in RFC 9864
			j.Alg = "EdDSA"
		}
		return NewPublic(j.Kid, j.Alg, ed25519.PublicKey(x))
	}
	return Key{}, ErrBadKey // oct too: a secret that is fetched is none
}

func (j *jwk) curve() (Key, error) {
	var c elliptic.Curve
	switch j.Crv {
	case "P-256":
		c = elliptic.P256()
	case "P-384":
		c = elliptic.P384()
	case "P-521":
		c = elliptic.P521()
	default:
		return Key{}, ErrBadKey
	}
	size := (c.Params().BitSize + 7) / 8
	point := make([]byte, 1, 1+2*size)
	point[0] = 4 // uncompressed
	for _, text := range []string{j.X, j.Y} {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(raw) != size { // RFC 7518, section 6.2.1.2
			return Key{}, ErrBadKey
		}
		point = append(point, raw...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(c, point) // fails off the curve
	if err != nil {
		return Key{}, ErrBadKey
	}
	return NewPublic(j.Kid, j.Alg, public)
}

func number(text string, most int) (*big.Int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 || len(raw) > most+1 { // some put a zero in front
		return nil, ErrBadKey
	}
	n := new(big.Int).SetBytes(raw)
	if n.BitLen() > 8*most {
		return nil, ErrBadKey
	}
	return n, nil
}
