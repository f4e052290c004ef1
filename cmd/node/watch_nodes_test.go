package main_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/testkit"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// TestTraceNamesWhoDoesNot: of three nodes one traces, and the others are named, at
// once and at the end.
func TestTraceNamesWhoDoesNot(t *testing.T) {
	url := testkit.StartNATS(t, 1)[0].ClientURL()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const begins, refuses, silent = "000000000001", "000000000002", "000000000003"
	tell := func(m *nats.Msg, node, keyword, body string) {
		header := nats.Header{bus.HeaderNode: {node}}
		if keyword != "" {
			header.Set(bus.HeaderError, keyword)
		}
		if err := m.RespondMsg(&nats.Msg{Header: header, Data: []byte(body)}); err != nil {
			t.Error(err)
		}
	}
	for subject, answer := range map[string]func(m *nats.Msg){
		"hoshi.api.nodes": func(m *nats.Msg) {
			for _, node := range []string{begins, refuses, silent} {
				tell(m, node, "", `{:node "`+node+`" :server "FAKE"}`)
			}
		},
		"hoshi.api.sync.FAKE": func(m *nats.Msg) { tell(m, begins, "", `{:node "`+begins+`" :server "FAKE"}`) },
		"hoshi.api.trace": func(m *nats.Msg) {
			tell(m, begins, "", `{"node":"`+begins+`","began":true}`)
			tell(m, refuses, ":too-many-traces", "")
			tell(m, begins, "", `{"node":"`+begins+`","over":"time"}`)
		},
	} {
		if _, err := nc.Subscribe(subject, answer); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	const faults = "hoshi: node " + refuses + " refuses it: :too-many-traces\n" +
		"hoshi: node " + silent + " has not answered, what it knows is missing\n"
	const want = "tracing user \"alice\" on 1 of 3 nodes for 1s, Ctrl-C ends it\n" + faults +
		"traced user \"alice\": 0 lines from 1 node\n" + faults
	if r := runHoshi(t, []string{"HOSHI_NATS_URL=" + url}, "trace", "user", "alice", "--time", "1s"); r.code != 2 || r.stdout != "" || r.stderr != want {
		t.Errorf("code %d, stdout %q, stderr\n%swant\n%s", r.code, r.stdout, r.stderr, want)
	}
}
