package edge_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
)

// Who asks says where the answer goes. A subject that NATS would end the node's
// connection for, or that nobody else may publish on, gets none.
func TestObserveReplySubjects(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	nc, err := nats.Connect(c.NATS[0].ClientURL())
	must(t, err)
	defer nc.Close()
	all, err := nc.SubscribeSync(">")
	must(t, err)
	for _, endpoint := range []string{"trace", "stats", "who"} {
		const body = `{"uid": "alice"}`
		subject := "hoshi.api." + endpoint
		for _, reply := range []string{
			"_INBOX." + strings.Repeat("x", 1024), // with what a trace asks by it may be more than a control line holds
			"_INBOX." + strings.Repeat("x", 4060), "_INBOX.*", "_INBOX.>", "hoshi.event.chsk.conn-open", "hoshi.api.drain." + c.Nodes[0].ID().String(),
		} {
			must(t, nc.PublishRequest(subject, reply, []byte(body)))
		}
		// One goroutine of the node answers them, one after the other.
		const last = "_INBOX.last"
		must(t, nc.PublishRequest(subject, last, []byte(body)))
		for {
			m, err := all.NextMsg(testkit.Patience)
			must(t, err)
			if m.Subject == last {
				break
			}
			if m.Header.Get("Hoshi-Node") != "" {
				t.Errorf("%s: answered on %.80s", endpoint, m.Subject)
			}
		}
	}
	if connects := c.Nodes[0].Stats().Bus.Connects; connects != 1 {
		t.Errorf("%d connections to NATS", connects)
	}
}
