package obs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/DeRuina/timberjack"
	"github.com/rs/zerolog"
)

// FileOptions say where a log file is, and how much of it is kept.
type FileOptions struct {
	Path string
	Size int64 // bytes at which it is rotated, in whole MiB; 0 is 100 MiB
	Keep int   // rotated files that are kept beside it; 0 is 5
}

// What becomes of a file that cannot be written: it is tried again, and said on
// standard error, that seldom.
const (
	retryAfter = time.Second
	sayEvery   = time.Minute
)

// File is a log file that is rotated by size: hoshi.log becomes
// hoshi-2026-11-27T19-30-00.000-size.log. A Write never fails, since no caller
// could do anything about it, and what cannot be written is lost and counted. All
// methods are safe for concurrent use.
type File struct {
	// Fixed after openFile.
	o         FileOptions
	tell      zerolog.Logger            // to standard error, about the file itself
	formatted func(io.Writer) io.Writer // as the lines of the file are
	now       func() time.Time

	mu struct {
		sync.Mutex
		out    io.WriteCloser // nil when closed
		retry  time.Time      // no attempt is made before it
		said   time.Time      // when standard error heard of it
		lost   uint64         // lines, since the start
		untold uint64         // of them, those that the file does not speak of
		torn   bool           // the file ends within a line
	}
}

// CheckFile reports why the file, which need not exist, could not take a log. The
// file is not touched; in its folder another one is made and removed, since nothing
// else tells on all systems whether that can be done. The path is in the error.
func CheckFile(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the folder %s does not exist", path, dir)
	case err != nil:
		return fmt.Errorf("%s: %w", path, bare(err))
	case !info.IsDir():
		return fmt.Errorf("%s: %s is no folder", path, dir)
	}
	info, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%s: %w", path, bare(err))
	case info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file that could be renamed when it is full; without a file the log goes to standard error", path)
	default:
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, bare(err))
		}
		f.Close()
	}
	// What renames and removes files needs the folder.
	f, err := os.CreateTemp(dir, ".hoshi-log-*")
	if err != nil {
		return fmt.Errorf("%s: no file can be made in its folder: %w", path, bare(err))
	}
	f.Close()
	return os.Remove(f.Name())
}

// bare is the innermost error, without the path that the text around it has.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// openFile checks and opens the file. tell hears what is lost, and formatted is
// what makes the file's lines.
func openFile(o FileOptions, tell zerolog.Logger, formatted func(io.Writer) io.Writer) (*File, error) {
	if o.Size == 0 {
		o.Size = 100 << 20
	}
	if o.Keep == 0 {
		o.Keep = 5
	}
	if o.Size < 1<<20 || o.Size%(1<<20) != 0 || o.Keep < 0 {
		return nil, fmt.Errorf("a log file of %d bytes, of which %d are kept: want whole MiB", o.Size, o.Keep)
	}
	if err := CheckFile(o.Path); err != nil {
		return nil, err
	}
	f := &File{o: o, formatted: formatted, now: time.Now, tell: tell.With().Str("component", "log").Str("path", o.Path).Logger()}
	f.mu.out = f.open()
	return f, nil
}

// open returns what writes and rotates. The file itself is opened by the first
// line; one goroutine, which removes old files, ends with Close.
func (f *File) open() io.WriteCloser {
	return &timberjack.Logger{
		Filename:    f.o.Path,
		MaxSize:     int(f.o.Size >> 20),
		MaxBackups:  f.o.Keep,
		Compression: "none", // it would take a core for seconds when many lines come
		// FileMode is 0640 for a file that was not there, and else what it has.
	}
}

// Write takes one line. It returns no error.
func (f *File) Write(line []byte) (int, error) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.out == nil || now.Before(f.mu.retry) {
		f.loseLocked(now, nil)
		return len(line), nil
	}
	if f.mu.untold > 0 { // where the gap is
		if err := f.writeLocked(f.gap(f.mu.untold)); err != nil {
			f.mu.retry = now.Add(retryAfter)
			f.loseLocked(now, err)
			return len(line), nil
		}
		f.mu.untold = 0
	}
	if err := f.writeLocked(line); err != nil {
		f.mu.retry = now.Add(retryAfter)
		f.loseLocked(now, err)
	}
	return len(line), nil
}

// writeLocked writes a line, which begins one.
func (f *File) writeLocked(line []byte) error {
	if f.mu.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := f.mu.out.Write(line)
	if n > 0 {
		f.mu.torn = line[n-1] != '\n'
	}
	return err
}

// gap returns the line that tells of lines that are not there, whatever the level is.
func (f *File) gap(lost uint64) []byte {
	var b bytes.Buffer
	l := withTime(f.formatted(&b))
	l.Log().Str(zerolog.LevelFieldName, zerolog.LevelWarnValue).Str("component", "log").Uint64("lost", lost).Msg("log lines were lost")
	return b.Bytes()
}

// loseLocked counts a line. err is why, nil where it was not tried.
func (f *File) loseLocked(now time.Time, err error) {
	f.mu.lost++
	f.mu.untold++
	if err != nil && now.Sub(f.mu.said) >= sayEvery {
		f.mu.said = now
		f.tell.Error().Err(bare(err)).Uint64("lost", f.mu.lost).Msg("log file cannot be written, lines are lost")
	}
}

// Lost returns how many lines could not be written.
func (f *File) Lost() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.lost
}

// Reopen opens the path anew, for those who have renamed the file.
func (f *File) Reopen() error {
	f.mu.Lock()
	old := f.mu.out
	if old != nil {
		f.mu.out, f.mu.retry, f.mu.torn = f.open(), time.Time{}, false
	}
	f.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}

// close ends the file; what comes later is lost.
func (f *File) close() error {
	f.mu.Lock()
	old := f.mu.out
	f.mu.out = nil
	f.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}
