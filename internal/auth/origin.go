package auth

import (
	"errors"
	"fmt"
	"strings"
)

// SameOrigin among the origins of a list takes pages that come from the host
// that the request is for.
const SameOrigin = "same-origin"

// maxOrigin bounds what is compared, in bytes; a host name has at most 253.
const maxOrigin = 512

// Origins says whose pages may connect (RFC 6454). It is not changed after
// NewOrigins, and may be used concurrently.
type Origins struct {
	all, same bool
	list      []origin
}

// origin has borrowed parts, without the default port of its scheme. In a list
// a host may begin with a dot, for all names below it, and the scheme be empty,
// for http and https.
type origin struct{ scheme, host, port string }

var errOrigin = errors.New("want scheme://host[:port], where the host may begin with *. for all below it; *.host; same-origin; or *")

// NewOrigins reads a list: "https://example.com" or "app://host:123" as browsers
// write them; "https://*.example.com" for all names below it, but not itself;
// "*.example.com" for these by http and https; SameOrigin; and "*" for everybody.
// An empty list is SameOrigin. All faults are returned, joined.
func NewOrigins(list []string) (*Origins, error) {
	o := &Origins{same: len(list) == 0}
	var faults []error
	for _, text := range list {
		switch text {
		case "*":
			o.all = true
			continue
		case SameOrigin:
			o.same = true
			continue
		}
		scheme, rest, full := strings.Cut(text, "://")
		if !full {
			scheme, rest = "", text
		}
		below, wild := strings.CutPrefix(rest, "*.")
		probe := "https://" + below
		if full {
			probe = scheme + "://" + below
		}
		e, ok := parseOrigin(probe)
		switch {
		case !ok || !full && (!wild || strings.Contains(below, ":")): // a port would mean two things
			faults = append(faults, fmt.Errorf("origin %q: %w", text, errOrigin))
			continue
		case wild && (!strings.Contains(e.host, ".") && e.host != "localhost" || e.host[0] == '['):
			faults = append(faults, fmt.Errorf("origin %q: a wildcard needs a name with a dot behind it", text))
			continue
		}
		if wild {
			e.host = "." + e.host
		}
		if !full {
			e.scheme = ""
		}
		o.list = append(o.list, e)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return o, nil
}

// parseOrigin reads an origin, and nothing behind it.
func parseOrigin(text string) (o origin, ok bool) {
	var rest string
	if o.scheme, rest, ok = strings.Cut(text, "://"); !ok || len(text) > maxOrigin || !goodScheme(o.scheme) {
		return o, false
	}
	o.host = rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		o.host, o.port = rest[:i], rest[i+1:]
		if !goodPort(o.port) {
			return o, false
		}
	}
	if !goodHost(o.host) {
		return o, false
	}
	if o.port == defaultPort(o.scheme) {
		o.port = ""
	}
	return o, true
}

func defaultPort(scheme string) string {
	switch {
	case strings.EqualFold(scheme, "https"):
		return "443"
	case strings.EqualFold(scheme, "http"):
		return "80"
	}
	return ""
}

func goodScheme(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (i == 0 || (s[i] < '0' || s[i] > '9') && !strings.ContainsRune("+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

func goodPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5 && s[0] != '0'
}

// goodHost takes names (in Punycode), IPv4 and [IPv6].
func goodHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z', s[i] >= '0' && s[i] <= '9', s[i] == '-', s[i] == '_':
		case s[i] == '.' && i > 0 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != ""
}

// Check returns nil if the page that a request comes from may connect, and else
// an *Error, ReasonOrigin. host is the request's Host header. Who sends no
// Origin is judged by Referer, as in Sente, and who sends neither is no browser
// and may connect, unless Sec-Fetch-Site says that it is one after all, and on
// another site.
func (o *Origins) Check(r Request, host string) error {
	if o.all {
		return nil
	}
	claimed := header(r, "Origin")
	text := claimed.value
	if text == "" {
		// Its path does not count; one without a host has no origin.
		claimed = header(r, "Referer")
		text = claimed.value
		if text == "" {
			if site := header(r, "Sec-Fetch-Site"); site.many || !o.sameSite(site.value, host) {
				return Refusal(ReasonOrigin)
			}
			return nil
		}
		if i := strings.Index(text, "://"); i >= 0 {
			if j := strings.IndexAny(text[i+3:], "/?#"); j >= 0 {
				text = text[:i+3+j]
			}
		}
	}
	if claimed.many || !o.allows(text, host) {
		return Refusal(ReasonOrigin)
	}
	return nil
}

func (o *Origins) sameSite(site, host string) bool {
	switch site {
	case "", "none":
		return true
	case "same-origin":
		return o.allows("https://"+host, host) || o.allows("http://"+host, host)
	}
	return false
}

// allows compares one origin. Where it is that of the request itself, the
// scheme is not known, as a proxy may have taken TLS off: it is taken to be the
// page's own.
func (o *Origins) allows(text, host string) bool {
	from, ok := parseOrigin(text)
	if !ok {
		return false // null too: a page whose browser will not tell
	}
	if o.same && defaultPort(from.scheme) != "" {
		var to origin
		to.scheme, to.host = from.scheme, host
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			if to.host, to.port = host[:i], host[i+1:]; to.port == defaultPort(from.scheme) {
				to.port = ""
			}
		}
		if goodHost(to.host) && to.port == from.port && strings.EqualFold(to.host, from.host) {
			return true
		}
	}
	for i := range o.list {
		if o.list[i].takes(from) {
			return true
		}
	}
	return false
}

func (o *origin) takes(from origin) bool {
	if o.scheme == "" && defaultPort(from.scheme) == "" || o.scheme != "" && !strings.EqualFold(o.scheme, from.scheme) || o.port != from.port {
		return false
	}
	if o.host[0] != '.' {
		return strings.EqualFold(o.host, from.host)
	}
	cut := len(from.host) - len(o.host)
	return cut > 0 && strings.EqualFold(from.host[cut:], o.host)
}
