package auth

import (
	"encoding/base64"
	"strings"
)

// TokenProtocol and a token are a subprotocol that a client offers beside that
// of its format, since a browser can set no other header of an upgrade. It is
// never chosen, so the token is not sent back. Behind the prefix is base64url of
// the token without padding, or the token itself: the signs of a JWT are all
// legal there, and its dots tell it from the former.
const TokenProtocol = "hoshi.token."

// Where a token was found.
const (
	FromHeader   = "authorization"
	FromProtocol = "subprotocol"
	FromCookie   = "cookie"
	FromQuery    = "query"
)

// Sources are the places of a request where a token may be. The headers
// Authorization and Sec-WebSocket-Protocol always are.
type Sources struct {
	Cookie string // name of a cookie, compared exactly; empty is none
	Query  string // name of a parameter; empty is none. Whatever logs requests, logs these tokens: see Redact
}

// Find returns the token of a request and the first place where it is, one of
// the From constants; both are empty where there is none. One token may be in
// several places, but two are an *Error, ReasonConflict: which of them counts
// would be a matter of taste. An empty cookie or parameter is none, an empty
// Bearer and what is not encoded as it should be are ReasonMalformed. A cookie
// counts whoever has made the browser send it, so with one check Origins.
func (s Sources) Find(r Request) (token, from string, err error) {
	var found single
	note := func(t, where string) {
		if found.add(t); from == "" && t != "" {
			from = where
		}
	}
	for v := range r.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.Trim(v, " \t"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue // somebody else's, a proxy's for instance
		}
		if rest = strings.Trim(rest, " "); rest == "" {
			return "", "", Refusal(ReasonMalformed)
		}
		note(rest, FromHeader)
	}
	for v := range r.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			encoded, ok := strings.CutPrefix(strings.Trim(p, " \t"), TokenProtocol)
			if !ok {
				continue
			}
			t, ok := protocolToken(encoded)
			if !ok {
				return "", "", Refusal(ReasonMalformed)
			}
			note(t, FromProtocol)
		}
	}
	if s.Cookie != "" {
		c := cookie(r, s.Cookie)
		note(c.value, FromCookie)
		found.many = found.many || c.many
	}
	if s.Query != "" {
		p, ok := param(r, s.Query)
		if !ok {
			return "", "", Refusal(ReasonMalformed)
		}
		note(p.value, FromQuery)
		found.many = found.many || p.many
	}
	switch {
	case found.many:
		return "", "", Refusal(ReasonConflict)
	case len(found.value) > MaxToken:
		return "", "", Refusal(ReasonTooLarge)
	}
	return found.value, from, nil
}

func protocolToken(encoded string) (string, bool) {
	if strings.IndexByte(encoded, '.') >= 0 {
		return encoded, true
	}
	if len(encoded) > base64.RawURLEncoding.EncodedLen(MaxToken+1) {
		return encoded, true // Find says what is wrong with it
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	return string(raw), err == nil && len(raw) > 0
}
