package client

import (
	"cmp"
	"runtime/debug"
	"slices"
)

// What the dispatcher does: everything here runs on it.

// run is the dispatcher.
func (q *inbox) run() {
	ended := false
	defer func() {
		if !ended { // by runtime.Goexit in a callback: another one does the rest
			go q.run()
		}
	}()
	for {
		l, ok := q.box.next()
		if !ok {
			ended = true
			return
		}
		if l.f != nil {
			q.call(l.f)
		} else {
			q.dispatch(l.message)
		}
		q.sweep()
	}
}

// dispatch shows a message to every handler that matches, then gives it to the
// first waiter that does, else to the buffer.
func (q *inbox) dispatch(m Message) {
	var published ChannelMessage
	seen := false
	for c := q.handlers.find(m, &published); ; {
		r := c.next()
		if r == nil {
			break
		}
		if q.claim(r, m) {
			seen = true
			q.tell(r, m, published)
		}
	}
	if seen {
		q.handled.Add(1)
	}
	for c := q.waiters.find(m, &published); ; {
		r := c.next()
		if r == nil {
			break
		}
		if q.claim(r, m) {
			q.taken.Add(1)
			q.tell(r, m, published)
			return
		}
	}
	q.buffered.Add(1)
	dropped, unseen := q.buffer.push(leftover{m, seen})
	q.dropped.Add(uint64(dropped))
	q.unseen.Add(uint64(unseen))
	q.depth.Store(int64(q.buffer.len()))
}

// claim reports whether r, which was found for m, is to have it. If r is for one
// message only, it has ended then.
func (q *inbox) claim(r *Registration, m Message) bool {
	if !r.active() || r.bound() && r.epoch > q.epoch || r.match != nil && !q.matches(r, m) {
		return false
	}
	if r.once {
		if !r.end() {
			return false
		}
		q.done = append(q.done, r)
		return true
	}
	if r.timeout != 0 {
		r.last = q.clock.Now()
	}
	return r.active()
}

// admit takes in r. What a waiter wants may be in the buffer.
func (q *inbox) admit(r *Registration) {
	if !r.active() {
		return
	}
	if !r.take {
		q.seq++
		r.seq = q.seq
		q.handlers.add(r)
		return
	}
	if r.timeout != 0 {
		r.last = q.clock.Now()
	}
	for i := 0; i < q.buffer.len(); {
		m := q.buffer.get(i)
		if !r.wants(m) || !q.claim(r, m) {
			i++
			continue
		}
		q.buffer.remove(i)
		q.depth.Store(int64(q.buffer.len()))
		q.taken.Add(1)
		q.tell(r, m, ChannelMessage{})
	}
	if r.active() {
		q.seq++
		r.seq = q.seq
		q.waiters.add(r)
	}
}

// expire ends r, whose time is up.
func (q *inbox) expire(r *Registration) {
	if !r.once { // a lasting waiter: only silence counts
		if rest := r.timeout - q.clock.Now().Sub(r.last); rest > 0 && r.active() {
			r.arm(rest)
			return
		}
	}
	if r.end() {
		q.timeouts.Add(1)
		q.done = append(q.done, r)
		q.call(func() { r.f(Message{}, ErrTimeout) })
	}
}

// finish tells r err and ends it.
func (q *inbox) finish(r *Registration, err error) {
	if !r.end() {
		return
	}
	q.done = append(q.done, r)
	if r.bound() {
		q.closed.Add(1)
		q.call(func() { r.f(Message{}, err) })
	}
}

// closeAll empties the buffer and ends, in order, what which says.
func (q *inbox) closeAll(err error, which func(*Registration) bool) {
	rest := true
	defer func() {
		if rest { // a callback has ended the goroutine; the others are to be told all the same
			q.closeAll(err, which)
		}
	}()
	n, unseen := q.buffer.clear()
	q.depth.Store(0)
	q.dropped.Add(uint64(n))
	q.unseen.Add(uint64(unseen))
	all := append(q.handlers.all(), q.waiters.all()...)
	slices.SortFunc(all, func(a, b *Registration) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range all {
		if which(r) {
			q.finish(r, err)
		}
	}
	rest = false
}

// sweep drops those that have ended.
func (q *inbox) sweep() {
	for i, r := range q.done {
		q.drop(r)
		q.done[i] = nil
	}
	q.done = q.done[:0]
}

func (q *inbox) drop(r *Registration) {
	if r.take {
		q.waiters.drop(r)
	} else {
		q.handlers.drop(r)
	}
}

// tell hands m to r.
func (q *inbox) tell(r *Registration, m Message, published ChannelMessage) {
	defer q.rescue()
	if r.onChannel != nil {
		r.onChannel(published)
		return
	}
	r.f(m, nil)
}

// call runs a callback.
func (q *inbox) call(f func()) {
	defer q.rescue()
	f()
}

// matches asks r's predicate. One that panics says no.
func (q *inbox) matches(r *Registration, m Message) (ok bool) {
	defer q.rescue()
	return r.match(m)
}

// rescue recovers from a panic in a callback; it is deferred.
func (q *inbox) rescue() {
	v := recover()
	if v == nil {
		return
	}
	q.panics.Add(1)
	if q.onPanic == nil {
		return
	}
	stack := debug.Stack()
	defer func() {
		if recover() != nil { // onPanic calls the application too
			q.panics.Add(1)
		}
	}()
	q.onPanic(v, stack)
}
