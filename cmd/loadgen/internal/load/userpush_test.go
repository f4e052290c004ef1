package load_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/wsclient"
)

// pushNode is a stand-in for a node and its NATS server: what is published on
// hoshi.user.<uid> is written to the socket of that uid.
type pushNode struct {
	anonymous bool // ignore the query's uid
	deaf      int  // how many pushes to drop at first

	mu struct {
		sync.Mutex
		sockets map[string]net.Conn
		conns   []net.Conn
		connect string
	}
}

// listen serves each connection with f, until the test ends.
func (n *pushNode) listen(t *testing.T, f func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.mu.Lock()
			n.mu.conns = append(n.mu.conns, c)
			n.mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.mu.Lock()
		for _, c := range n.mu.conns {
			_ = c.Close()
		}
		n.mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func (n *pushNode) client(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	uid := req.URL.Query().Get("uid")
	if n.anonymous {
		uid = "conn-1"
	}
	n.mu.Lock()
	n.mu.sockets[uid] = c
	n.mu.Unlock()
	_, _ = io.WriteString(c, accepted+wsclient.Accept(req.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n"+text(`[:chsk/handshake ["`+uid+`" nil {} true]]`))
	silence(c)
}

// silence reads until the client says goodbye.
func silence(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		k, err := c.Read(buf)
		if err != nil || buf[0] == 0x88 || k >= 8 && buf[k-8] == 0x88 { // alone, or behind another frame
			return
		}
	}
}

func (n *pushNode) nats(c net.Conn) {
	_, _ = io.WriteString(c, "INFO {\"max_payload\":1048576}\r\n")
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		word := strings.Fields(line)
		switch word[0] {
		case "CONNECT":
			n.mu.Lock()
			n.mu.connect = line
			n.mu.Unlock()
		case "PING":
			_, _ = io.WriteString(c, "PONG\r\nPING\r\n") // and we ask as well
		case "PUB":
			size, _ := strconv.Atoi(word[2])
			body := make([]byte, size+2)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			n.push(strings.TrimPrefix(word[1], "hoshi.user."), body[:size])
		}
	}
}

func (n *pushNode) push(uid string, body []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf > 0 {
		n.deaf--
		return
	}
	f := binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(body)))
	_, _ = n.mu.sockets[uid].Write(append(f, body...))
}

func (n *pushNode) options(t *testing.T) load.Options {
	n.mu.sockets = make(map[string]net.Conn)
	return load.Options{
		Scenario:    load.UserPush,
		URLs:        []string{"ws://" + n.listen(t, n.client) + "/ws?x=1"},
		NATS:        "nats://ann:secret@" + n.listen(t, n.nats),
		Connections: 30,
		InFlight:    8,
		Warmup:      50 * time.Millisecond,
		Duration:    300 * time.Millisecond,
		Timeout:     5 * time.Second,
	}
}

func TestUserPush(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 1000} {
		t.Run(fmt.Sprintf("rate=%g", rate), func(t *testing.T) {
			t.Parallel()
			// The first probes are lost, as before an interest is in force.
			n := &pushNode{deaf: 10}
			o := n.options(t)
			o.Rate = rate
			res, err := load.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if res.Sent == 0 || res.Deliveries != res.Sent || res.Latency.Count != res.Sent || res.Unexpected != 0 || res.Lost != 0 {
				t.Errorf("got %+v", res)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			if !strings.Contains(n.mu.connect, `"user":"ann"`) || !strings.Contains(n.mu.connect, `"pass":"secret"`) {
				t.Errorf("credentials are missing: %s", n.mu.connect)
			}
		})
	}
}

func TestUserPushTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	t.Run("no uid", func(t *testing.T) {
		t.Parallel()
		n := &pushNode{anonymous: true}
		_, err := load.Run(t.Context(), n.options(t))
		if err == nil || !strings.Contains(err.Error(), "--insecure-uid-param uid") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		t.Parallel()
		n := &pushNode{deaf: 1 << 30}
		o := n.options(t)
		o.Timeout = 300 * time.Millisecond
		_, err := load.Run(t.Context(), o)
		if !errors.Is(err, load.ErrTimeout) || !strings.Contains(err.Error(), "did not reach 30 of 30 users") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused by nats", func(t *testing.T) {
		t.Parallel()
		n := &pushNode{}
		o := n.options(t)
		o.NATS = "nats://" + n.listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "-ERR 'Authorization Violation'\r\n") })
		_, err := load.Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "Authorization Violation") {
			t.Errorf("got %v", err)
		}
	})
}
