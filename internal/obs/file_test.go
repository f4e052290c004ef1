package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/obs"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// lines reads a file of JSON lines.
func lines(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range bytes.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		all = append(all, m)
	}
	return all
}

func TestFile(t *testing.T) {
	for _, tt := range []struct {
		format obs.Format
		want   string // how the line begins
		json   bool
	}{{format: obs.Auto, want: `{"level":"info"`, json: true}, {format: obs.JSON, want: `{"level":"info"`, json: true}, {format: obs.Console, want: ""}} {
		t.Run(string(tt.format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hoshi.log")
			var stderr bytes.Buffer
			o := obs.Options{Writer: &stderr, Format: tt.format, File: obs.FileOptions{Path: path}}
			if o.JSON() != tt.json {
				t.Errorf("JSON() is %v", o.JSON())
			}
			for range 2 { // it is appended to
				l := open(t, o)
				l.Info().Int("n", 1).Msg("node is up")
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), "node is up"); n != 2 || !strings.HasPrefix(string(text), tt.want) || strings.Contains(string(text), "\x1b") {
				t.Errorf("the file holds %q", text)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if stderr.Len() > 0 {
				t.Errorf("standard error has %s", &stderr)
			}
		})
	}
}

// Files are rotated by size, as many as said are kept, no line is lost or torn,
// and the mode that somebody has set stays.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hoshi.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, obs.Options{File: obs.FileOptions{Path: path, Size: 1 << 20, Keep: 2}})
	filler := strings.Repeat("x", 10_000)
	const writers, each = 4, 125 // 5 MB
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Info().Int("w", w).Int("i", i).Str("filler", filler).Msg("line")
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	n := 0
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Size() > 1<<20 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, %v, %v", file, info.Size(), info.Mode(), err)
		}
		n += len(lines(t, file))
	}
	if n < 2*100 || n > writers*each || l.File.Lost() != 0 {
		t.Errorf("%d lines are kept, %d lost", n, l.File.Lost())
	}
}

// Who renames the file has a new one made by Reopen.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hoshi.log")
	l := open(t, obs.Options{File: obs.FileOptions{Path: path}})
	l.Info().Msg("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Info().Msg("two")
	if err := l.File.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Info().Msg("three")
	if old, now := lines(t, path+".1"), lines(t, path); len(old) != 2 || len(now) != 1 || now[0]["message"] != "three" {
		t.Errorf("old %v, new %v", old, now)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.File.Reopen(); err != nil {
		t.Errorf("when closed: %v", err)
	}
	l.Info().Msg("too late")
	if n := l.File.Lost(); n != 1 {
		t.Errorf("%d lost", n)
	}
}

// A file that cannot be written costs lines, not more: they are counted, said at
// most once a minute, and the file itself says so when it can be written again.
func TestUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "hoshi.log")
	var stderr bytes.Buffer
	l := open(t, obs.Options{Writer: &stderr, Level: "error", File: obs.FileOptions{Path: path}})
	now := time.Now()
	l.File.SetClock(func() time.Time { return now })
	l.Error().Msg("one")

	// Its folder is replaced by a file: nothing can be opened there.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.File.Reopen(); err != nil {
		t.Fatal(err)
	}
	for range 150 {
		now = now.Add(time.Second)
		l.Error().Msg("lost")
	}
	if n := l.File.Lost(); n != 150 {
		t.Errorf("%d lost", n)
	}
	said := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(said) != 3 || !strings.Contains(said[2], `"component":"log","path":"`+path+`"`) || !strings.Contains(said[2], `"lost":121,`) || !strings.Contains(said[0], "log file cannot be written, lines are lost") {
		t.Errorf("standard error has\n%s", &stderr)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	l.Error().Msg("tried too early")
	now = now.Add(time.Second)
	l.Error().Msg("two")
	l.Error().Msg("three")
	got := lines(t, path)
	if len(got) != 3 || got[1]["message"] != "two" || got[0]["message"] != "log lines were lost" || got[0]["lost"] != 151.0 || got[0]["level"] != "warn" || got[2]["message"] != "three" {
		t.Errorf("the file holds %v", got)
	}
}

// full takes some bytes and no more, as a full disk does.
type full struct {
	bytes.Buffer
	room int
}

func (f *full) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.Buffer.Write(p[:n])
	f.room -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (f *full) Close() error { return nil }

// Of a line that fits only in part the rest is lost, and what comes next begins on a
// line of its own. Where lines are missing is said before what follows them.
func TestTornLine(t *testing.T) {
	var stderr bytes.Buffer
	l := open(t, obs.Options{Writer: &stderr, File: obs.FileOptions{Path: filepath.Join(t.TempDir(), "a.log")}})
	now := time.Now()
	l.File.SetClock(func() time.Time { return now })
	disk := &full{room: 10}
	l.File.SetOut(disk)
	l.Info().Msg("torn")
	l.Info().Msg("not tried, so that a disk that fails slowly slows nobody")
	disk.room = 1000
	now = now.Add(time.Second)
	l.Info().Msg("whole")
	got := strings.Split(strings.TrimSpace(disk.String()), "\n")
	if len(got) != 3 || got[0] != `{"level":"` || !strings.HasSuffix(got[2], `"message":"whole"}`) || !strings.Contains(got[1], `"lost":2,`) {
		t.Errorf("the disk has %q", got)
	}

	// There is room for what tells of the gap, and none for the line.
	gap := disk.Len()
	disk.room = 0
	l.Info().Msg("lost")
	now = now.Add(time.Second)
	disk.room = len(got[1]) + 5
	l.Info().Msg("lost as well")
	now = now.Add(time.Second)
	disk.room = 1000
	l.Info().Msg("there")
	got = strings.Split(strings.TrimSpace(disk.String()[gap:]), "\n")
	if len(got) != 4 || !strings.Contains(got[0], `"lost":1,`) || !strings.Contains(got[2], `"lost":1,`) || !strings.HasSuffix(got[3], `"message":"there"}`) {
		t.Errorf("the disk has %q", got)
	}
	if n := l.File.Lost(); n != 4 {
		t.Errorf("%d lost", n)
	}
	if !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("standard error has %s", &stderr)
	}
}

func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{path: plain},
		{path: filepath.Join(dir, "new.log")},
		{path: filepath.Join(dir, "none", "a.log"), want: "the folder " + filepath.Join(dir, "none") + " does not exist"},
		{path: filepath.Join(plain, "a.log"), want: plain + " is no folder"},
		{path: dir, want: dir + " is a folder"},
		{path: os.DevNull, want: os.DevNull + " is no file that could be renamed when it is full"},
		{path: filepath.Join(dir, strings.Repeat("x", 300)), want: "file name too long"},
	} {
		err := obs.CheckFile(tt.path)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.path, err, tt.want)
		}
		_, err = obs.New(obs.Options{File: obs.FileOptions{Path: tt.path}})
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: New says %v", tt.path, err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 1 {
		t.Errorf("it has left %v, %v", files, err)
	}
	if hidden, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(hidden) != 0 {
		t.Errorf("it has left %v, %v", hidden, err)
	}
}

// What writers see while the file is reopened and closed under them.
func TestFileRaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hoshi.log")
	l := open(t, obs.Options{File: obs.FileOptions{Path: path, Size: 1 << 20, Keep: 1}})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				l.Info().Str("n", fmt.Sprint(w, i)).Str("filler", strings.Repeat("y", 3000)).Msg("line")
			}
		})
	}
	for range 20 {
		if err := l.File.Reopen(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if n := l.File.Lost(); n != 0 {
		t.Errorf("%d lost", n)
	}
	testkit.Eventually(t, "old files are removed", func() bool {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		return err == nil && len(files) == 2
	})
	lines(t, path)
}
