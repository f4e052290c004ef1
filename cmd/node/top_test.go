package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTopAskingPanics: what panics while nodes are asked ends where the terminal can be
// given back.
func TestTopAskingPanics(t *testing.T) {
	rounds := make(chan round, 1)
	(&topView{every: time.Millisecond}).askAgain(t.Context(), rounds) // without a client
	r := <-rounds
	if text, _ := r.panics.(string); !strings.Contains(text, "nil pointer") || !strings.Contains(text, "askAgain") {
		t.Errorf("it is told of %+v", r)
	}
}

// TestTopTellsOfTheMissing: who prints once is told, by the exit code too, that nodes have
// not answered. As JSON it was not.
func TestTopTellsOfTheMissing(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		v := &topView{}
		if err := v.take(round{at: time.Now(), answer: bus.Survey[bus.NodeView]{
			Nodes:  map[string]bus.NodeView{"000000000001": {Node: "000000000001"}},
			Silent: []string{"000000000002"}, Refused: map[string]string{"000000000003": "no"},
		}}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := v.print(&out, asJSON)
		if err == nil || !strings.Contains(err.Error(), "000000000002 has not answered") || !strings.Contains(err.Error(), "000000000003 refuses it: no") {
			t.Errorf("JSON %v: %v", asJSON, err)
		}
		if !strings.Contains(out.String(), "000000000001") {
			t.Errorf("JSON %v: printed %s", asJSON, &out)
		}
	}
}
