package obs

import (
	"fmt"
	"io"
	"log/slog" //nolint:depguard // the adapter itself
	"os"
	"sync"

	"github.com/rs/zerolog"
)

// Format says how log lines are written.
type Format string

// The formats.
const (
	Auto    Format = "auto" // Console on a terminal, JSON elsewhere
	Console Format = "console"
	JSON    Format = "json"
)

// Options say how a process logs. The zero value writes JSON of level info to
// standard error, or readable lines where that is a terminal.
type Options struct {
	Writer io.Writer // nil is standard error
	Format Format    // "" is Auto
	Level  string    // debug, info, warn, error; "" is info
}

// timeFormat carries milliseconds: zerolog's default of whole seconds cannot
// order what a node does.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// zerolog keeps the format of time stamps in a variable of its package.
var setTimeFormat = sync.OnceFunc(func() { zerolog.TimeFieldFormat = timeFormat })

// New returns the logger of a process. It is safe for concurrent use, as long
// as Writer takes each Write as a whole.
func New(o Options) (zerolog.Logger, error) {
	setTimeFormat()
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	if o.Level == "" {
		o.Level = zerolog.LevelInfoValue
	}
	level, err := zerolog.ParseLevel(o.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level %q: want debug, info, warn or error", o.Level)
	}
	w := o.Writer
	switch o.Format {
	case Console, Auto, "", JSON:
		if !o.JSON() {
			w = console(w, IsTerminal(w))
		}
	default:
		return zerolog.Nop(), fmt.Errorf("log format %q: want auto, console or json", o.Format)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

// JSON reports whether New writes JSON, for programs to read.
func (o Options) JSON() bool {
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	return o.Format == JSON || o.Format != Console && !IsTerminal(o.Writer)
}

func console(w io.Writer, terminal bool) io.Writer {
	return zerolog.ConsoleWriter{
		Out:        w,
		TimeFormat: "15:04:05.000",
		NoColor:    !terminal || os.Getenv("NO_COLOR") != "",
	}
}

// IsTerminal reports whether a person is likely to read what is written to w.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// The null device is a character device too.
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// TakeStandard leads log/slog, and through it package log, into l. It changes
// the process and is called once, by main.
func TakeStandard(l zerolog.Logger) {
	slog.SetDefault(slog.New(zerolog.NewSlogHandler(l.With().Str("component", "std").Logger())))
}
