package auth

import (
	"net/url"
	"slices"
	"strings"
)

const redacted = "REDACTED"

// Redact returns a request target as it may be written into a log: without the
// values of the parameters named, of csrf-token, of whatever looks like a JWT
// wherever it is, and without userinfo. What is not touched stays byte by byte.
func Redact(target string, params ...string) string {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && !strings.ContainsAny(scheme, "/?#") {
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
			target = scheme + "://" + redacted + rest[at:]
		}
	}
	path, query, ok := strings.Cut(target, "?")
	if parts := strings.Split(path, "/"); slices.ContainsFunc(parts, likeToken) {
		for i, p := range parts {
			if likeToken(p) {
				parts[i] = redacted
			}
		}
		path = strings.Join(parts, "/")
	}
	if !ok {
		return path
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(key)
		switch {
		case likeToken(key):
			pairs[i] = redacted
		case ok && value != "" && (err != nil || plain == csrfParam || slices.Contains(params, plain) || likeToken(value)):
			pairs[i] = key + "=" + redacted
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

// likeToken reports whether s has in it, escaped or not, what the header of a
// JWT begins with: {" in base64.
func likeToken(s string) bool {
	if strings.IndexByte(s, '%') >= 0 {
		if plain, err := url.QueryUnescape(s); err == nil {
			s = plain
		}
	}
	at := strings.Index(s, "eyJ")
	return at >= 0 && strings.IndexByte(s[at:], '.') > 0
}
