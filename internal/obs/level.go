package obs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Level is how much the process logs. zerolog copies a logger's level into each
// that is derived from it, so no change of one would reach the loggers that
// components made at the start. The level is therefore zerolog's global one, an
// atomic that a disabled event loads in any case: there is one for each process,
// as there is one log. All methods are safe for concurrent use.
type Level struct {
	log *zerolog.Logger // hears that a time is over; fixed after New

	mu struct {
		sync.Mutex
		base    zerolog.Level // of the start, or of the last Set
		current zerolog.Level
		until   time.Time   // when base comes back, zero where it is current
		timer   *time.Timer // to until
		turn    int         // of the timer, so that one which was cancelled too late is known
		follow  []func(zerolog.Level)
		stopped bool
	}
}

// LevelStatus is what [Level.Get] returns.
type LevelStatus struct {
	Level string        // debug, info, warn or error
	Left  time.Duration // time until Base comes back, 0 where nothing does
	Base  string
}

// String is a line for a person.
func (s LevelStatus) String() string {
	if s.Left == 0 {
		return s.Level
	}
	return fmt.Sprintf("%s, in %v %s again", s.Level, s.Left.Round(time.Second), s.Base)
}

// MaxLevelTime is the longest time for which [Level.For] takes a level.
const MaxLevelTime = 24 * time.Hour

// ErrLevel is what every wrong level, and every wrong time, matches.
var ErrLevel = errors.New("wrong log level")

var levelNames = []string{zerolog.LevelDebugValue, zerolog.LevelInfoValue, zerolog.LevelWarnValue, zerolog.LevelErrorValue}

func parseLevel(name string) (zerolog.Level, error) {
	if !slices.Contains(levelNames, name) {
		return zerolog.NoLevel, fmt.Errorf("%w: want one of %s", ErrLevel, strings.Join(levelNames, ", "))
	}
	return zerolog.ParseLevel(name)
}

func newLevel(name string) (*Level, error) {
	parsed, err := parseLevel(name)
	if err != nil {
		return nil, fmt.Errorf("log level %q: %w", name, err)
	}
	l := &Level{}
	l.mu.base, l.mu.current = parsed, parsed
	return l, nil
}

func (l *Level) apply() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applyLocked(l.mu.current)
}

func (l *Level) applyLocked(level zerolog.Level) {
	l.mu.current = level
	zerolog.SetGlobalLevel(level)
	for _, f := range l.mu.follow {
		f(level)
	}
}

// Follow has f called with the level now, and whenever it changes, one call at a
// time. It must not block, log, or call this Level.
func (l *Level) Follow(f func(zerolog.Level)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.follow = append(l.mu.follow, f)
	f(l.mu.current)
}

// Get returns the level, and what comes after it.
func (l *Level) Get() LevelStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LevelStatus{Level: l.mu.current.String(), Base: l.mu.base.String()}
	if !l.mu.until.IsZero() {
		s.Left = max(time.Until(l.mu.until), 1)
	}
	return s
}

// Set takes the level from now on, until the process ends. An error matches
// [ErrLevel].
func (l *Level) Set(name string) error {
	level, err := parseLevel(name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelLocked()
	l.mu.base = level
	l.applyLocked(level)
	return nil
}

// For takes the level for a time of up to [MaxLevelTime]; then that of the start,
// or of the last Set, comes back, and the log says so, whatever that level. Another
// Set or For takes its place. An error matches [ErrLevel].
func (l *Level) For(name string, d time.Duration) error {
	level, err := parseLevel(name)
	if err != nil {
		return err
	}
	if d <= 0 || d > MaxLevelTime {
		return fmt.Errorf("%w: the time must be more than 0 and at most %v", ErrLevel, MaxLevelTime)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelLocked()
	if !l.mu.stopped {
		l.mu.until = time.Now().Add(d)
		turn := l.mu.turn
		l.mu.timer = time.AfterFunc(d, func() { l.over(turn) })
	}
	l.applyLocked(level)
	return nil
}

// over brings back the level from before.
func (l *Level) over(turn int) {
	left, base, over := l.back(turn)
	if !over {
		return
	}
	l.log.Log().Str(zerolog.LevelFieldName, zerolog.LevelInfoValue).Stringer("log_level", base).Stringer("before", left).
		Msg("log level is back")
}

// back is over without the log, and says what was left for what. over is false where
// the time was cancelled.
func (l *Level) back(turn int) (left, base zerolog.Level, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.turn != turn {
		return
	}
	left, base = l.mu.current, l.mu.base
	l.cancelLocked()
	l.applyLocked(base)
	return left, base, true
}

func (l *Level) cancelLocked() {
	if l.mu.timer != nil {
		l.mu.timer.Stop()
	}
	l.mu.turn++
	l.mu.timer, l.mu.until = nil, time.Time{}
}

func (l *Level) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.stopped = true
	l.cancelLocked()
}
