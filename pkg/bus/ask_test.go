package bus_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/id"
	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

var askConn = id.NewGenerator(id.Node{1}).Next(1).String()

func TestAskHeader(t *testing.T) {
	tests := []struct {
		name    string
		subject string
		reply   string
		values  []string
		want    time.Duration
		refused bool
	}{
		{name: "none", subject: "hoshi.chan.x", reply: "r"},
		{name: "channel", subject: "hoshi.chan.x", reply: "r", values: []string{"1"}, want: time.Millisecond},
		{name: "user", subject: "hoshi.user.x", reply: "r", values: []string{"60000"}, want: time.Minute},
		{name: "client", subject: "hoshi.client.x", reply: "r", values: []string{"1500"}, want: 1500 * time.Millisecond},
		{name: "connection", subject: "hoshi.conn.010000000000." + askConn, reply: "r", values: []string{"20"}, want: 20 * time.Millisecond},
		{name: "everyone", subject: "hoshi.all", reply: "r", values: []string{"20"}, refused: true},
		{name: "no reply subject", subject: "hoshi.user.x", values: []string{"20"}, refused: true},
		{name: "zero", subject: "hoshi.user.x", reply: "r", values: []string{"0"}, refused: true},
		{name: "too long", subject: "hoshi.user.x", reply: "r", values: []string{"60001"}, refused: true},
		{name: "leading zero", subject: "hoshi.user.x", reply: "r", values: []string{"010"}, refused: true},
		{name: "signed", subject: "hoshi.user.x", reply: "r", values: []string{"+10"}, refused: true},
		{name: "negative", subject: "hoshi.user.x", reply: "r", values: []string{"-10"}, refused: true},
		{name: "unit", subject: "hoshi.user.x", reply: "r", values: []string{"10ms"}, refused: true},
		{name: "blank", subject: "hoshi.user.x", reply: "r", values: []string{" 10"}, refused: true},
		{name: "empty", subject: "hoshi.user.x", reply: "r", values: []string{""}, refused: true},
		{name: "beyond 64 bits", subject: "hoshi.user.x", reply: "r", values: []string{"18446744073709551617"}, refused: true},
		{name: "two", subject: "hoshi.user.x", reply: "r", values: []string{"10", "20"}, refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var msg bus.Message
			var sc codec.Scanner
			m := &nats.Msg{Subject: tt.subject, Reply: tt.reply, Header: nats.Header{}, Data: []byte("[:a/b]")}
			if tt.values != nil {
				m.Header[bus.HeaderAsk] = tt.values
			}
			if ok := bus.ParseMessage(m, &msg, &sc); ok == tt.refused || (ok && msg.Ask != tt.want) {
				t.Errorf("taken %v with %v", ok, msg.Ask)
			}
		})
	}
}

func TestFlushHeader(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "0": false, "true": false, "": false} {
		var msg bus.Message
		var sc codec.Scanner
		m := &nats.Msg{Subject: "hoshi.user.x", Header: nats.Header{bus.HeaderFlush: {value}}, Data: []byte("[:a/b]")}
		if ok := bus.ParseMessage(m, &msg, &sc); ok != want || msg.Flush != want {
			t.Errorf("%q: taken %v, flush %v", value, ok, msg.Flush)
		}
	}
}

// FuzzAskHeaders holds that only the one text of a number in bounds is believed.
func FuzzAskHeaders(f *testing.F) {
	f.Add("hoshi.user.x", "r", "5000", "1")
	f.Add("hoshi.all", "r", "1", "1")
	f.Add("hoshi.chan.x", "", "60000", "1")
	f.Add("hoshi.client.x", "r", "+1", "")
	f.Add("hoshi.client.x", "r", "9999999999999999999999", "1")
	f.Fuzz(func(t *testing.T, subject, reply, ask, flush string) {
		var msg bus.Message
		var sc codec.Scanner
		m := &nats.Msg{
			Subject: subject, Reply: reply, Data: []byte("[:a/b]"),
			Header: nats.Header{bus.HeaderAsk: {ask}, bus.HeaderFlush: {flush}},
		}
		ok := bus.ParseMessage(m, &msg, &sc)
		if !ok {
			return
		}
		if !msg.Flush || msg.ReplyTo != reply || reply == "" || msg.Kind == bus.KindAll {
			t.Errorf("taken: %+v", msg)
		}
		if msg.Ask < bus.MinAsk || msg.Ask > bus.MaxAsk || strconv.FormatInt(msg.Ask.Milliseconds(), 10) != ask {
			t.Errorf("%q is taken for %v", ask, msg.Ask)
		}
	})
}

// What a node says to who asks, as it is on the wire.
func TestAskReplies(t *testing.T) {
	s := server(t, natsd.Options{})
	n := node(t, s, &recorder{}, nil)
	nc := raw(t, s)
	sub, err := nc.SubscribeSync("answers.here")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		n.Asked("answers.here", 0),
		n.Asked("answers.here", 12),
		n.Answer(&bus.Outgoing{Subject: "answers.here", Body: []byte(`["a/b",1]`), Format: codec.JSON, Conn: askConn, UID: ":u", Client: "tab-1"}),
		n.Answer(&bus.Outgoing{Subject: "answers.here", Body: []byte(`[:a/b 1]`), Conn: askConn}),
		n.Answered("answers.here", 2),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		body                                  string
		asked, answered, conn, uid, tab, kind string
	}{
		{asked: "0", answered: "0"},
		{asked: "12"},
		{body: `["a/b",1]`, conn: askConn, uid: ":u", tab: "tab-1", kind: bus.ContentTypeJSON},
		{body: `[:a/b 1]`, conn: askConn},
		{answered: "2"},
	} {
		m, err := sub.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		h := m.Header
		got := want
		got.body, got.asked, got.answered = string(m.Data), h.Get(bus.HeaderAsked), h.Get(bus.HeaderAnswered)
		got.conn, got.uid, got.tab, got.kind = h.Get(bus.HeaderConn), h.Get(bus.HeaderUID), h.Get(bus.HeaderClient), h.Get(bus.HeaderContentType)
		if got != want || len(h.Get(bus.HeaderNode)) != 12 {
			t.Errorf("got  %+v %v\nwant %+v", got, h, want)
		}
	}
	for _, err := range []error{n.Asked("answers.*", 1), n.Answered("", 1), n.Answer(&bus.Outgoing{Subject: "a..b"})} {
		if !errors.Is(err, bus.ErrBadSubject) {
			t.Errorf("bad subject: %v", err)
		}
	}
}
