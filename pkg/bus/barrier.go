package bus

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// flight is the barrier in flight: questions to every known server, on the
// connection that carries the interests and behind their SUBs. A route keeps
// interest and messages of an account in order, so the answer of another
// server proves that they are in force there.
type flight struct {
	active   bool
	joining  bool
	left     int
	asked    []string // server ids; empty once answered
	deadline time.Time
	batch    []*interest
	waiters  []func(error)
}

func (c *control) syncSubject(server string) string { return c.o.subjects.prefix + ".sync." + server }
func (c *control) nodesSubject() string             { return c.o.subjects.prefix + ".nodes" }

// Clients ask the same below api: who asks there is answered and never believed,
// so backends need no right to publish where nodes say who they are.
func (c *control) apiSyncSubject(server string) string {
	return c.o.subjects.prefix + ".api.sync." + server
}
func (c *control) apiNodesSubject() string { return c.o.subjects.prefix + ".api.nodes" }

// begin starts a barrier when there is need of one and none is in flight.
func (c *control) begin() {
	if c.nc == nil || c.flight.active {
		return
	}
	switch c.phase {
	case phaseAway, phaseDiscovering:
		return
	case phaseJoining, phaseRestoring:
	case phaseReady:
		if len(c.queue) == 0 && len(c.waiters) == 0 && len(c.gone) == 0 {
			return
		}
	}
	c.begun++
	c.flight = flight{active: true, joining: c.phase == phaseJoining, deadline: time.Now().Add(c.o.BarrierTimeout)}
	if !c.flight.joining {
		c.subscribeBatch()
	}
	// Whoever waited over a lost connection joins the first barrier after the
	// restore.
	if c.phase == phaseReady || (len(c.queue) == 0 && !c.flight.joining) {
		c.flight.waiters = c.waiters
		c.waiters = nil
	}
	c.ask()
}

// subscribeBatch issues the SUBs of the next interests in the queue.
func (c *control) subscribeBatch() {
	n := min(len(c.queue), batchSize)
	for _, in := range c.queue[:n] {
		if in.refs == 0 && len(in.waiters) == 0 {
			c.forget(in) // given back while it waited
			continue
		}
		in.state = interestPending
		if err := c.subscribe(in); err != nil && !c.nc.IsClosed() {
			// Subjects are checked before they come here, so this is a limit of
			// the account or a bug; nobody may wait for it for ever.
			c.log.Error().Err(err).Str("subject", in.subject).Msg("interest refused by nats")
			for _, done := range in.waiters {
				done(err)
			}
			in.waiters = nil
			c.forget(in)
			continue
		}
		c.flight.batch = append(c.flight.batch, in)
	}
	c.queue = cutFront(c.queue, n)
}

// ask sends the questions. Each says who asks, so that who is asked knows the
// asker's server before it answers.
func (c *control) ask() {
	b, subject := beat{c.o.node, c.serverID}, c.syncSubject
	if c.o.node == "" {
		b, subject = beat{}, c.apiSyncSubject
	}
	body := b.append(c.scratch[:0])
	c.scratch = body
	var err error
	if c.o.node == "" {
		// A client's own server may have no node that answers. What comes back
		// to the client itself has passed through that server behind its SUBs.
		err = c.nc.Publish(c.question(c.serverID), body)
	}
	for server := range c.peers {
		reply := c.question(server)
		switch {
		case err != nil:
		case server == c.serverID && c.o.node != "":
			// A node's own server is proven by what comes back to the node itself. Its
			// question could be given to another node there, which may stand still.
			err = c.nc.Publish(reply, body)
		default:
			err = c.nc.PublishRequest(subject(server), reply, body)
		}
	}
	if err != nil {
		// The connection is lost; down voids this barrier.
		c.log.Debug().Err(err).Msg("barrier on a lost connection")
		return
	}
	if c.flight.left == 0 {
		c.complete() // even the own server was passed over
	}
}

// question notes a server that is asked and returns where its answer goes.
func (c *control) question(server string) string {
	reply := c.inbox + ".b." + strconv.FormatUint(c.begun, 10) + "-" + strconv.Itoa(len(c.flight.asked))
	c.flight.asked = append(c.flight.asked, server)
	c.flight.left++
	return reply
}

// answer takes one server's answer, or the 503 that strikes it off.
func (c *control) answer(token string, m *nats.Msg) {
	number, index, ok := strings.Cut(token, "-")
	if !ok {
		return
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || !c.flight.active || n != c.begun {
		return
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(c.flight.asked) || c.flight.asked[i] == "" {
		return
	}
	if isNoResponders(m) {
		delete(c.peers, c.flight.asked[i])
		c.stats.struckOff.Add(1)
	}
	c.flight.asked[i] = ""
	if c.flight.left--; c.flight.left == 0 {
		c.complete()
	}
}

// passOver gives up on the servers that stay silent: availability goes before
// the promise, and the promise says so. They are asked again after their next
// heartbeat.
func (c *control) passOver() {
	for _, server := range c.flight.asked {
		if server == "" {
			continue
		}
		delete(c.peers, server)
		c.stats.passedOver.Add(1)
		c.log.Warn().Str("server_id", server).Stringer("timeout", c.o.BarrierTimeout).Msg("barrier passed over a silent server")
	}
	c.complete()
}

// complete ends the barrier in flight.
func (c *control) complete() {
	f := c.flight
	c.flight = flight{}
	c.stats.barrierTime.Observe(int64(time.Since(f.deadline) + c.o.BarrierTimeout))
	c.stats.barriers.Add(1)
	for _, in := range f.batch {
		c.confirm(in)
	}
	c.settleGone(c.begun)
	switch c.phase {
	case phaseJoining:
		c.phase = phaseRestoring
	case phaseRestoring:
		if len(c.queue) == 0 {
			c.becomeReady()
		}
	case phaseAway, phaseDiscovering, phaseReady:
	}
	for _, done := range f.waiters {
		done(nil)
	}
}

// message takes a question, a heartbeat, or an answer.
func (c *control) message(m *nats.Msg) {
	if c.nc == nil {
		return
	}
	if token, ok := strings.CutPrefix(m.Subject, c.inbox+".b."); ok {
		if token == "hello" {
			c.meet(m)
		} else {
			c.answer(token, m)
		}
		return
	}
	if m.Subject == c.nodesSubject() {
		b, ok := c.meet(m)
		if ok && m.Reply == "" && b.node == c.o.node {
			c.returned()
		}
		if ok && m.Reply != "" && c.o.node != "" && b.node != c.o.node && !c.leaving {
			c.heartbeat(m.Reply)
		}
		return
	}
	if m.Subject == c.apiNodesSubject() || m.Subject == c.apiSyncSubject(c.serverID) {
		if m.Reply != "" && c.nc.IsConnected() && (!c.leaving || m.Subject != c.apiNodesSubject()) {
			c.heartbeat(m.Reply)
		}
		return
	}
	// A question. It may be an old connection's, for a server that this one is
	// not connected to.
	if m.Subject != c.syncSubject(c.serverID) || m.Reply == "" || !c.nc.IsConnected() {
		return
	}
	if _, ok := c.meet(m); ok {
		c.heartbeat(m.Reply)
	}
}

// meet adds the server that a beat names to those that barriers ask.
func (c *control) meet(m *nats.Msg) (beat, bool) {
	if isNoResponders(m) {
		return beat{}, false
	}
	b, ok := parseBeat(m.Data)
	if !ok {
		c.stats.badBeats.Add(1)
		return beat{}, false
	}
	if b.server != "" && len(c.peers) < maxPeers {
		c.peers[b.server] = struct{}{}
	}
	if b.node != "" && b.node != c.o.node && c.known.heardOf(b.node, time.Now(), c.forgetNodes()) && c.phase == phaseReady && c.o.joined != nil {
		c.o.joined(b.node)
	}
	return b, true
}

// hello asks every node to say who it is.
func (c *control) hello() {
	b, subject := beat{c.o.node, c.serverID}, c.nodesSubject()
	if c.o.node == "" {
		b, subject = beat{}, c.apiNodesSubject()
	}
	c.scratch = b.append(c.scratch[:0])
	if err := c.nc.PublishRequest(subject, c.inbox+".b.hello", c.scratch); err != nil {
		c.log.Debug().Err(err).Msg("hello on a lost connection")
	}
}

// heartbeat says who this node is, to everyone or to one who asks.
func (c *control) heartbeat(to string) {
	if to == "" {
		to = c.nodesSubject()
	}
	// A stranger may have chosen it: a control line that is too long would end
	// the connection.
	if len(to) > MaxSubject || !goodLevels(to, true) {
		c.stats.badBeats.Add(1)
		return
	}
	c.scratch = beat{c.o.node, c.serverID}.append(c.scratch[:0])
	if err := c.nc.Publish(to, c.scratch); err != nil {
		c.log.Debug().Err(err).Msg("heartbeat on a lost connection")
	}
}

// isNoResponders recognises the server's own answer for a subject that nobody
// takes.
func isNoResponders(m *nats.Msg) bool {
	if len(m.Data) != 0 || m.Header == nil {
		return false
	}
	status := m.Header["Status"]
	return len(status) == 1 && status[0] == "503"
}
