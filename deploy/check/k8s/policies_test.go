package k8s_test

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// checkPolicies holds that every workload is behind a policy, that its rules
// are about ports that exist, and that what must pass does.
func checkPolicies(b *bundle, f *facts) (bad findings) {
	for _, w := range workloads(b) {
		p := policyOf(b, &w)
		if p == nil {
			bad.add("%s is behind no policy", title(w))
			continue
		}
		if !slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress) || !slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeEgress) {
			bad.add("%s is not about both ways", title(p))
		}
		for _, c := range w.ports() {
			open := slices.ContainsFunc(p.Spec.Ingress, func(r networking.NetworkPolicyIngressRule) bool { return covers(r.Ports, c.ContainerPort) })
			if !open {
				bad.add("%s: nobody reaches port %s of %s", title(p), c.Name, title(w))
			}
		}
		for _, r := range p.Spec.Ingress {
			for _, at := range r.Ports {
				if !slices.ContainsFunc(w.ports(), func(c core.ContainerPort) bool { return at.Port.IntVal == c.ContainerPort }) {
					bad.add("%s: %s has no port %s", title(p), title(w), at.Port.String())
				}
			}
			if len(r.Ports) == 0 {
				bad.add("%s has a rule for every port", title(p))
			}
			// What asks nobody who he is must say who may come.
			for _, name := range []string{"metrics", "monitor", "cluster"} {
				if n, ok := port(w.container(), name); ok && covers(r.Ports, n) && len(r.From) == 0 {
					bad.add("%s: anybody reaches port %s of %s", title(p), name, title(w))
				}
			}
		}
		if !slices.ContainsFunc(p.Spec.Egress, func(r networking.NetworkPolicyEgressRule) bool { return covers(r.Ports, 53) }) {
			bad.add("%s: %s finds no names", title(p), title(w))
		}
	}
	n, ok := nodes(b)
	if !ok {
		return bad
	}
	env, _ := environment(b, n, f.values(), "hoshi-0")
	for _, option := range []string{"HOSHI_TOKEN_JWKS", "HOSHI_TRACE_ENDPOINT"} {
		if p := policyOf(b, n); env[option] != "" && p != nil {
			u, err := url.Parse(env[option])
			if err != nil {
				bad.add("%s: %s: %v", title(n), option, err)
				continue
			}
			at, err := strconv.ParseInt(cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]), 10, 32)
			if err != nil || !slices.ContainsFunc(p.Spec.Egress, func(r networking.NetworkPolicyEgressRule) bool { return covers(r.Ports, int32(at)) }) {
				bad.add("%s: %s does not reach %s", title(p), title(n), option)
			}
		}
	}
	for _, w := range workloads(b) {
		if client, ok := port(w.container(), "client"); ok && !passes(b, n, &w, client) {
			bad.add("%s does not reach NATS, %s", title(n), title(w))
		}
		if cluster, ok := port(w.container(), "cluster"); ok && !passes(b, &w, &w, cluster) {
			bad.add("%s does not reach itself", title(w))
		}
		if cluster, ok := port(w.container(), "cluster"); ok && passes(b, n, &w, cluster) {
			bad.add("%s may be a route of %s", title(n), title(w))
		}
	}
	return bad
}

func policyOf(b *bundle, w *workload) *networking.NetworkPolicy {
	for _, p := range all[*networking.NetworkPolicy](b) {
		for _, of := range selected(b, &p.Spec.PodSelector) {
			if of.Object == w.Object {
				return p
			}
		}
	}
	return nil
}

func covers(ports []networking.NetworkPolicyPort, n int32) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networking.NetworkPolicyPort) bool { return p.Port != nil && p.Port.IntVal == n })
}

// passes reports whether the policies of both ends let pods of the same
// namespace through.
func passes(b *bundle, from, to *workload, n int32) bool {
	names := func(peers []networking.NetworkPolicyPeer, w *workload) bool {
		return len(peers) == 0 || slices.ContainsFunc(peers, func(p networking.NetworkPolicyPeer) bool {
			by, err := metav1.LabelSelectorAsSelector(p.PodSelector)
			return err == nil && p.PodSelector != nil && by.Matches(labels.Set(w.template.Labels))
		})
	}
	out, in := policyOf(b, from), policyOf(b, to)
	return out != nil && in != nil &&
		slices.ContainsFunc(out.Spec.Egress, func(r networking.NetworkPolicyEgressRule) bool { return covers(r.Ports, n) && names(r.To, to) }) &&
		slices.ContainsFunc(in.Spec.Ingress, func(r networking.NetworkPolicyIngressRule) bool { return covers(r.Ports, n) && names(r.From, from) })
}

// checkIngress holds that requests from outside find the service, are let
// through, in time, and are asked for whom they come.
func checkIngress(b *bundle, f *facts) (bad findings) {
	for _, i := range all[*networking.Ingress](b) {
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				s, ok := named[*core.Service](b, p.Backend.Service.Name)
				if !ok || !slices.ContainsFunc(s.Spec.Ports, func(sp core.ServicePort) bool { return sp.Name == p.Backend.Service.Port.Name }) {
					bad.add("%s: no service %s with port %s", title(i), p.Backend.Service.Name, p.Backend.Service.Port.Name)
				}
			}
			if !slices.ContainsFunc(i.Spec.TLS, func(t networking.IngressTLS) bool {
				return slices.Contains(t.Hosts, r.Host) && slices.Equal(f.made[t.SecretName], []string{"tls.crt", "tls.key"})
			}) {
				bad.add("%s: no certificate for %s", title(i), r.Host)
			}
		}
		for name, value := range i.Annotations {
			// Each is of silence, or of a request that waits.
			least := 30 * time.Second // --ping-interval; polls wait for 20 s
			if strings.Contains(name, "timeout") && !strings.Contains(name, "connect") {
				if strings.HasPrefix(name, "nginx.") {
					value += "s"
				}
				if d, err := time.ParseDuration(value); err != nil || d <= least {
					bad.add("%s: %s is %s, and a connection may be silent for %v", title(i), name, value, least)
				}
			}
			if strings.Contains(name, "affinity") || strings.Contains(name, "cookie") {
				bad.add("%s: %s is not needed", title(i), name)
			}
		}
		w, ok := nodes(b)
		if !ok {
			return bad
		}
		if env, _ := environment(b, w, f.values(), "hoshi-0"); env["HOSHI_FORWARDED_FROM"] == "" {
			bad.add("%s: nodes do not know whom it forwards for", title(i))
		}
		clients, _ := port(w.container(), "clients")
		if p := policyOf(b, w); p != nil {
			for _, r := range p.Spec.Ingress {
				if covers(r.Ports, clients) && len(r.From) == 0 {
					bad.add("%s: anybody in the cluster can say whom he forwards for", title(p))
				}
			}
		}
	}
	return bad
}

// checkMonitoring holds that what is scraped is there, and may be reached.
func checkMonitoring(b *bundle, _ *facts) (bad findings) {
	for _, m := range all[*monitoring.ServiceMonitor](b) {
		by, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			bad.add("%s: %v", title(m), err)
			continue
		}
		found := 0
		for _, s := range all[*core.Service](b) {
			if !by.Matches(labels.Set(s.Labels)) {
				continue
			}
			found++
			// Alerts about nodes go by the job, and must not be about servers.
			if job := s.Labels[m.Spec.JobLabel]; strings.HasPrefix(job, "hoshi") != (nameOf(m) == "hoshi") || job == "" {
				bad.add("%s: no alert is about job %q", title(m), job)
			}
			for _, e := range m.Spec.Endpoints {
				i := slices.IndexFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == e.Port })
				if i < 0 || s.Spec.Ports[i].TargetPort.StrVal != "metrics" || e.Path != "/metrics" {
					bad.add("%s: port %q of %s has no metrics at %s", title(m), e.Port, title(s), e.Path)
				}
			}
		}
		if found != 1 {
			bad.add("%s selects %d services, each pod would be counted as often", title(m), found)
		}
	}
	for _, s := range all[*core.Service](b) {
		for _, p := range s.Spec.Ports {
			if p.TargetPort.StrVal == "metrics" && s.Spec.ClusterIP != core.ClusterIPNone {
				bad.add("%s gives the metrics of all pods one address", title(s))
			}
		}
	}
	return bad
}

// checkAutoscaler holds that it goes by connections, with CPU beside, by a
// metric that the adapter has a rule for and that Prometheus scrapes, and is
// slow to take nodes away; and that there are several where there is none.
func checkAutoscaler(b *bundle, f *facts) (bad findings) {
	if w, ok := nodes(b); ok && w.replicas == nil && len(all[*autoscaling.HorizontalPodAutoscaler](b)) == 0 {
		bad.add("%s is one node: nobody says how many", title(w))
	}
	for _, h := range all[*autoscaling.HorizontalPodAutoscaler](b) {
		d, ok := named[*apps.Deployment](b, h.Spec.ScaleTargetRef.Name)
		if !ok {
			continue // checkReferences says so
		}
		if len(all[*monitoring.ServiceMonitor](b)) == 0 {
			bad.add("%s goes by what nobody scrapes", title(h))
		}
		byCPU, byConnections := false, false
		for _, m := range h.Spec.Metrics {
			switch {
			case m.Pods != nil:
				byConnections = true
				name, _, _ := strings.Cut(f.rule.SeriesQuery, "{")
				if m.Pods.Metric.Name != name {
					bad.add("%s goes by %s, and the adapter has %s", title(h), m.Pods.Metric.Name, name)
				}
				if !f.gauges[m.Pods.Metric.Name] {
					bad.add("%s goes by %s, which is no gauge of docs/metrics.md", title(h), m.Pods.Metric.Name)
				}
				w := workload{template: &d.Spec.Template, Object: d}
				env, _ := environment(b, &w, f.values(), "hoshi-0")
				aim := m.Pods.Target.AverageValue.Value()
				rate, err := strconv.ParseInt(cmp.Or(env["HOSHI_DRAIN_RATE"], f.options["HOSHI_DRAIN_RATE"]), 10, 64)
				if takes, err2 := time.ParseDuration(cmp.Or(env["HOSHI_DRAIN_TIME"], f.options["HOSHI_DRAIN_TIME"])); err != nil || err2 != nil || aim > rate*int64(takes/time.Second) {
					bad.add("%s aims at %d connections, which take longer to drain than %v at %d a second", title(h), aim, takes, rate)
				}
				if most, err := strconv.ParseInt(env["HOSHI_MAX_CONNECTIONS"], 10, 64); err != nil || most < 2*aim {
					bad.add("%s aims at %d connections, and nodes refuse those beyond %d: less than twice as many", title(h), aim, most)
				}
			case m.Resource != nil && m.Resource.Name == core.ResourceCPU:
				_, requested := d.Spec.Template.Spec.Containers[0].Resources.Requests[core.ResourceCPU]
				byCPU = requested && m.Resource.Target.AverageUtilization != nil
			}
		}
		if !byCPU || !byConnections {
			bad.add("%s does not go by connections and CPU", title(h))
		}
		if h.Spec.MinReplicas == nil || *h.Spec.MinReplicas < 2 {
			bad.add("%s may leave one node", title(h))
		}
		// What was added within the period of a policy does not count for it: a
		// shorter window would let all of that go at once.
		if b := h.Spec.Behavior; b != nil && b.ScaleDown != nil && b.ScaleDown.StabilizationWindowSeconds != nil {
			for _, p := range b.ScaleDown.Policies {
				if *b.ScaleDown.StabilizationWindowSeconds < p.PeriodSeconds {
					bad.add("%s may take away at once what it has added within %d s", title(h), p.PeriodSeconds)
				}
			}
		}
		down := h.Spec.Behavior
		if down == nil || down.ScaleDown == nil || down.ScaleDown.StabilizationWindowSeconds == nil || *down.ScaleDown.StabilizationWindowSeconds < 300 ||
			!slices.ContainsFunc(down.ScaleDown.Policies, func(p autoscaling.HPAScalingPolicy) bool {
				return p.Type == autoscaling.PodsScalingPolicy && p.Value == 1 && p.PeriodSeconds >= d.Spec.MinReadySeconds
			}) || len(down.ScaleDown.Policies) != 1 {
			bad.add("%s takes nodes away faster than they drain", title(h))
		}
	}
	return bad
}
