package edge_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.RunProcess()
	goleak.VerifyTestMain(m)
}
