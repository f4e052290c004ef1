package book

import (
	"slices"
	"time"
)

// Scope says whom a fault concerns, a bit for each node or server.
type Scope struct {
	// Nodes whose subscribers may miss something, and what is published through
	// which may be lost; Servers, of NATS, the same for their publishers.
	Nodes, Servers uint32
	// Cut are nodes that may lose their clients, CutRelayed those whose clients
	// may lose their connection where it leads through a relay, and CutTabs those
	// that may lose tabs of Sente, which are taken for dead sooner than others.
	Cut, CutRelayed, CutTabs uint32
	// Late says that the fault may keep what is published through these nodes and
	// servers, and let it go after what was published later.
	Late bool
}

// Slack is how far before a fault a message may have been published that it
// caught under way.
const Slack = time.Second

// Window is a fault and what it may cost. Fields are guarded by the book.
type Window struct {
	Name   string
	Scope  Scope
	From   time.Duration
	To     time.Duration // 0 while it lasts
	Lost   int           // messages, each for one subscriber
	Late   int           // messages that came out of order, each for one subscriber
	Cuts   int           // connections that ended
	Denied int           // connections that were not to be had
}

func (w *Window) covers(at time.Duration) bool {
	return at >= w.From-Slack && (w.To == 0 || at <= w.To)
}

// moves says whether the fault may cost a tab that goes from node to node something.
func (w *Window) moves() bool { return w.Scope.Nodes|w.Scope.Cut != 0 }

// Begin opens a window at this moment.
func (b *Book) Begin(name string, s Scope) *Window {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &Window{Name: name, Scope: s, From: b.Now()}
	b.mu.windows = append(b.mu.windows, w)
	return w
}

// End closes a window at this moment.
func (b *Book) End(w *Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.To = b.Now()
}

// Windows returns copies of all windows so far.
func (b *Book) Windows() []Window {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Window, 0, len(b.mu.windows))
	for _, w := range b.mu.windows {
		list = append(list, *w)
	}
	return list
}

// findLocked returns the newest window that covers a moment and is of use, or nil. The
// caller holds the lock.
func (b *Book) findLocked(at time.Duration, of func(*Window) bool) *Window {
	for _, w := range slices.Backward(b.mu.windows) {
		if w.covers(at) && of(w) {
			return w
		}
	}
	return nil
}

// tabsSettle is how long after a fault with CutTabs a tab may still be taken for
// dead: TCP tries again as late as that, and what it has to say comes no sooner.
const tabsSettle = 20 * time.Second

// deadTabLocked returns the newest window in which, or soon after which, tabs of a
// node may be taken for dead. The caller holds the lock.
func (b *Book) deadTabLocked(at time.Duration, nodes uint32) *Window {
	for _, w := range slices.Backward(b.mu.windows) {
		if w.Scope.CutTabs&nodes != 0 && at >= w.From && (w.To == 0 || at <= w.To+tabsSettle) {
			return w
		}
	}
	return nil
}

// overlapsLocked says whether there was any fault in a span of time.
func (b *Book) overlapsLocked(from, to time.Duration) bool {
	for _, w := range slices.Backward(b.mu.windows) {
		if w.From-Slack <= to && (w.To == 0 || w.To >= from) {
			return true
		}
	}
	return false
}
