//go:build race

package e2e

// buildFlags make the node under test as watchful as the test itself.
var buildFlags = []string{"-race"}
