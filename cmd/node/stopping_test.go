package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hoshi-ws/hoshi/internal/obs"
)

// TestForgive: one signal behind the drain changes nothing, and the one after it is as if
// nobody listened.
func TestForgive(t *testing.T) {
	e := newEnding()
	e.signals <- syscall.SIGTERM
	e.forgive(t.Context()) // returns for the signal, or never
	if e.asked.Err() == nil {
		t.Error("the next signal is listened to")
	}

	e = newEnding()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.forgive(ctx)
	if e.asked.Err() != nil {
		t.Error("without a signal the next one ends the process")
	}
	e.signals <- os.Interrupt
	e.leave()
}

// TestStopWithinItsTime: the last spans, for an endpoint that does not answer, are not
// waited for beyond the end. They had two seconds of their own behind it.
func TestStopWithinItsTime(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	tracing, err := obs.StartTracing(obs.TraceOptions{Endpoint: silent.URL, Sample: 1, Version: "1", Node: "0123456789ab", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Tracer().Start(t.Context(), "x")
	span.End()
	n := node{log: zerolog.Nop(), tracing: tracing}
	began := time.Now()
	if err := n.stop(began.Add(100 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > traceFlush-100*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if s := tracing.Stats(); s.Failed+s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}
