//go:build race

package bus_test

// tokenRace tells that the race detector is on, which allocates by itself.
const tokenRace = true
