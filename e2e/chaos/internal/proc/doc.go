// Package proc builds programs and runs them as processes of the chaos run: each
// with its output in a file, signalled by its own id, and ended by the kernel
// should the run itself die.
package proc
