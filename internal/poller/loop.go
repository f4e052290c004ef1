package poller

import (
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Options.
const (
	DefaultReadBuffer = 64 << 10
	DefaultReadBudget = 256 << 10
)

// Handler receives the events of one socket. Every method runs on the socket's loop and must not block.
type Handler interface {
	// Socket returns the Socket that was attached together with this handler; always the same one.
	Socket() *Socket
	// OnRead hands over what was read. p is the loop's own buffer: it may be written to, and is invalid
	// after the call. Returning with reading paused stops further reads at once.
	OnRead(p []byte)
	// OnHangup says that nothing more will be read: err is io.EOF after an orderly end, otherwise what the
	// system said. Read interest is already dropped. The socket stays open for writing until it is closed.
	OnHangup(err error)
	// OnWritable says that the socket takes bytes again, or is broken, which the next Write tells. It is
	// repeated until WantWrite(s, false) or Close.
	OnWritable()
	// OnTimer says that the time given to SetTimer has passed. The timer is unset before the call.
	OnTimer()
}

// Socket is the loop's handle of one descriptor, made to be embedded in the owner's own struct (12 bytes).
// The zero value is unattached. All of it is owned by the loop; it must not be copied while attached.
type Socket struct {
	fd   int32
	slot uint32
	bits uint8
}

const (
	bitAttached   uint8 = 1 << iota
	bitRead             // reading is wanted
	bitWrite            // OnWritable is wanted
	bitEOF              // OnHangup has been called: reading is over for good
	bitRegistered       // epoll knows the descriptor
)

// Attached reports whether the socket is on a loop. Loop only.
func (s *Socket) Attached() bool { return s.bits&bitAttached != 0 }

// Slot is the socket's number on its loop: a small one, that no other attached socket of the loop has. Loop only.
func (s *Socket) Slot() uint32 { return s.slot }

// Endpoint is a connected socket that no loop owns yet: what Listen accepted or Adopt took over. It may be
// given to another goroutine, and must end in exactly one Attach or Close.
type Endpoint struct {
	fd   int      // epoll loops, when conn is nil
	conn net.Conn // portable loops
}

// Options configure a loop. The zero value is usable.
type Options struct {
	// Portable selects the loop that uses goroutines where epoll would be available.
	Portable bool
	// ReadBuffer is the size in bytes of the buffer that all reads of the loop share, and so the largest p
	// of OnRead. Default 64 KiB. The portable loop reads 4 KiB at a time for each socket.
	ReadBuffer int
	// ReadBudget bounds the bytes read from one socket in one turn. Default 256 KiB.
	ReadBudget int
	// MaxUnsent bounds the bytes that the system holds of a socket and has not begun to send, since the peer's window
	// or the path is full: Write takes nothing more then, and OnWritable comes when fewer than half wait. One Write may
	// go beyond it by a segment, 64 KiB. What is on its way does not count, so who is far away and takes everything is
	// not slower for it, as it would be for a small send buffer. 0 and less leave it to the system. Linux only.
	MaxUnsent int
	// OnTurn is called at the end of every turn, on the loop. It is the place to write what the turn has
	// collected. It must not block for long.
	OnTurn func()
	// OnPanic hears of a recovered panic in a callback, on the loop. h is the handler whose socket caused
	// it, nil for posted functions, After and OnTurn. Nil re-panics, which suits tests.
	OnPanic func(h Handler, value any, stack []byte)
}

// Loop is one event loop. Make it with New.
type Loop struct {
	// fixed after New
	opt     Options
	be      backend
	done    chan struct{} // closed when the loop goroutine has ended
	epoch   time.Time     // of began
	started atomic.Bool

	// any goroutine
	pending  atomic.Bool // something is waiting for the loop
	parked   atomic.Bool // the loop sleeps, or is about to: who sets pending must wake it
	stopping atomic.Bool
	began    atomic.Int64 // when the turn that is under way began to work, in nanoseconds since epoch; 0: none is. The loop stores it
	mu       struct {
		sync.Mutex
		posts  []func()
		closed bool
	}

	// owned by the loop
	now     time.Time
	table   table
	wheel   wheel
	afters  afterHeap
	posts   []func() // taken from mu.posts; posts[:postsAt] are done
	postsAt int
	current Handler // whose callback runs, for OnPanic
}

// backend is what differs between epoll and goroutines. All but wake are loop only.
type backend interface {
	wait(deadline time.Time) // returns when there is an event, a wake-up, or the deadline (zero = none) is over
	dispatch()               // calls the handlers of what wait found; resumable after a panic
	wake()
	attach(ep Endpoint, s *Socket) error // closes ep on an error
	interest(s *Socket)                  // s.bits changed
	write(s *Socket, p []byte) (int, error)
	writev(s *Socket, bufs [][]byte) (int, error)
	closeWrite(s *Socket) error
	unsent(s *Socket) int
	close(s *Socket, reset bool)
	detach(s *Socket) (net.Conn, error)
	localAddr(s *Socket) netip.AddrPort
	remoteAddr(s *Socket) netip.AddrPort
	listen(ln net.Listener, o ListenOptions) error
	stopListen()
	shutdown() // the loop has ended: release what is the backend's own
}

// New makes a loop. It holds descriptors from here on: a loop that is never started must be stopped too.
func New(o Options) (*Loop, error) {
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = DefaultReadBuffer
	}
	if o.ReadBudget <= 0 {
		o.ReadBudget = DefaultReadBudget
	}
	l := &Loop{opt: o, done: make(chan struct{}), now: time.Now()}
	l.epoch = l.now
	l.wheel.init(l.now)
	be, err := newBackend(l)
	if err != nil {
		return nil, err
	}
	l.be = be
	return l, nil
}

// Start starts the loop's goroutine, which ends with Stop.
func (l *Loop) Start() {
	if l.started.CompareAndSwap(false, true) {
		go l.run()
	}
}

// Stop ends the loop and waits for it. Sockets that are still attached are closed without a callback, posted
// functions that have not run are dropped. Not to be called on the loop itself. Calling it again waits as well.
func (l *Loop) Stop() {
	l.stopping.Store(true)
	if l.started.CompareAndSwap(false, true) {
		l.end()
	}
	l.Wake()
	<-l.done
}

// Done is closed when the loop has ended.
func (l *Loop) Done() <-chan struct{} { return l.done }

func (l *Loop) run() {
	for !l.stopping.Load() {
		l.turn()
	}
	l.end()
}

func (l *Loop) end() {
	l.mu.Lock()
	l.mu.closed = true
	l.mu.posts = nil
	l.mu.Unlock()
	l.be.stopListen()
	for h := range l.table.all() {
		l.drop(h.Socket(), false)
	}
	l.be.shutdown()
	l.began.Store(0)
	close(l.done)
}

// turn is one round. A panic ends it early; what it left over is taken up by the next one.
func (l *Loop) turn() {
	defer l.recovered()
	l.began.Store(0) // also behind a panic
	l.be.wait(l.deadline())
	l.now = time.Now()
	l.began.Store(max(int64(l.now.Sub(l.epoch)), 1))
	l.pending.Store(false) // before anything is taken: what comes from here on makes another turn
	l.runPosts()
	l.be.dispatch()
	l.wheel.expire(l)
	l.runAfters()
	if l.opt.OnTurn != nil {
		l.opt.OnTurn()
	}
}

func (l *Loop) recovered() {
	h := l.current
	l.current = nil
	if l.opt.OnPanic == nil {
		return
	}
	if v := recover(); v != nil {
		l.pending.Store(true) // the next turn must not park before it has looked at the rest
		l.opt.OnPanic(h, v, debug.Stack())
	}
}

func (l *Loop) deadline() time.Time {
	d := l.wheel.next()
	if a := l.afters.next(); !a.IsZero() && (d.IsZero() || a.Before(d)) {
		d = a
	}
	return d
}

// Now returns the time at which the current turn began to work. Loop only.
func (l *Loop) Now() time.Time { return l.now }

// Busy returns how long the loop has been in its present turn, 0 while it waits: where that is long, a callback hangs, and
// with it every socket of the loop. Any goroutine.
func (l *Loop) Busy() time.Duration {
	began := l.began.Load()
	if began == 0 {
		return 0
	}
	return max(time.Since(l.epoch)-time.Duration(began), 0)
}

// Post runs fn on the loop. It never blocks and may be called from any goroutine, the loop included; functions
// posted by one goroutine run in order. It reports false when the loop has ended: fn will not run then.
func (l *Loop) Post(fn func()) bool {
	l.mu.Lock()
	if l.mu.closed {
		l.mu.Unlock()
		return false
	}
	l.mu.posts = append(l.mu.posts, fn)
	l.mu.Unlock()
	l.Wake()
	return true
}

// Wake makes the loop run a turn, and so OnTurn. Any number of calls before that turn cost one wake-up.
func (l *Loop) Wake() {
	l.pending.Store(true)
	if l.parked.Load() && l.parked.Swap(false) {
		l.be.wake()
	}
}

// park announces that the loop is about to sleep, and reports whether it may.
func (l *Loop) park() bool {
	l.parked.Store(true)
	if l.pending.Load() || l.stopping.Load() {
		l.parked.Store(false)
		return false
	}
	return true
}

func (l *Loop) runPosts() {
	if l.postsAt == len(l.posts) {
		clear(l.posts)
		if cap(l.posts) > 1024 {
			l.posts = nil
		}
		l.mu.Lock()
		l.posts, l.mu.posts = l.mu.posts, l.posts[:0]
		l.mu.Unlock()
		l.postsAt = 0
	}
	for l.postsAt < len(l.posts) {
		fn := l.posts[l.postsAt]
		l.postsAt++
		fn()
	}
}

// Attach puts ep on the loop, reading at once. From here on the loop owns it; on an error it is closed. Loop only.
func (l *Loop) Attach(ep Endpoint, h Handler) error {
	s := h.Socket()
	s.slot = l.table.put(h)
	s.bits = bitAttached | bitRead
	if err := l.be.attach(ep, s); err != nil {
		l.table.drop(s.slot)
		*s = Socket{}
		return err
	}
	return nil
}

// PauseRead stops reading; ResumeRead takes it up again. What the peer sends meanwhile waits in the system's
// buffer. Loop only.
func (l *Loop) PauseRead(s *Socket) { l.setBits(s, s.bits&^bitRead) }

// ResumeRead undoes PauseRead. After OnHangup it does nothing. Loop only.
func (l *Loop) ResumeRead(s *Socket) {
	if s.bits&bitEOF == 0 {
		l.setBits(s, s.bits|bitRead)
	}
}

// WantWrite asks for OnWritable, or no longer. Ask only while something is pending. Loop only.
func (l *Loop) WantWrite(s *Socket, on bool) {
	if on {
		l.setBits(s, s.bits|bitWrite)
	} else {
		l.setBits(s, s.bits&^bitWrite)
	}
}

func (l *Loop) setBits(s *Socket, bits uint8) {
	if s.bits == bits || s.bits&bitAttached == 0 {
		return
	}
	s.bits = bits
	l.be.interest(s)
}

// Write writes what the system takes without waiting: n < len(p) with a nil error means that it is full, and
// WantWrite is the way to hear when it is not. p is not kept. An error is final. Loop only.
func (l *Loop) Write(s *Socket, p []byte) (n int, err error) {
	if s.bits&bitAttached == 0 {
		return 0, ErrNotAttached
	}
	return l.be.write(s, p)
}

// Writev is Write for several buffers in one call; at most 1,024 of them are looked at. Loop only.
func (l *Loop) Writev(s *Socket, bufs [][]byte) (n int, err error) {
	if s.bits&bitAttached == 0 {
		return 0, ErrNotAttached
	}
	return l.be.writev(s, bufs)
}

// CloseWrite ends the sending direction behind what was written. Reading goes on. Loop only.
func (l *Loop) CloseWrite(s *Socket) error {
	if s.bits&bitAttached == 0 {
		return ErrNotAttached
	}
	return l.be.closeWrite(s)
}

// Unsent returns how many bytes were written and are not acknowledged by the peer, as far as is known: it moves while
// the peer takes bytes, also when too few for OnWritable. Loop only.
func (l *Loop) Unsent(s *Socket) int {
	if s.bits&bitAttached == 0 {
		return 0
	}
	return l.be.unsent(s)
}

// Close closes the socket; what was written is still delivered unless unread input makes the system reset. No
// callback comes after it. Closing twice does nothing. Loop only.
func (l *Loop) Close(s *Socket) { l.drop(s, false) }

// Reset closes the socket and discards what has not been delivered; the peer sees a reset. Loop only.
func (l *Loop) Reset(s *Socket) { l.drop(s, true) }

func (l *Loop) drop(s *Socket, reset bool) {
	if s.bits&bitAttached == 0 {
		return
	}
	l.wheel.unset(l, s.slot)
	l.be.close(s, reset)
	l.table.drop(s.slot)
	*s = Socket{}
}

// Detach takes the socket off the loop and returns it as an ordinary connection, blocking as usual, that the
// caller owns. Reading must be paused. Nothing that OnRead has handed over is in it any more. Loop only.
func (l *Loop) Detach(s *Socket) (net.Conn, error) {
	if s.bits&bitAttached == 0 {
		return nil, ErrNotAttached
	}
	l.wheel.unset(l, s.slot)
	c, err := l.be.detach(s)
	l.table.drop(s.slot)
	*s = Socket{}
	return c, err
}

// RemoteAddr and LocalAddr ask the system each time: nothing is stored for it. Loop only.
func (l *Loop) RemoteAddr(s *Socket) netip.AddrPort {
	if s.bits&bitAttached == 0 {
		return netip.AddrPort{}
	}
	return l.be.remoteAddr(s)
}

// LocalAddr returns the address of this end. Loop only.
func (l *Loop) LocalAddr(s *Socket) netip.AddrPort {
	if s.bits&bitAttached == 0 {
		return netip.AddrPort{}
	}
	return l.be.localAddr(s)
}

// Each calls fn for every attached handler. Sockets may be closed meanwhile; it is not said whether one that
// is attached meanwhile is met. Loop only.
func (l *Loop) Each(fn func(Handler)) {
	for h := range l.table.all() {
		fn(h)
	}
}

// Len returns the number of attached sockets. Loop only.
func (l *Loop) Len() int { return l.table.used }
