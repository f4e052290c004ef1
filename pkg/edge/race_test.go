//go:build race

package edge_test

// scaled returns how much of pure computing a test does. The race detector makes
// that ten times as slow, and sees in the smaller part all that it can see.
func scaled(_, underRace int) int { return underRace }
