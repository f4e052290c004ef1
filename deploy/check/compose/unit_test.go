package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// analyze has systemd-analyze look at a unit, with a program that there is in place of
// that which is installed on servers. It returns what is said of this one; there may be
// something to say of others.
func analyze(t *testing.T, unit string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hoshi.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/hoshi", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", append(args, file)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	out, err := cmd.CombinedOutput()
	var said []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "hoshi.service") {
			said = append(said, line)
		}
	}
	return strings.Join(said, ""), err
}

// TestUnit holds that systemd understands every line of the unit, and finds it closed
// enough. It fails without systemd-analyze: run scripts/setup.sh.
func TestUnit(t *testing.T) {
	const exposure = "--threshold=40" // of 100, the worst; systemd calls this OK
	unit := read(t, "deploy/systemd/hoshi.service")
	if out, err := analyze(t, unit, "verify", "--man=no", "--recursive-errors=no"); err != nil || out != "" {
		t.Errorf("verify: %v: %s", err, out)
	}
	if out, err := analyze(t, unit, "security", "--offline=true", exposure); err != nil {
		t.Errorf("security: %v: %s", err, out)
	}
	for _, tt := range []struct{ name, old, new string }{
		{"a slip", "TimeoutStopSec=", "TimeoutStopSecs="},
		{"no time", "RestartSec=2s", "RestartSec=soon"},
		{"no program", "/bin/kill", "/bin/no-such-program"},
		{"all capabilities", "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := strings.ReplaceAll(unit, tt.old, tt.new)
			if broken == unit {
				t.Fatalf("there is no %q", tt.old)
			}
			said, err := analyze(t, broken, "verify", "--man=no", "--recursive-errors=no")
			more, worse := analyze(t, broken, "security", "--offline=true", exposure)
			if err == nil && worse == nil && said == "" {
				t.Errorf("nothing is found: %s%s", said, more)
			}
		})
	}
}
