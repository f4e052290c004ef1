// Package limit counts what clients may have and may do: rates by buckets, and what comes from one address.
//
// A Bucket is eight bytes and belongs to one goroutine; Shared is the same for any number of them. Places is a table by
// address of connections, of requests that are under way, and of the rate at which there are new ones. Nothing here has
// a clock: the caller says what time it is, as a duration since a moment of its choice, which must be the same for all
// calls on one value.
//
// Start reading at bucket.go.
package limit
