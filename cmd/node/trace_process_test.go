package main_test

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestTraceProcess has the spans of a node arrive where the options say: those of
// its last moment too, since NATS is left before.
func TestTraceProcess(t *testing.T) {
	var mu sync.Mutex
	spans, instances := map[string]int{}, map[string]bool{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m collector.ExportTraceServiceRequest
		z, err := gzip.NewReader(r.Body)
		if err == nil {
			var p []byte
			if p, err = io.ReadAll(z); err == nil {
				err = proto.Unmarshal(p, &m)
			}
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range m.GetResourceSpans() {
			for _, a := range rs.GetResource().GetAttributes() {
				if a.GetKey() == "service.instance.id" {
					instances[a.GetValue().GetStringValue()] = true
				}
			}
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					spans[s.GetName()]++
				}
			}
		}
	}))
	defer receiver.Close()
	args := append([]string{"--dev", "--trace-endpoint", receiver.URL, "--trace-sample", "1"}, freePorts...)
	node := start(t, nil, exec.Command(hoshi(t), args...))
	host, path := addr(t, greeted(t, node).clients)
	alice := testkit.Dial(t, host, path)
	alice.Subscribe(`"room"`)
	alice.Publish(`"room"`, "1")
	if got := alice.Read(); !strings.Contains(got, "room") {
		t.Errorf("got %s", got)
	}
	alice.Send(`[[:my/question 7] "cb"]`)
	alice.Expect(`[7 "cb"]`)
	node.signal(t, os.Interrupt)
	alice.ExpectClose(1012)
	alice.Conn.Close()
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	mu.Lock()
	defer mu.Unlock()
	if spans["publish"] != 1 || spans["deliver"] != 1 || spans["event"] != 1 || len(spans) != 3 {
		t.Errorf("spans %v", spans)
	}
	for id := range instances {
		if conn := alice.ConnID; !strings.HasSuffix(conn, id) || len(instances) != 1 {
			t.Errorf("instances %v, of %s", instances, conn)
		}
	}
}

// TestTraceProcessWithout has a node run, and end in time, whose endpoint takes
// connections and says nothing.
func TestTraceProcessWithout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	args := append([]string{"--dev", "--trace-endpoint", "http://" + silent.Addr().String(), "--trace-sample", "1"}, freePorts...)
	node := start(t, nil, exec.Command(hoshi(t), args...))
	host, path := addr(t, greeted(t, node).clients)
	alice := testkit.Dial(t, host, path)
	for range 100 {
		alice.Send(`[[:my/question 7] "cb"]`)
		alice.Expect(`[7 "cb"]`)
	}
	alice.Conn.Close()
	node.signal(t, os.Interrupt)
	begun := time.Now()
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if d := time.Since(begun); d > 8*time.Second {
		t.Errorf("it took %v to end", d)
	}
	if out, _ := node.output(); !strings.Contains(out, "the last spans are lost") {
		t.Errorf("it says %s", out)
	}
}
