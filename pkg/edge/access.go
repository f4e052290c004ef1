package edge

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/auth/rules"
	"github.com/hoshi-ws/hoshi/internal/certs"
)

// AccessOptions say who may come, and what for. The zero value lets everybody
// come whose page is of the node's own origin, and do everything.
type AccessOptions struct {
	// Issuers make the tokens (JWT, RFC 7519) that are believed; sub is the uid.
	// Without any, no token is looked at. TokenCookie and TokenParam name a cookie
	// and a parameter of the query where a token may be, beside the header
	// Authorization and the subprotocol hoshi.token.<token>; empty is none.
	// RequiredClaims are those that a token must have beside sub and exp; Leeway is
	// how far clocks may differ, 30 s by default.
	Issuers                 []Issuer
	TokenCookie, TokenParam string
	RequiredClaims          []string
	Leeway                  time.Duration

	// TokenRequired refuses with 401 who brings neither a token nor a certificate
	// that was verified.
	TokenRequired bool

	// Origins are those of the pages that may connect: https://example.com,
	// https://*.example.com, *.example.com, same-origin, or * for all. Who sends
	// neither Origin nor Referer is no browser, and may. The default is same-origin.
	Origins []string

	// CSRFSecret, of at least 32 bytes, asks clients of Sente for the token that is
	// base64url of HMAC-SHA-256 with it over the value of the cookie CSRFCookie.
	// Without it any token is taken.
	CSRFSecret []byte
	CSRFCookie string

	// Channels and Events are rules for channels, by their names, and for events
	// of clients, by their ids; the first that matches counts, and where there are
	// rules and none matches, nothing is allowed. Limits of a rule for channels is
	// a *ChannelLimits, or nil.
	Channels, Events []Rule
}

// What access is described with: see the packages behind these names.
type (
	// Issuer is somebody who makes tokens: Name is what iss says, Audiences what
	// aud may say, Keys what it signs with.
	Issuer = auth.Issuer
	// KeySource is where keys come from: exactly one of Secret, PEM, File and URL,
	// which is that of a JWKS.
	KeySource = auth.KeySource
	// Rule says who may subscribe to and publish in the channels that match a
	// pattern, or send the events: * is any run of characters, {uid} a segment
	// between slashes.
	Rule = rules.Rule
	// Who is somebody that a rule lets in: Kind is one of Anyone, Authenticated,
	// User, which is whose uid {uid} has found, and Claim, with Name and Value.
	Who = rules.Who
)

// The kinds of [Who].
const (
	Anyone        = rules.Anyone
	Authenticated = rules.Authenticated
	User          = rules.User
	Claim         = rules.Claim
)

// access is AccessOptions, ready for use. Fixed after Start.
type access struct {
	verifier *auth.Verifier // nil without issuers
	slow     *verifiers     // of tokens that take a loop too long; nil without issuers
	sources  auth.Sources
	required bool
	origins  *auth.Origins
	anywhere bool // every origin may come
	csrf     *auth.CSRF
	policy   *rules.Policy
	certUID  certs.Field // where in clients' certificates the uid is
}

// newAccess reports every fault, joined.
func newAccess(o *AccessOptions) (*access, error) {
	a := &access{
		sources:  auth.Sources{Cookie: o.TokenCookie, Query: o.TokenParam},
		required: o.TokenRequired,
		anywhere: len(o.Origins) == 1 && o.Origins[0] == "*",
	}
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	var err error
	if len(o.Issuers) > 0 {
		a.verifier, err = auth.New(auth.Options{Issuers: o.Issuers, Leeway: o.Leeway, Required: o.RequiredClaims})
		note("tokens", err)
		a.slow = newVerifiers()
	} else if o.TokenRequired {
		note("tokens", errors.New("a token is required, and there is no issuer whose tokens are believed"))
	}
	a.origins, err = auth.NewOrigins(o.Origins)
	note("origins", err)
	if len(o.CSRFSecret) > 0 || o.CSRFCookie != "" {
		a.csrf, err = auth.NewCSRF(o.CSRFSecret, o.CSRFCookie)
		note("csrf", err)
	}
	a.policy, err = rules.New(o.Channels, o.Events)
	note("rules", err)
	note("rules", checkLimits(o.Channels))
	return a, errors.Join(errs...)
}

func (a *access) start() {
	if a.verifier != nil {
		a.verifier.Start()
		a.slow.start()
	}
}

func (a *access) stop() {
	if a.verifier != nil {
		a.verifier.Stop()
		a.slow.stop()
	}
}

// Refusals of access. What clients of Sente are told is what their own server
// says.
var (
	refuseCSRF = &refusal{
		status: http.StatusForbidden, reason: "csrf",
		body: "Bad CSRF token",
	}
	refuseOrigin = &refusal{
		status: http.StatusForbidden, reason: "origin",
		body: "Unauthorized origin",
	}
	refuseNoToken = &refusal{
		status: http.StatusUnauthorized, reason: "no-token",
		body:   "Unauthorized request",
		header: []string{"WWW-Authenticate", "Bearer"},
	}
	refuseKeys = &refusal{
		status: http.StatusServiceUnavailable, reason: "token-keys",
		body:   "The keys of the token's issuer are being fetched. Try again.\n",
		header: []string{"Retry-After", "1"},
	}
	refuseVerifiers = &refusal{
		status: http.StatusServiceUnavailable, reason: "token-verifiers-busy",
		body:   "Too many tokens wait to be verified at the moment. Try again.\n",
		header: []string{"Retry-After", "1"},
	}
)

// refuseToken is the answer to a token that is not believed.
func refuseToken(err *auth.Error) *refusal {
	if err.Temporary() {
		return refuseKeys
	}
	return &refusal{
		status: http.StatusUnauthorized, reason: "token-" + string(err.Reason),
		body:   "Unauthorized request",
		header: []string{"WWW-Authenticate", `Bearer error="invalid_token", error_description="` + string(err.Reason) + `"`},
	}
}

// caller is who sends a request, as far as access is concerned.
type caller struct {
	auth.Request
	host        string
	csrf        string // the token in a form that was read, empty where there was none
	query       url.Values
	certificate *x509.Certificate // shown and verified; nil where there is none
	addr        netip.Addr
}

// judge decides whether a request may come from where it comes, and finds its
// token: empty where there is none, and none is needed. It waits for nothing.
func (a *access) judge(r *caller, isSente bool) (token string, refused *refusal) {
	if isSente && a.csrf != nil && a.csrf.Check(r, r.csrf) != nil {
		return "", refuseCSRF
	}
	if a.origins.Check(r, r.host) != nil {
		return "", refuseOrigin
	}
	if a.verifier == nil {
		return "", nil
	}
	token, _, err := a.sources.Find(r)
	switch fault, bad := errors.AsType[*auth.Error](err); {
	case bad:
		return "", refuseToken(fault)
	case token == "" && a.required && r.certificate == nil:
		return "", refuseNoToken
	}
	return token, nil
}
