package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/load"
	"github.com/hoshi-ws/hoshi/cmd/loadgen/internal/report"
	"github.com/hoshi-ws/hoshi/internal/testkit"
)

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s.edn")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestExampleScenarios holds that what is shipped can be run.
func TestExampleScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scenarios/*.edn")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		jobs, array, err := readJobs(file, nil)
		if err != nil || len(jobs) == 0 || array != (len(jobs) > 1) {
			t.Errorf("%s: %d jobs, %v, %v", file, len(jobs), array, err)
		}
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	t.Parallel()
	file := scenarioFile(t, `{:scenario :fanout :url ["ws://a/" "ws://b/"] :subscribers 1000 :rate 12.5 :frozen 1
	                          :duration "3s" :portable true :quiet true :name :from-file :source "127.0.0.2"}`)
	cases := []struct {
		name  string
		args  []string
		check func(o load.Options, f outputFlags) bool
	}{
		{name: "file", check: func(o load.Options, f outputFlags) bool {
			return slices.Equal(o.URLs, []string{"ws://a/", "ws://b/"}) && o.Connections == 1000 && o.Rate == 12.5 && o.Frozen == 1 &&
				o.Duration == 3*time.Second && o.Portable && f.Quiet && f.Name == "from-file" && len(o.Sources) == 1
		}},
		{name: "default", check: func(o load.Options, _ outputFlags) bool {
			return o.Warmup == time.Second && o.Timeout == 10*time.Second
		}},
		{
			name: "flags", args: []string{"--url=ws://c/", "-n", "7", "--frozen", "20"},
			check: func(o load.Options, _ outputFlags) bool {
				return slices.Equal(o.URLs, []string{"ws://c/"}) && o.Connections == 7 && o.Frozen == 20 && o.Rate == 12.5
			},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			jobs, _, err := readJobs(file, tc.args)
			if err != nil {
				t.Fatal(err)
			}
			o, err := jobs[0].(loadJob).command.options()
			if err != nil || !tc.check(o, jobs[0].flags()) {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
}

func TestScenarioFileFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		text string
		args []string
		want []string
	}{
		{name: "no EDN", text: "{:scenario :idle", want: []string{"s.edn: line 1: column 1"}},
		{name: "no scenario", text: "\n{:url \"ws://a/\"}", want: []string{"line 2: no :scenario, there is :idle, :storm, :fanout"}},
		{name: "unknown scenario", text: "{:scenario :bench}", want: []string{":scenario :bench is unknown, there is :idle"}},
		{name: "scenario of a wrong type", text: "{:scenario 7}", want: []string{":scenario 7 is unknown"}},
		{name: "unknown key", text: "[{:scenario :idle}\n{:scenario :idle\n:subscribers 3}]", want: []string{"line 3: :subscribers is no key of :idle, there is :scenario, :channels, :connecting"}},
		{name: "help is no key", text: "{:scenario :idle :help true}", want: []string{":help is no key"}},
		{name: "string for an integer", text: `{:scenario :idle :connections "x"}`, want: []string{`line 1: :connections is "x", want an integer`}},
		{name: "float for an integer", text: `{:scenario :idle :connections 1.5}`, want: []string{":connections is 1.5, want an integer"}},
		{name: "string for a number", text: `{:scenario :fanout :rate "1"}`, want: []string{`:rate is "1", want a number`}},
		{name: "number for a duration", text: `{:scenario :fanout :duration 10}`, want: []string{`:duration is 10, want a string with a unit, such as "10s"`}},
		{name: "no duration", text: `{:scenario :fanout :duration "soon"}`, want: []string{`:duration is "soon", want a string with a unit`}},
		{name: "number for a string", text: `{:scenario :fanout :dialect 1}`, want: []string{":dialect is 1, want a string"}},
		{name: "number for a switch", text: `{:scenario :idle :quiet 1}`, want: []string{":quiet is 1, want true or false"}},
		{name: "number in a list", text: `{:scenario :idle :url ["ws://a/" 7]}`, want: []string{`:url is ["ws://a/" 7], want a string or a vector of strings`}},
		{name: "nil", text: `{:scenario :idle :url nil}`, want: []string{":url is nil, want a string or a vector"}},
		{name: "wrong value", text: "{:scenario :fanout :channels 3 :subscribers 2}", want: []string{"s.edn: line 1: fanout: channels: 3"}},
		{name: "unknown dialect", text: `{:scenario :idle :dialect "sente"}`, want: []string{`idle: dialect: "sente" is unknown, there is: sente-lite`}},
		{name: "source", text: `{:scenario :idle :source "here"}`, want: []string{`source: "here", want an address`}},
		{name: "unknown flag", text: "{:scenario :idle}", args: []string{"--frozen=1"}, want: []string{"idle: unknown flag --frozen"}},
		{name: "flag for one of two", text: "[{:scenario :fanout}{:scenario :idle}]", args: []string{"--frozen=1"}, want: []string{"idle: unknown flag --frozen"}},
		{name: "more than flags", text: "{:scenario :idle}", args: []string{"other.edn"}, want: []string{"other.edn"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			jobs, _, err := readJobs(scenarioFile(t, tc.text), tc.args)
			if err == nil {
				t.Fatalf("got %v", jobs)
			}
			for _, want := range append(tc.want, "s.edn: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// TestRunFile runs a file of two scenarios against a real node.
func TestRunFile(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	file := scenarioFile(t, `[{:scenario :storm :connections 20 :channels 2 :name "first"}
	                          {:scenario :fanout :subscribers 10 :duration "200ms" :warmup "0s"}]`)
	cmd, out, errs := loadgen("run", file, "--url", "ws://"+c.Nodes[0].Addr().String()+"/", "-q")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var got []report.Result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 2 {
		t.Fatalf("%d results, %v:\n%s", len(got), err, out)
	}
	if got[0].Scenario != "storm" || got[0].Name != "first" || got[0].Connections != 20 || got[1].Scenario != "fanout" || got[1].Deliveries == 0 {
		t.Errorf("got %+v", got)
	}
	if s := errs.String(); !strings.Contains(s, "first\n") || !strings.Contains(s, "fanout\n") || strings.Contains(s, "connect: ") {
		t.Errorf("standard error:\n%s", s)
	}
}

// TestRunFileThatFails holds that what was measured before is printed.
func TestRunFileThatFails(t *testing.T) {
	t.Parallel()
	c := testkit.StartCluster(t, 1, nil)
	file := scenarioFile(t, `[{:scenario :idle :connections 2 :hold "0s" :url "ws://`+c.Nodes[0].Addr().String()+`/"}
	                          {:scenario :idle :connections 2 :url "ws://127.0.0.1:1/"}
	                          {:scenario :idle :connections 2}]`)
	to := filepath.Join(t.TempDir(), "r.json")
	cmd, out, errs := loadgen("run", file, "--json="+to)
	if code := exitCode(cmd.Run()); code != exitFailed || out.Len() != 0 {
		t.Errorf("exit code %d, %q\n%s", code, out, errs)
	}
	var got []report.Result
	b, err := os.ReadFile(to)
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	if err != nil || len(got) != 2 || got[0].Error != "" || !strings.Contains(got[1].Error, "connection refused") {
		t.Errorf("got %+v, %v", got, err)
	}
}
