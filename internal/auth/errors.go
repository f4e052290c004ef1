package auth

// Reason says in one word why somebody was not let in. The set is bounded, so
// a reason can label a counter, and may be told to anyone.
type Reason string

// The reasons of an Error.
const (
	ReasonTooLarge  Reason = "too-large"        // a token of more than MaxToken bytes
	ReasonMalformed Reason = "malformed"        // no JWT, or not carried as its source demands
	ReasonConflict  Reason = "conflict"         // a request with two different tokens
	ReasonAlgorithm Reason = "algorithm"        // not the one of the key, or none at all
	ReasonIssuer    Reason = "issuer"           // nobody we know
	ReasonKey       Reason = "key"              // the issuer has no such key
	ReasonPending   Reason = "key-pending"      // perhaps it has, its key set is being fetched: try again
	ReasonKeys      Reason = "keys-unavailable" // its key set cannot be fetched
	ReasonSignature Reason = "signature"
	ReasonExpired   Reason = "expired"
	ReasonEarly     Reason = "early" // nbf or iat is in the future
	ReasonAudience  Reason = "audience"
	ReasonClaim     Reason = "claim"   // a claim that must be there is missing, or one is not what it must be
	ReasonSubject   Reason = "subject" // sub is missing, or can be no uid
	ReasonRevoked   Reason = "revoked"

	ReasonOrigin Reason = "origin"
	ReasonCSRF   Reason = "csrf"
)

var texts = map[Reason]string{
	ReasonTooLarge:  "the token is too large",
	ReasonMalformed: "the token is malformed",
	ReasonConflict:  "the request has two different tokens",
	ReasonAlgorithm: "the token's algorithm is not that of its key",
	ReasonIssuer:    "the token's issuer is unknown",
	ReasonKey:       "the token's key is unknown",
	ReasonPending:   "the token's key is being looked for, try again",
	ReasonKeys:      "the keys of the token's issuer cannot be had at the moment, try again",
	ReasonSignature: "the token's signature is wrong",
	ReasonExpired:   "the token has expired",
	ReasonEarly:     "the token is not valid yet",
	ReasonAudience:  "the token is for somebody else",
	ReasonClaim:     "a claim of the token is missing or malformed",
	ReasonSubject:   "the token's subject is missing or can be no user id",
	ReasonRevoked:   "the token has been revoked",
	ReasonOrigin:    "unauthorized origin",
	ReasonCSRF:      "bad CSRF token",
}

// Error is a refusal. There is one for each reason, so errors of equal reasons
// are equal, and errors.Is(err, auth.Refusal(reason)) holds for them.
type Error struct{ Reason Reason }

func (e *Error) Error() string { return "auth: " + texts[e.Reason] }

// Temporary reports whether the same request may be taken a moment later, as it
// is for want of a key, and not of trust, that it was refused.
func (e *Error) Temporary() bool { return e.Reason == ReasonPending || e.Reason == ReasonKeys }

var refusals = func() map[Reason]*Error {
	all := make(map[Reason]*Error, len(texts))
	for r := range texts {
		all[r] = &Error{r}
	}
	return all
}()

// Refusal returns the error of a reason, nil if it is none of the constants.
// Reading it does not allocate.
func Refusal(r Reason) *Error { return refusals[r] }

// Reasons returns all of them, in no order, for counters that are to be there
// before they count.
func Reasons() []Reason {
	all := make([]Reason, 0, len(texts))
	for r := range texts {
		all = append(all, r)
	}
	return all
}
