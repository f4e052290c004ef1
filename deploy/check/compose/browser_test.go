package compose

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// window is Chromium with three windows of the page.
type window struct {
	cmd   *exec.Cmd
	lines chan string // closed when it has ended
}

// look opens Chromium; testdata/page.mjs says what it does there.
func look(t *testing.T) *window {
	t.Helper()
	browser := ""
	for _, name := range []string{"chromium-headless-shell", "chromium"} {
		if file, err := exec.LookPath(name); err == nil {
			browser = file
			break
		}
	}
	modules, err := filepath.Abs(filepath.Join(root, "e2e"))
	if err != nil || browser == "" {
		t.Fatalf("no Chromium: run scripts/setup.sh (%v)", err)
	}
	w := &window{lines: make(chan string, 16)}
	w.cmd = exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "page.mjs"), modules, browser, "http://localhost:8080/", os.Getenv("HOSHI_CHECK_SHOTS"))
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd.Stderr = w.cmd.Stdout
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with Chromium
		defer close(w.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
		_ = w.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		for range w.lines {
			continue
		}
	})
	return w
}

// await waits for a line; everything else that is said is a fault.
func (w *window) await(t *testing.T, want string) {
	t.Helper()
	select {
	case line, ok := <-w.lines:
		for more := line; more != want && ok; more, ok = <-w.lines {
			t.Errorf("the browser: %s", more)
		}
		if !ok {
			t.Errorf("the browser has ended before %q", want)
		}
	case <-time.After(patience):
		t.Errorf("the browser does not say %q", want)
	}
}
