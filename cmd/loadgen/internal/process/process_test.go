package process_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/process"
)

// start starts a script, for which admin speaks.
func start(t *testing.T, script string, admin http.HandlerFunc) *process.Process {
	t.Helper()
	srv := httptest.NewServer(admin)
	t.Cleanup(srv.Close)
	log, err := os.Create(filepath.Join(t.TempDir(), "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p, err := process.Start("it", exec.Command("sh", "-c", script), log, strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// One that ends, or whose time is over, before it is ready is told of with why.
func TestAwait(t *testing.T) {
	t.Parallel()
	asked := 0
	slow := start(t, "exec sleep 60", func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 || r.URL.Path != "/ready" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte{byte('0' + asked)})
	})
	if err := slow.Await(t.Context(), "/ready", func(body []byte) bool { return string(body) == "5" }); err != nil {
		t.Error(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, enough)
	defer cancel()
	if err := slow.Await(ctx, "/other", nil); !errors.Is(err, enough) || !strings.HasPrefix(err.Error(), "it is not ready, see ") {
		t.Errorf("out of time: %v", err)
	}
	dead := start(t, "echo first; echo last words >&2", http.NotFound)
	if err := dead.Await(t.Context(), "/ready", nil); err == nil || !strings.HasPrefix(err.Error(), "it ended at once, see ") || !strings.HasSuffix(err.Error(), ": last words") {
		t.Errorf("ended: %v", err)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, code, want string }{
		{"well", "0", ""},
		{"badly", "7", "it ended with exit code 7"},
	} {
		there := filepath.Join(t.TempDir(), "there")
		p := start(t, "trap 'exit "+tt.code+"' INT; : >'"+there+"'; while :; do sleep 0.01; done", func(w http.ResponseWriter, r *http.Request) {
			if _, err := os.Stat(there); err != nil {
				http.NotFound(w, r)
			}
		})
		if err := p.Await(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		err := p.End(t.Context(), os.Interrupt)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := process.Start("it", exec.Command("/nonexistent"), os.Stderr, ""); err == nil || !strings.HasPrefix(err.Error(), "start it: ") {
		t.Errorf("no program: %v", err)
	}
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	addrs, err := process.FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(addrs); len(slices.Compact(addrs)) != 20 {
		t.Errorf("%v", addrs)
	}
}
