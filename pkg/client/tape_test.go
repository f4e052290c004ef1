package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// tape is a connection that notes each write, and that can be cut or frozen.
type tape struct {
	mu     sync.Mutex
	writes [][]byte
	at     []time.Time
	room   int           // bytes until it breaks; negative: never
	frozen chan struct{} // not nil: writes wait until it is closed
	inside int           // writes under way
	most   int           // of inside, ever
}

func newTape() *tape { return &tape{room: -1} }

var errCut = errors.New("tape is cut")

func (p *tape) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.inside++
	p.most = max(p.most, p.inside)
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside--
	n, err := len(b), error(nil)
	if p.room >= 0 && n >= p.room {
		n, err = p.room, errCut
		p.room = 0
	} else if p.room >= 0 {
		p.room -= n
	}
	p.writes = append(p.writes, bytes.Clone(b[:n]))
	p.at = append(p.at, time.Now())
	return n, err
}

// frame is a frame as the server sees it.
type frame struct {
	op   ws.OpCode
	text string
}

// readFrame returns one frame and its masking key.
func readFrame(r io.Reader) (f frame, key [4]byte, err error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return f, key, err
	}
	if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
		return f, key, err
	}
	if !h.Masked || !h.Fin || h.Length > 8<<20 {
		return f, key, fmt.Errorf("header %+v", h)
	}
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(r, p); err != nil {
		return f, key, io.ErrUnexpectedEOF
	}
	for i := range p { // by the letter of RFC 6455 5.3, apart from the code under test
		p[i] ^= h.Mask[i%4]
	}
	return frame{h.OpCode, string(p)}, h.Mask, nil
}

// parse returns the whole frames of p. Half a frame at the end is none.
func parse(t testing.TB, p []byte) []frame {
	t.Helper()
	var fs []frame
	r := bytes.NewReader(p)
	for {
		f, _, err := readFrame(r)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fs
		case err != nil:
			t.Fatalf("frame %d: %v", len(fs), err)
		}
		fs = append(fs, f)
	}
}

// frames returns what has come whole.
func (p *tape) frames(t testing.TB) []frame {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	return parse(t, bytes.Join(p.writes, nil))
}

// texts returns the payloads of the text frames that have come whole.
func (p *tape) texts(t testing.TB) []string {
	t.Helper()
	var s []string
	for _, f := range p.frames(t) {
		if f.op == ws.OpText {
			s = append(s, f.text)
		}
	}
	return s
}

// count returns how many writes there were.
func (p *tape) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.writes)
}

// when returns how long after start the n-th write came.
func (p *tape) when(n int, start time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[n].Sub(start)
}

func (p *tape) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *tape) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.frozen)
	p.frozen = nil
}

// desk calls what is posted, one at a time, in order.
type desk struct {
	mu     sync.Mutex
	posted []func()
	busy   bool
}

func (d *desk) post(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.posted = append(d.posted, f)
	if !d.busy {
		d.busy = true
		go d.run()
	}
}

func (d *desk) run() {
	for {
		d.mu.Lock()
		if len(d.posted) == 0 {
			d.busy = false
			d.mu.Unlock()
			return
		}
		f := d.posted[0]
		d.posted = d.posted[1:]
		d.mu.Unlock()
		f()
	}
}

// sendBench is a send queue, where it writes to, and what it reports.
type sendBench struct {
	*client.SendQueue
	tape *tape

	mu   sync.Mutex
	errs []error
}

func newSendBench(o client.SendOptions) *sendBench {
	b := &sendBench{tape: newTape()}
	o.Post = new(desk).post
	o.OnError = func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errs = append(b.errs, err)
	}
	b.SendQueue = client.NewSendQueue(o)
	return b
}

func (b *sendBench) errors() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errs
}

// ended is a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// numbered returns the n-th event of a series.
func numbered(n int) client.Event { return client.MustEvent("t/n", n) }

// numbers returns the texts of events from the n-th up to before the m-th.
func numbers(n, m int) []string {
	var s []string
	for ; n < m; n++ {
		s = append(s, numbered(n).String())
	}
	return s
}

// fill enqueues the events from the n-th up to before the m-th.
func fill(t testing.TB, q *client.SendQueue, n, m int) {
	t.Helper()
	for ; n < m; n++ {
		if r := q.Enqueue(numbered(n)); r != client.OK {
			t.Fatalf("event %d: %v", n, r)
		}
	}
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, short(g), short(w))
	}
}

func short(s string) string {
	if len(s) > 400 {
		return s[:200] + " ... " + s[len(s)-200:]
	}
	return s
}

// settled waits until the bubble has nothing left to do now.
func settled() { synctest.Wait() }

func repeat(s string, n int) client.Event {
	return client.MustEvent("t/long", strings.Repeat(s, n))
}
