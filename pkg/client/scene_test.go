package client_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// scene is the receive side of one client, inside of a bubble.
type scene struct {
	*client.Client
	t    *testing.T
	errs []error // what OnError was told

	mu  sync.Mutex
	log []string // what was called back

	handlers map[string]*client.Registration
}

// newScene returns a client that is never started. change may be nil.
func newScene(t *testing.T, change func(*client.Options)) *scene {
	t.Helper()
	s := &scene{t: t, handlers: map[string]*client.Registration{}}
	s.Client = newReceiver(t, func(o *client.Options) {
		o.OnError = func(_ *client.Client, err error) { s.errs = append(s.errs, err) }
		if change != nil {
			change(o)
		}
	})
	return s
}

func newReceiver(t testing.TB, change func(*client.Options)) *client.Client {
	t.Helper()
	o := client.Options{URLs: []string{"ws://127.0.0.1:1/ws"}}
	if change != nil {
		change(&o)
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handle registers h, whose callbacks are logged under a name.
func (s *scene) handle(name string, h client.Handler) *client.Registration {
	then := h.Func
	h.Func = func(m client.Message, err error) {
		s.note(name + " " + outcome(m, err))
		if then != nil {
			then(m, err)
		}
	}
	s.handlers[name] = s.Handle(h)
	return s.handlers[name]
}

// waiter registers a waiter for messages whose data has a text.
func (s *scene) waiter(name, text string, timeout time.Duration) {
	s.handle(name, client.Handler{Match: has(text), Take: true, Once: true, Timeout: timeout})
}

// put brings messages of event id :t/m, and waits until they are dispatched.
func (s *scene) put(data ...string) {
	for _, d := range data {
		s.Put(client.Message{ID: ":t/m", Data: client.EDN(d)})
	}
	synctest.Wait()
}

// note logs something. A lock, since what a bubble does in order need not
// happen before in the sense of the race detector.
func (s *scene) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, text)
}

// lines returns what has been logged since the last call.
func (s *scene) lines() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.log
	s.log = nil
	return lines
}

func (s *scene) logged() string { return strings.Join(s.lines(), ", ") }

// stats returns the statistics once everything is dispatched.
func (s *scene) stats() client.ReceiveStats {
	synctest.Wait()
	return s.ReceiveStats()
}

func (s *scene) advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// outcome is how a callback is logged.
func outcome(m client.Message, err error) string {
	var d *client.Disconnect
	switch {
	case err == nil:
		if m.ID == ":t/m" {
			return string(m.Data)
		}
		return m.ID + " " + string(m.Data)
	case m != client.Message{}:
		return fmt.Sprintf("an error with a message: %v %v", m, err)
	case errors.Is(err, client.ErrTimeout):
		return "timeout"
	case errors.As(err, &d) && errors.Is(err, client.ErrClosed):
		return "closed:" + string(d.Cause)
	case errors.Is(err, client.ErrStopped):
		return "stopped"
	}
	return err.Error()
}

func has(text string) func(client.Message) bool {
	return func(m client.Message) bool { return strings.Contains(string(m.Data), text) }
}

var lost = &client.Disconnect{Cause: client.CauseLost}

// bubble runs f inside of a bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
