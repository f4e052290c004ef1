//go:build !linux

package board

import "os"

// keyboard cannot be had here: what is typed is shown, and a process that is stopped
// leaves the terminal as it is.
type keyboard struct{}

func openKeyboard(func(byte)) *keyboard { return nil }

func (*keyboard) take()     {}
func (*keyboard) giveBack() {}
func (*keyboard) close()    {}

func watchSignals() chan os.Signal { return nil }

// Handle does what a signal of Signals asks for.
func (*Screen) Handle(os.Signal) {}
