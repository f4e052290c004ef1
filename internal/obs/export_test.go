package obs

import (
	"io"
	"time"
)

// SetClock has f look at now, and SetOut has it write to out.
func (f *File) SetClock(now func() time.Time) { f.now = now }

func (f *File) SetOut(out io.WriteCloser) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.out = out
}
