package handshake

import (
	"strconv"
	"strings"
)

// Windows of permessage-deflate, as base-2 logarithms of bytes (RFC 7692 section 7.1.2).
const (
	minWindow = 8
	maxWindow = 15
)

// Deflate is an offer of permessage-deflate (RFC 7692) that is accepted.
type Deflate struct {
	// Window is how far back what is sent to this client may refer, as base-2 logarithm of bytes: 8 to 15.
	Window uint8

	told bool // the offer names the window, and so must the answer
}

// Answer returns what accepts the offer, for Request.AppendSwitch. Both sides begin each message anew: what is sent
// is then the same for every client, and neither side keeps a window between messages. A limit to the client's own
// window is never asked for: the largest one costs nothing here.
func (d Deflate) Answer() string {
	const answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	if !d.told {
		return answer
	}
	return answer + "; server_max_window_bits=" + strconv.Itoa(int(d.Window))
}

// Deflate returns the first offer of permessage-deflate that can be accepted. An offer with a parameter that is
// unknown, double, or has a value that it cannot have is passed over; of a request in which the grammar of
// Sec-WebSocket-Extensions is broken nothing is taken (RFC 6455 section 9.1). Neither is a reason to refuse the
// request: it goes on without the extension.
func (r *Request) Deflate() (d Deflate, ok bool) {
	for i := range r.headers {
		if !strings.EqualFold(r.headers[i].name, "Sec-WebSocket-Extensions") {
			continue
		}
		s := scanner{r.headers[i].value}
		for s.rest != "" {
			o, well := s.offer()
			if !well {
				return Deflate{}, false
			}
			if o.ok && !ok {
				d, ok = o.Deflate, true
			}
		}
	}
	return d, ok
}

// offer is an element of the header, judged.
type offer struct {
	Deflate
	ok   bool
	seen uint8 // parameters, by bit
}

// The parameters of RFC 7692 section 7.1, by their bit in offer.seen.
var deflateParams = [...]string{
	"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits",
}

const (
	serverNoContext = iota
	clientNoContext
	serverWindow
	clientWindow
)

// param takes a parameter into account. given tells an empty value from none.
func (o *offer) param(name, value string, given bool) {
	for i, known := range deflateParams {
		if !strings.EqualFold(name, known) {
			continue
		}
		if bit := uint8(1) << i; o.seen&bit == 0 {
			o.seen |= bit
			o.ok = o.ok && o.valued(i, value, given)
			return
		}
	}
	o.ok = false
}

// valued takes the value of a parameter, and reports false for one that it cannot have.
func (o *offer) valued(param int, value string, given bool) bool {
	switch param {
	case serverWindow:
		n, ok := window(value)
		o.Window, o.told = n, true
		return ok
	case clientWindow: // a hint, which needs no answer
		_, ok := window(value)
		return ok || !given
	default:
		return !given
	}
}

// window takes 8 to 15, without leading zeros.
func window(s string) (uint8, bool) {
	n, err := strconv.Atoi(s)
	if err != nil || n < minWindow || n > maxWindow || s != strconv.Itoa(n) {
		return 0, false
	}
	return uint8(n), true
}

// scanner takes a header value apart by the grammar of RFC 6455 section 9.1.
type scanner struct{ rest string }

// offer takes the next element and the comma behind it. An empty element, as lists may have (RFC 9110 section
// 5.6.1.2), is an offer that is not ok.
func (s *scanner) offer() (o offer, well bool) {
	if s.space(); s.take(',') || s.rest == "" {
		return o, true
	}
	name := s.token()
	if name == "" {
		return o, false
	}
	o.Window = maxWindow
	o.ok = strings.EqualFold(name, "permessage-deflate")
	for {
		switch s.space(); {
		case s.rest == "", s.take(','):
			return o, true
		case !s.take(';'):
			return o, false
		}
		s.space()
		name, value, given := s.token(), "", false
		if name == "" {
			return o, false
		}
		if s.space(); s.take('=') {
			s.space()
			if value, well = s.value(); !well {
				return o, false
			}
			given = true
		}
		o.param(name, value, given)
	}
}

// value takes a token, which may be quoted.
func (s *scanner) value() (string, bool) {
	if !s.take('"') {
		v := s.token()
		return v, v != ""
	}
	var v []byte
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return string(v), isToken(string(v))
		case '\\':
			if i++; i < len(s.rest) {
				v = append(v, s.rest[i])
			}
		default:
			v = append(v, c)
		}
	}
	return "", false // never closed
}

// token takes as much as is a token, which may be nothing.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && isTokenByte(s.rest[n]) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }
