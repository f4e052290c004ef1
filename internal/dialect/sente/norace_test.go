//go:build !race

package sente_test

const raceEnabled = false
