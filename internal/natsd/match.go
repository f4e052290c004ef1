package natsd

import "strings"

// matches says whether every subject that sub can get is one that pattern can
// get: hoshi.chan.x is within hoshi.chan.>, and hoshi.> is not.
func matches(sub, pattern string) bool {
	st, pt := strings.Split(sub, "."), strings.Split(pattern, ".")
	for i, p := range pt {
		if p == ">" {
			return i < len(st)
		}
		if i >= len(st) || st[i] == ">" || (p != "*" && p != st[i]) {
			return false
		}
	}
	return len(st) == len(pt)
}
