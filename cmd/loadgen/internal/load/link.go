package load

import (
	"github.com/hoshi-ws/hoshi/internal/poller"
)

// flusher is a socket with something to write at the end of the turn.
type flusher interface{ flush() }

// link is the writing half of a socket. What a turn appends to out leaves in one
// call at its end, and the rest when the socket has room. It is owned by the loop.
type link struct {
	sock    poller.Socket
	client  *client
	out     []byte
	dirty   bool // listed in client.dirty
	blocked bool // waits for OnWritable
}

// Socket is for the poller.
func (l *link) Socket() *poller.Socket { return &l.sock }

// touch makes sure that out is written; f is the link's owner.
func (l *link) touch(f flusher) {
	if !l.dirty && !l.blocked {
		l.dirty = true
		l.client.dirty = append(l.client.dirty, f)
	}
}

// drain writes out as far as the socket takes it.
func (l *link) drain() error {
	l.dirty = false
	if len(l.out) == 0 || !l.sock.Attached() {
		return nil
	}
	n, err := l.client.loop.Write(&l.sock, l.out)
	if err != nil {
		return err
	}
	left := copy(l.out, l.out[n:])
	l.out = l.out[:left]
	if left == 0 && cap(l.out) > 64<<10 {
		l.out = nil
	}
	if (left > 0) != l.blocked {
		l.blocked = left > 0
		l.client.loop.WantWrite(&l.sock, l.blocked)
	}
	return nil
}
