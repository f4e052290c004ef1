package poller_test

import (
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/poller"
)

// BenchmarkWake is a loop that sleeps, woken by another goroutine that waits for the turn: what each push costs that
// comes alone.
func BenchmarkWake(b *testing.B) {
	for _, tc := range []struct {
		name     string
		portable bool
	}{{"epoll", false}, {"portable", true}} {
		b.Run(tc.name, func(b *testing.B) {
			turned := make(chan struct{}, 1)
			asked := false
			l, err := poller.New(poller.Options{Portable: tc.portable, OnTurn: func() {
				if asked {
					asked = false
					turned <- struct{}{}
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			l.Start()
			defer l.Stop()
			l.Post(func() { l.After(time.Hour, func() {}) }) // a node always has a timer
			ask := func() { asked = true }
			b.ReportAllocs()
			for b.Loop() {
				l.Post(ask)
				<-turned
			}
		})
	}
}
