package edge

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// asks are the asks of backends that this node has passed on to connections and
// whose answers it gathers. Shards begin them, loops bring answers, and what
// comes first ends them: the last answer, the last connection, or the time, for
// which one timer serves them all.
//
// What is said to who asks is handed to the bus under the lock, which keeps its
// order: how many were asked, answers, the end. That never blocks.
type asks struct {
	// Fixed after Start.
	node              *Node
	maxAsks, maxConns int

	counts askCounts

	mu struct {
		sync.Mutex
		byID  map[string]*ask
		of    map[*session]*askedConn // what each session is asked, linked by next
		conns int                     // room taken by all of them
		next  time.Time
		timer *time.Timer // runs until next while there is an ask
	}
}

// ask is one of them. Guarded by asks.mu, but for what is fixed.
type ask struct {
	// Fixed.
	id       string // the callback of its frames, as plain text
	callback []byte // the same
	replyTo  string
	deadline time.Time

	conns    []askedConn // has room for all from the start: pointers into it stay good
	left     int         // have neither answered nor closed
	asked    int
	answered int
	said     bool            // the number of asked: from now on answers may be passed on
	early    []*bus.Outgoing // answers from before
	over     bool
}

// askedConn is one connection of one ask.
type askedConn struct {
	session  *session // nil where it has closed, or was never sent the frame
	ask      *ask
	next     *askedConn // of the same session
	answered bool
}

// Keywords of asks: what a backend is told where there is no room, and the
// :error of a client's answer that is not taken.
const (
	tooManyAsks = ":too-many-asks"
	notAsked    = ":not-asked"
)

// releaseStep is how many connections are let go of under one hold of the lock,
// for which loops may wait.
const releaseStep = 1024

func newAsks(n *Node) *asks {
	a := &asks{node: n, maxAsks: n.opts.MaxAsks, maxConns: n.opts.MaxAsked}
	a.mu.byID, a.mu.of = map[string]*ask{}, map[*session]*askedConn{}
	return a
}

// begin makes room for an ask of at most conns connections; nil where there is
// none, and then who asks has been told.
func (a *asks) begin(m *bus.Message, conns int) *ask {
	// The callback tells nothing and cannot be guessed: 130 random bits.
	k := &ask{id: "ask-" + strings.ToLower(rand.Text()), replyTo: m.ReplyTo, deadline: a.node.now().Add(m.Ask)}
	a.mu.Lock()
	full := -1
	switch {
	case len(a.mu.byID) >= a.maxAsks:
		full = askRefusedAsks
	case a.mu.conns+conns > a.maxConns:
		full = askRefusedConns
	default:
		a.mu.byID[k.id] = k
		a.mu.conns += conns
		a.armLocked(k.deadline)
	}
	a.mu.Unlock()
	if full >= 0 {
		a.counts.refused[full].Add(1)
		a.node.badPush.Warn().Str("subject", m.Subject).Str("reason", askRefusedNames[full]).Msg("ask refused")
		a.node.bus.ReplyError(m.ReplyTo, tooManyAsks)
		return nil
	}
	k.callback = []byte(k.id)
	k.conns = make([]askedConn, 0, conns)
	return k
}

// join adds a connection, before it can answer; nil where the time is over.
func (a *asks) join(k *ask, s *session) *askedConn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k.over {
		return nil
	}
	k.conns = append(k.conns, askedConn{session: s, ask: k, next: a.mu.of[s]})
	c := &k.conns[len(k.conns)-1]
	a.mu.of[s] = c
	k.asked++
	k.left++
	return c
}

// withdraw takes back a join: the connection was not sent the frame.
func (a *asks) withdraw(c *askedConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.ask.asked--
	if c.session == nil {
		return // it has closed meanwhile, and is not waited for any more
	}
	a.unlinkLocked(c)
	c.ask.left--
}

// unlinkLocked takes c off the list of its session.
func (a *asks) unlinkLocked(c *askedConn) {
	first := a.mu.of[c.session]
	switch {
	case first != c:
		for first.next != c {
			first = first.next
		}
		first.next = c.next
	case c.next != nil:
		a.mu.of[c.session] = c.next
	default:
		delete(a.mu.of, c.session)
	}
	c.next, c.session = nil, nil
}

// sent ends the delivery of an ask: who asks is told how many that reached.
func (a *asks) sent(k *ask) {
	a.mu.Lock()
	if k.over { // its time was shorter than the delivery
		a.mu.Unlock()
		return
	}
	a.sayLocked(k)
	if k.left == 0 {
		a.endLocked(k, askEndedComplete)
	}
	over := k.over
	a.mu.Unlock()
	if over {
		a.release(k)
	}
}

// sayLocked says how many connections have been asked, and passes on what they
// have answered already.
func (a *asks) sayLocked(k *ask) {
	if k.said || k.asked == 0 {
		return
	}
	k.said = true
	a.counts.asks.Add(1)
	a.counts.asked.Add(uint64(k.asked))
	a.told(a.node.bus.Asked(k.replyTo, k.asked))
	for _, out := range k.early {
		a.told(a.node.bus.Answer(out))
	}
	k.early = nil
}

// nobody tells who has asked that there is nobody to be asked.
func (a *asks) nobody(replyTo string) {
	a.counts.ended[askEndedNobody].Add(1)
	a.told(a.node.bus.Asked(replyTo, 0))
}

// told counts what the bus has not taken of what is said to who asks.
func (a *asks) told(err error) {
	if err != nil {
		a.counts.lost.Add(1)
	}
}

// askFault is why an answer is not taken. It labels a counter.
type askFault uint8

const (
	answerLate     askFault = iota // or to something that was never asked
	answerNotAsked                 // the connection was not
	answerTwice
)

var askFaultNames = [...]string{answerLate: "late", answerNotAsked: "not-asked", answerTwice: "twice"}

func (f askFault) Error() string { return "answer is " + askFaultNames[f] }

// answer passes on what s answers to the ask with that callback; out needs its
// subject only. The error is an askFault, or what the bus says, and then s may
// try again.
func (a *asks) answer(s *session, id []byte, out *bus.Outgoing) error {
	a.mu.Lock()
	k, err := a.answerLocked(s, id, out)
	over := k != nil && k.over
	a.mu.Unlock()
	if over {
		a.release(k)
	}
	return err
}

func (a *asks) answerLocked(s *session, id []byte, out *bus.Outgoing) (*ask, error) {
	k := a.mu.byID[string(id)]
	if k == nil {
		return nil, answerLate
	}
	c := a.mu.of[s]
	for c != nil && c.ask != k {
		c = c.next
	}
	switch {
	case c == nil:
		return nil, answerNotAsked
	case c.answered:
		return nil, answerTwice
	}
	out.Subject = k.replyTo
	if k.said {
		if err := a.node.bus.Answer(out); err != nil {
			return nil, err
		}
	} else {
		out.Urgent = true // its sender will not be there to wait
		k.early = append(k.early, out)
	}
	c.answered = true
	k.answered++
	a.counts.answers.Add(1)
	a.goneLocked(k)
	return k, nil
}

// goneLocked has one connection less to wait for.
func (a *asks) goneLocked(k *ask) {
	if k.left--; k.left == 0 && k.said {
		a.endLocked(k, askEndedComplete)
	}
}

// leave forgets a connection that has closed.
func (a *asks) leave(s *session) {
	a.mu.Lock()
	var over []*ask
	for c := a.mu.of[s]; c != nil; {
		next := c.next
		c.session, c.next = nil, nil
		if !c.answered && !c.ask.over {
			if a.goneLocked(c.ask); c.ask.over {
				over = append(over, c.ask)
			}
		}
		c = next
	}
	delete(a.mu.of, s)
	a.mu.Unlock()
	for _, k := range over {
		a.release(k)
	}
}

// endLocked ends an ask and says so. Who calls it calls release afterwards,
// without the lock.
func (a *asks) endLocked(k *ask, how int) {
	k.over = true
	delete(a.mu.byID, k.id)
	a.mu.conns -= cap(k.conns)
	if a.sayLocked(k); k.said {
		a.counts.ended[how].Add(1)
		a.told(a.node.bus.Answered(k.replyTo, k.answered))
	} else {
		a.nobody(k.replyTo)
	}
	if len(a.mu.byID) == 0 && a.mu.timer != nil {
		a.mu.timer.Stop()
		a.mu.next = time.Time{}
	}
}

// release takes an ask that is over off the lists of its connections.
func (a *asks) release(k *ask) {
	for i := 0; i < len(k.conns); i += releaseStep {
		a.mu.Lock()
		for j := i; j < min(i+releaseStep, len(k.conns)); j++ {
			if c := &k.conns[j]; c.session != nil {
				a.unlinkLocked(c)
			}
		}
		a.mu.Unlock()
	}
}

// armLocked has the timer run out at t, unless it does so earlier.
func (a *asks) armLocked(t time.Time) {
	if !a.mu.next.IsZero() && !t.Before(a.mu.next) {
		return
	}
	a.mu.next = t
	d := t.Sub(a.node.now())
	if a.mu.timer == nil {
		a.mu.timer = time.AfterFunc(d, a.expire)
		return
	}
	a.mu.timer.Reset(d)
}

// expire ends the asks whose time is over. It runs on the timer's goroutine. It
// looks at all there are, which are few.
func (a *asks) expire() {
	a.mu.Lock()
	a.mu.next = time.Time{}
	now := a.node.now()
	over := a.endAllLocked(askEndedTime, func(k *ask) bool { return !now.Before(k.deadline) })
	var next time.Time
	for _, k := range a.mu.byID {
		if next.IsZero() || k.deadline.Before(next) {
			next = k.deadline
		}
	}
	if !next.IsZero() {
		a.armLocked(next)
	}
	a.mu.Unlock()
	for _, k := range over {
		a.release(k)
	}
}

func (a *asks) endAllLocked(how int, which func(*ask) bool) (over []*ask) {
	for _, k := range a.mu.byID {
		if which(k) {
			a.endLocked(k, how)
			over = append(over, k)
		}
	}
	return over
}

// stop ends all asks. Those who were asked have closed before.
func (a *asks) stop() {
	a.mu.Lock()
	over := a.endAllLocked(askEndedStopped, func(*ask) bool { return true })
	a.mu.Unlock()
	for _, k := range over {
		a.release(k)
	}
}
