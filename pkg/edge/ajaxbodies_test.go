package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// Who says that much will come, and sends nothing, takes nobody's room for what
// has come; what does not fit is refused, and given back.
func TestAnnouncedBodies(t *testing.T) {
	c, p, _ := ajaxNodes(t, 1, nil)
	n := c.Nodes[0]
	p.Open()
	const count = 40 // together more than there is room for
	var silent []net.Conn
	for range count {
		conn, err := net.Dial("tcp", n.Addr().String())
		must(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /chsk?client-id=tab-1&binary%%3F=true HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nx", 2<<20)
		must(t, err)
		silent = append(silent, conn)
	}
	testkit.Eventually(t, "all wait for their bodies", func() bool { return edge.Bodies(n) == count })
	if got := p.Post("[[:chsk/ws-ping] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
		t.Errorf("a small one is answered %q", got)
	}
	for _, conn := range silent {
		must(t, conn.Close())
	}
	testkit.Eventually(t, "all is given back", func() bool { return edge.Bodies(n) == 0 })

	release := edge.FillBodies(n)
	form := url.Values{"client-id": {"tab-1"}, "ppstr": {"[[:chsk/ws-ping] nil]"}}
	answer, err := http.PostForm("http://"+n.Addr().String()+"/chsk", form)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("without room: %d %v", answer.StatusCode, answer.Header)
	}
	release()
	if got := p.Post("[[:chsk/ws-ping] nil]"); got != "[:chsk/dummy-cb-200 nil]" {
		t.Errorf("then: %q", got)
	}
}

// Whose body is too large reads the answer, although he is still sending: the
// connection is not reset under it, also where he has said that it is to be closed.
func TestRefusedBodiesAreReadAway(t *testing.T) {
	t.Parallel()
	c, _, _ := ajaxNodes(t, 1, func(o *edge.Options) { o.MaxMessage = 1 << 10 })
	const size = 200 << 10
	for _, connection := range []string{"keep-alive", "close"} {
		began := time.Now()
		conn, err := net.Dial("tcp", c.Nodes[0].Addr().String())
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(testkit.Patience)))
		_, err = fmt.Fprintf(conn, "POST /chsk?client-id=tab-1 HTTP/1.1\r\nHost: x\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n", connection, size)
		must(t, err)
		_, err = conn.Write(make([]byte, size/2))
		must(t, err)
		in := bufio.NewReader(conn)
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("%s: %+v, %v", connection, answer, err)
		}
		_, err = io.Copy(io.Discard, answer.Body) // all of it comes at once
		must(t, err)
		answer.Body.Close()
		if _, err = conn.Write(make([]byte, size/2)); err != nil {
			t.Errorf("%s: the rest: %v", connection, err)
		}
		if _, err = io.Copy(io.Discard, in); err != nil {
			t.Errorf("%s: the end: %v", connection, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v", connection, took)
		}
	}
}
