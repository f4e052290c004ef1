package k8s_test

import (
	"iter"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// facts are what the repository says beside the manifests.
type facts struct {
	options map[string]string   // HOSHI_... and its default, of docs/config.md
	secrets map[string]bool     // those of them that may be named by HOSHI_..._FILE
	made    map[string][]string // secrets that README.md has the operator make, and their keys
	stop    time.Duration       // what cmd/node gives the end beyond the drain
	nats    string              // version of nats-server in go.mod
	user    string              // uid:gid of the image of the last stage of Dockerfile
	gauges  map[string]bool     // metrics of docs/metrics.md that go up and down
	rule    adapterRule
}

// adapterRule is one rule of prometheus-adapter, as far as it is used here.
type adapterRule struct {
	SeriesQuery string `json:"seriesQuery"`
	Resources   struct {
		Overrides map[string]struct {
			Resource string `json:"resource"`
		} `json:"overrides"`
	} `json:"resources"`
	MetricsQuery string `json:"metricsQuery"`
}

var (
	optionRow  = regexp.MustCompile("(?m)^\\| `--[a-z0-9-]+( [^`]*)?` \\| `(HOSHI_[A-Z0-9_]+)` \\| [^|]* \\| ([^|]*) \\|")
	makeSecret = regexp.MustCompile(`(?s)create secret (generic|tls) ([a-z0-9-]+)(.*?)\n(?:kubectl|` + "```)")
	literalKey = regexp.MustCompile(`--from-(?:literal|file)=([a-z.-]+)=`)
	stopping   = regexp.MustCompile(`stopTimeout = (\d+) \* time\.Second`)
	gaugeRow   = regexp.MustCompile("(?m)^\\| `(hoshi_[a-z_]+)` \\| gauge \\|")
	imageUser  = regexp.MustCompile(`(?m)^USER (\d+:\d+)$`)
	natsServer = regexp.MustCompile(`github\.com/nats-io/nats-server/v2 v(\S+)`)
)

func gather(t *testing.T) *facts {
	t.Helper()
	f := &facts{options: map[string]string{}, secrets: map[string]bool{}, made: map[string][]string{}, gauges: map[string]bool{}}
	for _, row := range optionRow.FindAllStringSubmatch(read(t, "docs/config.md"), -1) {
		f.options[row[2]] = strings.Trim(row[3], "` ")
		f.secrets[row[2]] = strings.TrimSpace(row[1]) == "SECRET"
	}
	for _, m := range makeSecret.FindAllStringSubmatch(read(t, "deploy/k8s/README.md"), -1) {
		keys := []string{"tls.crt", "tls.key"}
		if m[1] == "generic" {
			keys = nil
			for _, k := range literalKey.FindAllStringSubmatch(m[3], -1) {
				keys = append(keys, k[1])
			}
		}
		f.made[m[2]] = keys
	}
	if m := stopping.FindStringSubmatch(read(t, "cmd/node/node.go")); m != nil {
		d, err := time.ParseDuration(m[1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		f.stop = d
	}
	if m := natsServer.FindStringSubmatch(read(t, "go.mod")); m != nil {
		f.nats = m[1]
	}
	if m := imageUser.FindAllStringSubmatch(read(t, "Dockerfile"), -1); m != nil {
		f.user = m[len(m)-1][1]
	}
	for _, m := range gaugeRow.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		f.gauges[m[1]] = true
	}
	var adapter struct {
		Rules []adapterRule `json:"rules"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "deploy/k8s/components/autoscaling/prometheus-adapter-rule.yaml")), &adapter); err != nil {
		t.Fatal(err)
	}
	if len(adapter.Rules) != 1 {
		t.Fatalf("%d rules for the adapter", len(adapter.Rules))
	}
	f.rule = adapter.Rules[0]
	if len(f.options) < 80 || !f.secrets["HOSHI_NATS_PASSWORD"] || f.secrets["HOSHI_NATS_USER"] || len(f.made) < 3 || f.stop == 0 || f.nats == "" || f.user == "" || len(f.gauges) < 5 {
		t.Fatalf("the repository is not read as it is written: %d options, secrets %v, made %v, stop %v, nats %q, user %q, gauges %v",
			len(f.options), f.secrets, f.made, f.stop, f.nats, f.user, f.gauges)
	}
	return f
}
