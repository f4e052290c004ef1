package natsd

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"
)

// logger writes nats-server's log lines as zerolog events of component natsd.
// The server's text is data, not our message, so it is a field.
type logger struct{ l *zerolog.Logger }

func (l logger) log(e *zerolog.Event, format string, v []any) {
	if !e.Enabled() {
		return
	}
	e.Str("component", "natsd").Str("text", fmt.Sprintf(format, v...)).Msg("nats-server")
}

// Noticef writes at debug level: the node says in its own words where NATS
// listens, and the server's banner of ten lines would bury it.
func (l logger) Noticef(format string, v ...any) { l.log(l.l.Debug(), format, v) }

// Warnf leaves out what no operator of a node can act on: where the password
// is kept is the node's matter, not the server's.
func (l logger) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords detected") {
		return
	}
	l.log(l.l.Warn(), format, v)
}

// Errorf writes a peer that is not there, yet or any more, as a warning: the
// server goes on trying, and nothing of this node is broken.
func (l logger) Errorf(format string, v ...any) {
	e := l.l.Error()
	if strings.HasPrefix(format, "Error trying to connect to route") {
		e = l.l.Warn()
	}
	l.log(e, format, v)
}

// Fatalf does not end the process: the owner of the server decides that.
func (l logger) Fatalf(format string, v ...any) { l.log(l.l.Error(), format, v) }
func (l logger) Debugf(format string, v ...any) { l.log(l.l.Debug(), format, v) }
func (l logger) Tracef(format string, v ...any) { l.log(l.l.Trace(), format, v) }
