package book

import (
	"fmt"
	"sync"
	"time"
)

// Listener is one subscription of some topics over one connection, from the answer
// to the subscribe on. Hear is called by one goroutine.
type Listener struct {
	// Fixed after Listen.
	book    *Book
	name    string
	node    uint32
	relayed bool
	roams   bool // from node to node, keeping what it has heard
	topics  []int
	since   time.Duration

	mu    sync.Mutex    // guards what follows
	place map[int]int   // of a topic in topics
	next  []int         // by place and speaker: the number that comes next; 0 before the first
	heard int           // messages
	late  map[late]bool // lost, as a fault explains, and may come late, once; false: has come
}

// late is a message that has not come with those around it.
type late struct{ speaker, topic, number int }

// Listen begins a subscription, right after its answer was read.
func (b *Book) Listen(name string, node int, relayed bool, topics ...int) *Listener {
	l := &Listener{book: b, name: name, node: bit(node), relayed: relayed, topics: topics, since: b.Now(), place: map[int]int{}}
	for i, t := range topics {
		l.place[t] = i
	}
	l.next = make([]int, len(topics)*len(b.speakers))
	return l
}

// Roam begins a subscription that outlives its connections, which are to one node
// after the other: a tab of Sente, with what is pushed to its user. A fault of any
// node may cost it something, and have it hear something twice.
func (b *Book) Roam(name string, topics ...int) *Listener {
	l := b.Listen(name, -1, false, topics...)
	l.roams = true
	return l
}

// Hear takes a message.
func (l *Listener) Hear(speaker, topic, n int) {
	b := l.book
	if speaker < 0 || speaker >= len(b.speakers) {
		b.Failf("garbage", "%s heard of speaker %d", l.name, speaker)
		return
	}
	s := b.speakers[speaker]
	l.mu.Lock()
	defer l.mu.Unlock()
	place, ok := l.place[topic]
	if !ok || n < 0 || n >= s.count(topic) {
		b.Failf("garbage", "%s heard number %d of %s in topic %d", l.name, n, s.name, topic)
		return
	}
	l.heard++
	next := &l.next[place*len(b.speakers)+speaker]
	switch {
	case *next == 0:
		for k := n - 1; k >= 0; k-- { // what came between the answer and the first
			if m, _ := s.message(topic, k); m.at <= l.since {
				break
			}
			b.lost(l, s, topic, k)
		}
	case n < *next && (l.came(s, topic, n) || l.mayRepeat(s, topic, n)):
		return
	case n == *next-1:
		b.Failf("doubled", "%s heard number %d of %s in topic %d again", l.name, n, s.name, topic)
		return
	case n < *next:
		b.Failf("out of order", "%s heard number %d of %s in topic %d after %d", l.name, n, s.name, topic, *next-1)
		return
	default:
		for k := *next; k < n; k++ {
			if m, _ := s.message(topic, k); m.at > l.since {
				b.lost(l, s, topic, k)
			}
		}
	}
	*next = n + 1
}

// came takes a message that was given up and has come after all, out of order. Only
// some faults explain that, and each message once.
func (l *Listener) came(s *Speaker, topic, n int) bool {
	key := late{s.Number, topic, n}
	m, _ := s.message(topic, n)
	lost, known := l.late[key]
	if !lost && (known || m.at > l.since) { // it has been heard
		return false
	}
	b := l.book
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.findLocked(m.at, func(w *Window) bool {
		return w.Scope.Late && (w.Scope.Nodes&s.node != 0 || w.Scope.Servers&s.server != 0)
	})
	if w == nil {
		return false
	}
	if l.late == nil {
		l.late = map[late]bool{}
	}
	l.late[key] = false
	w.Late++
	if lost {
		w.Lost--
	}
	return true
}

// mayRepeat says whether a tab may hear a message again, or late: in a fault, as its
// nodes cannot ask each other what they have told it.
func (l *Listener) mayRepeat(s *Speaker, topic, n int) bool {
	if !l.roams {
		return false
	}
	m, _ := s.message(topic, n)
	b := l.book
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.findLocked(m.at+kept, (*Window).moves)
	if w == nil {
		w = b.findLocked(m.at, (*Window).moves)
	}
	if w == nil {
		w = b.deadTabLocked(m.at, ^uint32(0))
	}
	if w != nil {
		w.Late++
	}
	return w != nil
}

// kept is how long a message may wait for its tab to come back.
const kept = 3 * time.Second

// lost judges a message that a listener should have heard.
func (b *Book) lost(l *Listener, s *Speaker, topic, n int) {
	m, _ := s.message(topic, n)
	b.mu.Lock()
	defer b.mu.Unlock()
	of := func(w *Window) bool {
		return w.Scope.Nodes&(l.node|s.node) != 0 || w.Scope.Servers&s.server != 0 || l.roams && w.moves()
	}
	w := b.findLocked(m.at, of)
	if w == nil && l.roams {
		if w = b.findLocked(m.at+kept, of); w == nil {
			w = b.deadTabLocked(m.at, ^uint32(0)) // and what was sent to it is lost
		}
	}
	switch {
	case w != nil:
		w.Lost++
		if w.Scope.Late {
			if l.late == nil {
				l.late = map[late]bool{}
			}
			l.late[late{s.Number, topic, n}] = true
		}
		if b.Explained != nil {
			b.Explained(fmt.Sprintf("%.3fs: %s, subscribed at %.3fs, missed number %d of %s in topic %d: %s since %.3fs",
				m.at.Seconds(), l.name, l.since.Seconds(), n, s.name, topic, w.Name, w.From.Seconds()))
		}
	case m.unsure:
		b.mu.unsure++
	default:
		near := "no fault at that time"
		if w := b.findLocked(m.at, func(*Window) bool { return true }); w != nil {
			near = "only " + w.Name + " at that time"
		}
		b.failLocked("lost", "%s, subscribed at %.3fs, missed number %d of %s in topic %d, of %.3fs; %s",
			l.name, l.since.Seconds(), n, s.name, topic, m.at.Seconds(), near)
	}
}

// Behind says whether there is something that the listener may still hear.
func (l *Listener) Behind() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, topic := range l.topics {
		for k, s := range l.book.speakers {
			last := s.count(topic) - 1
			if m, ok := s.message(topic, last); ok && m.at > l.since && l.next[i*len(l.book.speakers)+k] <= last {
				return true
			}
		}
	}
	return false
}

// End ends a subscription that its client has given up. What was published longer
// ago than patience and did not come is lost, unless there was a fault since, in
// which it may be under way still.
func (l *Listener) End(patience time.Duration) {
	b := l.book
	l.mu.Lock()
	defer l.mu.Unlock()
	l.countLocked()
	until := b.Now() - patience
	b.mu.Lock()
	fault := patience > 0 && b.overlapsLocked(until, b.Now())
	b.mu.Unlock()
	if fault {
		return
	}
	for i, topic := range l.topics {
		for k, s := range b.speakers {
			for n := s.count(topic) - 1; n >= l.next[i*len(b.speakers)+k]; n-- {
				m, _ := s.message(topic, n)
				if m.at <= l.since {
					break
				}
				if m.at < until {
					b.lost(l, s, topic, n)
				}
			}
		}
	}
}

// Cut ends a subscription whose connection has ended, for the reason given. That
// is wrong unless there is a fault that ends connections.
func (l *Listener) Cut(why error) {
	l.mu.Lock()
	l.countLocked()
	l.mu.Unlock()
	l.book.cut(l.name, l.node, l.relayed, why)
}

func (l *Listener) countLocked() {
	c := &l.book.lists
	c.Lock()
	defer c.Unlock()
	c.heard += l.heard
	c.listeners++
}

// Cut judges the end of a connection without a subscription.
func (b *Book) Cut(name string, node int, relayed bool, why error) {
	b.cut(name, bit(node), relayed, why)
}

// CutTab judges the end of a connection of a tab.
func (b *Book) CutTab(name string, node int, why error) {
	b.mu.Lock()
	w := b.deadTabLocked(b.Now(), bit(node))
	if w != nil {
		w.Cuts++
	}
	b.mu.Unlock()
	if w == nil {
		b.cut(name, bit(node), false, why)
	}
}

func (b *Book) cut(name string, node uint32, relayed bool, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.findLocked(b.Now(), func(w *Window) bool {
		return w.Scope.Cut&node != 0 || relayed && w.Scope.CutRelayed&node != 0
	})
	if w != nil {
		w.Cuts++
		return
	}
	b.failLocked("cut", "%s lost its connection: %v", name, why)
}

// Denied judges that a client did not get its connection, or its channel, from
// began on.
func (b *Book) Denied(name string, node int, relayed bool, began time.Duration, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := func(w *Window) bool {
		return (w.Scope.Nodes|w.Scope.Cut)&bit(node) != 0 || relayed && w.Scope.CutRelayed&bit(node) != 0
	}
	w := b.findLocked(b.Now(), of)
	if w == nil {
		w = b.findLocked(began, of)
	}
	if w != nil {
		w.Denied++
		return
	}
	b.failLocked("denied", "%s, since %.3fs: %v", name, began.Seconds(), why)
}
