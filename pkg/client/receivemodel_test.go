package client_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/client"
)

// model is the receive side as one would write it without a care for speed.
type model struct {
	limit   int
	now     time.Duration
	regs    []*modelReg
	buffer  []modelMessage
	stopped bool
	log     []string
	stats   client.ReceiveStats
}

type modelReg struct {
	name    string
	h       client.Handler
	id      string // "" for all
	quietAt time.Duration
}

type modelMessage struct {
	m    client.Message
	seen bool
}

func (r *modelReg) wants(m client.Message) bool {
	if r.h.Match != nil {
		return r.h.Match(m)
	}
	return r.id == "" || r.id == m.ID
}

func (md *model) tell(r *modelReg, m client.Message, err error) {
	md.log = append(md.log, r.name+" "+outcome(m, err))
	if err != nil || r.h.Once {
		md.remove(r)
	}
	r.quietAt = md.now + r.h.Timeout
}

func (md *model) remove(r *modelReg) bool {
	i := slices.Index(md.regs, r)
	if i < 0 {
		return false
	}
	md.regs = slices.Delete(md.regs, i, i+1)
	return true
}

func (md *model) register(r *modelReg) {
	bound := r.h.Take || r.h.Once
	if md.stopped {
		if bound {
			md.stats.Closed++
			md.tell(r, client.Message{}, client.ErrStopped)
		}
		return
	}
	r.quietAt = md.now + r.h.Timeout
	md.regs = append(md.regs, r)
	if !r.h.Take {
		return
	}
	for i := 0; i < len(md.buffer); {
		if m := md.buffer[i].m; r.wants(m) {
			md.buffer = slices.Delete(md.buffer, i, i+1)
			md.stats.Taken++
			md.tell(r, m, nil)
			if r.h.Once {
				return
			}
			continue
		}
		i++
	}
}

func (md *model) put(m client.Message) {
	if md.stopped {
		return
	}
	md.stats.Received++
	seen := false
	for _, r := range slices.Clone(md.regs) {
		if !r.h.Take && r.wants(m) {
			seen = true
			md.tell(r, m, nil)
		}
	}
	if seen {
		md.stats.Handled++
	}
	for _, r := range md.regs {
		if r.h.Take && r.wants(m) {
			md.stats.Taken++
			md.tell(r, m, nil)
			return
		}
	}
	md.stats.Buffered++
	md.buffer = append(md.buffer, modelMessage{m, seen})
	md.drop(len(md.buffer) - md.limit)
}

func (md *model) drop(n int) {
	for range n {
		md.stats.Dropped++
		if !md.buffer[0].seen {
			md.stats.Unseen++
		}
		md.buffer = md.buffer[1:]
	}
}

func (md *model) end(err error, all bool) {
	if md.stopped {
		return
	}
	md.stopped = all
	md.drop(len(md.buffer))
	for _, r := range slices.Clone(md.regs) {
		if r.h.Take || r.h.Once {
			md.stats.Closed++
			md.tell(r, client.Message{}, err)
		} else if all {
			md.remove(r)
		}
	}
}

// advance takes the timeouts in the order of their times; no two are the same.
func (md *model) advance(d time.Duration) {
	until := md.now + d
	for {
		var next *modelReg
		for _, r := range md.regs {
			if (r.h.Take || r.h.Once) && r.h.Timeout > 0 && r.quietAt <= until && (next == nil || r.quietAt < next.quietAt) {
				next = r
			}
		}
		if next == nil {
			md.now = until
			return
		}
		md.now = next.quietAt
		md.stats.Timeouts++
		md.tell(next, client.Message{}, client.ErrTimeout)
	}
}

// The receive side does what the model does, whatever is done to it.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x01\x05\x21\x09\x15\x01\x31"))
	f.Add([]byte("pppppprrrrtake\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0"))
	for i := range 20 { // noise, the same in every run
		var seed []byte
		x := uint32(i*7919 + 1)
		for range 60 + 20*i {
			x = x*1664525 + 1013904223
			seed = append(seed, byte(x>>24))
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		bubble(t, func(t *testing.T) { playModel(t, ops[:min(len(ops), 1000)]) })
	})
}

func playModel(t *testing.T, ops []byte) {
	ids := []string{"", "t/a", ":t/b", "t/c", "*"}
	s := newScene(t, func(o *client.Options) { o.ReceiveBuffer = 5 })
	md := &model{limit: 5}
	type pair struct {
		name string
		r    *client.Registration
		m    *modelReg
	}
	var pairs []pair
	var history []string
	arg := func(i int) int {
		if i < len(ops) {
			return int(ops[i])
		}
		return 0
	}
	check := func() {
		got, want := s.logged(), strings.Join(md.log, ", ")
		md.log = nil
		md.stats.Depth, md.stats.Waiters, md.stats.Handlers = len(md.buffer), 0, 0
		for _, r := range md.regs {
			if r.h.Take {
				md.stats.Waiters++
			} else {
				md.stats.Handlers++
			}
		}
		if st := s.stats(); got != want || st != md.stats {
			t.Fatalf("after %s\ncalled back: %s\nwant:        %s\nstatistics %+v\nwant       %+v",
				strings.Join(history, " "), got, want, st, md.stats)
		}
	}
	did := func(format string, args ...any) { history = append(history, fmt.Sprintf(format, args...)) }
	for i := 0; i < len(ops); i += 2 {
		op, a := ops[i], arg(i+1)
		switch op % 8 {
		case 0, 1: // register
			synctest.Wait() // a registration overtakes messages
			h := client.Handler{ID: ids[a%5], Take: op&8 != 0, Once: op&16 != 0}
			if op&32 != 0 {
				digit := fmt.Sprint(a % 3)
				h.Match = func(m client.Message) bool { return strings.HasSuffix(string(m.Data), digit) }
			}
			if op&64 != 0 {
				h.Timeout = time.Duration(1+a%7)*time.Second + time.Duration(i)*time.Microsecond
			}
			name := fmt.Sprintf("h%d", i)
			did("%s=%q,take=%v,once=%v,pred=%v,%v", name, h.ID, h.Take, h.Once, h.Match != nil, h.Timeout)
			m := &modelReg{name: name, h: h}
			if id := strings.TrimPrefix(h.ID, ":"); id != "" && id != "*" {
				m.id = ":" + id
			}
			pairs = append(pairs, pair{name, s.handle(name, h), m})
			md.register(m)
		case 2, 3, 4: // put
			m := client.Message{ID: []string{":t/a", ":t/b", ":t/c", ":t/d"}[a%4], Data: client.EDN(fmt.Sprintf("%d%d", i, a/4%3))}
			did("put(%s)", m.Data)
			s.Put(m)
			md.put(m)
		case 5: // remove
			synctest.Wait() // a removal overtakes messages
			switch {
			case op&8 != 0 && op&16 != 0:
				id := ids[a%5]
				n := 0
				label := strings.TrimPrefix(strings.TrimPrefix(id, ":"), "*")
				for _, r := range slices.Clone(md.regs) {
					if r.h.Match != nil && r.h.ID == "" {
						continue // a predicate without a name
					}
					if strings.TrimPrefix(r.id, ":") == label && md.remove(r) {
						n++
					}
				}
				did("off(%q)", id)
				if got := s.Off(id); got != n {
					t.Fatalf("after %s: Off says %d, want %d", strings.Join(history, " "), got, n)
				}
			case len(pairs) > 0:
				p := pairs[a%len(pairs)]
				did("remove(%s)", p.name)
				if got, want := p.r.Remove(), md.remove(p.m); got != want {
					t.Fatalf("after %s: Remove says %v, want %v", strings.Join(history, " "), got, want)
				}
			}
		case 6: // the connection ends, rarely the client
			if op>>3 == 31 {
				did("stop")
				s.StopReceiving(client.ErrStopped)
				md.end(client.ErrStopped, true)
				break
			}
			did("renew")
			s.Renew(lost)
			md.end(lost, false)
		case 7: // time
			synctest.Wait()
			d := time.Duration(a) * 40 * time.Millisecond
			did("wait(%v)", d)
			s.advance(d)
			md.advance(d)
		}
		if op&128 != 0 {
			check()
		}
	}
	check()
	if len(s.errs) > 0 {
		t.Fatal(errors.Join(s.errs...))
	}
}
