package main_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// splitting is a command whose standard error is in a file.
func splitting(t *testing.T, args ...string) (cmd *exec.Cmd, stderr string) {
	t.Helper()
	stderr = filepath.Join(t.TempDir(), "stderr")
	return exec.Command("sh", append([]string{"-c", `file=$1; shift; exec "$@" 2>"$file"`, "sh", stderr, hoshi(t)}, args...)...), stderr
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// jsonLines holds that each line is one log event, and returns how many there are.
func jsonLines(t *testing.T, text string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(text) {
		n++
		var event struct{ Level, Time, Message string }
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Level == "" || event.Time == "" || event.Message == "" {
			t.Errorf("no log event: %q, %v", line, err)
		}
	}
	return n
}

// rudely writes something to a port, and returns when that is closed or has said
// something.
func rudely(t *testing.T, addr string, text []byte) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// It may be cut off while it writes.
	conn.Write(text)                 //nolint:errcheck // as above
	conn.(*net.TCPConn).CloseWrite() //nolint:errcheck // as above
	io.Copy(io.Discard, conn)        //nolint:errcheck // as above
}

// TestOneStream holds that whatever happens to a node, each line of standard error
// is one JSON object: its own, those of nats-server, nats.go, net/http and whoever
// else logs by the standard library.
func TestOneStream(t *testing.T) {
	t.Parallel()
	// One with NATS inside, one on a NATS that goes away.
	cmd, stderr := splitting(t, append([]string{"--log-level", "debug", "--max-handshake-rate", "5"}, freePorts...)...)
	node := start(t, []string{"HOSHI_NATS_TOKEN=hunter2-swordfish", "GODEBUG=http2debug=2,multipathtcp=0", "NATS_DEBUG=1"}, cmd)
	clients, _ := addr(t, node.line(t, "clients"))
	admin := adminAddr(t, node)
	nats := strings.TrimPrefix(strings.Fields(node.line(t, "backends"))[0], "nats://")

	garbage := bytes.Repeat([]byte("\x00\xff{\"a\":1}\n"), 3000)
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: \x01\"\n", 5000))
	for _, port := range []string{clients, admin, nats} {
		for _, text := range [][]byte{garbage, head, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), []byte("CONNECT {\"auth_token\":\"wrong\"}\r\nPING\r\n"), []byte("GET / HTTP/9.9\r\n\r\n"), {}} {
			rudely(t, port, text)
		}
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{InsecureSkipVerify: true}} // nobody speaks TLS there
		if conn, err := dialer.DialContext(t.Context(), "tcp", port); err == nil {
			conn.Close()
			t.Errorf("%s speaks TLS", port)
		}
	}
	bad := testkit.Dial(t, clients, "/")
	bad.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	bad.ExpectClose(1002)
	node.signal(t, os.Interrupt)
	node.ended(t)
	text := read(t, stderr)
	for _, want := range []string{`"component":"natsd"`, `"component":"edge"`, `"component":"security"`, "node is stopping"} {
		if !strings.Contains(text, want) {
			t.Errorf("no line with %s", want)
		}
	}
	if n := jsonLines(t, text); n < 20 || strings.Contains(text, "swordfish") {
		t.Errorf("%d lines", n)
	}
}

// TestOneStreamWithoutNATS is the same for a node that loses NATS, and is told to
// reload.
func TestOneStreamWithoutNATS(t *testing.T) {
	t.Parallel()
	nats := testkit.StartNATS(t, 1)[0]
	cmd, stderr := splitting(t, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-url", nats.ClientURL(), "--log-level", "debug")
	node := start(t, nil, cmd)
	node.line(t, "clients")
	node.signal(t, syscall.SIGHUP)
	testkit.Eventually(t, "a hang-up is told of", func() bool { return strings.Contains(read(t, stderr), "a hang-up changes nothing") })
	nats.Shutdown()
	for _, want := range []string{"node is started", "nats"} {
		testkit.Eventually(t, "the log has "+want, func() bool { return strings.Contains(read(t, stderr), want) })
	}
	testkit.Eventually(t, "the log tells that NATS is away", func() bool { return strings.Count(read(t, stderr), `"component":"bus"`) >= 3 })
	node.signal(t, syscall.SIGTERM)
	node.ended(t)
	jsonLines(t, read(t, stderr))
}

// TestLogFile holds that a node with a log file is silent on standard error, opens
// the file anew on SIGHUP, and has what kept it from starting in both.
func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hoshi.log")
	cmd, stderr := splitting(t, append([]string{"--log-file", path, "--dev"}, freePorts...)...)
	node := start(t, nil, cmd)
	if said := node.line(t, "log "); said != path {
		t.Errorf("it says %q", said)
	}
	testkit.Eventually(t, "the start is logged", func() bool { return strings.Contains(read(t, path), "node is started") })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	node.signal(t, syscall.SIGHUP)
	testkit.Eventually(t, "there is a new file", func() bool { return strings.Contains(read(t, path), "log file is opened anew") })
	node.signal(t, syscall.SIGTERM)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := jsonLines(t, read(t, path+".1")) + jsonLines(t, read(t, path)); n < 5 || !strings.Contains(read(t, path), "node is stopping") {
		t.Errorf("%d lines", n)
	}
	if text := read(t, stderr); text != "" {
		t.Errorf("standard error has %s", text)
	}

	busy := listen(t).Addr().String()
	r := runHoshi(t, nil, append([]string{"--log-file", path, "--dev"}, append(freePorts, "--listen", busy)...)...)
	want := busy + " is in use: --listen moves it, port 0 takes a free one"
	if r.code != 2 || r.stderr != "hoshi: "+want+"\n" || !strings.Contains(read(t, path), want) {
		t.Errorf("code %d, stderr %q, file\n%s", r.code, r.stderr, read(t, path))
	}
	jsonLines(t, read(t, path))
}

// TestLogFileFaults holds what is said of files that cannot be, beside what else
// is wrong.
func TestLogFileFaults(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "hoshi.edn")
	none := filepath.Join(dir, "none", "hoshi.log")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{:log-file %q :log-file-size "1500KiB" :log-file-keep 0}`, none), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runHoshi(t, nil, "--config", config, "--idle-timeout", "1s")
	want := `hoshi: --idle-timeout: 1s is not more than --ping-interval 30s, so idle clients would be cut between two pings
hoshi: ` + config + ` :log-file-size: "1500KiB" is no multiple of 1MiB
hoshi: ` + config + ` :log-file-keep: 0 is too small, the least is 1
hoshi: ` + config + ` :log-file: ` + none + `: the folder ` + filepath.Dir(none) + ` does not exist
`
	if r.code != 2 || r.stderr != want {
		t.Errorf("code %d, stderr\n%swant\n%s", r.code, r.stderr, want)
	}
}
