//go:build !unix

package host

import "time"

// SelfCPU is not known on this system.
func SelfCPU() time.Duration { return 0 }
