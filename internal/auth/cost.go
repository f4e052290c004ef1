package auth

import (
	"crypto/rsa"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ErrSlow says that a token may take longer than a loop should: see VerifyFast.
var ErrSlow = errors.New("auth: the signature takes long to check")

// maxFast is what a loop may spend on one token. Within it are RSA to 3,072 bits
// and two or three keys of the other fast algorithms.
const maxFast = 250 * time.Microsecond

// VerifyFast is Verify that gives up with ErrSlow, before it begins, where the
// keys that the token may be signed with take more than a quarter of a
// millisecond together. Loops call it, and leave the rest to somebody else.
func (v *Verifier) VerifyFast(token string) (Identity, error) {
	id, _, fault := v.verify(token, tries{ask: true, fast: true})
	if fault != nil {
		return Identity{}, fault
	}
	return id, nil
}

// tries says how far verify goes.
type tries struct {
	ask  bool // for a fetch that may bring a missing key
	fast bool // ErrSlow beyond maxFast
}

// costs are what one check of a signature takes, as measured on one core of a
// server of 2024 by BenchmarkVerify. Those of RSA are of a key of 2,048 bits: of
// one of 4,096 they are eight times as much.
var costs = map[string]time.Duration{
	"HS256": 5 * time.Microsecond, "HS384": 5 * time.Microsecond, "HS512": 5 * time.Microsecond,
	"RS256": 40 * time.Microsecond, "RS384": 40 * time.Microsecond, "RS512": 40 * time.Microsecond,
	"PS256": 45 * time.Microsecond, "PS384": 45 * time.Microsecond, "PS512": 45 * time.Microsecond,
	"ES256": 90 * time.Microsecond, "EdDSA": 70 * time.Microsecond,
	"ES384": 900 * time.Microsecond, "ES512": 3 * time.Millisecond,
}

// costOf is what checking a signature with each of the keys takes.
func costOf(algorithm string, found []jwt.VerificationKey) (sum time.Duration) {
	for _, k := range found {
		cost := costs[algorithm]
		if key, ok := k.(*rsa.PublicKey); ok {
			bits := time.Duration(key.N.BitLen())
			cost = cost * bits * bits * bits / (2048 * 2048 * 2048)
		}
		sum += cost
	}
	return sum
}
