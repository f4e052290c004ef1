package handshake

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"iter"
	"net/netip"
	"strconv"
	"strings"
)

// Request is a valid request head. It owns its memory and is not changed after Parse but for Addr and Certificate.
type Request struct {
	// Method is GET, or for a plain request also HEAD, OPTIONS or POST, whose body has not been read.
	Method string
	// Target is the request target as sent, in origin or absolute form.
	Target string
	// Host is the value of the Host header.
	Host string
	// Upgrade says that this is a valid WebSocket upgrade of version 13. Otherwise it is a plain request.
	Upgrade bool
	// Key is the Sec-WebSocket-Key of an upgrade.
	Key string

	// Addr is the client's address, an IPv4 one as such: what the header of PROXY says, or X-Forwarded-For where it is
	// believed, or else that of the socket. Parse leaves it out.
	Addr netip.Addr
	// Certificate is what the client has shown with TLS and has been verified, nil where that is nothing. Parse leaves it
	// out.
	Certificate *x509.Certificate

	raw     string
	headers []header
}

type header struct{ name, value string }

// Raw returns the head as received, its final empty line included.
func (r *Request) Raw() string { return r.raw }

// Header returns the value of the first header with this name, without regard to case; "" when there is none.
func (r *Request) Header(name string) string {
	for i := range r.headers {
		if strings.EqualFold(r.headers[i].name, name) {
			return r.headers[i].value
		}
	}
	return ""
}

// Values iterates over the values of all headers with this name, without regard to case, in their order.
func (r *Request) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range r.headers {
			if strings.EqualFold(r.headers[i].name, name) && !yield(r.headers[i].value) {
				return
			}
		}
	}
}

// Path returns the target up to the question mark, without scheme and authority.
func (r *Request) Path() string {
	p, _, _ := strings.Cut(r.Target, "?")
	if !strings.HasPrefix(p, "/") {
		if _, rest, ok := strings.Cut(p, "://"); ok {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				return rest[i:]
			}
			return "/"
		}
	}
	return p
}

// RawQuery returns the target behind the question mark, still escaped.
func (r *Request) RawQuery() string {
	_, q, _ := strings.Cut(r.Target, "?")
	return q
}

// Protocols calls yield for each subprotocol that the client offers, in its order; usable with range.
func (r *Request) Protocols(yield func(string) bool) {
	r.list("Sec-WebSocket-Protocol", yield)
}

// list walks the elements of a comma-separated header that may be given in several lines.
func (r *Request) list(name string, yield func(string) bool) {
	for i := range r.headers {
		if !strings.EqualFold(r.headers[i].name, name) {
			continue
		}
		for rest, more := r.headers[i].value, true; more; {
			var v string
			v, rest, more = strings.Cut(rest, ",")
			if v = strings.Trim(v, " \t"); v != "" && !yield(v) {
				return
			}
		}
	}
}

// has reports whether the list has the token, without regard to case.
func (r *Request) has(name, token string) (found bool) {
	r.list(name, func(v string) bool {
		found = strings.EqualFold(v, token)
		return !found
	})
	return found
}

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 section 1.3

// AppendSwitch appends the 101 response to an upgrade. subprotocol is one that the client offered, or "", and
// extensions is Deflate.Answer, or "".
func (r *Request) AppendSwitch(dst []byte, subprotocol, extensions string) []byte {
	var in [24 + len(guid)]byte
	sum := sha1.Sum(append(append(in[:0], r.Key...), guid...))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	if subprotocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, subprotocol...)
	}
	if extensions != "" {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: "...)
		dst = append(dst, extensions...)
	}
	return append(dst, "\r\n\r\n"...)
}

// AppendRefusal appends a complete response that ends the connection. headers are names and values in turn;
// contentType "" stands for plain text. withBody is false for an answer to HEAD.
func AppendRefusal(dst []byte, status int, contentType, body string, withBody bool, headers ...string) []byte {
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, statusText(status)...)
	dst = append(dst, "\r\nConnection: close\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	for i := 0; i+1 < len(headers); i += 2 {
		dst = append(dst, "\r\n"...)
		dst = append(dst, headers[i]...)
		dst = append(dst, ": "...)
		dst = append(dst, headers[i+1]...)
	}
	dst = append(dst, "\r\n\r\n"...)
	if withBody {
		dst = append(dst, body...)
	}
	return dst
}
