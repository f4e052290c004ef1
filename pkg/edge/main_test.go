package edge_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// TestMain fails the package when a test leaves a goroutine or a descriptor
// behind.
func TestMain(m *testing.M) {
	testkit.RunProcess()
	before := testkit.Descriptors()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if after := testkit.Descriptors(); code == 0 && after > before {
			fmt.Fprintf(os.Stderr, "%d descriptors before the tests, %d after\n", before, after)
			code = 1
		}
		os.Exit(code)
	}))
}
