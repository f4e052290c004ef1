package bus

import (
	"errors"
	"fmt"
)

// MaxToken is the largest size of a name's token, in bytes after escaping.
const MaxToken = 255

// MaxEventSubject is the largest size of an event's subject, in bytes, with its prefix.
const MaxEventSubject = 1024

// ErrBadName matches every error about a name that can have no token, and about an event id that can have no subject.
var ErrBadName = errors.New("bad name")

// NameError tells why a name was refused. It matches ErrBadName.
type NameError struct {
	Reason string // one of a small fixed set: "empty", "nil", "too-long", "invalid", "not-canonical", "not-namespaced"
	Err    error  // what the reader said, if it was asked
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

// AppendToken appends the subject token of the name whose EDN text is given. dst is returned unchanged on an error.
func AppendToken(dst, ednText []byte) ([]byte, error) { return dst, &NameError{Reason: "invalid"} }

// StringToken returns the token of a name that is a string.
func StringToken(s string) (string, error) { return "", &NameError{Reason: "invalid"} }

// ParseToken returns the canonical EDN text of the name that a token stands for. Only what AppendToken makes is a token.
func ParseToken(token string) ([]byte, error) { return nil, &NameError{Reason: "invalid"} }

// CommandLineName returns the EDN text of a name as people write it on a command line, and in JSON: with a leading ':' it
// is a keyword, otherwise a string.
func CommandLineName(s string) ([]byte, error) { return nil, &NameError{Reason: "invalid"} }

// AppendEventSubject appends the levels that follow "hoshi.event." in the subject of an event with this id (a keyword with a
// namespace, with its ':'). dst is returned unchanged on an error.
func AppendEventSubject(dst []byte, id []byte) ([]byte, error) {
	return dst, &NameError{Reason: "invalid"}
}
