package wsconn_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/certs/certtest"
	"github.com/hoshi-ws/hoshi/internal/wsconn"
)

// idleCount is how many connections BenchmarkIdleMemory measures.
const idleCount = 2000

// BenchmarkIdleMemory says what an idle connection costs, in each of the ways in which one can come: the heap and the stacks
// that are live behind a collection, and the resident memory of the process. The peers are a process of their own.
func BenchmarkIdleMemory(b *testing.B) {
	for _, way := range ways {
		b.Run("way="+way, func(b *testing.B) {
			for b.Loop() {
				measureIdle(b, way)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func measureIdle(b *testing.B, way string) {
	b.StopTimer()
	defer b.StartTimer()
	o := wsconn.Options{Portable: way == "portable", Loops: 2}
	o.NewConn = func() (wsconn.Handler, *wsconn.Conn) {
		s := &session{accepted: make(chan *session, 1), closed: make(chan wsconn.CloseInfo, 1)}
		return s, &s.Conn
	}
	env := []string{}
	if way == "tls" {
		ca := certtest.New(b, "ca")
		o.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(b, "node", nil).TLS}}
		env = append(env, "IDLE_CA="+base64.StdEncoding.EncodeToString(ca.PEM))
	}
	srv, err := wsconn.New(o)
	if err != nil {
		b.Fatal(err)
	}
	srv.Start()
	defer func() {
		if err := srv.Stop(b.Context(), 1001, "over"); err != nil {
			b.Error(err)
		}
	}()
	before := memoryNow(b)
	peers := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkIdlePeers$", "-test.benchtime=1x")
	peers.Env = append(os.Environ(), append(env, "IDLE_ADDR="+srv.Addr().String())...)
	hold, err := peers.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := peers.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := peers.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "idle" {
	}
	for deadline := time.Now().Add(patience); srv.Stats().Open != idleCount; time.Sleep(time.Millisecond) { // counted when a turn ends
		if time.Now().After(deadline) {
			b.Fatalf("%d connections are open", srv.Stats().Open)
		}
	}
	after := memoryNow(b)
	_ = hold.Close()
	_, _ = io.Copy(io.Discard, out)
	if err := peers.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((after.heap-before.heap)/idleCount, "heap-B/conn")
	b.ReportMetric((after.stack-before.stack)/idleCount, "stack-B/conn")
	b.ReportMetric((after.resident-before.resident)/idleCount, "rss-B/conn")
}

// BenchmarkIdlePeers is the other process of BenchmarkIdleMemory, and nothing by itself.
func BenchmarkIdlePeers(b *testing.B) {
	addr := os.Getenv("IDLE_ADDR")
	if addr == "" {
		return
	}
	var config *tls.Config
	if text, err := base64.StdEncoding.DecodeString(os.Getenv("IDLE_CA")); err == nil && len(text) > 0 {
		config = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
		config.RootCAs.AppendCertsFromPEM(text)
	}
	for range idleCount {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		if config != nil {
			c = tls.Client(c, config)
		}
		if _, err := io.WriteString(c, requestHead); err != nil {
			b.Fatal(err)
		}
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 101 ") {
			b.Fatal(line, err)
		}
	}
	fmt.Println("\nidle")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// memory is in bytes.
type memory struct{ heap, stack, resident float64 }

func memoryNow(b *testing.B) memory {
	b.Helper()
	for range 3 { // stacks shrink by half each time
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return memory{heap: float64(m.HeapAlloc), stack: float64(m.StackInuse), resident: kib * 1024}
}
