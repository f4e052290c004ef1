package client

import "sync"

// entry is one event on its way.
type entry struct {
	event   Event
	call    pending // nil for all but a request
	offered bool    // OnSend has had it
	dead    bool    // forgotten while it was in the middle of a list
}

// block is a piece of an entryList. Blocks are pooled, so that a queue that
// fills and empties all the time allocates nothing, and an idle one holds none.
type block struct {
	next    *block
	n       int // entries filled
	entries [64]entry
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// entryList is a queue of entries. Its lock, if any, is its user's.
type entryList struct {
	first, last *block
	start       int // the first entry in first
}

// push appends e.
func (l *entryList) push(e entry) {
	b := l.last
	if b == nil || b.n == len(b.entries) {
		b = blocks.Get().(*block)
		if l.last == nil {
			l.first = b
		} else {
			l.last.next = b
		}
		l.last = b
	}
	b.entries[b.n] = e
	b.n++
}

// pop takes the first entry of a list that is not empty.
func (l *entryList) pop() {
	b := l.first
	if l.start++; l.start < b.n {
		return
	}
	l.start, l.first = 0, b.next
	if l.first == nil {
		l.last = nil
	}
	b.release()
}

// join moves all of from to the end of l.
func (l *entryList) join(from *entryList) {
	if from.first == nil {
		return
	}
	if l.first == nil {
		*l = *from
	} else {
		l.last.next, l.last = from.first, from.last // from.start is 0: nothing is popped off a list before it is joined
	}
	*from = entryList{}
}

// clear empties the list.
func (l *entryList) clear() {
	for b := l.first; b != nil; {
		next := b.next
		b.release()
		b = next
	}
	*l = entryList{}
}

// release gives back a block that nobody looks at any more.
func (b *block) release() {
	clear(b.entries[:b.n]) // the pool must not keep events alive
	b.next, b.n = nil, 0
	blocks.Put(b)
}

// mark is a place in a list, for the list's owner. It stays good while entries
// behind it are pushed and entries before it popped; the zero mark is the start.
type mark struct {
	b *block
	i int
}

// next returns the entry at c and moves behind it; nil at the end.
func (l *entryList) next(c *mark) *entry {
	if c.b == nil {
		if l.first == nil {
			return nil
		}
		c.b, c.i = l.first, l.start
	}
	if c.i == c.b.n {
		if c.b.next == nil {
			return nil
		}
		c.b, c.i = c.b.next, 0
	}
	c.i++
	return &c.b.entries[c.i-1]
}
