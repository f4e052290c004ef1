package bus_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestLeave: a connection that is given up is reset, so that nothing of it arrives
// later; a link that stops closes it properly, as what it has said must arrive.
func TestLeave(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(t *testing.T, toNode net.Conn, n *bus.Node)
		reset bool
	}{
		{name: "given up", reset: true, leave: func(t *testing.T, toNode net.Conn, _ *bus.Node) {
			if _, err := io.WriteString(toNode, "-ERR 'Something Nobody Knows'\r\n"); err != nil {
				t.Error(err)
			}
		}},
		{name: "stopped", leave: func(t *testing.T, _ net.Conn, n *bus.Node) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := n.Stop(ctx); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, natsd.Options{})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			toNode, ended := make(chan net.Conn, 1), make(chan error, 1)
			go func() { // ends with the first connection
				c, err := l.Accept()
				_ = l.Close() // later ones go to the server itself
				if err != nil {
					ended <- err
					return
				}
				up, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					ended <- err
					return
				}
				defer func() { _ = c.Close(); _ = up.Close() }()
				toNode <- c
				go func() { _, _ = io.Copy(plain{c}, plain{up}) }() // ends with either
				_, err = io.Copy(plain{up}, plain{c})
				ended <- err
			}()
			n := node(t, s, &recorder{}, func(o *bus.NodeOptions) { o.URLs = []string{"nats://" + l.Addr().String()} })
			tt.leave(t, <-toNode, n)
			if err := <-ended; errors.Is(err, syscall.ECONNRESET) != tt.reset || err != nil && !tt.reset {
				t.Errorf("the connection ended with %v, want a reset: %v", err, tt.reset)
			}
		})
	}
}

// plain hides what a connection can do beside reading and writing: io.Copy would
// leave the pipes of splice behind.
type plain struct{ io.ReadWriter }
