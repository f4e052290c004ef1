package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hoshi-ws/hoshi/internal/auth/keys"
)

// Verify returns who a token is of. It neither blocks nor does I/O, but takes its
// time: some 10 us with a secret, 40 to 50 with RSA of 2,048 bits and 340
// with 4,096, 70 to 100 with EdDSA and ES256, 900 with ES384, 3,000 with ES512; and
// for a token that names no key up to eight times that. See VerifyFast. Errors are *Error. With ReasonPending a fetch is under way that may bring the
// key: VerifyWait waits for it.
func (v *Verifier) Verify(token string) (Identity, error) {
	id, _, err := v.verify(token, tries{ask: true})
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// VerifyWait is Verify that waits for a fetch under way, once, until it is over
// or ctx is done; so at most for the Timeout of a fetch. Not for loops.
func (v *Verifier) VerifyWait(ctx context.Context, token string) (Identity, error) {
	id, wait, err := v.verify(token, tries{ask: true})
	if wait != nil {
		select {
		case <-wait:
			id, _, err = v.verify(token, tries{}) // what is not there now is not there
		case <-ctx.Done():
		}
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// claimSet lets the parser read claims. The methods of jwt.Claims that it does
// not have are for a validation that is off.
type claimSet struct {
	jwt.Claims

	all Claims
}

var errText = errors.New("invalid UTF-8")

// UnmarshalJSON keeps the claims raw.
func (c *claimSet) UnmarshalJSON(text []byte) error {
	if !utf8.Valid(text) {
		return errText
	}
	return json.Unmarshal(text, &c.all)
}

// search is how the key of one token is looked for.
type search struct {
	v      *Verifier
	now    time.Time
	claims claimSet
	issuer *issuer
	anyKey bool // the token names no key
	tries  tries
	wait   <-chan struct{} // until that is over
}

// verify returns a channel that is closed when another try is worth while, with
// ReasonPending alone. Only if it is to ask, a missing key causes a fetch. The error
// is an *Error, or ErrSlow where that may be.
func (v *Verifier) verify(token string, how tries) (Identity, <-chan struct{}, error) {
	if len(token) > MaxToken {
		return Identity{}, nil, Refusal(ReasonTooLarge)
	}
	if !compact(token) {
		return Identity{}, nil, Refusal(ReasonMalformed)
	}
	s := search{v: v, now: v.now(), tries: how}
	_, err := v.parser.ParseWithClaims(token, &s.claims, s.keys)
	if err == nil {
		id, fault := v.judge(s.issuer, s.claims.all, s.now)
		if fault != nil {
			return Identity{}, nil, fault
		}
		return id, nil, nil
	}
	if errors.Is(err, ErrSlow) {
		return Identity{}, nil, ErrSlow
	}
	fault, ours := errors.AsType[*Error](err)
	switch {
	case ours:
	case errors.Is(err, jwt.ErrTokenMalformed):
		fault = Refusal(ReasonMalformed)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		fault = Refusal(ReasonSignature)
		if s.anyKey { // it may be one that we do not have yet
			s.want()
		}
	default:
		fault = Refusal(ReasonAlgorithm)
	}
	if s.wait != nil {
		fault = Refusal(ReasonPending)
	}
	return Identity{}, s.wait, fault
}

// keys returns what the signature is to be checked with: keys of the issuer
// that have the algorithm and the id that the header says. All else in the
// header that could lead to a key (jku, jwk, x5u, x5c) is not looked at.
func (s *search) keys(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515, section 4.1.11: we understand none
		return nil, Refusal(ReasonMalformed)
	}
	kid, named := "", false
	if value, ok := t.Header["kid"]; ok {
		if kid, named = value.(string); !named || len(kid) > keys.MaxKeyID {
			return nil, Refusal(ReasonMalformed)
		}
	}
	s.anyKey = !named
	algorithm := t.Method.Alg()
	if algorithm == "none" {
		return nil, Refusal(ReasonAlgorithm)
	}
	iss, ok := s.claims.all.text("iss")
	if !ok {
		return nil, Refusal(ReasonClaim)
	}
	for _, i := range s.v.issuers {
		if i.name == iss || i.name == "" {
			s.issuer = i
		}
	}
	if s.issuer == nil {
		return nil, Refusal(ReasonIssuer)
	}

	var found []jwt.VerificationKey
	otherAlgorithm, unavailable := false, false
	consider := func(k keys.Key, idCounts bool) {
		switch {
		case named && kid != k.ID && (idCounts || k.ID != ""):
		case algorithm != k.Algorithm:
			otherAlgorithm = true
		case len(found) < maxTries:
			found = append(found, k.Material)
		}
	}
	for _, k := range s.issuer.fixed {
		consider(k, false)
	}
	for _, r := range s.issuer.remotes {
		set := r.Set(s.now)
		if set == nil {
			unavailable = true
			continue
		}
		for _, k := range set.Keys {
			consider(k, true)
		}
	}
	switch {
	case s.tries.fast && costOf(algorithm, found) > maxFast:
		return nil, ErrSlow
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return jwt.VerificationKeySet{Keys: found}, nil
	case otherAlgorithm:
		return nil, Refusal(ReasonAlgorithm)
	}
	if _, secret := t.Method.(*jwt.SigningMethodHMAC); secret { // which no key set can bring
		return nil, Refusal(ReasonKey)
	}
	s.want()
	if unavailable {
		return nil, Refusal(ReasonKeys)
	}
	return nil, Refusal(ReasonKey)
}

// compact reports whether a token has only signs of base64url, and dots. The
// decoder would pass over the ends of lines.
func compact(token string) bool {
	for i := range len(token) {
		c := token[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// want asks the issuer's key sets for what is not there.
func (s *search) want() {
	if !s.tries.ask {
		return
	}
	for _, r := range s.issuer.remotes {
		if wait := r.Want(s.now); wait != nil {
			s.wait = wait
		}
	}
}

// judge reads the claims of a token whose signature is right.
func (v *Verifier) judge(i *issuer, c Claims, now time.Time) (Identity, *Error) {
	expires, okExp := c.date("exp")
	from, okNbf := c.date("nbf")
	issued, okIat := c.date("iat")
	jti, okJti := c.text("jti")
	iss, okIss := c.text("iss")
	if !okExp || !okNbf || !okIat || !okJti || !okIss || expires.IsZero() && !v.endless {
		return Identity{}, Refusal(ReasonClaim)
	}
	if !expires.IsZero() {
		if expires = expires.Add(v.leeway); !now.Before(expires) {
			return Identity{}, Refusal(ReasonExpired)
		}
	}
	if latest := now.Add(v.leeway); from.After(latest) || issued.After(latest) {
		return Identity{}, Refusal(ReasonEarly)
	}
	switch match, ok := c.audience(i.audiences); {
	case !ok:
		return Identity{}, Refusal(ReasonClaim)
	case !match:
		return Identity{}, Refusal(ReasonAudience)
	}
	uid, ok := c.text("sub")
	if !ok || uid == "" || len(uid) > maxUID {
		return Identity{}, Refusal(ReasonSubject)
	}
	for _, name := range v.required {
		if !c.Has(name) {
			return Identity{}, Refusal(ReasonClaim)
		}
	}
	return Identity{UID: uid, ID: jti, Issuer: iss, IssuedAt: issued, Expires: expires, Claims: c}, nil
}

// maxUID is the size of a uid in bytes: a name on NATS is not longer.
const maxUID = 255
