//go:build !race

package sentelite_test

const raceEnabled = false
