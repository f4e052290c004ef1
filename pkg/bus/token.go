package bus

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// MaxToken is the largest size of a name's token, in bytes after escaping.
const MaxToken = 255

// MaxEventSubject is the largest size of an event's subject, in bytes, with its prefix.
const MaxEventSubject = 1024

// ErrBadName matches every error about a name that can have no token, and about an event id that can have no subject.
var ErrBadName = errors.New("bad name")

// The reasons of a NameError.
const (
	NameEmpty         = "empty"
	NameNil           = "nil"
	NameTooLong       = "too-long"
	NameInvalid       = "invalid"
	NameNotCanonical  = "not-canonical"
	NameNotNamespaced = "not-namespaced"
)

// NameError tells why a name was refused. It matches ErrBadName.
type NameError struct {
	Reason string // one of the Name constants, so it can label a metric
	Err    error  // what the reader said, if it was asked; nil otherwise
}

// Error returns the reason in words.
func (e *NameError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("bad name: %s: %v", e.Reason, e.Err)
	}
	return "bad name: " + e.Reason
}

// Unwrap returns the reader's error, if there is one.
func (e *NameError) Unwrap() error { return e.Err }

// Is matches ErrBadName.
func (e *NameError) Is(target error) bool { return target == ErrBadName }

// plain holds the bytes that a token keeps; all others become %XX.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_/@+=", byte(c)) >= 0
	}
	return t
}()

const hexDigits = "0123456789ABCDEF"

func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	for i := range len(s) {
		if c := s[i]; plain[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// AppendToken appends the subject token of the name whose EDN text is given: any one value but nil and the empty string,
// with nothing but whitespace, comments and discarded forms around it. Equal values have the same token. It is safe for
// concurrent use, and allocates only for names that are neither keywords nor strings, or that are strings with escapes. dst
// is returned unchanged on an error, a *NameError.
func AppendToken(dst, ednText []byte) ([]byte, error) {
	s := ednText
	kind := byte('"')
	switch {
	case isPlainString(s): // the common shapes, for which the canonical text is the text itself
		s = s[1 : len(s)-1]
	case edn.IsKeyword(s):
		kind = ':'
	default:
		var scratch [MaxToken]byte
		canonical, err := edn.AppendCanonicalMax(scratch[:0], ednText, 2*MaxToken+2)
		if err != nil {
			return dst, nameFault(err)
		}
		s = canonical
		if kind = s[0]; kind == '"' {
			if s, err = edn.Unquote(nil, canonical); err != nil {
				return dst, nameFault(err)
			}
		}
	}
	switch {
	case len(s) == 0:
		return dst, &NameError{Reason: NameEmpty}
	case string(s) == "nil" && kind != '"':
		return dst, &NameError{Reason: NameNil}
	case len(s) > MaxToken:
		return dst, &NameError{Reason: NameTooLong}
	}
	start := len(dst)
	out := dst
	switch kind {
	case '"':
	case ':':
		out = append(out, ':')
		s = s[1:]
	default:
		out = append(out, '~')
	}
	out = appendEscaped(out, s)
	if len(out)-start > MaxToken {
		return dst, &NameError{Reason: NameTooLong}
	}
	return out, nil
}

// isPlainString tells whether s is a string literal without escapes, and nothing else.
func isPlainString(s []byte) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range s[1 : len(s)-1] {
		if c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(s)
}

func nameFault(err error) error {
	if fault, ok := errors.AsType[*edn.Error](err); ok && fault.Reason == edn.ReasonTooLong {
		return &NameError{Reason: NameTooLong}
	}
	return &NameError{Reason: NameInvalid, Err: err}
}

// StringToken returns the token of a name that is a string. Its errors are those of AppendToken.
func StringToken(s string) (string, error) {
	switch {
	case s == "":
		return "", &NameError{Reason: NameEmpty}
	case len(s) > MaxToken:
		return "", &NameError{Reason: NameTooLong}
	case !utf8.ValidString(s):
		return "", &NameError{Reason: NameInvalid}
	}
	token := appendEscaped(make([]byte, 0, len(s)+16), s)
	if len(token) > MaxToken {
		return "", &NameError{Reason: NameTooLong}
	}
	return string(token), nil
}

// ParseToken returns the canonical EDN text of the name that a token stands for. Only what AppendToken makes is a token, so
// %41 is none. Errors are *NameError.
func ParseToken(token string) ([]byte, error) {
	switch {
	case token == "":
		return nil, &NameError{Reason: NameEmpty}
	case len(token) > MaxToken:
		return nil, &NameError{Reason: NameTooLong}
	}
	rest, kind := token, token[0]
	if kind == ':' || kind == '~' {
		rest = token[1:]
	}
	raw := make([]byte, 0, len(token)+2)
	if kind == ':' {
		raw = append(raw, ':')
	}
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		if c == '%' && i+2 < len(rest) {
			hi, lo := strings.IndexByte(hexDigits, rest[i+1]), strings.IndexByte(hexDigits, rest[i+2])
			if hi < 0 || lo < 0 {
				return nil, &NameError{Reason: NameNotCanonical}
			}
			c = byte(hi<<4 | lo)
			i += 2
		}
		raw = append(raw, c)
	}
	text := raw
	if kind != ':' && kind != '~' {
		if !utf8.Valid(raw) {
			return nil, &NameError{Reason: NameInvalid}
		}
		text = edn.AppendString(nil, string(raw))
	}
	// Whatever the token said, it is a name only if the name says the same, in every byte.
	var scratch [MaxToken]byte
	again, err := AppendToken(scratch[:0], text)
	if err != nil {
		return nil, err
	}
	if string(again) != token {
		return nil, &NameError{Reason: NameNotCanonical}
	}
	return text, nil
}

// CommandLineName returns the EDN text of a name as people write it on a command line, and in JSON: with a leading ':' it
// is a keyword, otherwise a string. It returns a *NameError for what has no token.
func CommandLineName(s string) ([]byte, error) {
	if s == "" {
		return nil, &NameError{Reason: NameEmpty}
	}
	if s[0] != ':' {
		if _, err := StringToken(s); err != nil {
			return nil, err
		}
		return edn.AppendString(nil, s), nil
	}
	text := []byte(s)
	if !edn.IsKeyword(text) {
		return nil, &NameError{Reason: NameInvalid}
	}
	if _, err := AppendToken(nil, text); err != nil {
		return nil, err
	}
	return text, nil
}

// AppendEventSubject appends the levels that follow "hoshi.event." in the subject of an event with this id (a keyword with a
// namespace, with its ':', as the codec finds it). Dots in its namespace and name, and the '/' between them, part levels; a dot
// that would leave a level empty belongs to the level before it, or after it at the start. dst should hold the subject's
// prefix: beyond MaxEventSubject bytes, prefix included, the id has no subject. dst is returned unchanged on an error, a
// *NameError. It does not allocate but to grow dst.
func AppendEventSubject(dst []byte, id []byte) ([]byte, error) {
	if len(id) == 0 || id[0] != ':' {
		return dst, &NameError{Reason: NameInvalid}
	}
	cut := bytes.IndexByte(id, '/')
	if cut <= 1 || cut == len(id)-1 {
		return dst, &NameError{Reason: NameNotNamespaced}
	}
	if len(dst)+len(id)-1 > MaxEventSubject {
		return dst, &NameError{Reason: NameTooLong}
	}
	out := appendLevels(dst, id[1:cut])
	// Dots that open the name belong to the level before it, unless the name has nothing else.
	name := id[cut+1:]
	rest := bytes.TrimLeft(name, ".")
	if len(rest) > 0 {
		out = appendEscaped(out, name[:len(name)-len(rest)])
		name = rest
	}
	out = append(out, '.')
	out = appendLevels(out, name)
	if len(out) > MaxEventSubject {
		return dst, &NameError{Reason: NameTooLong}
	}
	return out, nil
}

// appendLevels appends the levels of a namespace or a name: of several dots in a row the last one parts levels, and those at
// the start and at the end part none.
func appendLevels(dst, s []byte) []byte {
	for i, c := range s {
		switch {
		case c != '.':
			dst = appendEscaped(dst, s[i:i+1])
		case i+1 < len(s) && s[i+1] != '.' && len(bytes.TrimLeft(s[:i], ".")) > 0:
			dst = append(dst, '.')
		default:
			dst = append(dst, "%2E"...)
		}
	}
	return dst
}
