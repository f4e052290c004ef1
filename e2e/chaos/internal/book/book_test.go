package book_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
)

// play is a run of two publishers, at node 0 and at NATS server 1, and a listener
// at node 2.
type play struct {
	*book.Book
	node, nats *book.Speaker
	l          *book.Listener
}

func newPlay() *play {
	b := book.New(2)
	p := &play{Book: b, node: b.Speaker("node", 0, -1), nats: b.Speaker("nats", -1, 1)}
	p.node.Say(0) // before anybody listens
	p.l = b.Listen("listener", 2, true, 0, 1)
	return p
}

// heard publishes, and lets the listener hear it.
func (p *play) heard(s *book.Speaker, topic int) { p.l.Hear(s.Number, topic, s.Say(topic)) }

var errEnd = errors.New("EOF")

func TestBook(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *play)
		want map[string]int // what is wrong
		lost int            // in windows
	}{
		{name: "all is heard", do: func(p *play) {
			p.heard(p.node, 0)
			p.heard(p.nats, 0)
			p.heard(p.node, 1)
			p.l.End(0)
		}},
		{name: "what is said before the subscribe is nobody's", do: func(p *play) {
			p.l.Hear(p.node.Number, 0, 0)
			p.heard(p.node, 0)
			p.l.End(0)
		}},
		{name: "a gap", do: func(p *play) {
			p.heard(p.node, 0)
			p.node.Say(0)
			p.heard(p.node, 0)
		}, want: map[string]int{"lost": 1}},
		{name: "the first", do: func(p *play) {
			p.node.Say(0)
			p.node.Say(0)
			p.heard(p.node, 0)
		}, want: map[string]int{"lost": 2}},
		{name: "the last", do: func(p *play) {
			p.heard(p.node, 0)
			p.node.Say(0)
			p.l.End(0)
		}, want: map[string]int{"lost": 1}},
		{name: "nothing at all", do: func(p *play) {
			p.nats.Say(1)
			p.l.End(0)
		}, want: map[string]int{"lost": 1}},
		{name: "the last may still come", do: func(p *play) {
			p.heard(p.node, 0)
			p.node.Say(0)
			p.l.End(book.Slack)
		}},
		{name: "twice", do: func(p *play) {
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, 1)
		}, want: map[string]int{"doubled": 1}},
		{name: "late", do: func(p *play) {
			p.heard(p.node, 0)
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, 1)
		}, want: map[string]int{"out of order": 1}},
		{name: "of nobody", do: func(p *play) {
			p.l.Hear(7, 0, 0)
			p.l.Hear(0, 0, 9)
			p.l.Hear(0, 5, 0)
		}, want: map[string]int{"garbage": 3}},
		{name: "a refused one is not lost", do: func(p *play) {
			p.heard(p.node, 0)
			p.node.Say(0)
			p.node.Refused(0)
			p.heard(p.node, 0)
			p.l.End(0)
		}},
		{name: "an unanswered one may be", do: func(p *play) {
			p.heard(p.node, 0)
			p.node.Say(0)
			p.node.Unsure(0)
			p.l.End(0)
		}},
		{name: "a fault of the publisher's node", do: func(p *play) {
			p.heard(p.node, 0)
			w := p.Begin("fault", book.Scope{Nodes: 1 << 0})
			p.node.Say(0)
			p.End(w)
			p.heard(p.node, 0)
		}, lost: 1},
		{name: "a fault of the listener's node", do: func(p *play) {
			p.heard(p.nats, 0)
			p.Begin("fault", book.Scope{Nodes: 1 << 2})
			p.nats.Say(0)
			p.heard(p.nats, 0)
		}, lost: 1},
		{name: "a fault of the publisher's server", do: func(p *play) {
			p.Begin("fault", book.Scope{Servers: 1 << 1})
			p.nats.Say(0)
			p.l.End(0)
		}, lost: 1},
		{name: "a fault of others", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1 << 1, Servers: 1 << 0, Cut: 7, CutRelayed: 7})
			p.heard(p.node, 0)
			p.node.Say(0)
			p.nats.Say(0)
			p.heard(p.node, 0)
			p.heard(p.nats, 0)
		}, want: map[string]int{"lost": 2}},
		{name: "late, of a fault that keeps messages", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1, Late: true})
			p.heard(p.node, 0)
			n := p.node.Say(0)
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, n)
			p.heard(p.node, 0)
		}},
		{name: "late, of before the subscribe", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1, Late: true})
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, 0)
			p.heard(p.node, 0)
			p.l.End(0)
		}},
		{name: "late twice, of before the subscribe", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1, Late: true})
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, 0)
			p.l.Hear(p.node.Number, 0, 0)
		}, want: map[string]int{"out of order": 1}},
		{name: "late twice", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1, Late: true})
			p.heard(p.node, 0)
			n := p.node.Say(0)
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, n)
			p.l.Hear(p.node.Number, 0, n)
		}, want: map[string]int{"out of order": 1}},
		{name: "late, of a fault of the listener", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1 << 2, Late: true})
			n := p.node.Say(0)
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, n)
		}, want: map[string]int{"out of order": 1}, lost: 1},
		{name: "late, of a fault that keeps nothing", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 1})
			n := p.node.Say(0)
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, n)
		}, want: map[string]int{"out of order": 1}, lost: 1},
		{name: "twice is never right", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 7, Servers: 7, Cut: 7})
			p.heard(p.node, 0)
			p.l.Hear(p.node.Number, 0, 1)
		}, want: map[string]int{"doubled": 1}},
		{name: "connections end without a fault", do: func(p *play) {
			p.l.Cut(errEnd)
			p.Cut("publisher", 0, false, errEnd)
		}, want: map[string]int{"cut": 2}},
		{name: "connections end with one", do: func(p *play) {
			p.Begin("fault", book.Scope{Cut: 1 << 0, CutRelayed: 1 << 2})
			p.l.Cut(errEnd)
			p.Cut("publisher", 0, false, errEnd)
			p.Denied("new", 2, true, p.Now(), errEnd)
		}},
		{name: "a tab is taken for dead, another client is not", do: func(p *play) {
			p.Begin("fault", book.Scope{CutTabs: 1 << 0})
			p.CutTab("tab", 0, errEnd)
			p.CutTab("tab elsewhere", 1, errEnd)
			p.Cut("client", 0, false, errEnd)
		}, want: map[string]int{"cut": 2}},
		{name: "connections that the fault leaves alone", do: func(p *play) {
			p.Begin("fault", book.Scope{Nodes: 7, Servers: 7, CutRelayed: 1})
			p.l.Cut(errEnd)
			p.Cut("direct", 0, false, errEnd)
		}, want: map[string]int{"cut": 2}},
		{name: "connections that are not to be had", do: func(p *play) {
			p.Denied("early", 0, false, p.Now(), errEnd)
			began := p.Now()
			p.End(p.Begin("fault", book.Scope{Nodes: 1}))
			p.Denied("held up", 0, false, began, errEnd)
			p.Denied("of another node", 1, false, began, errEnd)
		}, want: map[string]int{"denied": 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay()
			tt.do(p)
			got, words := p.Failures()
			if !maps.Equal(got, tt.want) {
				t.Errorf("wrong: %v, want %v; %q", got, tt.want, words)
			}
			lost := 0
			for _, w := range p.Windows() {
				lost += w.Lost
			}
			if lost != tt.lost {
				t.Errorf("%d lost in windows, want %d", lost, tt.lost)
			}
		})
	}
}

// A tab that goes from node to node may lose something in a fault of any of them,
// and hear something twice; without one it may not.
func TestRoam(t *testing.T) {
	for _, tt := range []struct {
		name  string
		scope book.Scope
		want  map[string]int
	}{
		{name: "no fault of a node", scope: book.Scope{Servers: 1, CutRelayed: 7}, want: map[string]int{"lost": 1, "doubled": 1}},
		{name: "a node", scope: book.Scope{Nodes: 1 << 2}},
		{name: "a node that ends", scope: book.Scope{Cut: 1 << 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay()
			l := p.Roam("tab", 1)
			p.Begin("fault", tt.scope)
			l.Hear(p.nats.Number, 1, p.nats.Say(1))
			p.nats.Say(1)
			n := p.nats.Say(1)
			l.Hear(p.nats.Number, 1, n)
			l.Hear(p.nats.Number, 1, n)
			l.End(0)
			if got, words := p.Failures(); !maps.Equal(got, tt.want) {
				t.Errorf("wrong: %v, want %v; %q", got, tt.want, words)
			}
		})
	}
}

func TestBehind(t *testing.T) {
	p := newPlay()
	if p.l.Behind() {
		t.Error("behind with nothing said")
	}
	n := p.nats.Say(1)
	if !p.l.Behind() {
		t.Error("not behind")
	}
	p.l.Hear(p.nats.Number, 1, n)
	if p.l.Behind() {
		t.Error("behind with all heard")
	}
	p.l.End(0)
	if got := p.Totals(); got.Published != 2 || got.Heard != 1 || got.Listeners != 1 {
		t.Errorf("totals %+v", got)
	}
}
