package obs_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile  = "../../deploy/grafana/hoshi.json"
	alertsFile     = "../../deploy/prometheus/alerts.yml"
	operationsFile = "../../docs/operations.md"
	alertTestsFile = "../../deploy/prometheus/alerts_test.yml"

	// runbooks is where receivers of an alert find what to do.
	runbooks = "https://github.com/hoshi-ws/hoshi/blob/main/docs/operations.md#"
)

// dashboard is what the test looks at of Grafana's model.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	GridPos    struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		RefID        string     `json:"refId"`
		Expr         string     `json:"expr"`
		LegendFormat string     `json:"legendFormat"`
		Datasource   datasource `json:"datasource"`
	} `json:"targets"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDashboard holds what Grafana would not show, or only when one looks.
func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, title %q, schema %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if want := map[string]string{"datasource": "datasource", "job": "query", "instance": "query"}; !maps.Equal(variables, want) {
		t.Errorf("variables %v, want %v", variables, want)
	}
	source := datasource{Type: "prometheus", UID: "${datasource}"}
	ids, taken, queries := map[int]bool{}, map[[2]int]string{}, 0
	for _, p := range d.Panels {
		if p.ID <= 0 || ids[p.ID] {
			t.Errorf("%s: id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Title == "" || p.GridPos.W <= 0 || p.GridPos.H <= 0 || p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q at %+v", p.ID, p.Title, p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" {
					t.Fatalf("%s lies over %s", p.Title, taken[at])
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" || p.Datasource != source {
			t.Errorf("%s: %d queries, unit %q, source %v", p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit, p.Datasource)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			queries++
			if q.Expr == "" || q.LegendFormat == "" || q.Datasource != source || q.RefID == "" || refs[q.RefID] {
				t.Errorf("%s: query %+v", p.Title, q)
			}
			refs[q.RefID] = true
			for _, m := range regexp.MustCompile(`(?:hoshi|process|go)_[a-z_]+(\{[^}]*\})?`).FindAllStringSubmatch(q.Expr, -1) {
				if m[0] != "hoshi_build_info" && !strings.HasPrefix(m[1], `{job=~"$job", instance=~"$instance"`) {
					t.Errorf("%s: %s is not of the nodes that were chosen", p.Title, m[0])
				}
			}
		}
	}
	if queries < 60 {
		t.Errorf("%d queries", queries)
	}
}

// TestAlerts holds that each alert has a runbook, and a test in which it fires, and
// that each runbook has an alert.
func TestAlerts(t *testing.T) {
	var alerts []string
	operations, tests := readFile(t, operationsFile), readFile(t, alertTestsFile)
	_, section, ok := strings.Cut(operations, "\n## Alerts\n")
	if !ok {
		t.Fatal("no section about alerts")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for rule := range strings.SplitSeq(readFile(t, alertsFile), "\n      - alert: ") {
		name, rest, _ := strings.Cut(rule, "\n")
		if !strings.HasPrefix(name, "Hoshi") {
			continue
		}
		alerts = append(alerts, name)
		for _, want := range []string{"\n        expr: ", "\n        labels: {severity: ", "\n          summary: ", "\n          runbook_url: " + runbooks + strings.ToLower(name) + "\n"} {
			if !strings.Contains("\n"+rest+"\n", want) {
				t.Errorf("%s has no %q", name, strings.TrimSpace(want))
			}
		}
		fires := regexp.MustCompile(`(?m)alertname: ` + name + `\n +exp_alerts:|alertname="` + name + `.*exp_samples: \[\{|^ +(exp_samples: \[|- ).*alertname="` + name + `"\}', value|` +
			`alertname="` + name + `".*\n.*\n +exp_samples: \[\{`)
		if !fires.MatchString(tests) {
			t.Errorf("%s fires in no test", name)
		}
		_, runbook, there := strings.Cut(section, "\n### "+name+"\n")
		runbook, _, _ = strings.Cut(runbook, "\n### ")
		if !there || len(strings.Fields(runbook)) < 15 {
			t.Errorf("%s has no runbook", name)
		}
	}
	if len(alerts) < 15 {
		t.Errorf("found %d alerts", len(alerts))
	}
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(section, -1) {
		if !slices.Contains(alerts, m[1]) {
			t.Errorf("there is a runbook for %s, and no such alert", m[1])
		}
	}
}

// shown are the families that the dashboard and the alerts ask for.
func shown(t testing.TB) []string {
	t.Helper()
	found := map[string]bool{}
	alerts := regexp.MustCompile(`(?m)^ *#.*$|^ *(summary|runbook_url):.*$`).ReplaceAllString(readFile(t, alertsFile), "")
	for _, text := range []string{readFile(t, dashboardFile), alerts} {
		for _, name := range regexp.MustCompile(`\b(?:hoshi|process|go)_[a-z_]+`).FindAllString(text, -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok {
					name = base
				}
			}
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
