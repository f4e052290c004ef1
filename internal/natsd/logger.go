package natsd

import (
	"fmt"

	"github.com/rs/zerolog"
)

// logger writes nats-server's log lines as zerolog events of component natsd.
// The server's text is data, not our message, so it is a field.
type logger struct{ l *zerolog.Logger }

func (l logger) log(e *zerolog.Event, format string, v []any) {
	e.Str("component", "natsd").Str("text", fmt.Sprintf(format, v...)).Msg("nats-server")
}

// Noticef writes at debug level: the node says in its own words where NATS
// listens, and the server's banner of ten lines would bury it.
func (l logger) Noticef(format string, v ...any) { l.log(l.l.Debug(), format, v) }
func (l logger) Warnf(format string, v ...any)   { l.log(l.l.Warn(), format, v) }
func (l logger) Errorf(format string, v ...any)  { l.log(l.l.Error(), format, v) }

// Fatalf does not end the process: the owner of the server decides that.
func (l logger) Fatalf(format string, v ...any) { l.log(l.l.Error(), format, v) }
func (l logger) Debugf(format string, v ...any) { l.log(l.l.Debug(), format, v) }
func (l logger) Tracef(format string, v ...any) { l.log(l.l.Trace(), format, v) }
