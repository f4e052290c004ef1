package main

import (
	"strings"
	"testing"
	"time"
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
