package bus

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/histogram"
	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// requests are the events that wait for a reply. All have one timeout, so they
// run out in the order of their making: a queue and one timer serve them all.
type requests struct {
	// Fixed after newRequests.
	timeout time.Duration
	max     int
	handler Handler
	inbox   string // replies come to inbox + id in base 36
	ch      chan *nats.Msg
	wake    chan struct{}
	quit    chan struct{}
	done    chan struct{}
	log     zerolog.Logger // sampled
	panics  *panics

	took [2]*histogram.Histogram // until a backend's answer: see tookCallback

	made    atomic.Uint64
	outcome counts[outcome]
	ignored counts[ignored]

	mu struct {
		sync.Mutex
		slots   []slot
		free    []uint32
		fifo    []waiting // by deadline; ended ones are passed over
		pending int
		closed  bool
	}

	// Owned by run.
	keyword edn.Scanner
	scanner codec.Scanner
}

// slot is one request that waits, or a free place for one. An id is its secret and
// its place. A backend that answers callbacks knows where replies come in: if it
// could tell the id of the next request too, it could answer call-outs that it is
// not asked. And a late reply finds nobody.
type slot struct {
	key    any
	secret uint64 // random, of 64-placeBits bits, never 0
	made   time.Time
	own    uint8 // tookCallback or tookOwn
	used   bool
}

// Which of requests.took a request is measured in.
const (
	tookCallback = iota // a client waits
	tookOwn             // the node does
)

// placeBits are those of an id that say the place, so that there are 2^44 secrets:
// who tries a million of them a second has one chance in 10^7 every second.
const (
	placeBits = 20
	maxPlaces = 1 << placeBits
)

// newSecret returns a secret.
func newSecret() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) //nolint:errcheck // never fails
		if v := binary.LittleEndian.Uint64(b[:]) >> placeBits; v != 0 {
			return v
		}
	}
}

func (s *slot) id(at int) uint64 { return s.secret<<placeBits | uint64(at) }

type waiting struct {
	id       uint64
	deadline time.Time
}

type outcome uint8

// How a request ended.
const (
	outcomeReply outcome = iota
	outcomeRemoteError
	outcomeNoResponders
	outcomeTimeout
	outcomeOther
)

var outcomeNames = []string{"reply", "remote-error", "no-responders", "timeout", "not-sent"}

type ignored uint8

// Why a reply was not taken.
const (
	ignoredLate ignored = iota
	ignoredInvalid
	ignoredFormat
	ignoredBadError
)

var ignoredNames = []string{"late", "invalid", "unsupported-format", "bad-error"}

func newRequests(o *NodeOptions, inbox string, log zerolog.Logger) *requests {
	return &requests{
		timeout: o.RequestTimeout,
		max:     min(o.MaxPendingRequests, maxPlaces-maxPlaces/reservedPart),
		handler: o.Handler,
		inbox:   inbox,
		ch:      make(chan *nats.Msg, o.ShardQueueMessages),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		log:     log,
		took:    [2]*histogram.Histogram{histogram.New(timeScale), histogram.New(timeScale)},
	}
}

// reservedPart of the requests may wait beyond the bound if they are the node's own:
// callbacks, of clients who find a backend that answers none, must not keep others
// from coming.
const reservedPart = 4

// add makes a place for a request and returns its id, which is never 0. own is for
// what the node wants to know itself.
func (r *requests) add(key any, own bool) (uint64, error) {
	limit, kind := r.max, uint8(tookCallback)
	if own {
		limit, kind = limit+r.max/reservedPart, tookOwn
	}
	secret, now := newSecret(), time.Now()
	r.mu.Lock()
	if r.mu.closed {
		r.mu.Unlock()
		return 0, ErrStopped
	}
	if r.mu.pending >= limit {
		r.mu.Unlock()
		return 0, ErrTooManyRequests
	}
	var at uint32
	if n := len(r.mu.free); n > 0 {
		at = r.mu.free[n-1]
		r.mu.free = r.mu.free[:n-1]
	} else {
		at = uint32(len(r.mu.slots))
		r.mu.slots = append(r.mu.slots, slot{})
	}
	s := &r.mu.slots[at]
	*s = slot{key: key, secret: secret, made: now, own: kind, used: true}
	id := s.id(int(at))
	if len(r.mu.fifo) > 4*r.mu.pending+1024 {
		r.compactLocked()
	}
	r.mu.pending++
	first := len(r.mu.fifo) == 0
	r.mu.fifo = append(r.mu.fifo, waiting{id, now.Add(r.timeout)})
	r.mu.Unlock()
	if first {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return id, nil
}

// compactLocked drops ended requests from the queue, which otherwise keeps
// them for the whole timeout behind one that nobody answers.
func (r *requests) compactLocked() {
	kept := r.mu.fifo[:0]
	for _, w := range r.mu.fifo {
		if r.waitsLocked(w.id) {
			kept = append(kept, w)
		}
	}
	r.mu.fifo = kept
}

func (r *requests) waitsLocked(id uint64) bool {
	at := int(id % maxPlaces)
	return at < len(r.mu.slots) && r.mu.slots[at].used && r.mu.slots[at].id(at) == id
}

// take ends a request; false when it has ended already.
func (r *requests) take(id uint64) (s slot, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeLocked(id)
}

func (r *requests) takeLocked(id uint64) (s slot, ok bool) {
	if !r.waitsLocked(id) {
		return s, false
	}
	at := uint32(id % maxPlaces)
	s = r.mu.slots[at]
	r.mu.slots[at].key, r.mu.slots[at].used = nil, false
	r.mu.free = append(r.mu.free, at)
	r.mu.pending--
	return s, true
}

func (r *requests) waits(id uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waitsLocked(id)
}

// complete ends a request with rep, unless it has ended already.
func (r *requests) complete(id uint64, rep Reply) {
	s, ok := r.take(id)
	if !ok {
		return
	}
	how := outcomeOf(rep.Err)
	if how == outcomeReply || how == outcomeRemoteError {
		r.took[s.own].Observe(int64(time.Since(s.made)))
	}
	r.outcome.add(how)
	rep.Key = s.key
	r.hand(rep)
}

// hand gives the end of a request to the handler.
func (r *requests) hand(rep Reply) {
	defer r.panics.recovered("what takes a reply", "")
	r.handler.Reply(rep)
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcomeReply
	}
	if _, ok := errors.AsType[*RemoteError](err); ok {
		return outcomeRemoteError
	}
	switch {
	case errors.Is(err, ErrNoResponders):
		return outcomeNoResponders
	case errors.Is(err, ErrTimeout):
		return outcomeTimeout
	}
	return outcomeOther
}

// failAll ends every request that waits. close also refuses further ones.
func (r *requests) failAll(err error, closed bool) {
	r.mu.Lock()
	r.mu.closed = r.mu.closed || closed
	var keys []any
	for at := range r.mu.slots {
		s := &r.mu.slots[at]
		if !s.used {
			continue
		}
		if s, ok := r.takeLocked(s.id(at)); ok {
			keys = append(keys, s.key)
		}
	}
	r.mu.fifo = r.mu.fifo[:0]
	r.mu.Unlock()
	for _, key := range keys {
		r.outcome.add(outcomeOther)
		r.hand(Reply{Key: key, Err: err})
	}
}

// run takes replies and lets requests run out. It ends after stop.
func (r *requests) run() {
	defer close(r.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case m := <-r.ch:
			r.reply(m)
			continue
		case <-r.quit:
			return
		case <-r.wake:
		case <-timer.C:
		}
		timer.Reset(r.expire())
	}
}

// expire ends what has run out and returns the time until the next does.
func (r *requests) expire() time.Duration {
	for {
		now := time.Now()
		r.mu.Lock()
		n := 0
		for n < len(r.mu.fifo) && !r.waitsLocked(r.mu.fifo[n].id) {
			n++
		}
		r.mu.fifo = cutFront(r.mu.fifo, n)
		if len(r.mu.fifo) == 0 {
			r.mu.Unlock()
			return time.Hour // add wakes
		}
		first := r.mu.fifo[0]
		r.mu.Unlock()
		if d := first.deadline.Sub(now); d > 0 {
			return d
		}
		r.complete(first.id, Reply{Err: ErrTimeout})
	}
}

// reply takes the first valid reply; anything else is counted and the wait
// goes on. So the PubAck of a stream that captures the subject, which is JSON
// and does not say so, never becomes an answer.
func (r *requests) reply(m *nats.Msg) {
	defer r.panics.recovered("the reading of a reply", m.Subject)
	token := strings.TrimPrefix(m.Subject, r.inbox)
	id, err := strconv.ParseUint(token, 36, 64)
	if err != nil || !r.waits(id) {
		r.ignored.add(ignoredLate)
		return
	}
	if isNoResponders(m) {
		r.complete(id, Reply{Err: ErrNoResponders})
		return
	}
	rep, why := r.read(m)
	if why >= 0 {
		r.ignored.add(ignored(why))
		r.log.Warn().Str("subject", m.Subject).Str("reason", ignoredNames[why]).Msg("reply not taken")
		return
	}
	r.complete(id, rep)
}

// read checks a reply; why is negative when it is valid.
func (r *requests) read(m *nats.Msg) (rep Reply, why int) {
	contentType := ""
	if m.Header != nil {
		if v := m.Header[HeaderError]; len(v) > 0 {
			if !goodKeyword(&r.keyword, v[0]) {
				return rep, int(ignoredBadError)
			}
			return Reply{Err: &RemoteError{Keyword: v[0]}}, -1
		}
		contentType = first(m.Header[HeaderContentType])
	}
	format, ok := formatOf(contentType, false, m.Data)
	if !ok {
		return rep, int(ignoredFormat)
	}
	body, err := r.scanner.Value(format, m.Data)
	if err != nil {
		return rep, int(ignoredInvalid)
	}
	return Reply{Body: body, Format: format}, -1
}

func (r *requests) stop() {
	close(r.quit)
	<-r.done
}

func (r *requests) pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.pending
}

// goodKeyword says whether s is exactly one keyword's text.
func goodKeyword(sc *edn.Scanner, s string) bool {
	if len(s) < 2 || len(s) > MaxToken || s[0] != ':' || strings.ContainsAny(s, " ,\t\r\n;\"#^{}[]()\\") {
		return false
	}
	return sc.Check([]byte(s)) == nil
}
