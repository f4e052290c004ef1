package bus_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hoshi-ws/hoshi/internal/natsd"
	"github.com/hoshi-ws/hoshi/pkg/bus"
)

// fakeNodes are there for clients, and answer what is traced as the test says.
type fakeNodes struct {
	t  *testing.T
	nc *nats.Conn
}

func newFakeNodes(t *testing.T, s *natsd.Server, asked func(f *fakeNodes, to string), nodes ...string) {
	t.Helper()
	f := &fakeNodes{t, raw(t, s)}
	for _, subject := range []string{"hoshi.api.nodes", "hoshi.api.sync.FAKE"} {
		if _, err := f.nc.Subscribe(subject, func(m *nats.Msg) {
			for _, node := range nodes {
				if err := m.Respond([]byte(`{:node "` + node + `" :server "FAKE"}`)); err != nil {
					t.Error(err)
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.nc.Subscribe("hoshi.api.trace", func(m *nats.Msg) { asked(f, m.Reply) }); err != nil {
		t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// tells sends a message of a node: the rest of a TraceBatch, or a keyword.
func (f *fakeNodes) tells(to, node, what string) {
	f.t.Helper()
	m := &nats.Msg{Subject: to, Header: nats.Header{bus.HeaderNode: {node}}, Data: []byte(`{"node":"` + node + `"` + what + `}`)}
	if strings.HasPrefix(what, ":") {
		m.Header.Set(bus.HeaderError, what)
	}
	if err := f.nc.PublishMsg(m); err != nil {
		f.t.Error(err)
	}
}

// TestTraceBegun counts who traces by node, and says who does not.
func TestTraceBegun(t *testing.T) {
	const one, two, three = "000000000001", "000000000002", "000000000003"
	const began, over, stopped, silent = `,"began":true`, `,"over":"time"`, `,"over":"stopped"`, `,"over":"silent"`
	type survey = bus.Survey[struct{}]
	for _, tt := range []struct {
		name  string
		nodes []string
		asked func(f *fakeNodes, to string)
		begun []survey
		told  []string
		late  bool // it is told after SurveyTime
	}{
		{
			name: "one says twice that it is over", nodes: []string{one, two},
			asked: func(f *fakeNodes, to string) {
				for _, what := range []string{began, over, over} {
					f.tells(to, one, what)
				}
				f.tells(to, two, began)
				f.tells(to, two, over)
			},
			begun: []survey{{Nodes: map[string]struct{}{one: {}, two: {}}}},
			told:  []string{one + began, one + over, one + over, two + began, "begun", two + over},
		},
		{
			name: "one refuses", nodes: []string{one, two},
			asked: func(f *fakeNodes, to string) {
				f.tells(to, one, began)
				f.tells(to, two, ":too-many-traces")
				f.tells(to, one, over)
			},
			begun: []survey{{Nodes: map[string]struct{}{one: {}}, Refused: map[string]string{two: ":too-many-traces"}}},
			told:  []string{one + began, "begun", one + over},
		},
		{
			name: "one is silent, and begins late", nodes: []string{one, two, three}, late: true,
			asked: func(f *fakeNodes, to string) {
				f.tells(to, one, began)
				f.tells(to, three, began)
				time.AfterFunc(bus.SurveyTime+bus.SurveyTime/4, func() {
					f.tells(to, two, began)
					for _, node := range []string{one, two, three} {
						f.tells(to, node, over)
					}
				})
			},
			begun: []survey{{Nodes: map[string]struct{}{one: {}, three: {}}, Silent: []string{two}}},
			told:  []string{one + began, three + began, "begun", two + began, one + over, two + over, three + over},
		},
		{
			name: "one stops, one is not heard of any more, one never was", nodes: []string{one, two, three}, late: true,
			asked: func(f *fakeNodes, to string) {
				f.tells(to, one, began)
				f.tells(to, two, began)
				f.tells(to, one, stopped)
			},
			begun: []survey{{Nodes: map[string]struct{}{one: {}, two: {}}, Silent: []string{three}}},
			told:  []string{one + began, two + began, one + stopped, "begun", two + silent},
		},
		{
			name: "nobody is known",
			asked: func(f *fakeNodes, to string) {
				f.tells(to, one, began)
				f.tells(to, one, over)
			},
			begun: []survey{{Nodes: map[string]struct{}{one: {}}}},
			told:  []string{one + began, one + over, "begun"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server(t, natsd.Options{})
			newFakeNodes(t, s, tt.asked, tt.nodes...)
			var begun []survey
			var told []string
			start := time.Now()
			err := client(t, s).Trace(t.Context(), bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}, Time: time.Minute}, func(b bus.TraceBatch) {
				what := b.Node
				if b.Began {
					what += began
				}
				if b.Over != "" {
					what += `,"over":"` + b.Over + `"`
				}
				told = append(told, what)
			}, bus.TraceBegun(func(s survey) { begun, told = append(begun, s), append(told, "begun") }))
			if err != nil || !slices.Equal(told, tt.told) {
				t.Errorf("%v, told %q, want %q", err, told, tt.told)
			}
			if !slices.EqualFunc(begun, tt.begun, func(a, b survey) bool {
				return maps.Equal(a.Nodes, b.Nodes) && slices.Equal(a.Silent, b.Silent) && maps.Equal(a.Refused, b.Refused)
			}) {
				t.Errorf("begun %+v, want %+v", begun, tt.begun)
			}
			if took := time.Since(start); tt.late != (took > bus.SurveyTime) || took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestTraceLost: lines that do not come are counted with those that the rate left out.
func TestTraceLost(t *testing.T) {
	t.Parallel()
	const one = "000000000001"
	s := server(t, natsd.Options{})
	newFakeNodes(t, s, func(f *fakeNodes, to string) {
		for _, what := range []string{
			`,"began":true`,
			`,"lines":[{"kind":"in"},{"kind":"in"}],"suppressed":1`,
			`,"lines":[{"kind":"in"}],"before":3`,
			`,"lines":[{"kind":"in"}],"before":14,"suppressed":2`, // a message with 10 is lost
			`,"before":20,"over":"time"`,                          // and the one with 3 before it
		} {
			f.tells(to, one, what)
		}
	}, one)
	var told []int
	lines := 0
	if err := client(t, s).Trace(t.Context(), bus.TraceQuery{Target: bus.Target{UID: bus.String("alice")}}, func(b bus.TraceBatch) {
		told = append(told, b.Suppressed)
		lines += len(b.Lines)
	}); err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 1, 0, 12, 3}; !slices.Equal(told, want) || lines != 4 {
		t.Errorf("%d lines, without %v, want %v", lines, told, want)
	}
}
