package wsconn

import "github.com/gobwas/ws"

// What owners of connections need of the library, so that they need not know
// it.
type (
	// OpCode is the kind of a message: OpText or OpBinary.
	OpCode = ws.OpCode
	// StatusCode is a close code (RFC 6455 section 7.4).
	StatusCode = ws.StatusCode
)

// The kinds of messages.
const (
	OpText   = ws.OpText
	OpBinary = ws.OpBinary
)

// Close codes. The last two are of IANA's registry, and gobwas/ws does not name them.
const (
	StatusNormal         = ws.StatusNormalClosure
	StatusInternalError  = ws.StatusInternalServerError
	StatusServiceRestart = StatusCode(1012) // come back, to any server
	StatusTryAgainLater  = StatusCode(1013) // the server is overloaded, or this peer too slow
)
