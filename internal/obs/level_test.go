package obs_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// A change of the level reaches loggers that were derived before it.
func TestLevelReachesAll(t *testing.T) {
	var out bytes.Buffer
	l := open(t, obs.Options{Writer: &out, Format: obs.JSON, Level: "warn"})
	child := l.With().Str("component", "edge").Logger()
	sampled := child.Sample(&zerolog.BurstSampler{Burst: 100, Period: time.Hour})
	wrote := func() bool {
		out.Reset()
		for _, logger := range []zerolog.Logger{l.Logger, child, sampled} {
			logger.Debug().Msg("d")
		}
		n := strings.Count(out.String(), "\n")
		if n != 0 && n != 3 {
			t.Errorf("%d of 3 loggers wrote", n)
		}
		return n == 3
	}
	var heard []zerolog.Level
	l.Level.Follow(func(level zerolog.Level) { heard = append(heard, level) })
	for _, step := range []struct {
		level string
		want  bool
	}{{"debug", true}, {"error", false}, {"debug", true}, {"info", false}} {
		if err := l.Level.Set(step.level); err != nil {
			t.Fatal(err)
		}
		if wrote() != step.want {
			t.Errorf("level %s, debug lines are written: %v", step.level, !step.want)
		}
		if got := l.Level.Get(); got != (obs.LevelStatus{Level: step.level, Base: step.level}) || got.String() != step.level {
			t.Errorf("level %s, got %+v", step.level, got)
		}
	}
	if want := []zerolog.Level{zerolog.WarnLevel, zerolog.DebugLevel, zerolog.ErrorLevel, zerolog.DebugLevel, zerolog.InfoLevel}; len(heard) != len(want) || heard[0] != want[0] || heard[4] != want[4] {
		t.Errorf("heard %v, want %v", heard, want)
	}
}

// A level for a time goes back to what was set last, and not to another such.
func TestLevelFor(t *testing.T) {
	l := open(t, obs.Options{Writer: io.Discard, Level: "warn"}).Level
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(level string) {
		t.Helper()
		testkit.Eventually(t, "the level is "+level, func() bool { return l.Get().Level == level && zerolog.GlobalLevel().String() == level })
	}
	do(l.For("debug", time.Hour))
	if got := l.Get(); got.Level != "debug" || got.Base != "warn" || got.Left <= 59*time.Minute || got.Left > time.Hour || !strings.Contains(got.String(), "debug, in 1h0m0s warn again") {
		t.Errorf("got %+v, %v", got, got)
	}
	do(l.For("info", time.Millisecond))
	is("warn")
	if got := l.Get(); got.Left != 0 {
		t.Errorf("got %+v", got)
	}
	do(l.For("debug", time.Hour))
	do(l.Set("error"))
	if got := l.Get(); got != (obs.LevelStatus{Level: "error", Base: "error"}) {
		t.Errorf("got %+v", got)
	}
	do(l.For("debug", time.Millisecond))
	is("error")
}

// logged takes what is logged on other goroutines.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// That a time is over is logged once, at whatever level; that it was cut short is not.
func TestLevelBackIsLogged(t *testing.T) {
	out := &logged{}
	l := open(t, obs.Options{Writer: out, Format: obs.JSON, Level: "error"})
	for _, name := range []string{"info", "debug"} {
		if err := l.Level.For(name, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Level.Set("warn"); err != nil {
		t.Fatal(err)
	}
	if err := l.Level.For("debug", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it is logged", func() bool { return out.String() != "" })
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, `{"level":"info","log_level":"warn","before":"debug","time":"`) || !strings.HasSuffix(text, `"message":"log level is back"}`+"\n") {
		t.Errorf("logged %s", text)
	}
}

func TestWrongLevels(t *testing.T) {
	l := open(t, obs.Options{Writer: io.Discard}).Level
	for _, err := range []error{
		l.Set("loud"), l.Set(""), l.Set("DEBUG"), l.Set("trace"), l.Set("-1"), l.Set("disabled"),
		l.For("loud", time.Second), l.For("debug", 0), l.For("debug", -1), l.For("debug", obs.MaxLevelTime+1),
	} {
		if !errors.Is(err, obs.ErrLevel) {
			t.Errorf("got %v", err)
		}
	}
	if got := l.Get(); got.Level != "info" || got.Left != 0 {
		t.Errorf("got %+v", got)
	}
}

// A closed log has no timer, which the end of this package's tests sees too.
func TestLevelOfClosedLog(t *testing.T) {
	l := open(t, obs.Options{Writer: io.Discard})
	if err := l.Level.For("debug", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Level.For("debug", time.Hour); err != nil || l.Level.Get().Left != 0 {
		t.Errorf("%v, %+v", err, l.Level.Get())
	}
}

// What a debug event costs that is not written: it is on no hot path, but near
// some.
func BenchmarkDisabledDebug(b *testing.B) {
	before := zerolog.GlobalLevel()
	defer zerolog.SetGlobalLevel(before)
	l, err := obs.New(obs.Options{Writer: io.Discard, Format: obs.JSON})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Debug().Str("conn", "a").Msg("nothing")
	}
}
