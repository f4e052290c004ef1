package transit

import (
	"bytes"
	"net/netip"
	"unicode"
	"unicode/utf8"
)

// Transit's reader in Clojure makes a java.net.URI of a URI, and fails if it cannot.
// So these are that class's rules: RFC 2396 with the brackets of RFC 2732, where
// characters beyond ASCII may stand that are neither controls nor spaces.

const (
	uriUnreserved = "-_.!~*'()"
	uriPath       = uriUnreserved + ":@&=+$,;/"
	uriAll        = uriPath + "?[]"
	uriRegistry   = uriUnreserved + "$,;:@&=+"
	uriServer     = uriUnreserved + ";:&=+$,"
)

func validURI(b []byte) bool {
	rest, fragment, hasFragment := bytes.Cut(b, []byte{'#'})
	if !allURI(fragment, uriAll) {
		return false
	}
	if k := bytes.IndexAny(rest, ":/?"); k >= 0 && rest[k] == ':' {
		scheme := rest[:k]
		rest = rest[k+1:]
		if !validScheme(scheme) {
			return false
		}
		if len(rest) == 0 || rest[0] != '/' {
			return len(rest) > 0 && allURI(rest, uriAll)
		}
	}
	return validHierarchy(rest, hasFragment)
}

func validScheme(b []byte) bool {
	for i, c := range b {
		if letter := c|0x20-'a' < 26; !letter && (i == 0 || c-'0' > 9 && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return len(b) > 0
}

// validHierarchy takes what may begin with an authority, with a path and a query.
func validHierarchy(b []byte, fragment bool) bool {
	if bytes.HasPrefix(b, []byte("//")) {
		b = b[2:]
		end := bytes.IndexAny(b, "/?")
		if end < 0 {
			end = len(b)
		}
		switch {
		case end > 0:
			if !validAuthority(b[:end]) {
				return false
			}
		case len(b) == 0 && !fragment:
			return false
		}
		b = b[end:]
	}
	path, query, _ := bytes.Cut(b, []byte{'?'})
	return allURI(path, uriPath) && allURI(query, uriAll)
}

func validAuthority(b []byte) bool {
	if allURI(b, uriRegistry) {
		return true
	}
	// What else there is has an IPv6 address in brackets.
	if at := bytes.LastIndexByte(b, '@'); at >= 0 {
		if !allURI(b[:at], uriServer) {
			return false
		}
		b = b[at+1:]
	}
	end := bytes.IndexByte(b, ']')
	if end < 0 || b[0] != '[' {
		return false
	}
	addr, err := netip.ParseAddr(string(b[1:end]))
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return false
	}
	port := b[end+1:]
	return len(port) == 0 || port[0] == ':' && len(port) <= 10 && digits(port, 1) == len(port)
}

// allURI tells whether b is made of letters, digits, marks, escapes and characters
// beyond ASCII.
func allURI(b []byte, marks string) bool {
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c|0x20-'a' < 26, c-'0' < 10, bytes.IndexByte([]byte(marks), c) >= 0:
		case c == '%':
			if i+2 >= len(b) || hex(b[i+1]) > 15 || hex(b[i+2]) > 15 {
				return false
			}
			i += 2
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(b[i:])
			if unicode.IsControl(r) || unicode.Is(unicode.Z, r) {
				return false
			}
			i += size
			continue
		default:
			return false
		}
		i++
	}
	return true
}
