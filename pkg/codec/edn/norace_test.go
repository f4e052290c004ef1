//go:build !race

package edn_test

const raceEnabled = false
