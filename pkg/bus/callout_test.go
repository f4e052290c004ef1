package bus_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
	"github.com/hoshi-ws/hoshi/pkg/codec"
)

const calloutConn = "conn-0192f3a4-7c1e-7abc-8def-5b1e6f00a2c4"

// A backend says who connects, and keeps others than admins from a channel.
func ExampleClient_TakeCallouts() {
	ctx := context.Background()
	server, err := natsd.Start(ctx, natsd.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown()
	client, err := bus.Connect(ctx, bus.Options{URLs: []string{server.ClientURL()}, Name: "doorman"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Stop()

	report := func(err error) {
		if err != nil {
			fmt.Println(err)
		}
	}
	_, err = client.TakeCallouts(ctx, bus.CalloutConnect, "doormen", func(q *bus.Callout) {
		session := q.Header["cookie"]
		if len(session) == 0 {
			report(q.Deny())
			return
		}
		report(q.AllowAs(bus.Admission{
			UID:           bus.String("alice"),
			HandshakeData: []byte(`{:theme :dark}`),
			Channels:      []bus.Name{bus.String("news"), bus.Keyword("inbox/alice")},
			ExpiresIn:     time.Hour,
		}))
	})
	report(err)
	_, err = client.TakeCallouts(ctx, bus.CalloutPublish, "doormen", func(q *bus.Callout) {
		fmt.Printf("%s wants to publish in %s\n", q.UID, q.Channel)
		report(q.Deny())
	})
	report(err)

	// What a node asks.
	nc, err := nats.Connect(server.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	for _, question := range []struct{ subject, body string }{
		{"hoshi.auth.connect", `{:conn-id "` + calloutConn + `", :path "/", :headers {"cookie" "sid=7"}, :authenticated false}`},
		{"hoshi.auth.connect", `{:conn-id "` + calloutConn + `", :path "/", :headers {}, :authenticated false}`},
		{"hoshi.auth.publish", `{:conn-id "` + calloutConn + `", :uid "alice", :channel "news"}`},
	} {
		m, err := nc.Request(question.subject, []byte(question.body), 5*time.Second)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// {:allow true, :uid "alice", :handshake-data {:theme :dark}, :channels [ "news" :inbox/alice], :expires-in 3600}
	// {:allow false}
	// "alice" wants to publish in "news"
	// {:allow false}
}

// TestTakeCallouts reads questions in both formats.
func TestTakeCallouts(t *testing.T) {
	s := server(t, natsd.Options{})
	c, nc := client(t, s), raw(t, s)
	connect := bus.Callout{
		Kind: bus.CalloutConnect, Conn: calloutConn, UID: []byte(`:a/b`), Client: "tab 1", Dialect: "sente", Wire: "edn-gzip", Path: "/chsk",
		Query: map[string][]string{"a b": {"1"}, "c": {"2", ":3"}}, Header: map[string][]string{"cookie": {"x=1"}},
		Address: "::1", CSRFToken: "t", Authenticated: true,
	}
	for _, tt := range []struct {
		name, kind, contentType, body string
		want                          *bus.Callout // nil: not taken
	}{
		{
			name: "EDN", kind: "connect",
			body: `{:conn-id "` + calloutConn + `", :uid :a/b, :client-id "tab 1", :dialect "sente", :format "edn-gzip", :path "/chsk",
 :query {"a b" "1", "c" ["2" ":3"]}, :headers {"cookie" "x=1"}, :address "::1", :csrf-token "t", :authenticated true, :new-key 1}`, want: &connect,
		},
		{
			name: "JSON", kind: "connect", contentType: "application/json",
			body: `{"conn-id":"` + calloutConn + `","uid":":a/b","client-id":"tab 1","dialect":"sente","format":"edn-gzip","path":"/chsk",
 "query":{"a b":"1","c":["2",":3"]},"headers":{"cookie":"x=1"},"address":"::1","csrf-token":"t","authenticated":true}`, want: &connect,
		},
		{
			name: "channel", kind: "subscribe", body: `{:conn-id "` + calloutConn + `", :channel [:doc 7]}`,
			want: &bus.Callout{Kind: bus.CalloutSubscribe, Conn: calloutConn, Channel: []byte(`[:doc 7]`)},
		},
		{
			name: "channel in JSON", kind: "publish", contentType: "application/json", body: `{"conn-id":"` + calloutConn + `","uid":"alice","channel":":a/b"}`,
			want: &bus.Callout{Kind: bus.CalloutPublish, Conn: calloutConn, UID: []byte(`"alice"`), Channel: []byte(`:a/b`)},
		},
		{name: "no channel", kind: "publish", body: `{:conn-id "` + calloutConn + `"}`},
		{name: "no connection", kind: "connect", body: `{:path "/"}`},
		{name: "no map", kind: "connect", body: `7`},
		{name: "malformed", kind: "connect", body: `{:conn-id`},
		{name: "unknown format", kind: "connect", contentType: "text/plain", body: `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			taken := make(chan *bus.Callout, 1)
			kinds := map[string]bus.CalloutKind{"connect": bus.CalloutConnect, "subscribe": bus.CalloutSubscribe, "publish": bus.CalloutPublish}
			sub, err := c.TakeCallouts(t.Context(), kinds[tt.kind], "g", func(q *bus.Callout) {
				taken <- q
				if err := q.Allow(); err != nil {
					t.Error(err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Stop()
			before := c.Stats().Invalid
			m := &nats.Msg{Subject: "hoshi.auth." + tt.kind, Data: []byte(tt.body)}
			if tt.contentType != "" {
				m.Header = nats.Header{"Content-Type": {tt.contentType}}
			}
			if tt.want == nil {
				if err := nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
				eventually(t, "a question that is not taken", func() bool { return c.Stats().Invalid == before+1 })
				return
			}
			answer, err := nc.RequestMsg(m, 5*time.Second)
			if err != nil || string(answer.Data) != "{:allow true}" {
				t.Fatalf("answered %v, %v", answer, err)
			}
			got := <-taken
			want := *tt.want
			want.Body, want.Format = got.Body, codec.EDN
			if tt.contentType != "" {
				want.Format = codec.JSON
			}
			public := reflect.ValueOf(got).Elem()
			for i := range public.NumField() {
				if f := public.Type().Field(i); f.IsExported() && !reflect.DeepEqual(public.Field(i).Interface(), reflect.ValueOf(want).Field(i).Interface()) {
					t.Errorf("%s: %q, want %q", f.Name, public.Field(i), reflect.ValueOf(want).Field(i))
				}
			}
		})
	}
}

// TestAdmissions holds what is not sent.
func TestAdmissions(t *testing.T) {
	s := server(t, natsd.Options{})
	c, nc := client(t, s), raw(t, s)
	answers := make(chan error, 1)
	for _, tt := range []struct {
		name string
		a    bus.Admission
		want error
		body string
	}{
		{name: "nothing", body: "{:allow true}"},
		{name: "a uid", a: bus.Admission{UID: bus.EDN("[1 2]")}, body: "{:allow true, :uid [1 2]}"},
		{name: "data with a comment", a: bus.Admission{HandshakeData: []byte(" {:a 1} ; x")}, body: "{:allow true, :handshake-data {:a 1}}"},
		{name: "half a second", a: bus.Admission{ExpiresIn: 500 * time.Millisecond}, body: "{:allow true, :expires-in 1}"},
		{name: "a bad uid", a: bus.Admission{UID: bus.String("")}, want: bus.ErrBadName},
		{name: "a bad channel", a: bus.Admission{Channels: []bus.Name{bus.EDN("nil")}}, want: bus.ErrBadName},
		{name: "bad data", a: bus.Admission{HandshakeData: []byte("{:a")}, want: bus.ErrBadBody},
		{name: "two values", a: bus.Admission{HandshakeData: []byte("1 2")}, want: bus.ErrBadBody},
		{name: "large data", a: bus.Admission{HandshakeData: []byte(`"` + strings.Repeat("x", bus.MaxHandshakeData) + `"`)}, want: bus.ErrTooLarge},
	} {
		sub, err := c.TakeCallouts(t.Context(), bus.CalloutConnect, "g", func(q *bus.Callout) { answers <- q.AllowAs(tt.a) })
		if err != nil {
			t.Fatal(err)
		}
		inbox, err := nc.SubscribeSync(nats.NewInbox())
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.PublishRequest("hoshi.auth.connect", inbox.Subject, []byte(`{:conn-id "`+calloutConn+`"}`)); err != nil {
			t.Fatal(err)
		}
		if err := <-answers; !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if tt.want == nil {
			m, err := inbox.NextMsg(5 * time.Second)
			if err != nil || string(m.Data) != tt.body {
				t.Errorf("%s: %v, %v", tt.name, m, err)
			}
		}
		sub.Stop()
	}
	if _, err := c.TakeCallouts(t.Context(), bus.CalloutConnect, "", func(*bus.Callout) {}); !errors.Is(err, bus.ErrBadOption) {
		t.Errorf("without a group: %v", err)
	}
	if _, err := c.TakeCallouts(t.Context(), bus.CalloutKinds, "g", func(*bus.Callout) {}); !errors.Is(err, bus.ErrBadOption) {
		t.Errorf("of no kind: %v", err)
	}
}

// TestCancel: who has given up hears nothing, and leaves room for another.
func TestCancel(t *testing.T) {
	s := server(t, natsd.Options{})
	var r recorder
	n := node(t, s, &r, func(o *bus.NodeOptions) { o.MaxPendingRequests = 1; o.RequestTimeout = time.Minute })
	nc := raw(t, s)
	questions := make(chan *nats.Msg, 4)
	if _, err := nc.ChanSubscribe("hoshi.auth.connect", questions); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	subject := n.Subjects().Callout(bus.CalloutConnect)
	call := func(key any) bus.CallID {
		t.Helper()
		id, err := n.Call(subject, codec.JSON, []byte(`{"a":1}`), key)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := call("first")
	late := <-questions
	if late.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", late.Header)
	}
	if _, err := n.Call(subject, codec.EDN, []byte("{}"), "beyond"); !errors.Is(err, bus.ErrTooManyRequests) {
		t.Errorf("beyond the bound: %v", err)
	}
	if !n.Cancel(first) || n.Cancel(first) {
		t.Error("cancelled not once")
	}
	second := call("second")
	m := <-questions
	for _, q := range []*nats.Msg{late, m} {
		if err := q.Respond([]byte("{:allow true}")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the reply", func() bool { return len(r.replied()) == 1 })
	if got := r.replied()[0]; got.Key != "second" || n.Cancel(second) {
		t.Errorf("replied %v", got)
	}
	if st := n.Stats(); st.RepliesIgnored["late"] != 1 || st.Replies["timeout"] != 1 {
		t.Errorf("replies %v, ignored %v", st.Replies, st.RepliesIgnored)
	}
}
