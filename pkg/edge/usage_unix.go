//go:build unix

package edge

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// usage returns the memory that the process has, in bytes, and the time of processors
// that it has used, in milliseconds; 0 for what the system does not say.
func usage() (rss, cpu uint64) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		cpu = uint64(r.Utime.Nano()+r.Stime.Nano()) / 1e6
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				rss = pages * uint64(os.Getpagesize())
			}
		}
	}
	return rss, cpu
}
