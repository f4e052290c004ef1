package bus

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
)

// What a server refuses, in its words.
const (
	publishing  = "Publish"
	subscribing = "Subscription"
)

// DeniedError matches [ErrDenied], and says where.
type DeniedError struct {
	Subject string // on which we may not publish, or to which we may not subscribe
}

func (e *DeniedError) Error() string { return ErrDenied.Error() }

// Unwrap returns ErrDenied.
func (e *DeniedError) Unwrap() error { return ErrDenied }

// denied reports whether the last that a server has refused is one of these on a
// subject. It says so on the connection before it answers what was sent later, such
// as a flush or a barrier.
func denied(nc *nats.Conn, what, subject string) bool {
	err := nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), what+` to "`+subject+`"`)
}
