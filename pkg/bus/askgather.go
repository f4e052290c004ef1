package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/pkg/codec"
	"github.com/hoshi-ws/hoshi/pkg/codec/edn"
)

// gathering is one ask of a [Client] under way. It belongs to the goroutine that
// asks, but for mu.
type gathering struct {
	// Fixed.
	client *Client
	o      *askOptions
	time   time.Duration
	single bool // one connection, so one node: nobody else will speak
	more   chan struct{}

	nodes   map[string]nodeAsked
	result  Answers
	convert codec.Converter
	scan    codec.Scanner

	// Between the subscription's goroutine and the asking one.
	mu struct {
		sync.Mutex
		came   []*nats.Msg
		closed bool // the subscription: NATS is away, or the ask is over
	}
}

// nodeAsked is what a node has said.
type nodeAsked struct {
	said bool // how many it has asked
	done bool
}

func newGathering(c *Client, o *askOptions, d time.Duration, single bool) *gathering {
	return &gathering{client: c, o: o, time: d, single: single, more: make(chan struct{}, 1), nodes: map[string]nodeAsked{}}
}

// run asks, and gathers until the end.
func (g *gathering) run(ctx context.Context, nc *nats.Conn, m *nats.Msg) error {
	m.Reply = nats.NewInbox()
	// With a callback what waits is a list that grows with need, whatever comes at
	// once: thousands may answer in the same moment. Its goroutine ends with the
	// subscription.
	sub, err := nc.Subscribe(m.Reply, func(m *nats.Msg) { g.put(m, false) })
	if err != nil {
		return mapErr(m.Subject, err)
	}
	sub.SetClosedHandler(func(string) { g.put(nil, true) })
	defer func() { _ = sub.Unsubscribe() }() // fails only on a lost connection
	if err := nc.PublishMsg(m); err != nil {
		return mapErr(m.Subject, err)
	}
	over := time.NewTimer(g.time + askSlack)
	defer over.Stop()
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		select {
		case <-g.more:
		case <-quiet.C:
			return g.verdict()
		case <-over.C:
			return g.verdict()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		came, closed := g.take()
		for _, m := range came {
			if isNoResponders(m) {
				return fmt.Errorf("%w: %w", ErrNobody, ErrNoResponders)
			}
			g.read(m)
			if g.o.enough > 0 && len(g.result.All) >= g.o.enough {
				return nil
			}
		}
		switch {
		case closed:
			return ErrUnavailable
		case !g.settled():
			quiet.Stop()
		case g.single:
			return g.verdict()
		case g.o.settle > 0:
			quiet.Reset(g.o.settle)
		}
	}
}

// put is called on goroutines of nats.go.
func (g *gathering) put(m *nats.Msg, closed bool) {
	g.mu.Lock()
	if m != nil {
		g.mu.came = append(g.mu.came, m)
	}
	g.mu.closed = g.mu.closed || closed
	g.mu.Unlock()
	select {
	case g.more <- struct{}{}:
	default:
	}
}

func (g *gathering) take() (came []*nats.Msg, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	came, g.mu.came = g.mu.came, nil
	return came, g.mu.closed
}

// settled reports whether everybody known of is done.
func (g *gathering) settled() bool {
	for _, n := range g.nodes {
		if !n.said || !n.done {
			return false
		}
	}
	return len(g.nodes) > 0 || len(g.result.Refused) > 0
}

// verdict is the error of an ask that has come to its end.
func (g *gathering) verdict() error {
	if g.result.Asked > 0 || len(g.result.All) > 0 {
		return nil
	}
	for keyword := range g.result.Refused {
		return &RemoteError{Keyword: keyword}
	}
	return ErrNobody
}

// answers is the result.
func (g *gathering) answers() Answers {
	g.result.Missing = max(g.result.Asked-len(g.result.All), 0)
	return g.result
}

// read takes one message of a node. What is none is counted.
func (g *gathering) read(m *nats.Msg) {
	h := m.Header
	if v := h[HeaderError]; len(v) > 0 {
		if g.result.Refused == nil {
			g.result.Refused = map[string]int{}
		}
		g.result.Refused[v[0]]++
		return
	}
	var err error
	if node := first(h[HeaderNode]); node == "" {
		err = fmt.Errorf("%w: without %s", ErrBadBody, HeaderNode)
	} else if len(h[HeaderConn]) > 0 {
		err = g.readAnswer(node, m)
	} else {
		err = g.readCounts(node, h)
	}
	if err != nil {
		g.client.invalid.Add(1)
		g.client.sampled.Warn().Str("subject", m.Subject).Err(err).Msg("answer not taken")
	}
}

func (g *gathering) readCounts(node string, h nats.Header) error {
	n := g.nodes[node]
	if v := h[HeaderAsked]; len(v) > 0 {
		count, ok := parseCount(v[0])
		if !ok || n.said {
			return fmt.Errorf("%w: header %s", ErrBadBody, HeaderAsked)
		}
		n.said = true
		g.result.Asked += count
	}
	if v := h[HeaderAnswered]; len(v) > 0 {
		n.done = true
	}
	g.nodes[node] = n
	return nil
}

func (g *gathering) readAnswer(node string, m *nats.Msg) error {
	f, ok := formatOf(first(m.Header[HeaderContentType]), false, m.Data)
	if !ok {
		return fmt.Errorf("%w: content type %q", ErrBadBody, first(m.Header[HeaderContentType]))
	}
	a := Answer{Node: node, Format: f}
	if err := a.readSender(m.Header); err != nil {
		return err
	}
	var err error
	if a.RawData, err = g.scan.Value(f, m.Data); err != nil {
		return fmt.Errorf("%w: %w", ErrBadBody, err)
	}
	a.Data = a.RawData
	if f != codec.EDN {
		if a.Data, err = g.convert.Append(nil, a.RawData, f, codec.EDN); err != nil {
			return fmt.Errorf("%w: %w", ErrBadBody, err)
		}
	}
	g.result.All = append(g.result.All, a)
	if g.o.each != nil {
		g.o.each(&g.result.All[len(g.result.All)-1])
	}
	return nil
}

// readSender fills in who answers.
func (a *Answer) readSender(h nats.Header) error {
	if a.Conn = first(h[HeaderConn]); a.Conn == "" || !connOrNone(a.Conn) {
		return fmt.Errorf("header %s: %w: no conn-id", HeaderConn, ErrBadName)
	}
	a.UID = edn.AppendString(nil, a.Conn)
	if t := first(h[HeaderUID]); t != "" {
		uid, err := ParseToken(t)
		if err != nil {
			return fmt.Errorf("header %s: %w", HeaderUID, err)
		}
		a.UID = uid
	}
	if t := first(h[HeaderClient]); t != "" {
		text, err := ParseToken(t)
		if err != nil {
			return fmt.Errorf("header %s: %w", HeaderClient, err)
		}
		if s, err := edn.Unquote(nil, text); err == nil { // a client-id is a string
			text = s
		}
		a.Client = string(text)
	}
	return nil
}
