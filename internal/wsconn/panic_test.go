package wsconn_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/wsconn"
	"github.com/hoshi-ws/hoshi/internal/wsconn/handshake"
)

// logged is what a server has written, line by line.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) lines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, m)
	}
	return lines
}

// A panic, wherever on a loop, costs one connection, and is logged with its name and a stack, without the value, which
// may be what a client has sent. So many lines are enough, and all are counted.
func TestPanicsAreLoggedByName(t *testing.T) {
	const secret = "what the client has sent"
	both(t, func(t *testing.T, portable bool) {
		var log logged
		s := start(t, wsconn.Options{Portable: portable, Loops: 1, Logger: zerolog.New(&log)}, func(c *session) {
			c.onRequest = func(c *session, r *handshake.Request) {
				if r.Path() == "/panic" {
					panic(secret)
				}
				c.Accept(wsconn.AcceptOptions{})
				c.accepted <- c
			}
			c.onMessage = func(c *session, _ ws.OpCode, p []byte) wsconn.Verdict {
				if string(p) == secret {
					panic(string(p))
				}
				c.Send(wsconn.NewText(p))
				return wsconn.Done
			}
		})
		neighbour := s.dial()
		s.next()
		ways := []func(){
			func() {
				c := s.dial()
				s.next()
				c.text(secret)
				c.wantClose(1011)
			},
			func() {
				c := s.dial()
				owner := s.next()
				owner.Post(func() { panic(secret) })
				c.wantClose(1011)
			},
			func() {
				c := s.dialRaw()
				c.send([]byte(strings.Replace(requestHead, "/chat", "/panic", 1)))
				c.wantEOF()
			},
		}
		const rounds = 5
		for range rounds {
			for _, way := range ways {
				way()
			}
			neighbour.text("well")
			neighbour.wantText("well")
		}
		eventually(t, "all counted", func() bool { return s.Stats().Panics == rounds*uint64(len(ways)) })
		lines := log.lines(t)
		if len(lines) != 10 {
			t.Errorf("%d lines of %d panics", len(lines), rounds*len(ways))
		}
		for _, line := range lines {
			stack, _ := line["stack"].(string)
			if line["conn"] != "conn-of-a-test" || line["level"] != "error" || !strings.Contains(stack, "panic_test.go") {
				t.Errorf("line %v", line)
			}
			if strings.Contains(line["message"].(string)+stack, secret) || line["value"] != "string" {
				t.Errorf("tells what was sent: %v", line)
			}
		}
	})
}
