// Package histogram counts values by how large they are, for code that has no time for more.
//
// A [Histogram] is shared: any goroutine observes, with two atomic additions, and any reads a [Snapshot]. A [Local]
// belongs to one goroutine, which observes without any and adds what has come together to a Histogram now and then, as
// a loop does at the end of its turns. Neither locks or allocates after it is made. Values are whole numbers of the
// smallest unit, such as nanoseconds; a Snapshot says them in its base unit, such as seconds.
//
// Start reading in histogram.go.
package histogram
