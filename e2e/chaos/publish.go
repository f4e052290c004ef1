package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/book"
	"github.com/hoshi-ws/hoshi/e2e/chaos/internal/thin"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// startPublishers starts one publisher for each NATS server and, once those are
// all known to the book, one at a socket of each node. They end with ctx, between
// two messages.
func (r *run) startPublishers(ctx context.Context) {
	period := time.Duration(float64(servers+nodes) / r.o.rate * float64(time.Second))
	for k, b := range r.backends {
		s := r.speakers[k]
		r.publishers.Go(func() {
			every(ctx, period, func(i int) { speakToNATS(s, b, i) })
		})
	}
	for k, n := range r.cluster.nodes {
		p := &socketPublisher{run: r, node: n, speaker: r.speakers[servers+k], name: "publisher at " + n.Name}
		r.publishers.Go(func() {
			every(ctx, period, func(i int) { p.speak(ctx, i) })
			if p.conn != nil {
				p.conn.Leave()
			}
		})
	}
}

// addSpeakers tells the book who will publish.
func (r *run) addSpeakers() {
	for k, s := range r.cluster.nats {
		r.speakers = append(r.speakers, r.book.Speaker("the publisher at "+s.Name, -1, k))
	}
	for k, n := range r.cluster.nodes {
		r.speakers = append(r.speakers, r.book.Speaker("the publisher at "+n.Name, k, -1))
	}
}

// every calls fn at a fixed rate; what is missed while fn takes its time is not
// made up for.
func every(ctx context.Context, period time.Duration, fn func(i int)) {
	t := time.NewTicker(period)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fn(i)
		}
	}
}

// speakToNATS publishes into the channels in turn, and each third time to a user.
func speakToNATS(s *book.Speaker, b *backend, i int) {
	topic := i % channels
	if i%3 == 2 {
		topic = channels + i/3%users
	}
	n := s.Say(topic)
	var err error
	if topic < channels {
		err = b.PublishChannel(bus.String(channelName(topic)), fmt.Appendf(nil, "[%d %d]", s.Number, n))
	} else {
		err = b.PublishUser(bus.String("u"+strconv.Itoa(topic-channels)), fmt.Appendf(nil, "[:chaos/push [%d %d]]", s.Number, n))
	}
	if err != nil {
		s.Refused(topic)
	}
}

// socketPublisher publishes through a socket and waits for each answer. It belongs
// to one goroutine.
type socketPublisher struct {
	run     *run
	node    *node
	speaker *book.Speaker
	name    string
	conn    *thin.Conn // nil: none
}

func (p *socketPublisher) speak(ctx context.Context, i int) {
	b := p.run.book
	if p.conn == nil {
		began := b.Now()
		c, err := thin.Dial(p.node.addr, "", dialTimeout)
		if err != nil {
			b.Denied(p.name, p.node.number, false, began, err)
			_ = sleep(ctx, 200*time.Millisecond)
			return
		}
		p.conn = c
	}
	topic := i % channels
	n := p.speaker.Say(topic)
	err := p.conn.Send(publishText(channelName(topic), p.speaker.Number, n, "k"+strconv.Itoa(i)))
	var answer []byte
	if err == nil {
		answer, err = p.conn.Read(time.Now().Add(patience))
	}
	cb := ` "k` + strconv.Itoa(i) + `"]`
	switch {
	case err != nil:
		p.speaker.Unsure(topic)
		b.Cut(p.name, p.node.number, false, err)
		p.conn.Abort()
		p.conn = nil
	case string(answer) == "[{:success true}"+cb:
	case string(answer) == "[{:success false, :error :unavailable}"+cb:
		p.speaker.Refused(topic)
		b.Denied(p.name, p.node.number, false, b.Now(), errors.New("publish is refused"))
	default:
		b.Failf("garbage", "%s was answered %.80s", p.name, answer)
	}
}
