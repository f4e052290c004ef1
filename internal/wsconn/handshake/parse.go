package handshake

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Defaults of Limits.
const (
	DefaultMaxHead    = 16 << 10
	DefaultMaxHeaders = 100
)

// Limits bound a request head. Zero values stand for the defaults.
type Limits struct {
	MaxHead    int // bytes, the final empty line included. Default 16 KiB
	MaxHeaders int // lines. Default 100
}

// WithDefaults returns l with the defaults filled in.
func (l Limits) WithDefaults() Limits {
	if l.MaxHead <= 0 {
		l.MaxHead = DefaultMaxHead
	}
	if l.MaxHeaders <= 0 {
		l.MaxHeaders = DefaultMaxHeaders
	}
	return l
}

// recordHandshake begins a greeting of TLS (RFC 8446 section 5.1).
const recordHandshake = 0x16

// End returns the length of the head, its final CRLFCRLF included, or 0 when its end has not arrived. from is how
// much of p an earlier call has seen, so that a head that trickles in costs linear time. A head that is longer
// than the limit, or can no longer fit, is an error, and so is a first byte that starts no request.
func End(p []byte, from int, l Limits) (int, *Error) {
	if len(p) > 0 && (p[0] < 'A' || p[0] > 'Z') { // no reason to wait for 16 KiB of it
		if p[0] == recordHandshake {
			return 0, refusedTLS
		}
		return 0, refuse(Malformed)
	}
	from = max(from-3, 0)
	if i := bytes.Index(p[from:min(len(p), l.MaxHead)], []byte("\r\n\r\n")); i >= 0 {
		return from + i + 4, nil
	}
	if len(p) >= l.MaxHead {
		return 0, refuse(TooLarge)
	}
	return 0, nil
}

// Parse reads a complete head, as measured by End. head is copied.
func Parse(head []byte, l Limits) (*Request, *Error) {
	r := &Request{raw: string(head)}
	line, rest, _ := strings.Cut(r.raw, "\r\n")
	if err := r.requestLine(line); err != nil {
		return nil, err
	}
	rest = strings.TrimSuffix(rest, "\r\n") // the empty line
	n := strings.Count(rest, "\r\n")
	if n > l.MaxHeaders {
		return nil, refuse(TooMany)
	}
	r.headers = make([]header, 0, n)
	for rest != "" {
		var ok bool
		if line, rest, ok = strings.Cut(rest, "\r\n"); !ok {
			return nil, refuse(Malformed)
		}
		name, value, ok := strings.Cut(line, ":")
		// An empty name, a space before the colon and a folded line are all not tokens.
		if !ok || !isToken(name) || !isFieldValue(value) {
			return nil, refuse(Malformed)
		}
		r.headers = append(r.headers, header{name, strings.Trim(value, " \t")})
	}
	return r, r.check()
}

func (r *Request) requestLine(line string) *Error {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !isToken(method) {
		return refuse(Malformed)
	}
	target, proto, ok := strings.Cut(rest, " ")
	if !ok || !isTarget(target) {
		return refuse(Malformed)
	}
	switch {
	case len(proto) != len("HTTP/1.1") || !strings.HasPrefix(proto, "HTTP/"):
		return refuse(Malformed)
	case proto != "HTTP/1.1":
		return refuse(BadHTTP)
	case method != "GET" && method != "HEAD" && method != "POST" && method != "OPTIONS":
		return refuse(BadMethod)
	}
	r.Method, r.Target = method, target
	return nil
}

// check judges the request as a whole.
func (r *Request) check() *Error {
	var hosts, keys, versions, lengths int
	var version string
	for _, h := range r.headers {
		switch {
		case strings.EqualFold(h.name, "Host"):
			hosts++
			r.Host = h.value
		case strings.EqualFold(h.name, "Content-Length") && r.Method == "POST":
			// Whoever reads the body must know its end from one length alone: two
			// opinions on that are how requests are smuggled (RFC 9112 section 6.3).
			if lengths++; lengths > 1 || !isLength(h.value) {
				return refuse(Malformed)
			}
		case strings.EqualFold(h.name, "Content-Length"), strings.EqualFold(h.name, "Transfer-Encoding"):
			return refuse(HasBody)
		case strings.EqualFold(h.name, "Sec-WebSocket-Key"):
			keys++
			r.Key = h.value
		case strings.EqualFold(h.name, "Sec-WebSocket-Version"):
			versions++
			version = h.value
		}
	}
	if hosts != 1 || strings.ContainsAny(r.Host, " \t,/?#@\\") {
		return refuse(BadHost)
	}
	upgrade := r.has("Upgrade", "websocket")
	if !upgrade && keys == 0 && versions == 0 {
		return nil // a plain request; an offer of another protocol may be ignored (RFC 9110 section 7.8)
	}
	switch {
	case r.Method != "GET":
		return refuse(BadMethod)
	case !upgrade, !r.has("Connection", "upgrade"):
		return refuse(BadUpgrade)
	case versions == 0, versions == 1 && version != "13":
		return refuse(BadVersion)
	case versions > 1:
		return refuse(BadUpgrade)
	case keys != 1 || !validKey(r.Key):
		return refuse(BadKey)
	}
	r.Upgrade = true
	return nil
}

// validKey wants base64 of 16 bytes (RFC 6455 section 4.1): 22 digits and "==", the last four bits zero.
func validKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	var out [18]byte
	n, err := base64.StdEncoding.Strict().Decode(out[:], []byte(key))
	return err == nil && n == 16
}

// isLength takes what cannot be misread as the length of a body: up to 18 digits.
func isLength(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 18
}

// isToken is RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) < 0
}

// isFieldValue refuses NUL, bare CR and LF and other control characters (RFC 9110 section 5.5).
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isTarget takes printable ASCII in origin or absolute form.
func isTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") ||
		strings.HasPrefix(s, "ws://") || strings.HasPrefix(s, "wss://")
}
