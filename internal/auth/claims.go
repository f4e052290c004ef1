package auth

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Claims are those of a token, each still JSON; a view that decodes what it is
// asked for. Names are compared byte by byte. It must not be changed.
type Claims map[string]json.RawMessage

// maxDate is the last second of the year 9999, beyond which a date is an error.
const maxDate = 253402300799

// raw finds a claim by its name, or by a JSON pointer (RFC 6901) for what lies
// within objects, like /realm_access/roles.
func (c Claims) raw(name string) (json.RawMessage, bool) {
	if v, ok := c[name]; ok {
		return v, string(v) != "null"
	}
	if !strings.HasPrefix(name, "/") {
		return nil, false
	}
	var v json.RawMessage
	for i, step := range strings.Split(name[1:], "/") {
		if i > 0 {
			c = nil
			if json.Unmarshal(v, &c) != nil {
				return nil, false
			}
		}
		var ok bool
		if v, ok = c[unpointer.Replace(step)]; !ok {
			return nil, false
		}
	}
	return v, string(v) != "null"
}

var unpointer = strings.NewReplacer("~1", "/", "~0", "~")

// Has reports whether the claim is there, and not null.
func (c Claims) Has(name string) bool {
	_, ok := c.raw(name)
	return ok
}

// String returns the claim if it is a string.
func (c Claims) String(name string) (string, bool) {
	raw, ok := c.raw(name)
	if !ok {
		return "", false
	}
	return unquote(raw)
}

// unquote decodes a string.
func unquote(raw json.RawMessage) (s string, ok bool) {
	switch {
	case raw[0] != '"':
		return "", false
	case bytes.IndexByte(raw, '\\') < 0:
		return string(raw[1 : len(raw)-1]), true
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// Holds reports whether the claim equals a value or, if it is an array,
// contains it. Strings are compared as such, numbers and booleans by how the
// token writes them. scope contains each of its words (RFC 8693, section 4.2).
func (c Claims) Holds(name, value string) bool {
	raw, ok := c.raw(name)
	if !ok {
		return false
	}
	if raw[0] != '[' {
		if name == "scope" {
			s, _ := unquote(raw)
			return slices.Contains(strings.Fields(s), value)
		}
		return equals(raw, value)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, v := range list {
		if equals(v, value) {
			return true
		}
	}
	return false
}

func equals(raw json.RawMessage, value string) bool {
	switch raw[0] {
	case '"':
		s, ok := unquote(raw)
		return ok && s == value
	case '{', '[', 'n':
		return false
	}
	return string(raw) == value
}

// text returns a claim that must be a string if it is there: "" where it is
// not. Text in which something could not be decoded is no string: what JSON
// puts in its place would make different names equal.
func (c Claims) text(name string) (string, bool) {
	if v, ok := c[name]; !ok || string(v) == "null" {
		return "", true
	}
	s, ok := c.String(name)
	return s, ok && !strings.ContainsRune(s, utf8.RuneError)
}

// date returns a claim that must be a number of seconds since 1970 if it is
// there (NumericDate, RFC 7519 section 2): the zero time where it is not.
func (c Claims) date(name string) (time.Time, bool) {
	raw, ok := c[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, true
	}
	if raw[0] < '0' || raw[0] > '9' {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds > maxDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true
}

// audience reports whether the token is for one of those; ok is false where the
// claim is neither a string nor an array of strings.
func (c Claims) audience(accepted []string) (match, ok bool) {
	raw, there := c["aud"]
	if !there || string(raw) == "null" {
		return len(accepted) == 0, true
	}
	list := make([]string, 1)
	if raw[0] == '[' {
		list = nil
		if json.Unmarshal(raw, &list) != nil {
			return false, false
		}
	} else if list[0], ok = c.text("aud"); !ok {
		return false, false
	}
	for _, a := range accepted {
		if a == AnyAudience || slices.Contains(list, a) {
			return true, true
		}
	}
	return false, true
}
