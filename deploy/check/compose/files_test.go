package compose

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write accounts.conf anew from SECURITY.md")

const composeFile = "docker-compose.yml"

// load reads a compose file as compose does: its schema, interpolation with these
// variables and no others, and that names refer to something.
func load(t *testing.T, file string, env ...string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	o, err := cli.NewProjectOptions([]string{file}, cli.WithWorkingDirectory(dir), cli.WithEnv(env), cli.WithResolvedPaths(true))
	if err != nil {
		return nil, err
	}
	return o.LoadProject(t.Context())
}

func loadOurs(t *testing.T, env ...string) *types.Project {
	t.Helper()
	p, err := load(t, filepath.Join(root, composeFile), env...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// nodeStop is what a node may take to end after its drain (stopTimeout in cmd/node).
const nodeStop = 8 * time.Second

// checkProject is what holds of every service.
func checkProject(p *types.Project) error {
	var errs []error
	fault := func(s types.ServiceConfig, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", s.Name, fmt.Sprintf(format, args...)))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		if !s.ReadOnly {
			fault(s, "its file system can be written")
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged {
			fault(s, "it keeps capabilities")
		}
		if !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			fault(s, "it may gain privileges")
		}
		if s.Build == nil && (s.User == "" || strings.HasPrefix(s.User, "0") || s.User == "root") {
			fault(s, "it runs as %q", s.User)
		}
		if s.Build == nil && !regexp.MustCompile(`:v?\d+\.\d+[\w.-]*$`).MatchString(s.Image) {
			fault(s, "its image %s has no version", s.Image)
		}
		if s.Restart != "unless-stopped" {
			fault(s, "restart is %q", s.Restart)
		}
		if h := s.HealthCheck; h == nil || h.Disable || len(h.Test) < 2 || h.Test[0] != "CMD" || h.Interval == nil || h.Timeout == nil || h.Retries == nil {
			fault(s, "it has no health check that needs no shell")
		}
		if s.StopGracePeriod == nil {
			fault(s, "it has no grace period")
		}
		if s.Logging == nil || s.Logging.Options["max-size"] == "" {
			fault(s, "its log grows without end")
		}
		for _, port := range s.Ports {
			if addr, err := netip.ParseAddr(port.HostIP); err != nil || !addr.IsLoopback() {
				fault(s, "port %s is published on %q", port.Published, port.HostIP)
			}
		}
		for dep, d := range s.DependsOn {
			if d.Condition != types.ServiceConditionHealthy {
				fault(s, "it waits for %s to be %s", dep, d.Condition)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if !v.ReadOnly {
				fault(s, "it may write %s", v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				fault(s, "%v", err)
			}
		}
	}
	return errors.Join(errs...)
}

func TestComposeFile(t *testing.T) {
	p := loadOurs(t)
	if err := checkProject(p); err != nil {
		t.Error(err)
	}
	var names []string
	for name := range p.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"balancer", "example", "grafana", "hoshi1", "hoshi2", "hoshi3", "nats1", "nats2", "nats3", "prometheus"}; !slices.Equal(names, want) {
		t.Errorf("services %q, want %q", names, want)
	}
	edn := read(t, "deploy/compose/hoshi.edn")
	drain := regexp.MustCompile(`:drain-time\s+"([^"]+)"`).FindStringSubmatch(edn)
	if drain == nil {
		t.Fatal("hoshi.edn has no :drain-time")
	}
	d, err := time.ParseDuration(drain[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hoshi1", "hoshi2", "hoshi3"} {
		if grace := time.Duration(*p.Services[name].StopGracePeriod); grace < d+nodeStop {
			t.Errorf("%s has %v to stop, and may take %v for its drain and %v after it", name, grace, d, nodeStop)
		}
	}
	// The balancer's address is believed, and nobody else's.
	address := p.Services["balancer"].Networks["clients"].Ipv4Address
	if !strings.Contains(edn, fmt.Sprintf(":forwarded-from [%q]", address)) {
		t.Errorf("nodes do not believe the balancer at %s", address)
	}
	subnet := netip.MustParsePrefix(p.Networks["clients"].Ipam.Config[0].Subnet)
	if !subnet.Contains(netip.MustParseAddr(address)) {
		t.Errorf("%s is not in %s", address, subnet)
	}
	server := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindStringSubmatch(read(t, "go.mod"))
	if want := "nats:" + server[1] + "-alpine"; p.Services["nats1"].Image != want {
		t.Errorf("NATS is %s, and %s is what the tests run", p.Services["nats1"].Image, want)
	}
}

// TestComposeInterpolation: what .env may set comes where it belongs, the same on both
// sides.
func TestComposeInterpolation(t *testing.T) {
	p := loadOurs(t, "NATS_NODE_PASSWORD=n1", "NATS_BACKEND_PASSWORD=b1", "NATS_ADMIN_PASSWORD=a1", "NATS_CLUSTER_PASSWORD=c1", "HOSHI_TOKEN_SECRET=t1", "SOURCE=prebuilt")
	for _, tt := range []struct{ service, name, want string }{
		{"nats2", "NATS_NODE_PASSWORD", "n1"},
		{"hoshi2", "HOSHI_NATS_PASSWORD", "n1"},
		{"nats2", "NATS_BACKEND_PASSWORD", "b1"},
		{"example", "HOSHI_NATS_PASSWORD", "b1"},
		{"nats2", "NATS_ADMIN_PASSWORD", "a1"},
		{"nats2", "NATS_CLUSTER_PASSWORD", "c1"},
		{"nats2", "NATS_ROUTES", `["nats://cluster:c1@nats1:6222", "nats://cluster:c1@nats2:6222", "nats://cluster:c1@nats3:6222"]`},
		{"hoshi3", "HOSHI_TOKEN_SECRET", "t1"},
		{"example", "HOSHI_TOKEN_SECRET", "t1"},
	} {
		if got := p.Services[tt.service].Environment[tt.name]; deref(got) != tt.want {
			t.Errorf("%s: %s is %q, want %q", tt.service, tt.name, deref(got), tt.want)
		}
	}
	if got := p.Services["hoshi1"].Build.Args["SOURCE"]; deref(got) != "prebuilt" {
		t.Errorf("SOURCE is %q", deref(got))
	}
}

func deref(s *string) string {
	if s == nil {
		return "(not there)"
	}
	return *s
}

// TestComposeFaults holds that loading and checking find what they are for.
func TestComposeFaults(t *testing.T) {
	text := read(t, composeFile)
	for _, tt := range []struct{ name, old, new, want string }{
		{"a slip", "read_only: true", "readonly: true", "readonly"},
		{"no service", "nats3: {condition: service_healthy}", "nats4: {condition: service_healthy}", "nats4"},
		{"no network", "networks: [bus]", "networks: [buss]", "buss"},
		{"writable", "read_only: true", "read_only: false", "can be written"},
		{"capabilities", "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "keeps capabilities"},
		{"privileges", "no-new-privileges:true", "no-new-privileges:false", "gain privileges"},
		{"root", `user: "99:99"`, `user: "0:0"`, "runs as"},
		{"no version", "haproxy:3.2-alpine", "haproxy:alpine", "no version"},
		{"open port", "127.0.0.1:8404:8404", "8404:8404", "published on"},
		{"a file that may be written", "haproxy.cfg:ro", "haproxy.cfg", "may write"},
		{"no file", "./deploy/compose/haproxy.cfg", "./deploy/compose/haproxy.conf", "no such file"},
		{"a shell", `test: [CMD, /hoshi, health]`, `test: /hoshi health`, "no shell"},
		{"no grace", "stop_grace_period: 10s", "", "no grace period"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := strings.ReplaceAll(text, tt.old, tt.new)
			if broken == text {
				t.Fatalf("there is no %q", tt.old)
			}
			file := filepath.Join(t.TempDir(), composeFile)
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := load(t, file)
			if err == nil {
				err = checkProject(p)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// defaultOf is the default of an option that is a time.
func defaultOf(t *testing.T, option string) time.Duration {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `--" + option + " [^|]*\\|[^|]*\\|[^|]*\\| `([^`]+)`").FindStringSubmatch(read(t, "docs/config.md"))
	if row == nil {
		t.Fatalf("docs/config.md has no --%s", option)
	}
	d, err := time.ParseDuration(row[1])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestBalancerTimes holds that HAProxy waits longer than nodes do.
func TestBalancerTimes(t *testing.T) {
	conf := read(t, "deploy/compose/haproxy.cfg")
	edn := read(t, "deploy/compose/hoshi.edn")
	for _, tt := range []struct {
		timeout string
		options []string
	}{
		{"tunnel", []string{"idle-timeout", "ping-interval", "sente-ws-kalive"}},
		{"server", []string{"sente-lp-timeout", "callout-timeout"}},
		{"client", []string{"sente-lp-timeout"}},
	} {
		found := regexp.MustCompile(`(?m)^\ttimeout ` + tt.timeout + ` (\S+)$`).FindStringSubmatch(conf)
		if found == nil {
			t.Fatalf("haproxy.cfg has no timeout %s", tt.timeout)
		}
		has, err := time.ParseDuration(found[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range tt.options {
			if strings.Contains(edn, ":"+option) {
				t.Errorf("hoshi.edn sets :%s, which is not looked at here", option)
			}
			if least := defaultOf(t, option) + 5*time.Second; has < least {
				t.Errorf("timeout %s is %v, want %v for --%s", tt.timeout, has, least, option)
			}
		}
	}
}

// TestAccounts holds that who may do what on NATS is what SECURITY.md says.
func TestAccounts(t *testing.T) {
	block := regexp.MustCompile("(?s)```nats\n(.*?)```").FindStringSubmatch(read(t, "SECURITY.md"))
	if block == nil {
		t.Fatal("SECURITY.md has no configuration of NATS")
	}
	want := "# As in SECURITY.md, which says why. go test ./compose -run TestAccounts -update, in\n# deploy/check, writes it anew.\n" + block[1]
	const file = "deploy/compose/accounts.conf"
	if *update {
		if err := os.WriteFile(filepath.Join(root, file), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, file) != want {
		t.Errorf("%s is not what SECURITY.md says: run with -update", file)
	}
}

// TestGrafana: what Grafana would be provisioned with. Nobody runs Grafana here, so
// this is about structure and names alone.
func TestGrafana(t *testing.T) {
	p := loadOurs(t)
	var sources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault, Editable          bool
		} `json:"datasources"`
	}
	const dir = "deploy/compose/grafana/provisioning/"
	if err := yaml.UnmarshalStrict([]byte(read(t, dir+"datasources/prometheus.yml")), &sources); err != nil {
		t.Fatal(err)
	}
	if len(sources.Datasources) != 1 || sources.APIVersion != 1 {
		t.Fatalf("%+v", sources)
	}
	if s := sources.Datasources[0]; s.Type != "prometheus" || s.URL != "http://prometheus:9090" || !s.IsDefault || s.Access != "proxy" {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"prometheus", "grafana"} {
		if _, ok := p.Services[name].Networks["watch"]; !ok {
			t.Errorf("%s is not in the network of the other", name)
		}
	}
	var providers struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name, Type     string
			AllowUIUpdates bool `json:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, dir+"dashboards/hoshi.yml")), &providers); err != nil {
		t.Fatal(err)
	}
	if len(providers.Providers) != 1 || providers.APIVersion != 1 || providers.Providers[0].Type != "file" {
		t.Fatalf("%+v", providers)
	}
	home := p.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	mounted := ""
	for _, v := range p.Services["grafana"].Volumes {
		if filepath.Dir(v.Target) == providers.Providers[0].Options.Path {
			mounted = v.Source
			if deref(home) != v.Target {
				t.Errorf("the first page is %s, not %s", deref(home), v.Target)
			}
		}
	}
	b, err := os.ReadFile(mounted)
	if err != nil {
		t.Fatalf("the dashboard that is mounted: %v", err)
	}
	var dashboard struct {
		UID, Title string
		Panels     []any
	}
	if err := json.Unmarshal(b, &dashboard); err != nil || dashboard.Title == "" || len(dashboard.Panels) == 0 {
		t.Errorf("%s: %v, title %q, %d panels", mounted, err, dashboard.Title, len(dashboard.Panels))
	}
}
