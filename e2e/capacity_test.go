package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestCapacity holds what a connection costs, in a node process built without
// the race detector whose clients are elsewhere: no goroutine, and a pinned
// number of bytes of heap.
func TestCapacity(t *testing.T) {
	const conns = 5000
	c := newCluster(t)
	bin := filepath.Join(t.TempDir(), "hoshi")
	if err := build(bin, "github.com/hoshi-ws/hoshi/cmd/node"); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	listen, admin := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	p := start(t, t, "node", c.dir, nil, bin, "--listen", listen, "--admin-listen", admin, "--nats-listen", "127.0.0.1:0",
		"--ping-interval", "1h", "--idle-timeout", "2h")
	eventually(t, p, "ready", func() bool { return getJSON("http://"+admin+"/health/ready", &struct{}{}) })

	// One connection and one channel of each kind first, so that what is made
	// once is not counted.
	dialQuiet(t, listen, "/").subscribe(t, "warm-up")
	dialQuiet(t, listen, "/chsk?client-id=warm-up")
	empty := settled(t, p, admin)
	var all []quiet
	for range conns {
		all = append(all, dialQuiet(t, listen, "/"))
	}
	bare := settled(t, p, admin)
	for _, q := range all {
		q.subscribe(t, "everyone")
	}
	joined := settled(t, p, admin)
	for i, q := range all {
		q.subscribe(t, fmt.Sprintf("own-%d", i))
	}
	own := settled(t, p, admin)
	for i := range conns {
		dialQuiet(t, listen, fmt.Sprintf("/chsk?client-id=tab-%d", i))
	}
	tabs := settled(t, p, admin)

	if d := int(tabs.Goroutines) - int(empty.Goroutines); d > 2 || d < -2 {
		t.Errorf("%d goroutines with nothing, %d with %d connections and %d channels", empty.Goroutines, tabs.Goroutines, 2*conns, conns)
	}
	each := func(a, b processStats) int { return (int(b.HeapBytes) - int(a.HeapBytes)) / conns }
	for _, m := range []struct {
		what      string
		got, most int
	}{
		{"an idle connection", each(empty, bare), 360},
		{"its subscription to a channel that others have", each(bare, joined), 72},
		{"its subscription to a channel of its own, interest on the embedded NATS included", each(joined, own), 2000},
		{"an idle connection of Sente, interest in its client-id on the embedded NATS included", each(own, tabs), 2600},
	} {
		t.Logf("%s: %d B of heap", m.what, m.got)
		if m.got > m.most {
			t.Errorf("%s takes %d B of heap, at most %d are expected", m.what, m.got, m.most)
		}
	}
}

type processStats struct {
	Goroutines uint64 `json:"goroutines"`
	HeapBytes  uint64 `json:"heap_bytes"`
}

// settled collects garbage in the node and reads what is left, once two
// readings in a row agree.
func settled(t *testing.T, p *process, admin string) processStats {
	t.Helper()
	var last processStats
	eventually(t, p, "settled", func() bool {
		for range 2 { // pools keep what they hold for one collection
			resp, err := client.Get("http://" + admin + "/debug/pprof/heap?gc=1")
			if err != nil {
				return false
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return false
			}
		}
		var s struct{ Process processStats }
		if !getJSON("http://"+admin+"/stats", &s) {
			return false
		}
		stable := s.Process.Goroutines == last.Goroutines && s.Process.HeapBytes < last.HeapBytes+16<<10 && last.HeapBytes < s.Process.HeapBytes+16<<10
		last = s.Process
		return stable
	})
	return last
}

// quiet is a connection that costs this process little.
type quiet struct{ net.Conn }

func dialQuiet(t *testing.T, addr, path string) quiet {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	q := quiet{conn}
	end := "} true]]"
	if strings.HasPrefix(path, "/chsk") {
		end = "}]] nil]"
	}
	if got := q.read(t, end); !strings.HasPrefix(got, "HTTP/1.1 101 ") {
		t.Fatalf("upgrade: %s", got)
	}
	return q
}

// read reads until what was read ends as wanted.
func (q quiet) read(t *testing.T, end string) string {
	t.Helper()
	_ = q.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReaderSize(q, 512)
	var got []byte
	for !strings.HasSuffix(string(got), end) {
		b, err := in.ReadByte()
		if err != nil {
			t.Fatalf("read after %q: %v", got, err)
		}
		got = append(got, b)
	}
	return string(got)
}

func (q quiet) subscribe(t *testing.T, channel string) {
	t.Helper()
	if _, err := q.Write(testkit.AppendFrame(nil, ws.OpText, []byte(`[:sente-lite/subscribe {:channel-id "`+channel+`"}]`))); err != nil {
		t.Fatal(err)
	}
	q.read(t, `{:channel-id "`+channel+`", :success true}]`)
}
