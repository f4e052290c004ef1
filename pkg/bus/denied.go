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

// denied reports whether the last that a server has refused is one of these on a
// subject. It says so on the connection before it answers what was sent later, such
// as a flush or a barrier.
func denied(nc *nats.Conn, what, subject string) bool {
	err := nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), what+` to "`+subject+`"`)
}
