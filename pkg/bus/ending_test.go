package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestStopWaitsForHandlers: also for that of a subscription that was stopped
// or is draining.
func TestStopWaitsForHandlers(t *testing.T) {
	tests := []struct {
		name string
		end  func(context.Context, *bus.Subscription)
	}{
		{name: "stopped", end: func(_ context.Context, s *bus.Subscription) { s.Stop() }},
		{name: "drain that ran out", end: func(ctx context.Context, s *bus.Subscription) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if err := s.Drain(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, natsd.Options{})
			c := client(t, s)
			in, gate := make(chan struct{}), make(chan struct{})
			sub, err := c.Take(t.Context(), ">", "", func(*bus.Event) { close(in); <-gate })
			if err != nil {
				t.Fatal(err)
			}
			if err := raw(t, s).Publish("hoshi.event.a.b", []byte("[:a/b]")); err != nil {
				t.Fatal(err)
			}
			<-in
			tt.end(t.Context(), sub)
			stopped := make(chan struct{})
			go func() { c.Stop(); close(stopped) }()
			select {
			case <-stopped:
				t.Error("stopped while a handler is running")
			case <-time.After(100 * time.Millisecond):
			}
			close(gate)
			<-stopped
		})
	}
}

// TestDrainIsBounded: the end of ctx ends Drain, also when the control
// goroutine is busy.
func TestDrainIsBounded(t *testing.T) {
	c := client(t, server(t, natsd.Options{}))
	sub, err := c.Take(t.Context(), ">", "", func(*bus.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	_, release := bus.HoldControl(c)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := sub.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestDrainAfterStop ends, and leaves no goroutine (TestMain looks).
func TestDrainAfterStop(t *testing.T) {
	c := client(t, server(t, natsd.Options{}))
	sub, err := c.Take(t.Context(), ">", "", func(*bus.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	c.Stop()
	if err := sub.Drain(t.Context()); !errors.Is(err, bus.ErrStopped) {
		t.Errorf("got %v", err)
	}
}
