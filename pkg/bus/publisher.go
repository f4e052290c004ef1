package bus

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// itemOverhead is charged for each queued message beside its text, in bytes.
const itemOverhead = 256

// item is what waits for the publisher.
type item struct {
	Outgoing
	request uint64 // id in requests, 0 none
	err     string // a Hoshi-Error keyword: this is a reply to Subject
	mark    func() // nothing to send: called when everything before has been handed to NATS
	size    int32
}

// publisher hands messages to NATS in the order in which it was given them.
// nats.go writes to the socket in the caller's goroutine each time 32 KiB have
// gathered, so a loop that published itself could be stopped by NATS; a loop
// only appends here. The bounds hold for what waits and what is being sent
// together.
type publisher struct {
	// Fixed after newPublisher.
	maxMsgs  int
	maxBytes int
	inbox    string // reply subject of a request: inbox + id
	room     func()
	requests *requests
	wake     chan struct{}
	quit     chan struct{}
	done     chan struct{}

	published atomic.Uint64
	refused   counts[refusal]
	lost      counts[loss]

	mu struct {
		sync.Mutex
		nc      *nats.Conn // nil: refuse
		limit   int        // max_payload of nc
		queue   []item
		msgs    int // queued and being sent
		bytes   int
		starved bool // somebody got ErrFull
		closed  bool
	}

	// Owned by run.
	spare  []item
	header nats.Header
	values [14][]string
	msg    nats.Msg
	text   []byte
}

type refusal uint8

// Why a publish was refused, told to the caller.
const (
	refusedFull refusal = iota
	refusedUnavailable
	refusedTooLarge
	refusedSubject
	refusedStopped
	refusedRequests
)

var refusalNames = []string{"full", "unavailable", "too-large", "bad-subject", "stopped", "too-many-requests"}

type loss uint8

// Why an accepted message was not sent.
const (
	lostDisconnected loss = iota
	lostTooLarge
	lostStopped
	lostOther
	lostReplyError // a Hoshi-Error that found no room
)

var lossNames = []string{"disconnected", "too-large", "stopped", "other", "reply-error"}

func newPublisher(o *NodeOptions, inbox string, r *requests) *publisher {
	p := &publisher{
		maxMsgs:  o.PublishQueueMessages,
		maxBytes: o.PublishQueueBytes,
		inbox:    inbox,
		room:     o.Handler.Room,
		requests: r,
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
		header:   nats.Header{},
	}
	for i := range p.values {
		p.values[i] = make([]string, 1)
	}
	return p
}

// contentType returns what has to be declared. What has a sender is an event.
func (it *item) contentType() string {
	switch {
	case it.Format == codec.EDN && it.Conn == "":
		return ""
	case it.Tab != "":
		return contentTypes[it.Format]
	case it.ask != nil:
		return contentTypeOfAnswer(it.Format)
	}
	return contentTypeOf(it.Format, it.Conn != "", it.Body)
}

// headerBytes bounds what the headers of an item take on the wire.
func (it *item) headerBytes() int {
	n := 0
	for _, s := range [...]string{it.From, it.Exclude, it.Conn, it.UID, it.Client, it.Tab, it.ID, it.Trace.Parent, it.Trace.State, it.err, it.contentType()} {
		if s != "" {
			n += len(s) + 20
		}
	}
	if it.ask != nil {
		n += askHeaderBytes
	}
	if it.Time != 0 {
		n += maxTimeDigits + 20
	}
	if n > 0 {
		n += 16
	}
	return n
}

// put appends an item. It never blocks.
func (p *publisher) put(it item) error {
	head := it.headerBytes()
	size := len(it.Body) + len(it.Subject) + head + itemOverhead
	it.size = int32(size)
	p.mu.Lock()
	why := refusedFull
	var err error
	switch {
	case p.mu.closed:
		why, err = refusedStopped, ErrStopped
	case p.mu.nc == nil:
		why, err = refusedUnavailable, ErrUnavailable
	case len(it.Body)+head > p.mu.limit:
		why, err = refusedTooLarge, ErrTooLarge
	case !it.Urgent && p.mu.msgs > 0 && (p.mu.msgs >= p.maxMsgs || p.mu.bytes+size > p.maxBytes):
		err = ErrFull
		if it.err == "" {
			p.mu.starved = true
		}
	}
	if err != nil {
		p.mu.Unlock()
		p.refused.add(why)
		return err
	}
	p.mu.queue = append(p.mu.queue, it)
	p.mu.msgs++
	p.mu.bytes += size
	first := len(p.mu.queue) == 1
	p.mu.Unlock()
	if first {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// mark calls fn when everything that was put before has been handed to NATS.
// It works after close too.
func (p *publisher) mark(fn func()) error {
	p.mu.Lock()
	if p.mu.nc == nil {
		closed := p.mu.closed
		p.mu.Unlock()
		if closed {
			return ErrStopped
		}
		return ErrUnavailable
	}
	p.mu.queue = append(p.mu.queue, item{mark: fn})
	p.mu.msgs++
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

// run is the publisher goroutine. It ends after stop, with the queue empty.
func (p *publisher) run() {
	defer close(p.done)
	for {
		select {
		case <-p.wake:
		case <-p.quit:
			p.abandon(ErrStopped)
			return
		}
		p.sendAll()
	}
}

// sendAll sends until the queue is empty.
func (p *publisher) sendAll() {
	for {
		p.mu.Lock()
		batch, nc := p.mu.queue, p.mu.nc
		if len(batch) == 0 {
			p.mu.Unlock()
			return
		}
		p.mu.queue = p.spare[:0]
		p.mu.Unlock()
		p.sendBatch(nc, batch)
		clear(batch)
		if cap(batch) > 1<<12 {
			batch = nil // a burst's array is not kept
		}
		p.spare = batch
	}
}

// sendBatch sends a batch and gives its room back in steps, so that loops that
// wait for room do not wait for the whole of it.
func (p *publisher) sendBatch(nc *nats.Conn, batch []item) {
	msgs, bytes := 0, 0
	for i := range batch {
		it := &batch[i]
		if it.mark != nil {
			it.mark()
		} else if err := p.send(nc, it); err != nil {
			p.fail(it, err)
			p.refuseClosed(nc)
		} else {
			p.published.Add(1)
		}
		msgs++
		bytes += int(it.size)
		if msgs == 64 || bytes >= 64<<10 || i == len(batch)-1 {
			p.release(msgs, bytes)
			msgs, bytes = 0, 0
		}
	}
}

// refuseClosed refuses at once when nc is closed, before the control goroutine
// hears of it.
func (p *publisher) refuseClosed(nc *nats.Conn) {
	if nc != nil && !nc.IsClosed() {
		return
	}
	p.mu.Lock()
	if p.mu.nc == nc {
		p.mu.nc = nil
	}
	p.mu.Unlock()
}

// release gives room back and tells those who found none, once half is free.
func (p *publisher) release(msgs, bytes int) {
	p.mu.Lock()
	p.mu.msgs -= msgs
	p.mu.bytes -= bytes
	tell := p.mu.starved && p.mu.msgs <= p.maxMsgs/2 && p.mu.bytes <= p.maxBytes/2
	if tell {
		p.mu.starved = false
	}
	p.mu.Unlock()
	if tell {
		p.room()
	}
}

// send hands one message to nats.go, which copies it.
func (p *publisher) send(nc *nats.Conn, it *item) error {
	if nc == nil {
		return nats.ErrConnectionClosed
	}
	p.msg = nats.Msg{Subject: it.Subject, Data: it.Body}
	if it.request != 0 {
		p.text = strconv.AppendUint(append(p.text[:0], p.inbox...), it.request, 36)
		p.msg.Reply = string(p.text)
	}
	if it.headerBytes() > 0 {
		clear(p.header)
		p.set(0, HeaderFrom, it.From)
		p.set(1, HeaderExclude, it.Exclude)
		p.set(2, HeaderConn, it.Conn)
		p.set(3, HeaderUID, it.UID)
		p.set(4, HeaderClient, it.Client)
		p.set(5, HeaderContentType, it.contentType())
		p.set(6, HeaderTab, it.Tab)
		p.set(7, HeaderID, it.ID)
		p.set(11, HeaderTraceParent, it.Trace.Parent)
		p.set(12, HeaderTraceState, it.Trace.State)
		p.set(13, HeaderTime, timeText(it.Time))
		if it.ask != nil {
			asked, answered := it.ask.headers()
			p.set(8, HeaderNode, it.ask.node)
			p.set(9, HeaderAsked, asked)
			p.set(10, HeaderAnswered, answered)
		}
		if it.err != "" {
			p.set(0, HeaderError, it.err)
		}
		p.msg.Header = p.header
	}
	return nc.PublishMsg(&p.msg)
}

func (p *publisher) set(i int, key, value string) {
	if value != "" {
		p.values[i][0] = value
		p.header[key] = p.values[i]
	}
}

// fail accounts for an accepted message that was not sent.
func (p *publisher) fail(it *item, err error) {
	why := lostOther
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		why, err = lostTooLarge, ErrTooLarge
	case errors.Is(err, ErrStopped):
		why = lostStopped
	case errors.Is(err, nats.ErrBadSubject):
		err = ErrBadSubject
	default:
		// Whatever else publishing says, the connection is over.
		why, err = lostDisconnected, ErrUnavailable
	}
	p.lost.add(why)
	if it.request != 0 {
		p.requests.complete(it.request, Reply{Err: err})
	}
}

// connected lets publishes in; nil refuses them, and fails what waits.
func (p *publisher) connected(nc *nats.Conn) {
	if nc != nil {
		p.mu.Lock()
		p.mu.nc = nc
		p.mu.limit = int(nc.MaxPayload())
		p.mu.Unlock()
		return
	}
	p.abandon(nats.ErrConnectionClosed)
}

// abandon refuses from now on and fails what waits.
func (p *publisher) abandon(err error) {
	p.mu.Lock()
	queue := p.mu.queue
	p.mu.queue = nil
	p.mu.nc = nil
	for i := range queue {
		p.mu.msgs--
		p.mu.bytes -= int(queue[i].size)
	}
	tell := p.mu.starved
	p.mu.starved = false
	p.mu.Unlock()
	for i := range queue {
		if queue[i].mark != nil {
			queue[i].mark()
		} else {
			p.fail(&queue[i], err)
		}
	}
	if tell {
		p.room()
	}
}

// close refuses further items with ErrStopped; what waits is still sent.
func (p *publisher) close() {
	p.mu.Lock()
	p.mu.closed = true
	tell := p.mu.starved
	p.mu.starved = false
	p.mu.Unlock()
	if tell {
		p.room()
	}
}

// stop ends run; what still waits is lost and counted.
func (p *publisher) stop() {
	close(p.quit)
	<-p.done
}

func (p *publisher) queued() (msgs, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.msgs, p.mu.bytes
}
