package k8s_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

var ruleCommand = regexp.MustCompile(`(?s)\n(\{ printf .*?; \}) \| kubectl -n hoshi apply -f -\n`)

// TestAlerts runs the shell of README.md that makes a PrometheusRule of the
// alerts, and decodes what it makes.
func TestAlerts(t *testing.T) {
	m := ruleCommand.FindStringSubmatch(read(t, "deploy/k8s/README.md"))
	if m == nil {
		t.Fatal("README.md makes no rule")
	}
	cmd := exec.Command("sh", "-ec", m[1])
	cmd.Dir = repository
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	rule, ok := o.(*monitoring.PrometheusRule)
	if !ok || len(rule.Spec.Groups) == 0 || len(rule.Spec.Groups[0].Rules) < 5 {
		t.Errorf("it makes %T with %v", o, rule)
	}
	for _, r := range rule.Spec.Groups[0].Rules {
		if r.Alert == "" || r.Expr.String() == "" || !strings.HasPrefix(r.Annotations["runbook_url"], "https://") {
			t.Errorf("a rule without alert, expression or runbook: %+v", r)
		}
	}
}
