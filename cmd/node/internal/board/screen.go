package board

import (
	"io"
	"os"
	"strings"
)

// Screen is a terminal that shows frames. Close must follow Open.
type Screen struct {
	out     *os.File
	restore func()
}

// What a terminal is told, of ECMA-48 and xterm.
const (
	enter  = "\x1b[?1049h\x1b[?25l" // the alternate screen, no cursor
	leave  = "\x1b[?25h\x1b[?1049l"
	home   = "\x1b[H"
	endOf  = "\x1b[K" // clears the rest of the line
	bottom = "\x1b[J" // and of the screen
)

// Open takes the terminal over, if out is one. What is typed is not shown, where that
// can be had, and Ctrl-C is as always.
func Open(out io.Writer) (*Screen, bool) {
	f, ok := out.(*os.File)
	if !ok {
		return nil, false
	}
	if _, _, ok := size(f); !ok {
		return nil, false
	}
	s := &Screen{out: f, restore: silence(os.Stdin)}
	if _, err := io.WriteString(f, enter); err != nil {
		s.restore()
		return nil, false
	}
	return s, true
}

// Close gives the terminal back as it was.
func (s *Screen) Close() {
	_, _ = io.WriteString(s.out, leave) // there is nobody to tell
	s.restore()
}

// Size is how many columns and lines there are now.
func (s *Screen) Size() (width, height int) {
	if w, h, ok := size(s.out); ok && w > 0 && h > 0 {
		return w, h
	}
	return 80, 24
}

// Show shows a frame, in one write.
func (s *Screen) Show(lines []string) error {
	_, err := io.WriteString(s.out, home+strings.Join(lines, endOf+"\r\n")+endOf+bottom)
	return err
}
