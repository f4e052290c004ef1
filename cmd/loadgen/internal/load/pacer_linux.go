package load

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// minArm is the shortest time that the pacer is armed for, in nanoseconds: what
// is due sooner goes out together.
const minArm = 20_000

// pacer wakes the loop at a time to come. It uses a timerfd, because Go's timers
// wait in whole milliseconds while a process has nothing else to do, which would
// be charged to the server as latency.
type pacer struct {
	file *os.File // fixed; arm uses the descriptor, the goroutine reads
	fd   int
	done chan struct{}
}

// newPacer starts the pacer's goroutine, which ends with stop.
func newPacer(wake func()) (*pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	p := &pacer{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		var b [8]byte
		for {
			if _, err := p.file.Read(b[:]); errors.Is(err, os.ErrClosed) {
				return
			}
			wake()
		}
	}()
	return p, nil
}

// arm sets the one wake-up to be in d nanoseconds. It is called on the loop, and
// not after stop.
func (p *pacer) arm(d int64) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d, minArm))}
	// It fails for a bad descriptor or value only, and there is neither.
	_ = unix.TimerfdSettime(p.fd, 0, &spec, nil)
}

// stop ends the goroutine and waits for it.
func (p *pacer) stop() {
	_ = p.file.Close()
	<-p.done
}
