package testkit

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Main is the TestMain of a package: it runs the tests and fails the package
// when they leave a goroutine or a descriptor behind. Each cleanup runs after
// the checks. It does not return.
func Main(m *testing.M, cleanup ...func()) {
	// What the runtime opens once, at the first socket, is no leak.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	before := Descriptors()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if code == 0 && !settled(before) {
			fmt.Fprintf(os.Stderr, "%d descriptors before the tests, %d after:\n%s", before, Descriptors(), openFiles())
			code = 1
		}
		for _, f := range cleanup {
			f()
		}
		os.Exit(code)
	}))
}

// Parallel lets n parallel tests of the package run at once, whatever number of
// processors there is, unless -parallel is given: for tests that wait. To be
// called in TestMain, before [Main].
func Parallel(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // there is such a flag
	}
}

// settled reports whether no more descriptors are open than before, now or
// soon: what a peer's end closes takes its time.
func settled(before int) bool {
	deadline := time.Now().Add(5 * time.Second)
	for Descriptors() > before {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// openFiles lists what this process has open, where the system says.
func openFiles() string {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			fmt.Fprintf(&b, "  %s %s\n", e.Name(), target)
		}
	}
	return b.String()
}
