package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
)

// dialTimeout is longer than anything but the long faults lasts.
const dialTimeout = 12 * time.Second

// address is where clients of a node connect to.
func (n *node) address(relayed bool) string {
	if relayed {
		return n.clients.Addr()
	}
	return n.addr
}

func channelName(topic int) string { return "c" + strconv.Itoa(topic) }

// steady is a client that hears every channel and what is pushed to its user, and
// comes back whenever its connection ends.
type steady struct {
	// Fixed after start.
	run     *run
	node    *node
	relayed bool
	user    int
	name    string

	mu struct {
		sync.Mutex
		listener *book.Listener // nil while it has no connection
	}
}

func (r *run) startSteadies(ctx context.Context) {
	for i, n := range r.cluster.nodes {
		for k := range steadies {
			s := &steady{run: r, node: n, relayed: k%2 == 1, user: i*steadies + k}
			s.name = fmt.Sprintf("steady client %d of %s", k+1, n.Name)
			if s.relayed {
				s.name += ", relayed"
			}
			r.steadies = append(r.steadies, s)
			r.clients.Go(func() {
				for ctx.Err() == nil {
					s.live(ctx)
					_ = sleep(ctx, 100*time.Millisecond+rand.N(300*time.Millisecond))
				}
			})
		}
	}
}

// live is one connection.
func (s *steady) live(ctx context.Context) {
	b := s.run.book
	began := b.Now()
	c, err := thin.Dial(s.node.address(s.relayed), "u"+strconv.Itoa(s.user), dialTimeout)
	if err != nil {
		if ctx.Err() == nil {
			b.Denied(s.name, s.node.number, s.relayed, began, err)
		}
		return
	}
	stop := context.AfterFunc(ctx, c.Leave)
	defer stop()
	defer c.Abort()
	topics := make([]int, 0, channels+1)
	for t := range channels {
		topics = append(topics, t)
		if err := c.Subscribe(channelName(t)); err != nil {
			b.Denied(s.name, s.node.number, s.relayed, began, err)
			return
		}
	}
	topics = append(topics, channels+s.user)
	for answers := 0; answers < channels; {
		m, err := c.Read(time.Now().Add(patience))
		switch {
		case err != nil:
			if ctx.Err() == nil {
				b.Cut(s.name, s.node.number, s.relayed, err)
			}
			return
		case string(m) == thin.Subscribed(channelName(answers)):
			answers++
		default:
			if _, _, _, ok := parseMessage(m); !ok {
				b.Denied(s.name, s.node.number, s.relayed, began, fmt.Errorf("subscribe: %s", m))
				return
			}
		}
	}
	l := b.Listen(s.name, s.node.number, s.relayed, topics...)
	s.set(l)
	defer s.set(nil)
	for {
		m, err := c.Read(time.Now().Add(10 * time.Minute))
		if err != nil {
			if ctx.Err() == nil {
				l.Cut(err)
			}
			return
		}
		s.run.hear(l, channels+s.user, m)
	}
}

func (s *steady) set(l *book.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.listener = l
}

// current is the subscription that it has, or nil.
func (s *steady) current() *book.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.listener
}

// hear gives a message to the book. Pushes are of the topic user.
func (r *run) hear(l *book.Listener, user int, m []byte) {
	channel, speaker, n, ok := parseMessage(m)
	topic := user
	if ok && channel != "" {
		var err error
		topic, err = strconv.Atoi(channel[1:])
		ok = err == nil
	}
	if !ok {
		r.book.Failf("garbage", "heard %.80s", m)
		return
	}
	l.Hear(speaker, topic, n)
}

// complete says whether all steady clients are there and have heard all that was
// published.
func (r *run) complete() error {
	for _, s := range r.steadies {
		l := s.current()
		if l == nil {
			return errors.New(s.name + " is away")
		}
		if l.Behind() {
			return errors.New(s.name + " has not heard everything")
		}
	}
	for _, tab := range r.roamers {
		if tab.listener.Behind() {
			return errors.New(tab.name + " has not heard everything")
		}
	}
	return nil
}
