package main

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

// TestHints misspells every option there is for every command: a command is advised
// to take what it has, and nothing else.
func TestHints(t *testing.T) {
	listed := regexp.MustCompile(`(?m)^  --([a-z-]+)`)
	optionsOf := func(command string) []string {
		t.Helper()
		var help strings.Builder
		_, err := config.Parse(&cli{}, config.Invocation{Args: append(strings.Fields(command), "--help-all"), Stdout: &help, Exit: func(int) {}})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"help", "help-all"} // of all, and shown nowhere
		for _, m := range listed.FindAllStringSubmatch(help.String(), -1) {
			names = append(names, m[1])
		}
		return names
	}
	own := map[string][]string{}
	var all []string
	for _, command := range commandNames() {
		own[command] = optionsOf(command)
		all = append(all, own[command]...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(own) < 30 || len(all) < 100 || !slices.Contains(own["top"], "every") || slices.Contains(own["top"], "listen") || !slices.Contains(own[""], "listen") {
		t.Fatalf("found %d commands, %d options, of top %v", len(own), len(all), own["top"])
	}
	hinted := regexp.MustCompile(`^unknown option --([a-z-]+?)(?:, did you mean --([a-z-]+)\?)?(?:,? .*those there are| \(put .*)?$`)
	for command, options := range own {
		args := strings.Fields(command)
		for _, name := range all {
			args = append(args, "--"+name+"q=1")
		}
		_, err := config.Parse(&cli{}, config.Invocation{Args: args, Stdout: io.Discard, Exit: func(int) { t.Error("exit was called") }})
		faults, ok := errors.AsType[*config.Error](err)
		if !ok || len(faults.Faults) != len(all) {
			t.Fatalf("hoshi %s: %d faults, want %d: %v", command, len(faults.Faults), len(all), err)
		}
		for i, f := range faults.Faults {
			m := hinted.FindStringSubmatch(f.String())
			if m == nil || m[1] != all[i]+"q" {
				t.Errorf("hoshi %s --%sq: %s", command, all[i], f)
				continue
			}
			if m[2] == "" && slices.Contains(options, all[i]) || m[2] != "" && !slices.Contains(options, m[2]) {
				t.Errorf("hoshi %s takes %v, and is told %s", command, options, f)
			}
		}
	}
}
