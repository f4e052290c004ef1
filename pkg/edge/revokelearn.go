package edge

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// A node that starts, or was cut off, has missed revocations. It asks the others
// before it takes clients, and asks who joins later: one of both has been cut off
// then. On hoshi.node.<node-id>.revoked, where nodes alone may publish, they say in
// the header Hoshi-Tab
//
//	known NODE DIGEST   a question: that node knows what has this digest
//	told NODE           the body is some of what has been revoked
//	end NODE            the same, and that was all, or the digest is that of the asked
//
// and in the body a line for each (revokelines.go). Who is told a thing twice is
// none the wiser. One is asked first and then the rest, so that a large
// set comes once: the others have the same, mostly.

// learning is what learn has to do. Guarded by revoker.mu.
type learning struct {
	nodes []string            // to be asked
	then  []func()            // to be called afterwards
	waits map[string]struct{} // asked, and not done
	done  chan struct{}       // closed when waits is empty
	heard uint64              // messages of those who were asked

	up    bool   // the bus is
	times uint64 // that has changed so often
}

// How long the first of the nodes that are asked may say nothing, and then the rest;
// and how long each of the two may take in all.
const (
	learnFirst = 300 * time.Millisecond
	learnRest  = 700 * time.Millisecond
	learnMost  = 5 * time.Second
)

// state follows the bus, on its control goroutine: the node becomes ready when it
// has asked what it has missed.
func (r *revoker) state(up bool) {
	n := r.node
	r.mu.Lock()
	r.mu.times++
	r.mu.up = up
	n.ready.Store(false)
	r.mu.Unlock()
	if up && n.connected.Load() {
		r.learnToBeReady(nil)
	}
}

// joined asks a node that was not known, on the control goroutine of the bus.
func (n *Node) joined(node string) {
	if n.connected.Load() {
		n.revoker.learnFrom([]string{node}, nil)
	}
}

// learnFirst is the first time, for Start: it returns when the node has asked.
func (n *Node) learnFirst(ctx context.Context) error {
	done := make(chan struct{})
	n.revoker.learnToBeReady(func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// learnToBeReady asks all the other nodes, and then lets clients in, unless NATS
// has gone away meanwhile. fn, which may be nil, is called in any case. Any
// goroutine.
func (r *revoker) learnToBeReady(fn func()) {
	n := r.node
	r.mu.Lock()
	times := r.mu.times
	r.mu.Unlock()
	r.learnFrom(n.bus.Others(), func() {
		r.mu.Lock()
		is := r.mu.up && r.mu.times == times
		if is {
			n.ready.Store(true)
		}
		r.mu.Unlock()
		if is {
			n.log.Info().Msg("nats is connected, node is ready")
		}
		if fn != nil {
			fn()
		}
	})
}

// learnFrom has nodes asked what has been revoked, and then fn, which may be nil,
// called on the goroutine of learn; within a second if they are silent. Any
// goroutine.
func (r *revoker) learnFrom(nodes []string, fn func()) {
	r.mu.Lock()
	r.mu.nodes = append(r.mu.nodes, nodes...)
	if fn != nil {
		r.mu.then = append(r.mu.then, fn)
	}
	r.mu.Unlock()
	wakeUp(r.ask)
}

// learn asks.
func (r *revoker) learn() {
	for {
		select {
		case <-r.ask:
		case <-r.quit:
			return
		}
		r.mu.Lock()
		nodes, then := r.mu.nodes, r.mu.then
		r.mu.nodes, r.mu.then = nil, nil
		r.mu.Unlock()
		if len(nodes) > 1 {
			r.askAll(nodes[:1], learnFirst)
			nodes = nodes[1:]
			r.askAll(nodes, learnRest)
		} else {
			r.askAll(nodes, learnFirst+learnRest)
		}
		for _, fn := range then {
			fn()
		}
	}
}

// askAll asks some nodes, and waits until they have answered.
func (r *revoker) askAll(nodes []string, limit time.Duration) {
	if len(nodes) == 0 {
		return
	}
	done := make(chan struct{})
	r.mu.Lock()
	r.mu.waits, r.mu.done, r.mu.heard = map[string]struct{}{}, done, 0
	for _, node := range nodes {
		r.mu.waits[node] = struct{}{}
	}
	r.mu.Unlock()
	_, digest := r.known(0)
	question := "known " + r.node.opts.ID.String() + " " + strconv.FormatUint(digest, 16)
	for _, node := range nodes {
		r.say(node, question, nil)
	}
	r.await(done, limit)
	r.mu.Lock()
	silent := len(r.mu.waits)
	r.mu.waits, r.mu.done = nil, nil
	r.mu.Unlock()
	if silent > 0 {
		r.counts.unanswered.Add(uint64(silent))
		r.log.Warn().Int("nodes", silent).Msg("nodes have not said what has been revoked")
	}
}

// await returns when done is closed, nothing new has come for so long, or all of it
// takes too long.
func (r *revoker) await(done <-chan struct{}, limit time.Duration) {
	last := uint64(0)
	for end := time.Now().Add(learnMost); time.Now().Before(end); {
		timer := time.NewTimer(limit)
		select {
		case <-done:
		case <-timer.C:
			r.mu.Lock()
			heard := r.mu.heard
			r.mu.Unlock()
			if heard != last {
				last = heard
				continue
			}
		case <-r.quit:
		}
		timer.Stop()
		return
	}
}

// answered notes that a node has said all.
func (r *revoker) answered(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, is := r.mu.waits[node]; !is {
		return
	}
	delete(r.mu.waits, node)
	if len(r.mu.waits) == 0 {
		close(r.mu.done)
	}
}

// say tells another node something. It waits while the bus has no room.
func (r *revoker) say(node, what string, body []byte) bool {
	n := r.node
	out := &bus.Outgoing{Subject: n.bus.Subjects().NodeRevoked(node), Tab: what, Body: body, Format: codec.EDN}
	for {
		err := n.bus.Publish(out)
		switch {
		case err == nil:
			return true
		case !errors.Is(err, bus.ErrFull):
			n.counts.lostEvent(reasonOf(err))
			return false
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-r.quit:
			return false
		}
	}
}

// maxTold bounds the body of one message, in bytes, and NATS's own limit does.
const maxTold = 64 << 10

// known returns what has been revoked, in bodies of at most size bytes, but for
// lines that are longer, and the digest of all. No size: the digest alone.
func (r *revoker) known(size int) (bodies [][]byte, digest uint64) {
	var body, line []byte
	for _, e := range r.set.All(r.node.now()) {
		line = appendEntry(line[:0], &e)
		h := fnv.New64a()
		h.Write(line) //nolint:errcheck // never fails
		digest ^= h.Sum64()
		if size == 0 {
			continue
		}
		if len(body) > 0 && len(body)+len(line) > size {
			bodies = append(bodies, body)
			body = nil
		}
		body = append(body, line...)
	}
	if len(body) > 0 {
		bodies = append(bodies, body)
	}
	return bodies, digest
}

// tell answers a node that knows what has that digest.
func (r *revoker) tell(node string, digest uint64) {
	me := r.node.opts.ID.String()
	bodies, all := r.known(min(maxTold, max(r.node.bus.MaxPayload()/2, 1024)))
	if all == digest || len(bodies) == 0 {
		r.say(node, "end "+me, nil)
		return
	}
	for i, body := range bodies {
		verb := "told "
		if i == len(bodies)-1 {
			verb = "end "
		}
		if !r.say(node, verb+me, body) {
			return
		}
	}
}

// revocationMessage takes what another node says. It runs on the goroutine of the
// shard.
func (n *Node) revocationMessage(m *bus.Message) {
	r := n.revoker
	verb, arg, _ := strings.Cut(m.Tab, " ")
	node, digest, _ := strings.Cut(arg, " ")
	j := job{}
	ok := isNode(node)
	switch verb {
	case "known":
		var err error
		j.tell = node
		j.digest, err = strconv.ParseUint(digest, 16, 64)
		ok = ok && err == nil
	case "told", "end":
		if verb == "end" {
			j.from = node
		}
		var good bool
		j.learned, good = parseEntries(m.Body, n.now())
		if !good { // what could be read counts
			r.counts.malformed.Add(1)
			r.log.Warn().Msg("a node has told of malformed revocations")
		}
	default:
		ok = false
	}
	if !ok || !r.put(j) {
		r.counts.malformed.Add(1)
	}
}

// isNode reports whether s is the text of a node-id.
func isNode(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789abcdef") == ""
}

// learnt remembers what another node has told of, and ends whom it means.
func (r *revoker) learnt(j *job) {
	now := r.node.now()
	full := 0
	for i := range j.learned {
		if r.set.Add(j.learned[i], now) != nil {
			full++
		}
	}
	if full > 0 {
		r.counts.full.Add(uint64(full))
		r.log.Error().Int("revocations", full).Msg("no room for revocations that other nodes know")
	}
	r.counts.learned.Add(uint64(len(j.learned)))
	closed := 0
	for _, k := range r.carryOut(j.learned) {
		closed += k
	}
	if closed > 0 {
		if e := r.node.security.line(secRevoked, "learned"); e != nil {
			e.Int("closed", closed).Msg(msgCarried)
		}
	}
	r.mu.Lock()
	r.mu.heard++
	r.mu.Unlock()
	if j.from != "" {
		r.answered(j.from)
	}
}
