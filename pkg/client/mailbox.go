package client

import (
	"sync"
	"sync/atomic"
)

// stretch is how many times Options.Backlog may wait while a request is out.
const stretch = 8

// maxHeld bounds the bytes of messages that wait for the dispatcher, and of those
// in the buffer: a thousand messages as long as Options.MaxReceive lets them be
// would be gigabytes. One more message is always let in.
const maxHeld = 16 << 20

// smallBatch is how many letters an idle mailbox keeps room for.
const smallBatch = 32

// letter is a message, or with f a command.
type letter struct {
	message Message
	f       func()
}

// mailbox brings messages and commands to the dispatcher, in order. Its only
// goroutine is the dispatcher, which runs while there is something to do.
type mailbox struct {
	// Fixed after newMailbox.
	backlog int64
	start   func() // what the dispatcher runs

	// Owned by the dispatcher.
	batch   []letter
	at      int // the first of batch that is still to be done
	first   []func()
	firstAt int // the same of first

	waiting  atomic.Int64 // messages that the dispatcher has not begun
	weight   atomic.Int64 // bytes of those
	requests atomic.Int64 // requests that wait for their reply
	full     atomic.Bool  // put waits, or is about to
	ahead    atomic.Bool  // mu.first holds something

	room sync.Cond // of mu; put waits for it
	mu   struct {
		sync.Mutex
		letters  []letter
		first    []func() // commands that go before letters
		received uint64
		running  bool          // there is a dispatcher
		closed   bool          // no more messages
		idle     chan struct{} // closed when the dispatcher ends; nil where nobody waits for that
	}
}

func newMailbox(backlog int, start func()) *mailbox {
	b := &mailbox{backlog: int64(max(backlog, 1)), start: start}
	b.room.L = &b.mu
	return b
}

// put appends a message. It waits while the backlog is full, and goes on when
// half of it is free: waking for every single place would cost more than the
// dispatch. Messages after close are ignored.
func (b *mailbox) put(m Message) (waited bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.isFull() && !b.mu.closed {
		waited = true
		// Set first, then looked again: the dispatcher takes first, then looks at the flag.
		b.full.Store(true)
		if b.isFull() {
			b.room.Wait()
		}
		b.full.Store(false)
	}
	if b.mu.closed {
		return waited
	}
	b.mu.received++
	b.waiting.Add(1)
	b.weight.Add(m.weight())
	b.appendLocked(letter{message: m})
	return waited
}

func (b *mailbox) isFull() bool {
	n, bytes := b.waiting.Load(), b.weight.Load()
	return (n >= b.backlog || bytes >= maxHeld) &&
		(n >= stretch*b.backlog || bytes >= stretch*maxHeld || b.requests.Load() == 0)
}

// expect says that n more requests (fewer where n is negative) wait for their
// reply. A callback that waits for one keeps the dispatcher, and the reply comes
// behind the messages that the dispatcher would have to make room for: while one
// is out, more may wait.
func (b *mailbox) expect(n int) {
	if b.requests.Add(int64(n)) > 0 && n > 0 {
		b.wake()
	}
}

// post appends a command.
func (b *mailbox) post(f func()) {
	b.mu.Lock()
	b.appendLocked(letter{f: f})
	b.mu.Unlock()
}

// postFirst adds a command that runs before everything but the letter at hand,
// and behind others of its kind.
func (b *mailbox) postFirst(f func()) {
	b.mu.Lock()
	b.mu.first = append(b.mu.first, f)
	b.ahead.Store(true)
	b.startLocked()
	b.mu.Unlock()
}

func (b *mailbox) appendLocked(l letter) {
	b.mu.letters = append(b.mu.letters, l)
	b.startLocked()
}

func (b *mailbox) startLocked() {
	if !b.mu.running {
		b.mu.running = true
		go b.start() // ends when next finds nothing
	}
}

// next returns the next letter. Without one the dispatcher is to end.
func (b *mailbox) next() (letter, bool) {
	if b.firstAt == len(b.first) && (b.ahead.Load() || b.at == len(b.batch)) && !b.swap() {
		return letter{}, false
	}
	if b.firstAt < len(b.first) {
		f := b.first[b.firstAt]
		b.first[b.firstAt] = nil
		b.firstAt++
		return letter{f: f}, true
	}
	l := b.batch[b.at]
	b.batch[b.at] = letter{} // what it holds may be garbage from here on
	b.at++
	if l.f == nil {
		bytes := b.weight.Add(-l.message.weight())
		if b.waiting.Add(-1) <= b.backlog/2 && bytes <= maxHeld/2 {
			b.wake()
		}
	}
	return l, true
}

// swap takes what has come, in exchange for what is done. It reports whether
// there is something to do; if not, the dispatcher counts as ended.
func (b *mailbox) swap() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.first, b.mu.first, b.firstAt = b.mu.first, b.first[:0], 0
	b.ahead.Store(false)
	if b.at == len(b.batch) {
		b.batch, b.mu.letters, b.at = b.mu.letters, b.batch[:0], 0
	}
	if len(b.first) > 0 || b.at < len(b.batch) {
		return true
	}
	b.first, b.mu.first = small(b.first), small(b.mu.first)
	b.batch, b.mu.letters = small(b.batch), small(b.mu.letters)
	b.mu.running = false
	if b.mu.idle != nil {
		close(b.mu.idle)
		b.mu.idle = nil
	}
	return false
}

// small returns s, which is empty, or nothing where it is large.
func small[T any](s []T) []T {
	if cap(s) > smallBatch {
		return nil
	}
	return s
}

// wake lets a waiting put look again.
func (b *mailbox) wake() {
	if !b.full.Load() {
		return
	}
	b.mu.Lock()
	b.room.Signal()
	b.mu.Unlock()
}

// idle returns a channel that is closed once everything is done and the
// dispatcher has ended.
func (b *mailbox) idle() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.running {
		if b.mu.idle == nil {
			b.mu.idle = make(chan struct{})
		}
		return b.mu.idle
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

// close ends put, also one that waits.
func (b *mailbox) close() {
	b.mu.Lock()
	b.mu.closed = true
	b.room.Signal()
	b.mu.Unlock()
}

func (b *mailbox) stats() (received uint64, backlog int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.received, int(b.waiting.Load())
}
