package client

import "time"

// SetRandom replaces the source of the backoff's jitter, for tests that do not
// run in parallel, and returns what puts it back.
func SetRandom(f func(window time.Duration) time.Duration) (restore func()) {
	old := random
	random = f
	return func() { random = old }
}
