//go:build race

package gzip_test

// raceEnabled tells that the race detector is on, which allocates by itself.
const raceEnabled = true
