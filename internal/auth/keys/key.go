package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
)

// ErrBadKey matches every error about a key that cannot be used.
var ErrBadKey = errors.New("bad key")

// Key checks the signatures of one algorithm. The zero Key checks none.
type Key struct {
	// ID is the kid that tokens name it by; empty where its maker gave none.
	ID string
	// Algorithm is a name of RFC 7518 or 8037, such as RS256.
	Algorithm string
	// Material is a []byte, *rsa.PublicKey, *ecdsa.PublicKey or
	// ed25519.PublicKey, as Algorithm demands. It must not be changed.
	Material any
}

// Bits that an RSA key may have. Fewer can be broken, and more would let the
// owner of a key set choose how long a loop verifies.
const (
	minRSA = 2048
	maxRSA = 8192
)

var hmacSizes = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

var rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// NewSecret makes the key of a shared secret, which it copies. The algorithm is
// HS256 if none is given. A secret must be as long as the hash, 32, 48 or 64
// bytes (RFC 7518, section 3.2), and must not be PEM: whoever knows a public
// key could sign with it.
func NewSecret(id, algorithm string, secret []byte) (Key, error) {
	if algorithm == "" {
		algorithm = "HS256"
	}
	size, ok := hmacSizes[algorithm]
	switch {
	case !ok:
		return Key{}, fmt.Errorf("%w: algorithm %q is none of secrets: want HS256, HS384 or HS512", ErrBadKey, algorithm)
	case bytes.Contains(secret, []byte("-----BEGIN ")):
		return Key{}, fmt.Errorf("%w: what should be a secret is PEM, which is no secret", ErrBadKey)
	case len(secret) < size:
		return Key{}, fmt.Errorf("%w: a secret for %s has at least %d bytes, this one has %d", ErrBadKey, algorithm, size, len(secret))
	}
	return Key{ID: id, Algorithm: algorithm, Material: bytes.Clone(secret)}, nil
}

// NewPublic makes the key of a public key. Without an algorithm it is RS256 for
// RSA; other kinds have only one.
func NewPublic(id, algorithm string, public crypto.PublicKey) (Key, error) {
	var can []string
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public == nil || public.N == nil {
			return Key{}, fmt.Errorf("%w: empty", ErrBadKey)
		}
		if bits := public.N.BitLen(); bits < minRSA || bits > maxRSA {
			return Key{}, fmt.Errorf("%w: an RSA key has %d to %d bits, this one has %d", ErrBadKey, minRSA, maxRSA, bits)
		}
		// An even exponent is none, and a large one is slow for whoever verifies.
		if public.E < 3 || public.E&1 == 0 || public.E > 1<<31-1 {
			return Key{}, fmt.Errorf("%w: RSA exponent", ErrBadKey)
		}
		can = rsaAlgorithms
	case *ecdsa.PublicKey:
		if public == nil {
			return Key{}, fmt.Errorf("%w: empty", ErrBadKey)
		}
		switch public.Curve {
		case elliptic.P256():
			can = []string{"ES256"}
		case elliptic.P384():
			can = []string{"ES384"}
		case elliptic.P521():
			can = []string{"ES512"}
		default:
			return Key{}, fmt.Errorf("%w: curve is none of P-256, P-384 and P-521", ErrBadKey)
		}
	case ed25519.PublicKey:
		if len(public) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("%w: an Ed25519 key has %d bytes, this one has %d", ErrBadKey, ed25519.PublicKeySize, len(public))
		}
		can = []string{"EdDSA"}
	default:
		return Key{}, fmt.Errorf("%w: %T is neither RSA nor ECDSA nor Ed25519", ErrBadKey, public)
	}
	if algorithm == "" {
		algorithm = can[0]
	}
	if !slices.Contains(can, algorithm) {
		return Key{}, fmt.Errorf("%w: algorithm %q is none of this kind of key: want one of %q", ErrBadKey, algorithm, can)
	}
	return Key{ID: id, Algorithm: algorithm, Material: public}, nil
}
