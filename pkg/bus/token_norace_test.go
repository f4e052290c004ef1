//go:build !race

package bus_test

const tokenRace = false
