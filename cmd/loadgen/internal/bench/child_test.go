package bench

import (
	"os/exec"
	"strings"
	"testing"
)

// A child that says something else, or nothing, is told of with a cause.
func TestStartChildFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, script, want string }{
		{"something else", "echo hello", `it says "hello\n": want listening HOST:PORT`},
		{"nothing", "true", `it says "": EOF`},
	} {
		if _, err := StartChild(exec.Command("sh", "-c", tt.script)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
