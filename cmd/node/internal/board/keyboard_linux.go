package board

import (
	"bytes"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keyboard is the terminal of the process, whose keys are taken as they are typed, and
// not shown. Those that make signals make them as always. But for what reads it belongs
// to the goroutine of the screen.
type keyboard struct {
	tty     *os.File      // of its own, so that nobody else is kept from waiting in a read
	old     *unix.Termios // what giveBack brings back, nil where it is not taken
	reading sync.WaitGroup
}

// openKeyboard returns nil where there is none. key is called on a goroutine of the
// keyboard; close must follow.
func openKeyboard(key func(byte)) *keyboard {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil // nobody is there
	}
	k := &keyboard{tty: tty}
	k.reading.Go(func() { k.read(key) }) // ends with close, or with the terminal
	return k
}

func (k *keyboard) read(key func(byte)) {
	var buf [64]byte
	for {
		n, err := k.tty.Read(buf[:])
		if err != nil {
			return
		}
		// What begins with an escape is a key that sends more than itself, or is pasted.
		typed, _, _ := bytes.Cut(buf[:n], []byte{0x1b})
		for _, b := range typed {
			key(b)
		}
	}
}

// take has keys come as they are typed. In the background it stops the process, until
// it is in the foreground.
func (k *keyboard) take() {
	k.control(func(fd int) {
		if old, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			k.old = old
		}
	})
	k.silence()
}

// silence has the terminal be as it is while it is taken.
func (k *keyboard) silence() {
	if k.old == nil {
		return
	}
	quiet := *k.old
	quiet.Lflag &^= unix.ECHO | unix.ICANON
	quiet.Cc[unix.VMIN], quiet.Cc[unix.VTIME] = 1, 0
	k.control(func(fd int) { _ = unix.IoctlSetTermios(fd, unix.TCSETS, &quiet) })
}

// giveBack has the terminal be as it was. What was typed and not taken is for nobody.
func (k *keyboard) giveBack() {
	if k.old == nil {
		return
	}
	k.control(func(fd int) { _ = unix.IoctlSetTermios(fd, unix.TCSETSF, k.old) })
	k.old = nil
}

func (k *keyboard) close() {
	_ = k.tty.Close() // of a terminal that is read
	k.reading.Wait()
}

// control calls f with the terminal. What it cannot do is not to be had: the terminal
// has gone away, which whoever draws hears of.
func (k *keyboard) control(f func(fd int)) {
	if c, err := k.tty.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// watchSignals are those that a screen must hear of, but for those that end every
// command: what stops the process, what has it go on, and what would end it with the
// terminal as it is.
func watchSignals() chan os.Signal {
	c := make(chan os.Signal, 8)
	signal.Notify(c, unix.SIGTSTP, unix.SIGCONT, unix.SIGQUIT)
	if !signal.Ignored(unix.SIGHUP) { // as nohup has it
		signal.Notify(c, unix.SIGHUP)
	}
	return c
}

// Handle does what a signal of Signals asks for. It may stop the process, until it is
// continued, and it may end it.
func (s *Screen) Handle(sig os.Signal) {
	switch sig {
	case unix.SIGTSTP:
		s.giveBack()
		stopped()
		_ = s.take() // whoever draws next hears of it
	case unix.SIGCONT: // after a SIGSTOP, of which nobody has heard, shells leave it as they like
		if s.keys != nil {
			s.keys.silence()
		}
	case unix.SIGQUIT, unix.SIGHUP:
		s.Close()
		raise(sig.(unix.Signal))
	}
}

// stopped stops the process as Ctrl-Z does, and returns when it goes on: at once, where
// there is no shell that could have it go on. That is for the system to know, by its own
// action for SIGTSTP, which os/signal does not bring back once it has been asked for it.
func stopped() {
	var action, before [8]uint64 // a struct sigaction of the kernel has less; zeros are its own action
	if sigaction(unix.SIGTSTP, &action, &before) != nil {
		return
	}
	raise(unix.SIGTSTP)
	_ = sigaction(unix.SIGTSTP, &before, nil)
}

// sigaction is rt_sigaction(2).
func sigaction(sig unix.Signal, action, before *[8]uint64) error {
	const mask = 8 // bytes of a set of signals
	_, _, err := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(before)), mask, 0, 0)
	if err != 0 {
		return err
	}
	return nil
}

// raise sends a signal to the calling thread, so that it has had its effect when raise
// returns. That of another thread may come later.
func raise(sig unix.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
