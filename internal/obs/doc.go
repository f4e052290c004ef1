// Package obs sets up what lets people observe a node: for now its log.
//
// [New] makes the one zerolog.Logger of a process, which is then passed on; no
// package logs through a global. [TakeStandard] leads what dependencies write
// through log and log/slog into it.
//
// Nothing here starts a goroutine. Start reading in log.go.
package obs
