// Package board draws what `hoshi top` shows: a [Board] keeps the last two views of
// each node, and [Board.Frame] makes the lines of a screen of them, with rates.
// [Open] has a terminal show frames, and restores it; [Screen.Quit] and [Screen.Signals]
// are what is typed.
//
// A Board belongs to one goroutine, knows no clock of its own and does no I/O. Start
// reading at [Board.Update].
package board
