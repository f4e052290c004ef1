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

	"github.com/hoshi-ws/hoshi/cmd/node/internal/board"
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

const (
	enter = "\x1b[?1049h\x1b[?25l"
	leave = "\x1b[?25h\x1b[?1049l"
	frame = "\x1b[Hhoshi top  "
)

// run has a shell run a script on the terminal, which is that of its session. To read a
// line at its end keeps the terminal.
func (m *terminal) run(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = environment(env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.slave, m.slave, m.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// since is what has been drawn behind the first bytes.
func (m *terminal) since(n int) string { return m.text()[n:] }

func (m *terminal) types(t *testing.T, keys string) {
	t.Helper()
	if _, err := m.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// signal signals those in the foreground.
func (m *terminal) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	group, err := unix.IoctlGetInt(int(m.master.Fd()), unix.TIOCGPGRP)
	if err == nil {
		err = unix.Kill(-group, sig)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// asBefore waits for what a shell writes when the terminal is its own again, and looks
// whether it is as it was.
func (m *terminal) asBefore(t *testing.T, since int, says string) {
	t.Helper()
	testkit.Eventually(t, "the shell says "+says, func() bool { return strings.Contains(m.since(since), says) })
	text := m.since(since)
	if before, _, _ := strings.Cut(text, says); !strings.Contains(before, leave) || strings.LastIndex(before, leave) < strings.LastIndex(before, frame) {
		t.Errorf("it is not left: %q", text)
	}
	s, err := unix.IoctlGetTermios(int(m.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if s.Lflag&unix.ECHO == 0 || s.Lflag&unix.ICANON == 0 || s.Cc[unix.VMIN] != 1 {
		t.Errorf("it is left with flags %#o", s.Lflag)
	}
}

// drawing waits for so many frames.
func (m *terminal) drawing(t *testing.T, since, frames int) {
	t.Helper()
	testkit.Eventually(t, "frames", func() bool { return strings.Count(m.since(since), frame) >= frames })
	if m.echoes(t) {
		t.Error("what is typed is shown")
	}
}

// TestTopLive draws on a terminal again and again, and leaves it as it was.
func TestTopLive(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_DRAIN_TIME=0s"}, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	greeted(t, node)
	env := []string{"HOSHI_NATS_URL=" + url, "TOP=" + hoshi(t) + " top --every 200ms"}
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		term := openTerminal(t, 72, 10)
		cmd := term.run(t, env, "-c", `trap : INT TERM; $TOP; echo ended $?; read x`)
		term.drawing(t, 0, 3)
		term.signal(t, end)
		term.asBefore(t, 0, "ended 0")
		term.types(t, "\n")
		_ = cmd.Wait()
		text := strings.ReplaceAll(term.text(), "\r\r", "\r") // the terminal adds its own
		if !strings.HasPrefix(text, enter) || strings.Count(text, enter) != 1 || !strings.Contains(text, leave+"ended 0\r\n") {
			t.Errorf("%v: drawn %q", end, text)
		}
		lines := strings.Split(strings.Split(text, "\x1b[H")[2], "\x1b[K\r\n")
		if len(lines) != 4 || !strings.HasSuffix(lines[1], " q quits") || !strings.Contains(lines[3], " ready ") || !strings.HasSuffix(lines[3], "\x1b[K\x1b[J") {
			t.Errorf("%v: a frame is %q", end, lines)
		}
	}
	// A node that hangs is silent, and then gone. Without a terminal of its own there are
	// no keys.
	term := openTerminal(t, 100, 10)
	cmd := exec.Command(hoshi(t), "top", "--every", "200ms")
	cmd.Env = environment("HOSHI_NATS_URL=" + url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	testkit.Eventually(t, "a frame", func() bool { return strings.Contains(term.text(), " ready ") })
	if !strings.Contains(term.text(), " Ctrl-C quits") {
		t.Errorf("drawn %q", term.text())
	}
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

// TestTopKeys has q and Ctrl-C end it, Ctrl-Z and fg leave the terminal and come back,
// and gives the terminal back on every way out.
func TestTopKeys(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	node := start(t, []string{"HOSHI_NATS_URL=" + url, "HOSHI_DRAIN_TIME=0s"}, exec.Command(hoshi(t), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"))
	greeted(t, node)
	env := []string{"HOSHI_NATS_URL=" + url, "TOP=" + hoshi(t) + " top --every 200ms"}

	t.Run("ends", func(t *testing.T) {
		for _, tt := range []struct {
			name string
			end  func(*testing.T, *terminal)
			says string
		}{
			{"q", func(t *testing.T, m *terminal) { m.types(t, "xQq") }, "ended 0"},
			{"Ctrl-C", func(t *testing.T, m *terminal) { m.types(t, "\x03") }, "ended 0"},
			{"Ctrl-\\", func(t *testing.T, m *terminal) { m.types(t, "\x1c") }, "SIGQUIT"},
			{"the terminal's end", func(t *testing.T, m *terminal) { m.signal(t, unix.SIGHUP) }, "ended 129"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				term := openTerminal(t, 72, 10)
				cmd := term.run(t, env, "-c", `trap : INT QUIT HUP; $TOP; echo ended $?; read x`)
				term.drawing(t, 0, 2)
				tt.end(t, term)
				term.asBefore(t, 0, tt.says)
				testkit.Eventually(t, "the shell goes on", func() bool { return strings.Contains(term.text(), "ended ") })
				term.types(t, "\n")
				_ = cmd.Wait()
				if n := strings.Count(term.text(), enter); n != 1 {
					t.Errorf("it is entered %d times", n)
				}
			})
		}
	})

	t.Run("keys that are not q", func(t *testing.T) {
		term := openTerminal(t, 72, 10)
		term.run(t, env, "-c", `$TOP; echo ended $?; read x`)
		term.drawing(t, 0, 1)
		term.types(t, "xQ \n")
		term.types(t, "\x1b[200~q") // pasted
		n := len(term.text())
		term.drawing(t, n, 3)
		if strings.Contains(term.text(), "ended") {
			t.Errorf("it has ended: %q", term.text())
		}
	})

	t.Run("stop and go on", func(t *testing.T) {
		term := openTerminal(t, 72, 10)
		cmd := term.run(t, env, "-mc", `$TOP; echo "stopped 1"; read x; fg; echo "stopped 2"; read x; fg; echo "stopped 3"; read x; fg; echo "ended $?"; read x`)
		term.drawing(t, 0, 2)
		n := len(term.text())
		term.types(t, "\x1a")
		term.asBefore(t, n, "stopped 1")

		n = len(term.text())
		term.types(t, "\n")
		term.drawing(t, n, 2)
		if text := term.since(n); strings.Count(text, enter) != 1 || strings.Index(text, enter) > strings.Index(text, frame) {
			t.Errorf("it is not entered again: %q", text)
		}
		n = len(term.text())
		term.signal(t, unix.SIGTSTP) // of somebody else
		term.asBefore(t, n, "stopped 2")

		n = len(term.text())
		term.types(t, "\n")
		term.drawing(t, n, 2)
		n = len(term.text())
		term.signal(t, unix.SIGSTOP) // of which it does not hear
		testkit.Eventually(t, "the shell goes on", func() bool { return strings.Contains(term.since(n), "stopped 3") })
		sane(t, term)

		n = len(term.text())
		term.types(t, "\n")
		term.drawing(t, n, 2)
		n = len(term.text())
		term.types(t, "q")
		term.asBefore(t, n, "ended 0")
		term.types(t, "\n")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})

	// Where nobody could have it go on, it is not stopped.
	t.Run("stop without a shell", func(t *testing.T) {
		term := openTerminal(t, 72, 10)
		cmd := term.run(t, env, "-c", `$TOP; echo "ended $?"; read x`)
		term.drawing(t, 0, 2)
		n := len(term.text())
		term.types(t, "\x1a")
		testkit.Eventually(t, "it comes back", func() bool { return strings.Contains(term.since(n), leave+enter) })
		n = len(term.text())
		term.drawing(t, n, 2)
		term.types(t, "q")
		term.asBefore(t, n, "ended 0")
		term.types(t, "\n")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// sane does what an interactive shell does to the terminal of a job that has stopped.
func sane(t *testing.T, m *terminal) {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(m.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	s.Lflag |= unix.ECHO | unix.ICANON
	s.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(int(m.slave.Fd()), unix.TCSETS, s); err != nil {
		t.Fatal(err)
	}
}

// TestTopPanics has the terminal given back by a program that panics: this one.
func TestTopPanics(t *testing.T) {
	if os.Getenv("SCREEN_PANICS") != "" {
		screen, ok := board.Open(os.Stdout)
		if !ok {
			os.Exit(3)
		}
		defer screen.Close()
		if err := screen.Show([]string{"hoshi top  "}); err != nil {
			os.Exit(4)
		}
		panic("at the disco")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	term := openTerminal(t, 72, 10)
	cmd := term.run(t, []string{"SELF=" + self, "SCREEN_PANICS=1"}, "-c", `$SELF -test.run='^TestTopPanics$'; echo "ended $?"; read x`)
	term.asBefore(t, 0, "at the disco")
	testkit.Eventually(t, "it ends", func() bool { return strings.Contains(term.text(), "ended 2") })
	term.types(t, "\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
