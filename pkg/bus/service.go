package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"
)

// ServiceName is the name of the micro service that every node is.
const ServiceName = "hoshi"

// The endpoints of the service: tokens of [KindAPI], as APIKick is. Each is on
// hoshi.api.<endpoint>, which every node answers, and for one node on
// hoshi.api.<endpoint>.<node-id>, which is the only one for APIDrain.
const (
	APIStats    = "stats"
	APIWho      = "who"
	APIChannels = "channels"
	APITrace    = "trace"
	APIDrain    = "drain"
	APILogLevel = "log-level"
)

// Observer answers what is asked about a node. All methods are called on goroutines
// of the bus, one call at a time for each subject, and may take a second. They may be
// called before StartNode has returned, and not after Stop has.
type Observer interface {
	// Stats is how the node is. The bus fills in NodeView.NATS.
	Stats(q StatsQuery) NodeView
	// Who describes connections, Channels channels.
	Who(q WhoQuery) WhoView
	Channels(q ChannelsQuery) ChannelsView
	// Trace begins to gather what passes, for a Gatherer that the bus stops. The error is a
	// *RemoteError, which is what the asker is told.
	Trace(q TraceQuery) (Gatherer, error)
	// Drain begins to stop the node, Level has it log otherwise. Errors as of Trace.
	Drain() error
	Level(q LevelQuery) error
}

// Bounds of what waits for the service of a node.
const (
	servicePending      = 256
	servicePendingBytes = 1 << 20
	pingWait            = 300 * time.Millisecond
)

// DroppedAPI is the reason, in Stats.Dropped of a node, of what its service has been
// asked while its queues were full: questions, of which who asks hears by their silence.
const DroppedAPI = "api-queue-full"

// unreleased is the version of the service where that of the node is none by
// semver.org; its metadata has it as it is.
const unreleased = "0.0.0-dev"

// service is the node as a micro service of NATS, of which each connection to NATS
// has a new one: it ends with its connection. nats.go calls it, on a goroutine for each
// subscription: some twenty, whatever the node has to do.
type service struct {
	// Fixed after newService.
	node    *Node
	o       Observer
	log     zerolog.Logger
	version string

	denied atomic.Pointer[nats.Conn] // of which a refusal has been logged
	slow   slowSubs                  // of the endpoints

	mu struct {
		sync.Mutex
		stopped bool
		ctx     context.Context // of the traces of this connection; nil without one
		cancel  context.CancelCauseFunc
	}
	busy sync.WaitGroup // handlers and traces; added to under mu only
}

func newService(n *Node, o Observer, version string) *service {
	return &service{node: n, o: o, version: version, log: n.o.Logger.With().Str("component", "bus").Logger()}
}

// begin adds the service to a connection. On the control goroutine.
func (s *service) begin(nc *nats.Conn) {
	if s.o == nil {
		return
	}
	s.mu.Lock()
	if !s.mu.stopped {
		s.mu.ctx, s.mu.cancel = context.WithCancelCause(context.Background())
	}
	s.mu.Unlock()
	config := micro.Config{
		Name:               ServiceName,
		Version:            strings.TrimPrefix(s.version, "v"),
		Description:        "a Hoshi node: who is here, and what it does",
		QueueGroupDisabled: true, // every node answers
		Metadata: map[string]string{
			"node-id": s.node.o.ID.String(),
			"version": s.version,
			"prefix":  s.node.o.Prefix,
		},
	}
	svc, err := micro.AddService(nc, config)
	if errors.Is(err, micro.ErrConfigValidation) {
		config.Version = unreleased
		svc, err = micro.AddService(nc, config)
	}
	if err == nil {
		if err = s.addEndpoints(nc, svc); err != nil {
			_ = svc.Stop() // the connection is lost, or will be: then it stops itself
		}
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("node is no service of nats on this connection")
	}
}

func (s *service) addEndpoints(nc *nats.Conn, svc micro.Service) error {
	own := "." + s.node.o.ID.String()
	for _, e := range []struct {
		name   string
		handle func(*nats.Conn, micro.Request)
		alone  bool // never of all nodes at once
	}{
		{name: APIStats, handle: s.stats},
		{name: APIWho, handle: s.who},
		{name: APIChannels, handle: s.channels},
		{name: APITrace, handle: s.trace},
		{name: APIDrain, handle: s.drain, alone: true},
		{name: APILogLevel, handle: s.level},
	} {
		handler := micro.HandlerFunc(func(r micro.Request) {
			if !s.answers(r.Reply()) || !s.enter() {
				return
			}
			defer s.busy.Done()
			defer s.node.panics.recovered("an answer", r.Subject())
			e.handle(nc, r)
		})
		subject := s.node.subjects.API(e.name)
		add := func(name, subject string) error {
			return svc.AddEndpoint(name, handler, micro.WithEndpointSubject(subject), micro.WithEndpointPendingLimits(servicePending, servicePendingBytes))
		}
		if !e.alone {
			if err := add(e.name, subject); err != nil {
				return err
			}
		}
		if err := add(e.name+"-node", subject+own); err != nil {
			return err
		}
	}
	return nil
}

// answers reports whether a node answers there: who may ask must not have it speak where
// he may not, nor end its connection by a subject that is too long.
func (s *service) answers(reply string) bool {
	return s.node.goodSubject(reply) && !inside(s.node.o.Prefix, reply)
}

// enter lets a handler begin, unless the node is stopped: then busy is not waited for
// any more.
func (s *service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopped {
		return false
	}
	s.busy.Add(1)
	return true
}

// end is the end of a connection: nobody hears its traces. On the control goroutine.
func (s *service) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(nil)
}

func (s *service) endLocked(why error) {
	if s.mu.cancel != nil {
		s.mu.cancel(why)
		s.mu.ctx, s.mu.cancel = nil, nil
	}
}

// stop ends everything, and returns when no method of the Observer runs. It comes before
// the end of the connection, on which traces say that they are over; cut frees who is
// stuck there when ctx ends.
func (s *service) stop(ctx context.Context, cut func()) {
	defer context.AfterFunc(ctx, cut)()
	s.mu.Lock()
	s.mu.stopped = true
	s.endLocked(ErrStopped)
	s.mu.Unlock()
	s.busy.Wait()
}

// refused takes what NATS has refused, and reports whether it was about the service:
// then the node works on, and one line for each connection says what is missing. On a
// goroutine of nats.go.
func (s *service) refused(nc *nats.Conn, err error) bool {
	if s.o == nil || !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	text := err.Error()
	ours := strings.Contains(text, `"`+micro.APIPrefix+".")
	for _, token := range [...]string{APIStats, APIWho, APIChannels, APITrace, APIDrain, APILogLevel} {
		ours = ours || strings.Contains(text, `"`+s.node.subjects.API(token)+`"`) || strings.Contains(text, `"`+s.node.subjects.API(token)+".")
	}
	if ours && s.denied.Swap(nc) != nc {
		s.log.Warn().Err(err).Msg("nats does not permit that this node is looked at, see NATS permissions in SECURITY.md")
	}
	return ours
}

// answer responds in JSON.
func (s *service) answer(r micro.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.refuseUnwritten(r)
		return
	}
	s.respond(r, body)
}

// refuseUnwritten is for what has no JSON, such as a time of the year 10,000.
func (s *service) refuseUnwritten(r micro.Request) {
	s.refuse(r, "500", ":internal-error", "the answer cannot be written")
}

func (s *service) respond(r micro.Request, body []byte) {
	// An answer that does not leave is one that does not come: the asker names the node.
	_ = r.Respond(body, micro.WithHeaders(micro.Headers{HeaderNode: {s.node.o.ID.String()}, HeaderContentType: {ContentTypeJSON}}))
}

// refuse tells why there is no answer, as micro services do, and as nodes do.
func (s *service) refuse(r micro.Request, code, keyword, text string) {
	_ = r.Error(code, text, nil, micro.WithHeaders(micro.Headers{HeaderNode: {s.node.o.ID.String()}, HeaderError: {keyword}}))
}

// read reads the request, or refuses it.
func (s *service) read(r micro.Request, fields []adminField, complete func() error) bool {
	err := readQuery(r.Headers().Get(HeaderContentType), r.Data(), fields)
	if err == nil {
		err = complete()
	}
	if err == nil {
		return true
	}
	s.refuse(r, "400", ":bad-request", strings.TrimPrefix(err.Error(), ErrBadBody.Error()+": "))
	return false
}

// carries is how large an answer may be.
func (s *service) carries(nc *nats.Conn) int { return max(int(nc.MaxPayload())-4096, 0) }

func complete() error { return nil }

func (s *service) stats(nc *nats.Conn, r micro.Request) {
	var q StatsQuery
	if !s.read(r, q.fields(), q.complete) {
		return
	}
	v := s.o.Stats(q)
	v.NATS = s.link(nc)
	s.answer(r, v)
}

// link describes the connection.
func (s *service) link(nc *nats.Conn) LinkView {
	st := s.node.Stats()
	v := LinkView{
		Server: st.ServerID, RTTMicros: ping(nc).Microseconds(), Reconnects: max(st.Connects, 1) - 1,
		PendingMessages: st.PublishQueueMessages, PendingBytes: st.PublishQueueBytes,
		Published: st.Published, Delivered: st.Delivered, DroppedBy: st.Dropped,
	}
	for reason, n := range st.Dropped {
		if reason != DroppedAPI {
			v.Dropped += n
		}
	}
	return v
}

// ping measures a round trip: 0 where the server is silent.
func ping(nc *nats.Conn) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), pingWait)
	defer cancel()
	begun := time.Now()
	if nc.FlushWithContext(ctx) != nil {
		return 0
	}
	return time.Since(begun)
}

func (s *service) who(nc *nats.Conn, r micro.Request) {
	var q WhoQuery
	if !s.read(r, q.fields(), q.complete) {
		return
	}
	v := s.o.Who(q)
	s.fit(nc, r, &v, func(keep int) int {
		v.More += len(v.Conns) - keep
		v.Conns = v.Conns[:keep]
		return keep
	}, len(v.Conns))
}

func (s *service) channels(nc *nats.Conn, r micro.Request) {
	var q ChannelsQuery
	if !s.read(r, q.fields(), q.complete) {
		return
	}
	v := s.o.Channels(q)
	s.fit(nc, r, &v, func(keep int) int {
		v.More += len(v.Channels) - keep
		v.Channels = v.Channels[:keep]
		return keep
	}, len(v.Channels))
}

// fit answers with a list of n entries, cut to what NATS carries.
func (s *service) fit(nc *nats.Conn, r micro.Request, v any, cut func(keep int) int, n int) {
	for {
		body, err := json.Marshal(v)
		if err != nil {
			s.refuseUnwritten(r)
			return
		}
		limit := s.carries(nc)
		if len(body) <= limit || n == 0 {
			s.respond(r, body)
			return
		}
		n = cut(int(int64(n) * int64(limit) / int64(len(body)) * 9 / 10))
	}
}

func (s *service) drain(_ *nats.Conn, r micro.Request) {
	if !s.read(r, nil, complete) {
		return
	}
	if err := s.o.Drain(); err != nil {
		s.refuseWith(r, err)
		return
	}
	s.answer(r, map[string]any{"node": s.node.o.ID.String(), "draining": true})
}

func (s *service) level(_ *nats.Conn, r micro.Request) {
	var q LevelQuery
	if !s.read(r, q.fields(), func() error { return q.completeFor(r.Subject() == s.node.subjects.API(APILogLevel)) }) {
		return
	}
	if err := s.o.Level(q); err != nil {
		s.refuseWith(r, err)
		return
	}
	s.answer(r, map[string]any{"node": s.node.o.ID.String(), "level": q.Level})
}

// saysNothing is the text of a refusal whose keyword says all: micro wants one.
const saysNothing = "refused"

func (s *service) refuseWith(r micro.Request, err error) {
	remote, ok := errors.AsType[*RemoteError](err)
	if !ok {
		remote = &RemoteError{Keyword: ":unavailable"}
	}
	s.refuse(r, "503", remote.Keyword, cmp.Or(remote.Text, saysNothing))
}
