package k8s_test

import (
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// get returns an object that is there, to break it.
func get[T runtime.Object](b *bundle, name string) T {
	for _, o := range all[T](b) {
		if strings.HasPrefix(nameOf(o), name) {
			return o
		}
	}
	panic("nothing is called " + name)
}

func deployment(b *bundle) *apps.Deployment { return get[*apps.Deployment](b, "hoshi") }
func node(b *bundle) *core.Container        { return &deployment(b).Spec.Template.Spec.Containers[0] }
func pod(b *bundle) *core.PodSpec           { return &deployment(b).Spec.Template.Spec }
func stateful(b *bundle) *apps.StatefulSet  { return get[*apps.StatefulSet](b, "nats") }
func server(b *bundle) *core.Container      { return &stateful(b).Spec.Template.Spec.Containers[0] }

func options(b *bundle) map[string]string    { return get[*core.ConfigMap](b, "hoshi-options").Data }
func natsConfig(b *bundle) map[string]string { return get[*core.ConfigMap](b, "nats-config").Data }

func scaler(b *bundle) *autoscaling.HorizontalPodAutoscaler {
	return get[*autoscaling.HorizontalPodAutoscaler](b, "hoshi")
}

func netpol(b *bundle, name string) *networking.NetworkPolicySpec {
	return &get[*networking.NetworkPolicy](b, name).Spec
}

// variable is one of the environment of a container.
func variable(c *core.Container, name string) *core.EnvVar {
	return &c.Env[slices.IndexFunc(c.Env, func(e core.EnvVar) bool { return e.Name == name })]
}

// rewrite replaces in nats.conf what must be there once.
func rewrite(b *bundle, old, with string) {
	conf := natsConfig(b)
	if strings.Count(conf["nats.conf"], old) != 1 {
		panic("nats.conf has not one " + old)
	}
	conf["nats.conf"] = strings.Replace(conf["nats.conf"], old, with, 1)
}

// TestBroken breaks one thing of a bundle that is right, and holds that the
// check that is for it says so.
func TestBroken(t *testing.T) {
	f := gather(t)
	right := whole(t)
	for _, tt := range []struct {
		check  string
		in     string // production, unless it says so
		broken func(b *bundle)
		want   string
	}{
		{check: "selectors", broken: func(b *bundle) { deployment(b).Spec.Template.Labels["app.kubernetes.io/name"] = "other" }, want: "Deployment hoshi selects the pods of 0"},
		{check: "selectors", broken: func(b *bundle) { get[*core.Service](b, "hoshi").Spec.Selector["app"] = "x" }, want: "Service hoshi selects the pods of 0"},
		{check: "selectors", broken: func(b *bundle) { b.remove(get[*policy.PodDisruptionBudget](b, "nats")) }, want: "StatefulSet nats has 0 disruption budgets"},
		{check: "selectors", broken: func(b *bundle) {
			get[*policy.PodDisruptionBudget](b, "hoshi").Spec.MaxUnavailable = new(intstr.FromInt32(0))
		}, want: "does not let exactly one go"},
		{check: "selectors", broken: func(b *bundle) { pod(b).TopologySpreadConstraints[1].LabelSelector.MatchLabels["x"] = "y" }, want: "spread over kubernetes.io/hostname selects"},
		{check: "selectors", broken: func(b *bundle) { pod(b).TopologySpreadConstraints = nil }, want: "is not spread"},
		{check: "selectors", broken: func(b *bundle) {
			stateful(b).Spec.Template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector = nil
		}, want: "apart from selects"},
		{check: "selectors", broken: func(b *bundle) { netpol(b, "hoshi").PodSelector.MatchLabels["x"] = "y" }, want: "NetworkPolicy hoshi selects"},

		{check: "ports", broken: func(b *bundle) { node(b).Ports[0].Name = "http" }, want: `target port "clients" is none`},
		{check: "ports", broken: func(b *bundle) { node(b).Ports[1].ContainerPort = 8080 }, want: "is there twice"},
		{check: "ports", broken: func(b *bundle) { node(b).LivenessProbe.HTTPGet.Port = intstr.FromString("admin") }, want: "liveness probe asks port admin"},
		{check: "ports", broken: func(b *bundle) { node(b).StartupProbe = nil }, want: "has no startup probe"},
		{check: "ports", broken: func(b *bundle) { get[*core.Service](b, "nats-headless").Spec.Ports[1].Port = 6223 }, want: "must be the pod's, 6222"},

		{check: "policies", broken: func(b *bundle) { b.remove(get[*networking.NetworkPolicy](b, "nats")) }, want: "StatefulSet nats is behind no policy"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "hoshi").PolicyTypes = netpol(b, "hoshi").PolicyTypes[:1] }, want: "is not about both ways"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "hoshi").Ingress[1].From = nil }, want: "anybody reaches port metrics"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "nats").Ingress[1].From = nil }, want: "anybody reaches port cluster"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "nats").Ingress[0].Ports[0].Port.IntVal = 4223 }, want: "has no port 4223"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "hoshi").Egress[0].Ports[0].Port.IntVal = 4223 }, want: "does not reach NATS"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "nats").Egress[0].To[0].PodSelector.MatchLabels["x"] = "y" }, want: "does not reach itself"},
		{check: "policies", broken: func(b *bundle) {
			n := netpol(b, "nats")
			n.Ingress[1].From = append(n.Ingress[1].From, n.Ingress[0].From[0])
			netpol(b, "hoshi").Egress[0].Ports = nil
		}, want: "may be a route"},
		{check: "policies", broken: func(b *bundle) { options(b)["HOSHI_TRACE_ENDPOINT"] = "http://collector.monitoring:4318" }, want: "does not reach HOSHI_TRACE_ENDPOINT"},
		{check: "policies", broken: func(b *bundle) { options(b)["HOSHI_TOKEN_JWKS"] = "https://issuer.example.com/keys" }, want: "does not reach HOSHI_TOKEN_JWKS"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "hoshi").Ingress[0].Ports = nil }, want: "has a rule for every port"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "nats").Ingress = netpol(b, "nats").Ingress[:2] }, want: "nobody reaches port monitor"},
		{check: "policies", broken: func(b *bundle) { netpol(b, "hoshi").Egress = netpol(b, "hoshi").Egress[:1] }, want: "finds no names"},

		{check: "references", broken: func(b *bundle) { pod(b).ServiceAccountName = "default" }, want: `no service account "default"`},
		{check: "references", broken: func(b *bundle) { node(b).EnvFrom[0].ConfigMapRef.Name = "hoshi-options" }, want: "no config map hoshi-options"},
		{check: "references", broken: func(b *bundle) { pod(b).Volumes[0].Secret.SecretName = "hoshi-tokens" }, want: "no key token-secret in secret hoshi-tokens"},
		{check: "references", broken: func(b *bundle) { pod(b).Volumes[0].Secret.Items = nil }, want: "shows all of secret"},
		{check: "references", in: "dev", broken: func(b *bundle) { delete(get[*core.Secret](b, "hoshi-nats").Data, "route-password") }, want: "route-password, which is not there"},
		{check: "references", broken: func(b *bundle) { node(b).VolumeMounts[0].Name = "other" }, want: "no volume other"},
		{check: "references", broken: func(b *bundle) { node(b).VolumeMounts = node(b).VolumeMounts[1:] }, want: "is nowhere mounted"},
		{check: "references", broken: func(b *bundle) { stateful(b).Spec.Template.Spec.Volumes[0].ConfigMap.Name = "nats" }, want: "no config map nats"},
		{check: "references", broken: func(b *bundle) { stateful(b).Spec.ServiceName = "nats" }, want: `"nats" is no headless service`},
		{check: "references", broken: func(b *bundle) { slices.Reverse(server(b).Env) }, want: "refers to what is not set before it"},
		{check: "references", broken: func(b *bundle) { delete(node(b).Resources.Requests, core.ResourceMemory) }, want: "requests.memory, which is not set"},
		{check: "references", broken: func(b *bundle) {
			pod(b).Volumes[0].VolumeSource = core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/"}}
		}, want: "is of a kind that is not known here"},
		{check: "references", broken: func(b *bundle) { variable(server(b), "POD_NAME").ValueFrom.FieldRef.FieldPath = "status.podIP" }, want: "POD_NAME comes from what is not known"},
		{check: "references", broken: func(b *bundle) { node(b).EnvFrom = append(node(b).EnvFrom, core.EnvFromSource{}) }, want: "something that is no config map"},
		{check: "references", broken: func(b *bundle) { scaler(b).Spec.ScaleTargetRef.Name = "node" }, want: "scales nothing"},
		{check: "references", broken: func(b *bundle) { deployment(b).Spec.Replicas = new(int32(3)) }, want: "each apply would undo"},

		{check: "files", broken: func(b *bundle) { variable(node(b), "HOSHI_NATS_PASSWORD_FILE").Value = "/etc/hoshi/password" }, want: "names /etc/hoshi/password"},
		{check: "files", broken: func(b *bundle) { server(b).Command[2] = "/etc/nats-server.conf" }, want: "names /etc/nats-server.conf"},

		{check: "options", broken: func(b *bundle) { options(b)["HOSHI_LISTN"] = "x" }, want: "HOSHI_LISTN is no option"},
		{check: "options", broken: func(b *bundle) { options(b)["HOSHI_NATS_USER_FILE"] = "/x" }, want: "HOSHI_NATS_USER is no secret"},
		{check: "options", broken: func(b *bundle) { options(b)["HOSHI_NATS_PASSWORD"] = "x" }, want: "is a secret among the options"},
		{check: "options", broken: func(b *bundle) { delete(options(b), "HOSHI_CHANNEL_RULES") }, want: "has no HOSHI_CHANNEL_RULES"},
		{check: "options", broken: func(b *bundle) { delete(options(b), "HOSHI_EVENT_RULES") }, want: "has no HOSHI_EVENT_RULES"},
		{check: "options", broken: func(b *bundle) { pod(b).EnableServiceLinks = nil }, want: "variables of services"},

		{check: "addresses", broken: func(b *bundle) { options(b)["HOSHI_LISTEN"] = ":80" }, want: "HOSHI_LISTEN=:80 is not port clients"},
		{check: "addresses", broken: func(b *bundle) { options(b)["HOSHI_METRICS_LISTEN"] = "127.0.0.1:8082" }, want: "of every interface"},
		{check: "addresses", broken: func(b *bundle) { options(b)["HOSHI_ADMIN_LISTEN"] = ":8081" }, want: "HOSHI_ADMIN_LISTEN=:8081 is not on loopback"},
		{check: "addresses", broken: func(b *bundle) { delete(options(b), "HOSHI_NATS_URL") }, want: "a NATS of its own"},
		{check: "addresses", broken: func(b *bundle) { options(b)["HOSHI_NATS_URL"] += ",nats://nats-3.nats-headless:4222" }, want: "nobody is at nats://nats-3"},
		{check: "addresses", broken: func(b *bundle) { options(b)["HOSHI_NATS_URL"] = "nats://nats-0.nats:4222" }, want: "nobody is at nats://nats-0.nats:4222"},
		{check: "addresses", in: "external-nats", broken: func(b *bundle) { options(b)["HOSHI_NATS_URL"] = "nats://nats-a.example.com:4222" }, want: "in the clear"},

		{check: "addresses", in: "with nats-tls", broken: func(b *bundle) { options(b)["HOSHI_NATS_URL"] = "nats://nats-0.nats-headless:4222" }, want: "one does not"},
		{check: "addresses", in: "with nats-tls", broken: func(b *bundle) { natsConfig(b)["tls.conf"] = "" }, want: "one does not"},

		{check: "images", broken: func(b *bundle) { node(b).Image = "hoshi" }, want: "has no version"},
		{check: "images", broken: func(b *bundle) { node(b).Image = "hoshi:latest" }, want: "has no version"},
		{check: "images", broken: func(b *bundle) { server(b).Image = "nats:2.10.0-alpine" }, want: "tested with " + f.nats},

		{check: "security", broken: func(b *bundle) { pod(b).SecurityContext.RunAsUser = new(int64(0)) }, want: "may be root"},
		{check: "security", broken: func(b *bundle) { pod(b).SecurityContext.RunAsUser = new(int64(1000)) }, want: "not who its image is for"},
		{check: "security", broken: func(b *bundle) { pod(b).SecurityContext.FSGroup = nil }, want: "cannot read its secrets"},
		{check: "security", broken: func(b *bundle) { pod(b).SecurityContext.SeccompProfile = nil }, want: "any system call"},
		{check: "security", broken: func(b *bundle) { node(b).SecurityContext.AllowPrivilegeEscalation = nil }, want: "become more"},
		{check: "security", broken: func(b *bundle) { server(b).SecurityContext.ReadOnlyRootFilesystem = new(false) }, want: "write into its image"},
		{check: "security", broken: func(b *bundle) { node(b).SecurityContext.Capabilities = nil }, want: "has capabilities"},
		{check: "security", broken: func(b *bundle) { pod(b).HostNetwork = true }, want: "sees its machine"},
		{check: "security", broken: func(b *bundle) { pod(b).AutomountServiceAccountToken = nil }, want: "has a token"},
		{check: "security", broken: func(b *bundle) { pod(b).Volumes[0].Secret.DefaultMode = nil }, want: "everybody in the pod may read"},
		{check: "security", broken: func(b *bundle) { pod(b).SecurityContext = nil }, want: "has no security context"},
		{check: "security", broken: func(b *bundle) { pod(b).InitContainers = pod(b).Containers }, want: "more than one container"},

		{check: "memory", broken: func(b *bundle) { node(b).Resources.Limits[core.ResourceMemory] = resource.MustParse("1900Mi") }, want: "GOMEMLIMIT is"},
		{check: "memory", broken: func(b *bundle) { variable(node(b), "GOMEMLIMIT").ValueFrom.ResourceFieldRef.Resource = "limits.memory" }, want: "GOMEMLIMIT is"},
		{check: "memory", broken: func(b *bundle) { scaler(b).Spec.MaxReplicas = 40 }, want: "the interests of 40 nodes with 50000 clients"},
		{check: "memory", broken: func(b *bundle) { node(b).Resources.Limits[core.ResourceCPU] = resource.MustParse("2") }, want: "is throttled"},
		{check: "memory", broken: func(b *bundle) { variable(node(b), "GOMAXPROCS").Name = "OTHER" }, want: `GOMAXPROCS is ""`},

		{check: "rollout", broken: func(b *bundle) {
			deployment(b).Spec.Strategy.RollingUpdate.MaxUnavailable = new(intstr.FromString("25%"))
		}, want: "does not put one in"},
		{check: "rollout", in: "dev", broken: func(b *bundle) { deployment(b).Spec.Replicas = new(int32(1)) }, want: "is one node"},

		{check: "drain", broken: func(b *bundle) { pod(b).TerminationGracePeriodSeconds = new(int64(60)) }, want: "is killed after 1m0s"},
		{check: "drain", broken: func(b *bundle) { options(b)["HOSHI_DRAIN_TIME"] = "2m" }, want: "is killed after 1m15s"},
		{check: "drain", broken: func(b *bundle) { deployment(b).Spec.MinReadySeconds = 10 }, want: "begins to drain after 10 s"},
		{check: "drain", broken: func(b *bundle) { node(b).Lifecycle = nil }, want: "before balancers have heard"},
		{check: "drain", broken: func(b *bundle) { node(b).LivenessProbe.HTTPGet.Path = "/health/ready" }, want: "is killed when /health/ready"},
		{check: "drain", broken: func(b *bundle) { node(b).ReadinessProbe.HTTPGet.Path = "/health" }, want: "takes clients when it is not ready"},
		{check: "drain", broken: func(b *bundle) { node(b).StartupProbe.HTTPGet.Path = "/health/ready" }, want: "while it waits for NATS"},
		{check: "drain", broken: func(b *bundle) { node(b).StartupProbe.FailureThreshold = 5 }, want: "where it starts slowly"},

		{check: "nats", broken: func(b *bundle) { rewrite(b, "\nport: 4222", "\nport: 4333") }, want: "the client port of nats.conf is not 4222"},
		{check: "nats", broken: func(b *bundle) { rewrite(b, "  port: 6222", "  port: 6333") }, want: "the cluster port of nats.conf is not 6222"},
		{check: "nats", broken: func(b *bundle) { rewrite(b, "http_port: 8222", "http_port: 8333") }, want: "http_port of nats.conf"},
		{check: "nats", broken: func(b *bundle) { variable(server(b), "NATS_ADMIN_PASSWORD").Name = "ADMIN_PASSWORD" }, want: "asks for NATS_ADMIN_PASSWORD"},
		{check: "nats", broken: func(b *bundle) { variable(server(b), "ROUTE_1").Value = "nats://nats-1.nats-headless:6222" }, want: "ROUTE_1=nats://nats-1.nats-headless:6222 is no route"},
		{check: "nats", broken: func(b *bundle) { stateful(b).Spec.Replicas = new(int32(2)) }, want: "is no route"},
		{check: "nats", broken: func(b *bundle) { stateful(b).Spec.PodManagementPolicy = "" }, want: "not three at once"},
		{check: "nats", broken: func(b *bundle) { rewrite(b, "duration: 30s", "duration: 2m") }, want: "is killed after 1m0s"},
		{check: "nats", broken: func(b *bundle) { server(b).Lifecycle = nil }, want: "without a word"},
		{check: "nats", broken: func(b *bundle) { server(b).StartupProbe.HTTPGet.Path = "/healthz?js-enabled-only=true" }, want: "before it has caught up"},
		{check: "nats", broken: func(b *bundle) { server(b).StartupProbe.FailureThreshold = 60 }, want: "while it catches up"},
		{check: "nats", broken: func(b *bundle) { server(b).LivenessProbe.HTTPGet.Path = "/healthz" }, want: "fails its liveness"},
		{check: "nats", broken: func(b *bundle) { rewrite(b, "no_advertise: true", "no_advertise: false") }, want: "learn the addresses of pods"},

		{check: "storage", broken: func(b *bundle) { variable(server(b), "JETSTREAM_FILE").Value = "10Gi" }, want: "do not fit into a claim"},
		{check: "storage", broken: func(b *bundle) { variable(server(b), "JETSTREAM_FILE").Value = "much" }, want: "max_file_store: "},
		{check: "storage", broken: func(b *bundle) { variable(server(b), "JETSTREAM_MEMORY").Value = "1200Mi" }, want: "leave too little"},
		{check: "storage", broken: func(b *bundle) { server(b).VolumeMounts[1].MountPath = "/store" }, want: `the claim is at "/store"`},
		{check: "storage", broken: func(b *bundle) { stateful(b).Spec.VolumeClaimTemplates = nil }, want: "has not one claim"},

		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Metrics[0].Pods.Metric.Name = "connections" }, want: "goes by connections, and the adapter has hoshi_connections"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Metrics[0].Pods.Metric.Name = "hoshi_handshakes_total" }, want: "no gauge of docs/metrics.md"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Metrics = scaler(b).Spec.Metrics[:1] }, want: "connections and CPU"},
		{check: "autoscaler", broken: func(b *bundle) { delete(node(b).Resources.Requests, core.ResourceCPU) }, want: "connections and CPU"},
		{check: "autoscaler", broken: func(b *bundle) { options(b)["HOSHI_MAX_CONNECTIONS"] = "30000" }, want: "less than twice"},
		{check: "autoscaler", broken: func(b *bundle) { delete(options(b), "HOSHI_DRAIN_TIME") }, want: "take longer to drain than 30s at 500"},
		{check: "autoscaler", broken: func(b *bundle) { b.remove(get[*monitoring.ServiceMonitor](b, "hoshi")) }, want: "nobody scrapes"},
		{check: "autoscaler", broken: func(b *bundle) { b.remove(scaler(b)) }, want: "nobody says how many"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.MinReplicas = nil }, want: "may leave one node"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Behavior.ScaleDown.Policies[0].PeriodSeconds = 15 }, want: "faster than they drain"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Behavior.ScaleDown.Policies[0].PeriodSeconds = 900 }, want: "at once what it has added within 900 s"},
		{check: "autoscaler", broken: func(b *bundle) { scaler(b).Spec.Behavior.ScaleDown = nil }, want: "faster than they drain"},

		{check: "ingress", broken: func(b *bundle) { get[*core.Service](b, "hoshi").Spec.Ports[0].Name = "web" }, want: "no service hoshi with port http"},
		{check: "ingress", broken: func(b *bundle) { get[*networking.Ingress](b, "hoshi").Spec.TLS = nil }, want: "no certificate for hoshi.example.com"},
		{check: "ingress", broken: func(b *bundle) { get[*networking.Ingress](b, "hoshi").Spec.TLS[0].SecretName = "hoshi-nats" }, want: "no certificate for"},
		{check: "ingress", broken: func(b *bundle) {
			get[*networking.Ingress](b, "hoshi").Annotations["haproxy.org/timeout-server"] = "15s"
		}, want: "timeout-server is 15s"},
		{check: "ingress", in: "with ingress-nginx", broken: func(b *bundle) {
			get[*networking.Ingress](b, "hoshi").Annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] = "20"
		}, want: "proxy-read-timeout is 20s"},
		{check: "ingress", broken: func(b *bundle) {
			get[*networking.Ingress](b, "hoshi").Annotations["haproxy.org/cookie-persistence"] = "x"
		}, want: "is not needed"},
		{check: "ingress", broken: func(b *bundle) { delete(options(b), "HOSHI_FORWARDED_FROM") }, want: "whom it forwards for"},
		{check: "ingress", broken: func(b *bundle) { netpol(b, "hoshi").Ingress[0].From = nil }, want: "can say whom he forwards for"},

		{check: "monitoring", in: "with servicemonitor", broken: func(b *bundle) { get[*core.Service](b, "hoshi-metrics").Spec.Ports[0].TargetPort.StrVal = "clients" }, want: "has no metrics"},
		{check: "monitoring", in: "with servicemonitor", broken: func(b *bundle) {
			delete(get[*monitoring.ServiceMonitor](b, "hoshi").Spec.Selector.MatchLabels, "app.kubernetes.io/component")
		}, want: "selects 2 services"},
		{check: "monitoring", in: "with servicemonitor", broken: func(b *bundle) { get[*monitoring.ServiceMonitor](b, "hoshi").Spec.JobLabel = "" }, want: `no alert is about job ""`},
		{check: "security", in: "with nats-exporter", broken: func(b *bundle) { stateful(b).Spec.Template.Spec.Containers[1].SecurityContext = nil }, want: "exporter has no security context"},
		{check: "images", in: "with nats-exporter", broken: func(b *bundle) { stateful(b).Spec.Template.Spec.Containers[1].Image = "exporter" }, want: "has no version"},
		{check: "policies", in: "with nats-exporter", broken: func(b *bundle) { n := netpol(b, "nats"); n.Ingress[2].Ports = n.Ingress[2].Ports[:1] }, want: "nobody reaches port metrics"},
		{check: "monitoring", in: "with nats-exporter", broken: func(b *bundle) { get[*monitoring.ServiceMonitor](b, "nats").Spec.Endpoints[0].Port = "monitor" }, want: "has no metrics"},
		{check: "monitoring", in: "with servicemonitor", broken: func(b *bundle) { get[*core.Service](b, "hoshi-metrics").Spec.ClusterIP = "" }, want: "gives the metrics of all pods one address"},
	} {
		in := tt.in
		if in == "" {
			in = "production"
		}
		t.Run(tt.check+" "+tt.want, func(t *testing.T) {
			b := right[in].clone()
			tt.broken(b)
			found := checks[tt.check](b, f)
			if !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, tt.want) }) {
				t.Errorf("got %q, want %q", found, tt.want)
			}
		})
	}
}
