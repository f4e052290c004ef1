package bus_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestForgedAnswers has somebody answer as nodes that cannot be: their names would come to
// an operator's terminal.
func TestForgedAnswers(t *testing.T) {
	s := testkit.StartNATS(t, 1)[0]
	nc, c := raw(t, s), client(t, s)
	const node, hostile = "0b6f1c2a9d3e", "\x1b]0;all is well\a"
	answer := func(subject, good string) {
		sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
			for _, name := range []string{hostile, node + "0", "NODE", "", node} {
				body := good
				if subject == "hoshi.api.trace" {
					body = `{"node":` + inJSON(name) + `,"began":true,"over":"time"}`
				}
				for _, header := range []nats.Header{{bus.HeaderNode: {name}}, {bus.HeaderNode: {name}, bus.HeaderError: {":no"}}} {
					if len(header) > 1 && name == node {
						continue
					}
					if err := m.RespondMsg(&nats.Msg{Header: header, Data: []byte(body)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	answer("hoshi.api.who", `{"total":1}`)
	answer("hoshi.api.kick", `{:closed 1}`)
	answer("hoshi.api.trace", "")
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}

	alice := bus.Target{UID: bus.String("alice")}
	who, err := c.Who(t.Context(), bus.WhoQuery{Target: alice})
	if err != nil || len(who.Nodes) != 1 || who.Nodes[node].Total != 1 || len(who.Refused) != 0 {
		t.Errorf("who %+v, %v", who, err)
	}
	kicked, err := c.Kick(t.Context(), bus.Kick{UID: alice.UID})
	if len(kicked.Nodes) != 1 || kicked.Nodes[node] != 1 {
		t.Errorf("kicked %+v, %v", kicked, err)
	}
	var told []string
	err = c.Trace(t.Context(), bus.TraceQuery{Target: alice, Time: time.Second}, func(b bus.TraceBatch) { told = append(told, b.Node) })
	if err != nil || !slices.Equal(told, []string{node}) {
		t.Errorf("traced by %q, %v", told, err)
	}
}

func inJSON(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}
