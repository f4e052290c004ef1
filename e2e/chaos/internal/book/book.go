package book

import (
	"fmt"
	"maps"
	"sync"
	"time"
)

// Book keeps the records of one run. All methods are safe for concurrent use.
type Book struct {
	start  time.Time // fixed after New
	topics int       // fixed after New: channels, and then users

	// Explained, if not nil, is told each loss that a fault explains, in words. It
	// is set before the first Listen, and called under the lock.
	Explained func(text string)

	mu struct {
		sync.Mutex
		windows  []*Window
		failures []string // the first of them, in words
		failed   map[string]int
		unsure   int // lost, of those whose publisher was never told that they were taken
	}
	speakers []*Speaker // fixed before the first Listen
	lists    counters
}

// counters count what went well.
type counters struct {
	sync.Mutex
	heard, listeners int
}

// maxWords bounds the failures that are told in words.
const maxWords = 40

// New begins a run with so many topics.
func New(topics int) *Book {
	b := &Book{start: time.Now(), topics: topics}
	b.mu.failed = map[string]int{}
	return b
}

// Now is the time since the start of the run.
func (b *Book) Now() time.Duration { return time.Since(b.start) }

// Failf records that something is wrong. kind groups it in the count.
func (b *Book) Failf(kind, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failLocked(kind, format, args...)
}

func (b *Book) failLocked(kind, format string, args ...any) {
	b.mu.failed[kind]++
	if len(b.mu.failures) < maxWords {
		text := fmt.Sprintf("%8.3fs %s: ", b.Now().Seconds(), kind) + fmt.Sprintf(format, args...)
		b.mu.failures = append(b.mu.failures, text)
	}
}

// Failures returns the count of what is wrong, by kind, and some of it in words.
func (b *Book) Failures() (kinds map[string]int, words []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.mu.failed), append([]string(nil), b.mu.failures...)
}

// Totals are the sums of a run.
type Totals struct {
	Published int // messages
	Refused   int // publishes that were refused
	Heard     int // deliveries that were checked
	Listeners int // subscriptions that were checked
	Unsure    int // deliveries lost, of messages whose publisher got no answer
}

// Totals returns the sums so far.
func (b *Book) Totals() Totals {
	t := Totals{}
	for _, s := range b.speakers {
		s.mu.Lock()
		for _, list := range s.said {
			t.Published += len(list)
		}
		t.Refused += s.refused
		s.mu.Unlock()
	}
	b.lists.Lock()
	t.Heard, t.Listeners = b.lists.heard, b.lists.listeners
	b.lists.Unlock()
	b.mu.Lock()
	t.Unsure = b.mu.unsure
	b.mu.Unlock()
	return t
}

// Speaker is a publisher. One goroutine calls Say, Refused and Unsure.
type Speaker struct {
	// Fixed after Speaker.
	Number int
	name   string
	node   uint32 // the bit of the node through which it publishes, or
	server uint32 // of the NATS server
	book   *Book

	mu      sync.Mutex // guards what follows
	said    [][]said   // by topic
	refused int
}

// said is one message.
type said struct {
	at     time.Duration
	unsure bool
}

// Speaker adds a publisher through a node or through a NATS server, by number; -1
// is none. All are added before anybody listens.
func (b *Book) Speaker(name string, node, server int) *Speaker {
	s := &Speaker{Number: len(b.speakers), name: name, node: bit(node), server: bit(server), book: b}
	s.said = make([][]said, b.topics)
	b.speakers = append(b.speakers, s)
	return s
}

func bit(i int) uint32 {
	if i < 0 {
		return 0
	}
	return 1 << i
}

// Say takes the next number of a topic; the message is published right after.
func (s *Speaker) Say(topic int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[topic] = append(s.said[topic], said{at: s.book.Now()})
	return len(s.said[topic]) - 1
}

// Refused gives the last number of a topic back: nobody has taken the message.
func (s *Speaker) Refused(topic int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[topic] = s.said[topic][:len(s.said[topic])-1]
	s.refused++
}

// Unsure says that nobody knows whether the last message was taken.
func (s *Speaker) Unsure(topic int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[topic][len(s.said[topic])-1].unsure = true
}

// message returns a message of the speaker.
func (s *Speaker) message(topic, n int) (said, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < 0 || n >= len(s.said[topic]) {
		return said{}, false
	}
	return s.said[topic][n], true
}

// count returns how many messages there are of a topic.
func (s *Speaker) count(topic int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.said[topic])
}
