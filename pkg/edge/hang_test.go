package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/edge"
)

// TestHungLoopIsNotWell has a callback that does not return, which the measure of turns never sees: /health says so
// while it lasts, and /stats for how long. One that is in a turn for less long is well.
func TestHungLoopIsNotWell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		after  time.Duration // 0 leaves it to the node
		status int
		reason string
	}{
		{"as it comes", 0, http.StatusOK, `"status": "ok"`},
		{"for longer than it may", 20 * time.Millisecond, http.StatusServiceUnavailable, `"reason": "an event loop hangs"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testkit.StartCluster(t, 1, func(_ int, o *edge.Options) {
				o.AdminRoutes = func(n *edge.Node) map[string]http.Handler {
					if tt.after > 0 {
						edge.HungAfter(n, tt.after)
					}
					return nil
				}
			})
			n := c.Nodes[0]
			well := func() (code int, text string) {
				code, text, _ = answer(t, http.MethodGet, n.AdminAddr().String(), "/health", nil)
				return code, text
			}
			one := c.Dial(t, 0, "/ws?uid=one")
			testkit.Eventually(t, "health", func() bool { code, _ := well(); return code == http.StatusOK })
			_, release := edge.HoldLoop(n, one.ConnID)
			defer release()
			testkit.Eventually(t, "it is seen in /stats", func() bool { return n.Stats().Sockets.StalledMS > 50 })
			if code, text := well(); code != tt.status || !strings.Contains(text, tt.reason) {
				t.Errorf("health while a loop hangs: %d %s", code, text)
			}
			release()
			testkit.Eventually(t, "it is over", func() bool {
				code, _ := well()
				return code == http.StatusOK && n.Stats().Sockets.StalledMS < 50
			})
		})
	}
}
