package edge_test

import (
	"os"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// Tests that wait more than they work, own their nodes and measure neither short
// times nor the process are parallel; those that have a NATS server come back on
// its port are not, as others could be given that port meanwhile.
func TestMain(m *testing.M) {
	testkit.RunProcess()
	for user, password := range map[string]string{"NODE": "of-nodes", "BACKEND": "of-backends", "ADMIN": "of-administrators"} {
		if err := os.Setenv("NATS_"+user+"_PASSWORD", password); err != nil { // of SECURITY.md's configuration
			panic(err)
		}
	}
	testkit.Parallel(4)
	testkit.Main(m)
}
