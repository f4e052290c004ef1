package obs_test

import (
	"bytes"
	"encoding/json"
	"log"      //nolint:depguard // what is led into zerolog
	"log/slog" //nolint:depguard // the adapter itself
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/obs"
)

// open makes a log that ends with the test, and with it the process's level.
func open(t *testing.T, o obs.Options) *obs.Log {
	t.Helper()
	before := zerolog.GlobalLevel()
	l, err := obs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		zerolog.SetGlobalLevel(before)
	})
	return l
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format obs.Format
		want   string // a pattern
	}{
		{name: "json", format: obs.JSON, want: `^\{"level":"info","n":1,"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)","message":"node is up"\}\n$`},
		{name: "auto is json where nobody reads", format: obs.Auto, want: `^\{"level":"info"`},
		{name: "none is auto", want: `^\{"level":"info"`},
		{name: "console without colours", format: obs.Console, want: `^\d\d:\d\d:\d\d\.\d{3} INF node is up n=1\n$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := open(t, obs.Options{Writer: &out, Format: tt.format})
			l.Debug().Msg("not at this level")
			l.Info().Int("n", 1).Msg("node is up")
			if !regexp.MustCompile(tt.want).MatchString(out.String()) {
				t.Errorf("got %q, want %s", out.String(), tt.want)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "": 3, "warn": 2, "error": 1} {
		var out bytes.Buffer
		l := open(t, obs.Options{Writer: &out, Format: obs.JSON, Level: level})
		l.Debug().Msg("d")
		l.Info().Msg("i")
		l.Warn().Msg("w")
		l.Error().Msg("e")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q wrote %d lines, want %d", level, got, want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []obs.Options{{Level: "loud"}, {Level: "trace"}, {Format: "xml"}, {File: obs.FileOptions{Path: "a", Size: 7}}, {File: obs.FileOptions{Path: "a", Keep: -1}}} {
		if _, err := obs.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if obs.IsTerminal(null) || obs.IsTerminal(&bytes.Buffer{}) {
		t.Error("took the null device or a buffer for a terminal")
	}
}

func TestTakeStandard(t *testing.T) {
	old, flags, out := slog.Default(), log.Flags(), log.Writer()
	defer func() {
		slog.SetDefault(old)
		slog.SetLogLoggerLevel(slog.LevelInfo)
		log.SetFlags(flags)
		log.SetOutput(out)
	}()
	var buf bytes.Buffer
	obs.TakeStandard(open(t, obs.Options{Writer: &buf, Format: obs.JSON}).Logger)
	slog.Warn("from slog", "n", 2)
	log.Printf("from %s", "log")
	for i, line := range bytes.Split(bytes.TrimSpace(buf.Bytes()), []byte("\n")) {
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if want := []string{"from slog", "from log"}[i]; got["message"] != want || got["component"] != "std" || got["level"] != "warn" {
			t.Errorf("got %s, want %q", line, want)
		}
	}
}
