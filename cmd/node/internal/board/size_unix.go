//go:build unix

package board

import (
	"os"

	"golang.org/x/sys/unix"
)

// size asks a terminal for its columns and lines; ok is false where f is none.
func size(f *os.File) (width, height int, ok bool) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(ws.Col), int(ws.Row), true
}
