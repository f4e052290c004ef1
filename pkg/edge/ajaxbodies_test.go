package edge_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"

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
