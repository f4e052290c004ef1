package main_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// terminal is a pseudo-terminal, and what has been drawn on it.
type terminal struct {
	master, slave *os.File

	mu    sync.Mutex
	drawn strings.Builder
}

func openTerminal(t *testing.T, columns, lines uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master, slave: slave}
	go func() { // ends with the master
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			term.mu.Lock()
			term.drawn.Write(buf[:n])
			term.mu.Unlock()
			if err != nil && !errors.Is(err, io.EOF) {
				return
			}
		}
	}()
	return term
}

func (m *terminal) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drawn.String()
}

func (m *terminal) echoes(t *testing.T) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(m.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// TestTopLive draws on a terminal again and again, and leaves it as it was.
func TestTopLive(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_DRAIN_TIME=0s"}, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	greeted(t, node)
	for _, end := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		term := openTerminal(t, 72, 10)
		cmd := exec.Command(hoshi(t), "top", "--every", "200ms")
		cmd.Env = environment("HOSHI_NATS_URL=" + url)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		testkit.Eventually(t, "three frames", func() bool { return strings.Count(term.text(), "\x1b[Hhoshi top  ") >= 3 })
		if term.echoes(t) {
			t.Error("what is typed is shown")
		}
		if err := cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", end, err)
		}
		const enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
		testkit.Eventually(t, "the terminal is given back", func() bool { return strings.HasSuffix(term.text(), leave) })
		text := strings.ReplaceAll(term.text(), "\r\r", "\r") // the terminal adds its own
		if !strings.HasPrefix(text, enter) || strings.Count(text, enter) != 1 || !term.echoes(t) {
			t.Errorf("%v: drawn %q", end, text)
		}
		frame := strings.Split(strings.Split(text, "\x1b[H")[2], "\x1b[K\r\n")
		if len(frame) != 4 || !strings.Contains(frame[3], " ready ") || !strings.HasSuffix(frame[3], "\x1b[K\x1b[J") {
			t.Errorf("%v: a frame is %q", end, frame)
		}
	}
	// A node that hangs is silent, and then gone.
	term := openTerminal(t, 100, 10)
	cmd := exec.Command(hoshi(t), "top", "--every", "200ms")
	cmd.Env = environment("HOSHI_NATS_URL=" + url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	testkit.Eventually(t, "a frame", func() bool { return strings.Contains(term.text(), " ready ") })
	node.signal(t, syscall.SIGSTOP)
	testkit.Eventually(t, "silent", func() bool { return strings.Contains(term.text(), " silent ") })
	testkit.Eventually(t, "gone", func() bool { return strings.Contains(term.text(), " gone") })
	node.signal(t, syscall.SIGCONT)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	node.signal(t, syscall.SIGTERM)
	if code := node.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
