package host

import "time"

// beat is how often it is looked how late a goroutine is woken.
const beat = 5 * time.Millisecond

// WatchStalls measures how late this process wakes a goroutine, and tells late each
// time, until quit is closed: what was due while the process stood still is done
// together at the end, and looks like a wave.
func WatchStalls(quit <-chan struct{}, late func(by time.Duration)) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			now := time.Now()
			late(now.Sub(last) - beat)
			last = now
		}
	}
}
