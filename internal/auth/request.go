package auth

import (
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Request is what is read of a request.
type Request interface {
	// Values returns the values of all headers with this name, without regard to
	// case, one for each line, in their order.
	Values(name string) iter.Seq[string]
	// RawQuery returns the target behind the question mark, still escaped.
	RawQuery() string
}

// HTTP makes a Request of one that net/http has read.
func HTTP(r *http.Request) Request { return httpRequest{r} }

type httpRequest struct{ r *http.Request }

func (h httpRequest) RawQuery() string { return h.r.URL.RawQuery }

func (h httpRequest) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range h.r.Header.Values(name) {
			if !yield(v) {
				return
			}
		}
	}
}

// single returns the one value that there is; several are one only if they are
// equal.
type single struct {
	value string
	many  bool // there are different ones
}

func (s *single) add(v string) {
	switch {
	case v == "":
	case s.value == "":
		s.value = v
	case s.value != v:
		s.many = true
	}
}

func header(r Request, name string) (s single) {
	for v := range r.Values(name) {
		s.add(strings.Trim(v, " \t"))
	}
	return s
}

// cookie finds a cookie by its exact name, in as many Cookie lines as there are
// (RFC 6265, section 5.4). A browser that was given the same cookie for two
// paths, or by a neighbouring domain, sends two.
func cookie(r Request, name string) (s single) {
	for line := range r.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok || strings.Trim(key, " \t") != name {
				continue
			}
			value = strings.Trim(value, " \t")
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			s.add(value)
		}
	}
	return s
}

// param finds a parameter of the query; ok is false if a value cannot be
// unescaped. Pairs that are not its own are passed over, malformed or not.
func param(r Request, name string) (s single, ok bool) {
	for pair := range strings.SplitSeq(r.RawQuery(), "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return s, false
		}
		s.add(value)
	}
	return s, true
}
