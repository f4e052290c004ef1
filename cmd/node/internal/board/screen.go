package board

import (
	"io"
	"os"
	"os/signal"
	"strings"
)

// Screen is a terminal that shows frames. It belongs to one goroutine, which has Handle
// do what comes from Signals, and calls Close at last, after a panic too.
type Screen struct {
	// Fixed after Open.
	out     *os.File
	keys    *keyboard // nil where what is typed is not to be had
	quit    chan struct{}
	signals chan os.Signal

	taken bool
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
// can be had; Ctrl-C and its like are as always.
func Open(out io.Writer) (*Screen, bool) {
	f, ok := out.(*os.File)
	if !ok {
		return nil, false
	}
	if _, _, ok := size(f); !ok {
		return nil, false
	}
	s := &Screen{out: f, quit: make(chan struct{}, 1), signals: watchSignals()}
	s.keys = openKeyboard(s.typed)
	if err := s.take(); err != nil {
		s.Close()
		return nil, false
	}
	return s, true
}

// typed takes a key, on a goroutine of the keyboard.
func (s *Screen) typed(key byte) {
	if key == 'q' {
		select {
		case s.quit <- struct{}{}:
		default: // it has been said
		}
	}
}

// Quit has something in it when somebody has typed q.
func (s *Screen) Quit() <-chan struct{} { return s.quit }

// Signals are for Handle.
func (s *Screen) Signals() <-chan os.Signal { return s.signals }

// Hint says which key ends it.
func (s *Screen) Hint() string {
	if s.keys == nil {
		return "Ctrl-C quits"
	}
	return "q quits"
}

// take has the terminal show frames. The keys come first: in the background that waits
// for the foreground.
func (s *Screen) take() error {
	s.taken = true
	if s.keys != nil {
		s.keys.take()
	}
	_, err := io.WriteString(s.out, enter)
	return err
}

// giveBack has the terminal be as it was.
func (s *Screen) giveBack() {
	if !s.taken {
		return
	}
	s.taken = false
	_, _ = io.WriteString(s.out, leave) // there is nobody to tell
	if s.keys != nil {
		s.keys.giveBack()
	}
}

// Close gives the terminal back as it was, and leaves signals alone.
func (s *Screen) Close() {
	s.giveBack()
	if s.keys != nil {
		s.keys.close()
	}
	signal.Stop(s.signals)
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
