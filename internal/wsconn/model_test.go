package wsconn_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// The model of a queue: the same rules over a slice, in the order of the words of Policy.
type model struct {
	frames, bytes int // bounds
	all           []entry
	held          int
	writing       bool
	off           int
	dropped       map[string]uint64

	scheduled, waiting bool
	waits              int // number of the present one
}

type entry struct {
	f      *wsconn.Frame
	text   string
	size   int
	class  wsconn.Class
	wait   int // milliseconds
	part   bool
	answer bool
	notice bool
	joined int // messages, if it was made of parts
}

// counts is how many messages e is.
func (e entry) counts() int {
	switch {
	case e.joined > 0:
		return e.joined
	case e.notice:
		return 0
	}
	return 1
}

func newFrame(e entry) *wsconn.Frame {
	class := e.class.Within(time.Duration(e.wait) * time.Millisecond)
	if e.part {
		return wsconn.NewPart(class, []byte(e.text))
	}
	return wsconn.NewDelivery(class, []byte(e.text))
}

func (m *model) size() (n int) {
	for _, e := range m.all {
		n += e.size
	}
	return n
}

// messages is how many there are for the bounds.
func (m *model) messages() (n int) {
	for _, e := range m.all {
		n += max(e.joined, 1)
	}
	return n
}

// told is what the loop is to be told after a push: nothing, that there is something, or that there will be later.
func (m *model) told(e entry, r wsconn.Result) (now bool, later int) {
	switch {
	case r == wsconn.Overflow:
		m.schedule()
		return true, 0
	case r != wsconn.OK || m.scheduled:
		return false, 0
	case e.wait == 0 || len(m.all) >= 16 || m.size() >= 16<<10 || m.messages() > m.frames/2 || m.size() > m.bytes/2:
		m.schedule()
		return true, 0
	}
	for _, o := range m.all {
		if m.waiting && o.text != e.text && o.wait <= e.wait {
			return false, 0
		}
	}
	m.waiting = true
	return false, e.wait
}

func (m *model) schedule() {
	if m.waiting {
		m.waits++
	}
	m.scheduled, m.waiting = true, false
}

// join is what a write of the oldest entries is made of, and how many of them each stands for.
func (m *model) join() (out []entry, stands []int) {
	for i := 0; i < m.held; {
		n, size := 1, m.all[i].size
		for m.all[i].part && i+n < m.held && n < 16 && m.all[i+n].part && size+m.all[i+n].size <= 16<<10 {
			size += m.all[i+n].size
			n++
		}
		e := m.all[i]
		if e.part {
			e = entry{class: disconnect}
			var texts []string
			for _, p := range m.all[i : i+n] {
				texts = append(texts, p.text)
				e.notice = e.notice || p.notice
				e.joined += p.counts()
			}
			e.text = "[" + strings.Join(texts, "|") + "]"
			e.size = wsconn.NewText([]byte(e.text)).Len()
		}
		out, stands = append(out, e), append(stands, n)
		i += n
	}
	return out, stands
}

// written takes away what a write of n bytes took.
func (m *model) written(n int) (frames int, notice bool) {
	out, stands := m.join()
	for i, e := range out {
		switch left := e.size - m.off; {
		case n == 0:
			return frames, notice
		case n < left:
			m.all = append([]entry{e}, m.all[stands[i]:]...)
			m.off += n
			return frames, notice
		default:
			n -= left
			m.all, m.off = m.all[stands[i]:], 0
			frames, notice = frames+1, notice || e.notice
		}
	}
	return frames, notice
}

func (m *model) push(e entry) wsconn.Result {
	held := m.held
	if !m.writing {
		held = min(m.off, 1)
	}
	var same []int
	if e.class.Policy() == wsconn.LatestOnly {
		for i := held; i < len(m.all); i++ {
			if m.all[i].answer {
				same = nil
			} else if m.all[i].class == e.class {
				same = append(same, i)
			}
		}
	}
	for ; len(same) > 1; same = same[1:] {
		m.all = slices.Delete(m.all, same[0], same[0]+1)
		m.dropped["superseded"]++
		for i := range same {
			same[i]--
		}
	}
	slot := -1
	if len(same) > 0 {
		slot = same[0]
	}
	if slot >= 0 && (len(m.all) == 1 || m.size()-m.all[slot].size+e.size <= m.bytes) {
		m.all[slot] = e
		m.dropped["superseded"]++
		return wsconn.OK
	}
	gone := map[int]string{}
	enough := func() bool {
		n, size := 0, 0
		for i, e := range m.all {
			if gone[i] == "" {
				n += max(e.joined, 1)
				size += e.size
			}
		}
		return n == 0 || n < m.frames && size+e.size <= m.bytes
	}
	if !enough() && e.class.Policy() != wsconn.DropNewest {
		if slot >= 0 {
			gone[slot] = "superseded"
		}
		for _, p := range []wsconn.Policy{wsconn.DropOldest, wsconn.LatestOnly} {
			for i := held; i < len(m.all) && !enough(); i++ {
				if m.all[i].class.Policy() == p && gone[i] == "" {
					gone[i] = "oldest"
				}
			}
		}
		for i := len(m.all) - 1; i >= held && !enough() && e.class == disconnect; i-- {
			if m.all[i].class.Policy() == wsconn.DropNewest {
				gone[i] = "newest"
			}
		}
	}
	if !enough() {
		if e.class == disconnect {
			return wsconn.Overflow
		}
		m.dropped["newest"]++
		return wsconn.Dropped
	}
	var left []entry
	for i, e := range m.all {
		if why := gone[i]; why != "" {
			m.dropped[why]++
		} else {
			left = append(left, e)
		}
	}
	m.all = append(left, e)
	return wsconn.OK
}

// TestPoliciesModel compares the queue with the model in random series of operations: pushes of all classes, whole frames
// and parts, with and without delays, writes that begin, end anywhere, and are under way meanwhile, answers, notices,
// delays that end. It is one goroutine's work, in which the race detector has nothing to find and takes ten times as
// long: a quarter of the series then.
func TestPoliciesModel(t *testing.T) {
	series := uint64(400)
	if raceEnabled {
		series = 100
	}
	for seed := range series {
		rnd := rand.New(rand.NewPCG(seed, 7))
		m := &model{frames: 1 + rnd.IntN(70), bytes: 200 + rnd.IntN(10000), dropped: map[string]uint64{}}
		long := 200
		if seed%5 == 0 {
			long, m.bytes = 4000, 10000+rnd.IntN(100000)
		}
		q := wsconn.NewBoundedQueue(m.frames, m.bytes)
		classes := []wsconn.Class{disconnect, dropOldest, dropNewest, latest(1), latest(2), latest(3), latest(70000)}
		rnd.Shuffle(len(classes), func(i, j int) { classes[i], classes[j] = classes[j], classes[i] })
		classes = classes[:1+rnd.IntN(len(classes))] // some mixtures, not always all
		parts := []int{0, 50, 90, 100}[rnd.IntN(4)]  // in a hundred
		waits := []int{0, 50, 90, 99}[rnd.IntN(4)]
		type wait struct {
			wsconn.Waiting
			number int
		}
		var pending []wait
		check := func(i int, e entry, got, want wsconn.Result) {
			t.Helper()
			if got != want {
				t.Fatalf("seed %d, %d: %v, want %v", seed, i, got, want)
			}
			now, later := m.told(e, want)
			gotNow, gotLater, w := q.Told()
			if gotNow != now || gotLater != later {
				t.Fatalf("seed %d, %d: told %v, %d; want %v, %d", seed, i, gotNow, gotLater, now, later)
			}
			if later > 0 {
				pending = append(pending, wait{w, m.waits})
			}
			if want == wsconn.Overflow {
				q.Reopen()
			}
		}
		for i := range 1000 {
			e := entry{class: disconnect, text: fmt.Sprintf("%d %s", i, strings.Repeat("x", rnd.IntN(long))), part: rnd.IntN(100) < parts}
			op := rnd.IntN(20)
			if op < 14 {
				e.class = classes[rnd.IntN(len(classes))]
				if rnd.IntN(100) < waits {
					e.wait = 1 + rnd.IntN(4)
				}
			}
			e.f = newFrame(e)
			e.size = e.f.Len()
			switch {
			case op < 14:
				want := m.push(e)
				check(i, e, q.Push(e.f, nil), want)
			case op == 14:
				e.answer = true
				want := m.push(e)
				check(i, e, q.Answer(e.f), want)
			case op == 15 && !m.writing:
				at := min(m.off, 1)
				waits := len(m.all) > 0 && m.all[0].notice || len(m.all) > at && m.all[at].notice
				if q.Tell(e.text, e.part) == waits {
					t.Fatalf("seed %d, %d: told %v", seed, i, !waits)
				}
				if !waits {
					e.notice = true
					m.all = slices.Insert(m.all, at, e)
				}
			case m.writing:
				out, _ := m.join()
				n := -m.off
				for _, e := range out {
					n += e.size
				}
				if rnd.IntN(3) > 0 {
					n = rnd.IntN(n + 1)
				}
				frames, notice := m.written(n)
				if gotFrames, gotNotice := q.EndWrite(n); gotFrames != frames || gotNotice != notice {
					t.Fatalf("seed %d, %d: %d frames written, notice %v; want %d, %v", seed, i, gotFrames, gotNotice, frames, notice)
				}
				m.writing = false
				m.scheduled = len(m.all) > 0
			case m.scheduled && len(m.all) > 0:
				held, out := q.BeginWrite()
				m.held, m.writing = held, true
				want, _ := m.join()
				if !slices.EqualFunc(out, want, func(f *wsconn.Frame, e entry) bool { return string(f.Payload()) == e.text }) {
					t.Fatalf("seed %d, %d: writes %d frames, not %d, or others", seed, i, len(out), len(want))
				}
			case len(pending) > 0:
				at := rnd.IntN(len(pending))
				want := m.waiting && pending[at].number == m.waits
				if pending[at].Due() != want {
					t.Fatalf("seed %d, %d: due %v", seed, i, !want)
				}
				if want {
					m.schedule()
				}
				pending = slices.Delete(pending, at, at+1)
			}
			m.compare(t, q, fmt.Sprintf("seed %d, %d", seed, i))
		}
		lost := 0
		for _, e := range m.all {
			lost += e.counts()
		}
		if got := q.Discard(); got != lost {
			t.Fatalf("seed %d: %d discarded, want %d", seed, got, lost)
		}
	}
}

func (m *model) compare(t *testing.T, q *wsconn.Queue, when string) {
	t.Helper()
	all, off := q.Frames()
	if len(all) != len(m.all) || off != m.off {
		t.Fatalf("%s: %d frames, %d written; want %d, %d", when, len(all), off, len(m.all), m.off)
	}
	for j, f := range all {
		if string(f.Payload()) != m.all[j].text {
			t.Fatalf("%s: frame %d is %.20q, want %.20q", when, j, f.Payload(), m.all[j].text)
		}
	}
	if n, size := q.Len(); n != len(m.all) || size != m.size() || n > m.frames+1 {
		t.Fatalf("%s: %d frames, %d bytes; want %d, %d", when, n, size, len(m.all), m.size())
	}
	if dropped, _ := q.Dropped(); !maps.Equal(dropped, m.dropped) {
		t.Fatalf("%s: dropped %v, want %v", when, dropped, m.dropped)
	}
	if q.Scheduled() != m.scheduled {
		t.Fatalf("%s: scheduled %v", when, !m.scheduled)
	}
}
