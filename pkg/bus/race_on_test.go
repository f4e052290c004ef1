//go:build race

package bus_test

// raceEnabled: the race detector allocates on its own.
const raceEnabled = true
