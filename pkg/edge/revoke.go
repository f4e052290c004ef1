package edge

import (
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/auth"
	"github.com/hoshi-ws/hoshi/internal/hub"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

// StatusRevoked ends a connection whose token has been revoked: come back with
// another one, of somebody who is still trusted.
const StatusRevoked = wsconn.StatusCode(4403)

// revoked is how such a session ends.
var revoked = ending{StatusRevoked, "token revoked", http.StatusUnauthorized}

// refuseRevoked is the answer to a token that has been revoked.
var refuseRevoked = refuseToken(auth.Refusal(auth.ReasonRevoked))

// maxJobs bounds what waits for the revoker: more is refused.
const maxJobs = 1 << 17

// revoker carries out what administrators ask for. What comes goes into a list, and
// one goroutine, run, takes it off: a thousand revocations cost one walk over the
// sessions. Another one, learn, asks the other nodes what this one has missed.
type revoker struct {
	// Fixed after newRevoker.
	node *Node
	set  *auth.Revocations // of users by their tokens
	here *hub.Table[*person]
	log  zerolog.Logger // at a bounded rate
	wake chan struct{}
	ask  chan struct{}
	quit chan struct{}
	wg   sync.WaitGroup

	counts adminCounts

	mu struct {
		sync.Mutex
		jobs []job
		learning
	}
}

// job is one thing to do for the revoker; of the first three one is set.
type job struct {
	revoke *auth.Revocation
	kick   *bus.Kick
	tell   string // node-id of who wants to know what has been revoked

	digest  uint64 // with tell: what that node knows
	learned []auth.Revocation
	from    string // node-id of who has told learned; with the last of it
	replyTo string // of who asks, may be empty
	format  codec.Format
}

func newRevoker(n *Node) *revoker {
	return &revoker{
		node: n,
		set:  auth.NewRevocations(n.opts.MaxRevocations),
		here: hub.NewTable[*person](),
		log:  n.log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second}),
		wake: make(chan struct{}, 1),
		ask:  make(chan struct{}, 1),
		quit: make(chan struct{}),
	}
}

// start runs both goroutines, which end with stop. The bus must be there.
func (r *revoker) start() {
	r.wg.Go(r.run)
	r.wg.Go(r.learn)
}

// stop ends both; nothing is to be told any more. It may be called once.
func (r *revoker) stop() {
	close(r.quit)
	r.wg.Wait()
}

// put hands a job over, and reports whether there is room.
func (r *revoker) put(j job) bool {
	r.mu.Lock()
	full := len(r.mu.jobs) >= maxJobs
	if !full {
		r.mu.jobs = append(r.mu.jobs, j)
	}
	r.mu.Unlock()
	if !full {
		wakeUp(r.wake)
	}
	return !full
}

func wakeUp(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// administer takes a request of an administrator. It runs on the goroutine of the
// shard, perhaps before Start has returned.
func (n *Node) administer(m *bus.Message) {
	j := job{replyTo: m.ReplyTo, format: m.Format}
	var err error
	switch m.Token {
	case bus.APIRevoke:
		var v bus.Revocation
		if v, err = bus.ParseRevocation(m.Format, m.Body, n.now()); err == nil {
			j.revoke = &auth.Revocation{ID: v.TokenID, IssuedBefore: v.IssuedBefore, Until: v.Until}
			if v.UID != (bus.Name{}) {
				j.revoke.UID, err = v.UID.Token()
			}
		}
	case bus.APIKick:
		var k bus.Kick
		if k, err = bus.ParseKick(m.Format, m.Body); err == nil {
			j.kick = &k
		}
	default:
		return
	}
	switch {
	case err != nil:
		n.revoker.counts.malformed.Add(1)
		n.revoker.log.Warn().Str("subject", m.Subject).Err(err).Msg("request refused")
		n.refuseAdmin(m.ReplyTo, "bad-request")
	case !n.revoker.put(j):
		n.revoker.counts.full.Add(1)
		n.refuseAdmin(m.ReplyTo, "unavailable")
	}
}

// refuseAdmin tells an administrator that nothing was done.
func (n *Node) refuseAdmin(replyTo, reason string) {
	if e := n.security.line(secAdmin, reason); e != nil {
		e.Msg(msgRefused)
	}
	if replyTo != "" && n.connected.Load() {
		n.bus.Refused(replyTo, ":"+reason)
	}
}

// run does what is to be done, in order.
func (r *revoker) run() {
	for {
		select {
		case <-r.wake:
		case <-r.quit:
			return
		}
		r.mu.Lock()
		jobs := r.mu.jobs
		r.mu.jobs = nil
		r.mu.Unlock()
		for len(jobs) > 0 {
			n := 0
			for n < len(jobs) && jobs[n].revoke != nil {
				n++
			}
			if n > 0 {
				r.revoke(jobs[:n])
			} else {
				n = 1
				r.do(&jobs[0])
			}
			jobs = jobs[n:]
		}
	}
}

// do does what is no revocation.
func (r *revoker) do(j *job) {
	n := r.node
	switch {
	case j.kick != nil:
		closed := n.kick(j.kick)
		if e := n.security.line(secKicked, "asked"); e != nil {
			if uid, err := j.kick.UID.Token(); err == nil {
				e = e.Str("uid", nameOf(uid))
			}
			if j.kick.ConnID != "" {
				e = e.Str("conn", j.kick.ConnID)
			}
			if j.kick.ClientID != "" {
				e = e.Str("client", clip(j.kick.ClientID))
			}
			e.Int("code", j.kick.Code).Int("closed", closed).Msg(msgCarried)
		}
		r.told(j, closed)
	case j.tell != "":
		r.tell(j.tell, j.digest)
	default:
		r.learnt(j)
	}
}

// told answers who has asked.
func (r *revoker) told(j *job, closed int) {
	if j.replyTo == "" {
		return
	}
	if err := r.node.bus.Told(j.replyTo, j.format, closed); err != nil {
		r.node.counts.lostEvent(reasonOf(err))
	}
}

// revoke remembers some revocations, and then ends whom they mean: who is accepted
// meanwhile sees the first, or is seen by the second.
func (r *revoker) revoke(jobs []job) {
	n := r.node
	now := n.now()
	entries := make([]auth.Revocation, 0, len(jobs))
	kept := jobs[:0]
	for _, j := range jobs {
		if err := r.set.Add(*j.revoke, now); err != nil {
			r.counts.full.Add(1)
			n.refuseAdmin(j.replyTo, "too-many-revocations")
			continue
		}
		r.counts.revocations.Add(1)
		entries = append(entries, *j.revoke)
		kept = append(kept, j)
	}
	closed := r.carryOut(entries)
	for i := range kept {
		e := &entries[i]
		if line := n.security.line(secRevoked, "asked"); line != nil {
			if e.UID != "" {
				line = line.Str("uid", nameOf(e.UID))
			}
			if e.ID != "" {
				line = line.Str("token_id", clip(e.ID))
			}
			if !e.IssuedBefore.IsZero() {
				line = line.Time("issued_before", e.IssuedBefore)
			}
			line.Time("until", e.Until).Int("closed", closed[i]).Msg(msgCarried)
		}
		r.told(&kept[i], closed[i])
	}
}

// carryOut ends the sessions that some revocations mean, and returns how many it
// was for each.
func (r *revoker) carryOut(entries []auth.Revocation) (closed []int) {
	n := r.node
	closed = make([]int, len(entries))
	ids, users := map[string]int{}, map[string]int{}
	ended := map[*session]struct{}{} // by their users: a socket is still here until its loop has closed it
	everybody := -1
	for i := range entries {
		switch e := &entries[i]; {
		case e.UID != "":
			if j, is := users[e.UID]; !is || wider(e, &entries[j]) {
				users[e.UID] = i
			}
			for _, sub := range n.users.Snapshot(e.UID) {
				if _, done := ended[sub.Conn]; !done && r.means(e, sub.Conn) && n.evict(sub.Conn, revoked) {
					ended[sub.Conn] = struct{}{}
					closed[i]++
				}
			}
		case e.ID != "":
			ids[e.ID] = i
		case everybody < 0 || wider(e, &entries[everybody]):
			everybody = i
		}
	}
	// Who goes by another uid than the token's is not found by that.
	aliases := n.opts.Callouts.Connect && len(users) > 0
	if len(ids) > 0 || everybody >= 0 || aliases {
		for p := range r.here.All() {
			if _, done := ended[p.session]; done {
				continue
			}
			i, is := ids[p.ID]
			if !is && aliases && p.as != "" {
				if token, err := bus.StringToken(p.UID); err == nil {
					i, is = users[token]
					is = is && (entries[i].IssuedBefore.IsZero() || p.IssuedAt.Before(entries[i].IssuedBefore))
				}
			}
			if !is && everybody >= 0 && entries[everybody].Covers(&p.Identity) {
				i, is = everybody, true
			}
			if is && n.evict(p.session, revoked) {
				closed[i]++
			}
		}
	}
	for _, k := range closed {
		r.counts.revoked.Add(uint64(k))
	}
	return closed
}

// wider reports whether one revocation means more than another, of the same user or
// of everybody.
func wider(a, b *auth.Revocation) bool {
	return !b.IssuedBefore.IsZero() && (a.IssuedBefore.IsZero() || a.IssuedBefore.After(b.IssuedBefore))
}

// means reports whether the revocation of a user means one of his sessions. Of one
// for whom no token vouches the time of the connection counts.
func (r *revoker) means(e *auth.Revocation, s *session) bool {
	if p := r.here.Get(s.id.Key()); p != nil && p.session == s {
		return e.IssuedBefore.IsZero() || p.IssuedAt.Before(e.IssuedBefore)
	}
	var ms int64 // the first 48 bits of a conn-id
	for _, b := range s.id[:6] {
		ms = ms<<8 | int64(b)
	}
	return e.IssuedBefore.IsZero() || time.UnixMilli(ms).Before(e.IssuedBefore)
}

// judge refuses a request with an identity that has been revoked. Any goroutine.
func (r *revoker) judge(who *identity) *refusal {
	i := who.who
	switch {
	case i != nil:
	case who.uid != "": // the query alone says so
		i = &auth.Identity{}
	default:
		return nil
	}
	if i.Claims == nil && i.IssuedAt.IsZero() {
		i.IssuedAt = r.node.now() // no token: see bus.Revocation
	}
	if r.revoked(i, who.uid) {
		return refuseRevoked
	}
	return nil
}

// revoked reports whether an identity has been revoked, under the uid that its
// session goes by, of which this is the token, or under its own: a backend can have
// said another one. Any goroutine.
func (r *revoker) revoked(i *auth.Identity, token string) bool {
	by := *i
	by.UID = token
	if r.set.Revoked(&by, r.node.now()) {
		return true
	}
	if i.UID == "" || i.UID == token {
		return false
	}
	var err error
	by.UID, err = bus.StringToken(i.UID)
	return err == nil && by.UID != token && r.set.Revoked(&by, r.node.now())
}

// watch lets revocations find a session that has been accepted, and ends it if one
// has come before. forget must follow. Loop only.
func (r *revoker) watch(s *session) {
	p := s.person()
	if p == nil || s.user == nil {
		return
	}
	p.session, p.token = s, s.user.Topic().Key()
	r.here.Put(s.id.Key(), p)
	// Behind its opening, since before that it cannot be ended: what comes later finds
	// it, and what came before is seen here.
	s.post(func() {
		if s.person() == p && r.revoked(&p.Identity, p.token) && r.node.evict(s, revoked) {
			r.counts.revoked.Add(1)
		}
	})
}

// forget undoes watch. Loop only.
func (r *revoker) forget(s *session) {
	if s.person() != nil {
		r.here.Delete(s.id.Key())
	}
}
