package main

import (
	"bytes"
	"sync"

	"github.com/lxzan/gws"
)

// connID is the conn-id that every client gets: only its length matters.
const connID = "conn-00000000-0000-7000-8000-000000000000"

// The parts of what clients say and hear around a channel, as the load generator
// writes them.
var (
	subscribe = []byte("[:sente-lite/subscribe {:channel-id ")
	publish   = []byte("[:sente-lite/publish {:channel-id ")
	data      = []byte(" :data ")
	end       = []byte("}]")
	ping      = []byte("[:chsk/ws-ping]")
	pong      = []byte("[:chsk/ws-pong]")
	handshake = []byte(`[:chsk/handshake ["` + connID + `" nil {:sente-lite-version "2.0.0" :conn-id "` + connID + `"} true]]`)
)

// server is the handler of all connections; its methods run on their goroutines.
type server struct {
	gws.BuiltinEventHandler
	mu struct {
		sync.RWMutex
		channels map[string]map[*gws.Conn]struct{} // channel-id as written
	}
}

func newServer() *server {
	s := &server{}
	s.mu.channels = make(map[string]map[*gws.Conn]struct{})
	return s
}

// OnOpen greets.
func (s *server) OnOpen(c *gws.Conn) { _ = c.WriteMessage(gws.OpcodeText, handshake) } // a failure closes c

// OnClose forgets c.
func (s *server) OnClose(c *gws.Conn, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, members := range s.mu.channels {
		delete(members, c)
	}
}

// OnMessage answers a ping or a subscribe, and gives a publish to all subscribers.
func (s *server) OnMessage(c *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	text := m.Bytes()
	switch {
	case bytes.Equal(text, ping):
		_ = c.WriteMessage(gws.OpcodeText, pong)
	case bytes.HasPrefix(text, subscribe) && bytes.HasSuffix(text, end):
		id := string(text[len(subscribe) : len(text)-len(end)])
		s.mu.Lock()
		if s.mu.channels[id] == nil {
			s.mu.channels[id] = make(map[*gws.Conn]struct{})
		}
		s.mu.channels[id][c] = struct{}{}
		s.mu.Unlock()
		_ = c.WriteString("[:sente-lite/subscribed {:channel-id " + id + " :success true}]")
	case bytes.HasPrefix(text, publish) && bytes.HasSuffix(text, end):
		id, body, ok := bytes.Cut(text[len(publish):len(text)-len(end)], data)
		if ok {
			s.deliver(string(id), body)
		}
	}
}

// deliver gives a message to the subscribers of a channel as the library's manual
// does it: one frame, and for each connection a task that writes it.
func (s *server) deliver(id string, body []byte) {
	b := gws.NewBroadcaster(gws.OpcodeText, []byte("[:sente-lite/channel-msg {:channel-id "+id+" :data "+string(body)+` :from "`+connID+`"}]`))
	defer func() { _ = b.Close() }()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.mu.channels[id] {
		_ = b.Broadcast(c) // a failure closes c
	}
}
