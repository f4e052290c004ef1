//go:build !unix

package edge

// usage is not known here.
func usage() (rss, cpu uint64) { return 0, 0 }
