package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestUnit holds that systemd, as deploy/systemd has it, does not kill a node that
// drains, and starts one again that has found no NATS.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../../deploy/systemd/hoshi.service")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Za-z]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		set[m[1]] = m[2]
	}
	stop, err := time.ParseDuration(set["TimeoutStopSec"])
	if least := edge.DefaultDrainTime + stopTimeout; err != nil || stop <= least {
		t.Errorf("it is killed after %v, and may take %v (%v)", stop, least, err)
	}
	if set["Restart"] != "always" || set["StartLimitIntervalSec"] != "0" {
		t.Errorf("a node that has found no NATS is given up: Restart=%s, StartLimitIntervalSec=%s", set["Restart"], set["StartLimitIntervalSec"])
	}
	if !strings.HasSuffix(set["ExecReload"], " -HUP $MAINPID") || strings.Contains(string(text), "KillSignal=") {
		t.Errorf("a reload is %q, and a stop no SIGTERM perhaps", set["ExecReload"])
	}
}
