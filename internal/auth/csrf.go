package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const csrfParam = "csrf-token"

// CSRF checks the tokens that clients of Sente send with every request of
// theirs. The application puts one into its page: base64url, without padding, of
// HMAC-SHA-256 over the value of the visitor's session cookie, with a secret
// that it shares with the nodes. A foreign page can make a browser send the
// cookie, and cannot know the token. It may be used concurrently.
type CSRF struct {
	secret []byte
	cookie string
}

// NewCSRF takes the secret, at least 32 bytes, which it copies, and the name of
// the session cookie.
func NewCSRF(secret []byte, cookieName string) (*CSRF, error) {
	switch {
	case len(secret) < sha256.Size:
		return nil, fmt.Errorf("a CSRF secret has at least %d bytes, this one has %d", sha256.Size, len(secret))
	case cookieName == "" || strings.ContainsAny(cookieName, " \t=;,\""):
		return nil, errors.New("a CSRF check needs the name of the session cookie")
	}
	return &CSRF{append([]byte(nil), secret...), cookieName}, nil
}

// Token returns the token for the value of a session cookie.
func (c *CSRF) Token(session string) string {
	sum := c.sum(session)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (c *CSRF) sum(session string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write([]byte(session))
	mac.Sum(sum[:0])
	return sum
}

// Valid reports whether the token is that of the session, in a time that does
// not depend on where they differ. Nobody has a token without a session.
func (c *CSRF) Valid(session, token string) bool {
	var got [sha256.Size + 2]byte
	token = strings.TrimRight(token, "=") // as encoders of other languages have it
	if session == "" || len(token) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(got[:], []byte(token))
	want := c.sum(session)
	return err == nil && hmac.Equal(got[:n], want[:])
}

// Check looks for the cookie and the token in a request: parameter csrf-token,
// or else header X-CSRF-Token, or else X-XSRF-Token, the first that is there.
// form is the parameter of a form in the body, for who has read one; it comes
// before all of these. The error is an *Error, ReasonCSRF.
func (c *CSRF) Check(r Request, form string) error {
	session := cookie(r, c.cookie)
	token, ok := csrfToken(r, form)
	if !ok || session.many || token.many || !c.Valid(session.value, token.value) {
		return Refusal(ReasonCSRF)
	}
	return nil
}

// CSRFToken returns the token that Check would look at, empty where there is none
// or several. form is as of Check.
func CSRFToken(r Request, form string) string {
	token, ok := csrfToken(r, form)
	if !ok || token.many {
		return ""
	}
	return token.value
}

func csrfToken(r Request, form string) (token single, ok bool) {
	token, ok = param(r, csrfParam)
	if form != "" {
		token = single{value: form}
	}
	for _, name := range []string{"X-CSRF-Token", "X-XSRF-Token"} {
		if token.value == "" {
			token = header(r, name)
		}
	}
	return token, ok
}
