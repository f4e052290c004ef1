package client

import "time"

// Clock tells the time and starts timers, for tests that want their own. A nil
// Clock stands for the system's, which inside a testing/synctest bubble is the
// bubble's.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once d is over.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a started timer; its methods are those of [time.Timer].
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
