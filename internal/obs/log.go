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

	// File takes the lines instead of Writer, which then hears only that some of
	// them were lost. Auto is JSON there.
	File FileOptions
}

// Log is how a process logs. What is derived from Logger before the level
// changes follows it too.
type Log struct {
	zerolog.Logger

	Level *Level
	File  *File // nil where Options name none

	closeOnce sync.Once
}

// timeFormat carries milliseconds: zerolog's default of whole seconds cannot
// order what a node does.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// zerolog keeps the format of time stamps in a variable of its package.
var setTimeFormat = sync.OnceFunc(func() { zerolog.TimeFieldFormat = timeFormat })

// New returns the log of a process, and sets the process's level. Logger is safe
// for concurrent use, as long as Writer takes each Write as a whole. The caller
// closes it at last.
func New(o Options) (*Log, error) {
	setTimeFormat()
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	switch o.Format {
	case Console, Auto, "", JSON:
	default:
		return nil, fmt.Errorf("log format %q: want auto, console or json", o.Format)
	}
	name := o.Level
	if name == "" {
		name = zerolog.LevelInfoValue
	}
	level, err := newLevel(name)
	if err != nil {
		return nil, err
	}
	w := o.Writer
	if !o.forPrograms(w) {
		w = console(w, IsTerminal(w))
	}
	l := &Log{Level: level}
	if o.File.Path != "" {
		formatted := func(w io.Writer) io.Writer { return w }
		if o.Format == Console {
			formatted = func(w io.Writer) io.Writer { return console(w, false) }
		}
		l.File, err = openFile(o.File, withTime(w), formatted)
		if err != nil {
			return nil, err
		}
		w = formatted(l.File)
	}
	l.Logger = withTime(w)
	level.log = &l.Logger
	level.apply()
	return l, nil
}

// withTime returns a logger of every level: [Level] says which are written.
func withTime(w io.Writer) zerolog.Logger {
	return zerolog.New(w).With().Timestamp().Logger()
}

// Close ends what the log has running, and the file. Lines that come later are
// lost where there is a file.
func (l *Log) Close() error {
	var err error
	l.closeOnce.Do(func() {
		l.Level.stop()
		if l.File != nil {
			err = l.File.close()
		}
	})
	return err
}

// JSON reports whether New writes JSON, for programs to read.
func (o Options) JSON() bool {
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	if o.File.Path != "" {
		return o.Format != Console
	}
	return o.forPrograms(o.Writer)
}

func (o Options) forPrograms(w io.Writer) bool {
	return o.Format == JSON || o.Format != Console && !IsTerminal(w)
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
// the process and is called once, by main. What comes by package log is a warning:
// dependencies write there what they can do nothing about, net/http a panic of a
// handler for one.
func TakeStandard(l zerolog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(slog.New(zerolog.NewSlogHandler(l.With().Str("component", "std").Logger())))
}
