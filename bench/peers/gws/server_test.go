package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// client is a client whose messages come through heard.
type client struct {
	gws.BuiltinEventHandler
	*gws.Conn
	t     *testing.T
	heard chan string
}

// OnMessage is for the library.
func (c *client) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.heard <- string(m.Bytes())
	_ = m.Close()
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c := &client{t: t, heard: make(chan string, 16)}
	conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr + "/"})
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	ended := make(chan struct{})
	go func() { // ends with the connection
		conn.ReadLoop()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = conn.WriteClose(1000, nil)
		<-ended
	})
	return c
}

func (c *client) say(s string) {
	c.t.Helper()
	if err := c.WriteString(s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hear(want string) {
	c.t.Helper()
	select {
	case got := <-c.heard:
		if got != want {
			c.t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		c.t.Fatalf("heard nothing, want %q", want)
	}
}

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = serve(l) }() // ends with the process, as in main
	addr := l.Addr().String()
	a, b, pub := dial(t, addr), dial(t, addr), dial(t, addr)
	for _, c := range []*client{a, b, pub} {
		c.hear(string(handshake))
	}
	for _, c := range []*client{a, b} {
		c.say(`[:sente-lite/subscribe {:channel-id "c"}]`)
		c.hear(`[:sente-lite/subscribed {:channel-id "c" :success true}]`)
	}
	a.say("[:chsk/ws-ping]")
	a.hear("[:chsk/ws-pong]")
	// What is no message of ours is passed over; a channel without subscribers is nobody's.
	pub.say("[:load/else 1]")
	pub.say(`[:sente-lite/publish {:channel-id "d" :data "1"}]`)
	for _, data := range []string{`"1"`, `"` + strings.Repeat("x", 70_000) + `"`, `"3"`} {
		pub.say(`[:sente-lite/publish {:channel-id "c" :data ` + data + `}]`)
		for _, c := range []*client{a, b} {
			c.hear(`[:sente-lite/channel-msg {:channel-id "c" :data ` + data + ` :from "` + connID + `"}]`)
		}
	}
	// One leaves; the other goes on.
	_ = a.WriteClose(1000, nil)
	pub.say(`[:sente-lite/publish {:channel-id "c" :data "4"}]`)
	b.hear(`[:sente-lite/channel-msg {:channel-id "c" :data "4" :from "` + connID + `"}]`)
	if n := len(pub.heard); n != 0 {
		t.Errorf("the publisher heard %d messages", n)
	}
}
