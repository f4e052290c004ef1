//go:build !linux

package load

// portLater has no counterpart here.
func portLater(uintptr) error { return nil }
