//go:build race

package sente_test

// raceEnabled says that the race detector is on, which allocates by itself.
const raceEnabled = true
