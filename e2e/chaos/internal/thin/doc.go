// Package thin is a WebSocket client of the sente-lite dialect with no more than
// the chaos run needs, so that thousands fit beside what they test: small buffers,
// no goroutine of its own, text frames only.
package thin
