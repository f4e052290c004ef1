// Package obs sets up what lets people observe a node: its log, its traces and its
// metrics.
//
// [New] makes the one [Log] of a process, whose zerolog.Logger is then passed on;
// no package logs through a global. [TakeStandard] leads what dependencies write
// through log and log/slog into it. Its [Level] may change while the process runs,
// and its lines may go to a [File] that is rotated by size.
//
// A Level has a timer while it is to go back by itself, and a File a goroutine
// that removes old files; both end with Log.Close. Start reading in log.go.
//
// [NewMetrics] makes what Prometheus scrapes: a view of the node's own counters, as
// metricstable.go lists them. It has no goroutine.
package obs
