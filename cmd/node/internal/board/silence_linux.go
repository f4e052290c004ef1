package board

import (
	"os"

	"golang.org/x/sys/unix"
)

// silence has a terminal not show what is typed, until restore is called.
func silence(in *os.File) (restore func()) {
	fd := int(in.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {} // no terminal
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	if unix.IoctlSetTermios(fd, unix.TCSETS, &quiet) != nil {
		return func() {}
	}
	return func() {
		// What was typed meanwhile is for nobody.
		_ = unix.IoctlSetTermios(fd, unix.TCSETSF, old)
	}
}
