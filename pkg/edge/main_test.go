package edge_test

import (
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// Tests that wait more than they work, own their nodes and measure neither short
// times nor the process are parallel; those that have a NATS server come back on
// its port are not, as others could be given that port meanwhile.
func TestMain(m *testing.M) {
	testkit.RunProcess()
	testkit.Parallel(4)
	testkit.Main(m)
}
