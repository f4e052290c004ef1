// Package report holds what a run measured and writes it, as JSON for programs
// and as a few aligned lines for people.
//
// [Latency] wraps an HdrHistogram and is owned by the goroutine that records.
// [Result] is plain data. Nothing here starts a goroutine or reads a clock.
package report
