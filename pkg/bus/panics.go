package bus

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// panics recovers what the handler, or the reading of foreign bytes, panics with:
// it costs one message, or one reply, and the goroutine goes on. The control
// goroutine and the publisher call nobody with foreign bytes; a panic there means
// that interests or the queue are not what they should be, and ends the process.
// Any goroutine.
type panics struct {
	count atomic.Uint64
	log   zerolog.Logger // sampled; fixed
}

// recovered is to be deferred itself.
func (p *panics) recovered(where, subject string) {
	if v := recover(); v != nil {
		p.tell(where, subject, "", v)
	}
}

// tell counts and logs a panic whose stack is still there. What its value says may
// be what somebody has sent, so only its type is told. conn may be empty.
func (p *panics) tell(where, subject, conn string, v any) {
	p.count.Add(1)
	e := p.log.Error().Str("subject", subject).Type("value", v).Bytes("stack", debug.Stack())
	if conn != "" {
		e = e.Str("conn", conn)
	}
	e.Msg("panic in " + where)
}
