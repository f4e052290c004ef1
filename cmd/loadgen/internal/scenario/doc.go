// Package scenario reads scenario files: EDN, one map of settings for a run, or a
// vector of them for runs one after another.
//
// It knows the notation, not the settings: which keys there are, and what they
// take, is the command line's matter. Each setting keeps its line, so that what is
// wrong with it can be said with the place. Nothing here opens a file.
//
// Start reading at [Parse].
package scenario
