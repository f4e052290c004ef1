//go:build unix

package roll

import "syscall"

// ownGroup keeps a node out of the terminal's signals: Ctrl-C is for this process,
// which needs the node to the end.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
