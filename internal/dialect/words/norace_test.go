//go:build !race

package words_test

const raceEnabled = false
