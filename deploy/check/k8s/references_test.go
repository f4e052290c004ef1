package k8s_test

import (
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// values are what the secrets of README.md could hold.
func (f *facts) values() map[string]map[string]string {
	values := map[string]map[string]string{}
	for name, keys := range f.made {
		values[name] = map[string]string{}
		for _, k := range keys {
			values[name][k] = "value-of-" + k
		}
	}
	return values
}

// checkSelectors holds that whoever selects pods selects some.
func checkSelectors(b *bundle, _ *facts) (bad findings) {
	means := func(what string, s *metav1.LabelSelector, want int) {
		if n := len(selected(b, s)); n == 0 || want > 0 && n != want {
			bad.add("%s selects the pods of %d workloads", what, n)
		}
	}
	for _, w := range workloads(b) {
		means(title(w), w.selector, 1)
		spec := &w.template.Spec
		for _, c := range spec.TopologySpreadConstraints {
			means(title(w)+" spread over "+c.TopologyKey, c.LabelSelector, 1)
		}
		if a := spec.Affinity; a != nil && a.PodAntiAffinity != nil {
			for _, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				means(title(w)+" apart from", term.LabelSelector, 1)
			}
		}
		if len(spec.TopologySpreadConstraints) == 0 {
			bad.add("%s is not spread", title(w))
		}
		budgets := 0
		for _, p := range all[*policy.PodDisruptionBudget](b) {
			for _, of := range selected(b, p.Spec.Selector) {
				if of.Object == w.Object {
					budgets++
				}
			}
		}
		if budgets != 1 {
			bad.add("%s has %d disruption budgets", title(w), budgets)
		}
	}
	for _, p := range all[*policy.PodDisruptionBudget](b) {
		means(title(p), p.Spec.Selector, 1)
		if n := p.Spec.MaxUnavailable; n == nil || n.IntValue() != 1 || p.Spec.MinAvailable != nil {
			bad.add("%s does not let exactly one go", title(p))
		}
	}
	for _, s := range all[*core.Service](b) {
		means(title(s), &metav1.LabelSelector{MatchLabels: s.Spec.Selector}, 1)
	}
	for _, p := range all[*networking.NetworkPolicy](b) {
		means(title(p), &p.Spec.PodSelector, 1)
	}
	return bad
}

// checkPorts holds that ports that are named, or meant, are those of containers.
func checkPorts(b *bundle, _ *facts) (bad findings) {
	for _, w := range workloads(b) {
		c := w.container()
		names, numbers := map[string]bool{}, map[int32]bool{}
		for _, p := range w.ports() {
			if names[p.Name] || numbers[p.ContainerPort] || p.Name == "" || len(p.Name) > 15 {
				bad.add("%s: port %q %d is there twice, or has no good name", title(w), p.Name, p.ContainerPort)
			}
			names[p.Name], numbers[p.ContainerPort] = true, true
		}
		asked := probes(c)
		for _, kind := range []string{"startup", "liveness", "readiness"} {
			if get := asked[kind]; get == nil {
				bad.add("%s has no %s probe by HTTP", title(w), kind)
			} else if !names[get.Port.StrVal] {
				bad.add("%s: %s probe asks port %s", title(w), kind, get.Port.String())
			}
		}
	}
	for _, s := range all[*core.Service](b) {
		for _, p := range s.Spec.Ports {
			for _, w := range selected(b, &metav1.LabelSelector{MatchLabels: s.Spec.Selector}) {
				var n int32
				i := slices.IndexFunc(w.ports(), func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal })
				ok := i >= 0
				if ok {
					n = w.ports()[i].ContainerPort
				} else {
					bad.add("%s: target port %q is none of %s", title(s), p.TargetPort.String(), title(w))
				}
				if s.Spec.ClusterIP == core.ClusterIPNone && ok && n != p.Port {
					bad.add("%s is headless, so its port %d must be the pod's, %d", title(s), p.Port, n)
				}
			}
		}
	}
	return bad
}

// checkReferences holds that config maps, secrets, accounts, volumes and claims
// that are named are there, with their keys.
func checkReferences(b *bundle, f *facts) (bad findings) {
	for _, w := range workloads(b) {
		_, missing := environment(b, &w, f.values(), "pod-0")
		bad = append(bad, missing...)
		spec := &w.template.Spec
		if _, ok := named[*core.ServiceAccount](b, spec.ServiceAccountName); !ok {
			bad.add("%s: no service account %q", title(w), spec.ServiceAccountName)
		}
		for _, from := range w.container().EnvFrom {
			if from.ConfigMapRef == nil {
				bad.add("%s takes variables from something that is no config map", title(w))
			} else if _, ok := named[*core.ConfigMap](b, from.ConfigMapRef.Name); !ok {
				bad.add("%s: no config map %s", title(w), from.ConfigMapRef.Name)
			}
		}
		volumes := map[string]bool{}
		for _, v := range spec.Volumes {
			volumes[v.Name] = true
			switch {
			case v.ConfigMap != nil:
				if _, ok := named[*core.ConfigMap](b, v.ConfigMap.Name); !ok {
					bad.add("%s: volume %s: no config map %s", title(w), v.Name, v.ConfigMap.Name)
				}
			case v.Secret != nil:
				for _, item := range v.Secret.Items {
					if _, ok := secretValue(b, f.values(), v.Secret.SecretName, item.Key); !ok {
						bad.add("%s: volume %s: no key %s in secret %s", title(w), v.Name, item.Key, v.Secret.SecretName)
					}
				}
				if len(v.Secret.Items) == 0 {
					bad.add("%s: volume %s shows all of secret %s", title(w), v.Name, v.Secret.SecretName)
				}
			default:
				bad.add("%s: volume %s is of a kind that is not known here", title(w), v.Name)
			}
		}
		if s, ok := w.Object.(*apps.StatefulSet); ok {
			for _, c := range s.Spec.VolumeClaimTemplates {
				volumes[c.Name] = true
			}
			if svc, ok := named[*core.Service](b, s.Spec.ServiceName); !ok || svc.Spec.ClusterIP != core.ClusterIPNone || !svc.Spec.PublishNotReadyAddresses {
				bad.add("%s: %q is no headless service that names servers before they are ready", title(w), s.Spec.ServiceName)
			}
		}
		for _, m := range w.container().VolumeMounts {
			if !volumes[m.Name] {
				bad.add("%s: no volume %s", title(w), m.Name)
			}
			delete(volumes, m.Name)
		}
		for v := range volumes {
			bad.add("%s: volume %s is nowhere mounted", title(w), v)
		}
	}
	for _, h := range all[*autoscaling.HorizontalPodAutoscaler](b) {
		if d, ok := named[*apps.Deployment](b, h.Spec.ScaleTargetRef.Name); !ok || h.Spec.ScaleTargetRef.Kind != "Deployment" || h.Spec.ScaleTargetRef.APIVersion != "apps/v1" {
			bad.add("%s scales nothing that is there", title(h))
		} else if d.Spec.Replicas != nil {
			bad.add("%s: each apply would undo what %s has scaled", title(d), title(h))
		}
	}
	return bad
}

// checkFiles holds that a variable that names a file names one that is mounted.
func checkFiles(b *bundle, _ *facts) (bad findings) {
	for _, w := range workloads(b) {
		there := mounted(b, &w)
		paths := map[string]string{}
		for _, e := range w.container().Env {
			if strings.HasPrefix(e.Name, "HOSHI_") && strings.HasSuffix(e.Name, "_FILE") {
				paths[e.Name] = e.Value
			}
		}
		for i, arg := range w.container().Command {
			if i > 0 && strings.HasPrefix(arg, "/") {
				paths["command"] = arg
			}
		}
		for _, name := range slices.Sorted(maps.Keys(paths)) {
			if !slices.Contains(there, paths[name]) {
				bad.add("%s: %s names %s, and there is %v", title(w), name, paths[name], there)
			}
		}
	}
	return bad
}

// mounted lists the files that a container finds in config maps and secrets.
func mounted(b *bundle, w *workload) (paths []string) {
	for _, m := range w.container().VolumeMounts {
		for _, v := range w.template.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.Secret != nil:
				for _, item := range v.Secret.Items {
					paths = append(paths, path.Join(m.MountPath, item.Path))
				}
			case v.ConfigMap != nil:
				if c, ok := named[*core.ConfigMap](b, v.ConfigMap.Name); ok {
					for key := range c.Data {
						paths = append(paths, path.Join(m.MountPath, key))
					}
				}
			}
		}
	}
	return paths
}

// checkOptions holds that every option of a node exists, and that nothing else
// in its environment looks like one.
func checkOptions(b *bundle, f *facts) (bad findings) {
	w, ok := nodes(b)
	if !ok {
		return findings{"there is no Deployment hoshi"}
	}
	env, _ := environment(b, w, f.values(), "hoshi-0")
	for _, name := range slices.Sorted(maps.Keys(env)) {
		option, file := strings.CutSuffix(name, "_FILE")
		_, known := f.options[option]
		switch {
		case !strings.HasPrefix(name, "HOSHI_"):
		case !known:
			bad.add("%s: %s is no option", title(w), name)
		case file && !f.secrets[option]:
			bad.add("%s: %s is no secret, so it has no file", title(w), option)
		case !file && f.secrets[option]:
			bad.add("%s: %s is a secret among the options", title(w), option)
		}
	}
	for _, rules := range []string{"HOSHI_CHANNEL_RULES", "HOSHI_EVENT_RULES"} {
		if env["HOSHI_TOKEN_REQUIRED"] == "true" && env[rules] == "" {
			bad.add("%s has no %s: whoever has a token may do everything", title(w), rules)
		}
	}
	if s := w.template.Spec.EnableServiceLinks; s == nil || *s {
		bad.add("%s: variables of services would be taken for options", title(w))
	}
	return bad
}

// nodes is the workload of Hoshi itself.
func nodes(b *bundle) (*workload, bool) {
	for _, w := range workloads(b) {
		if nameOf(w) == "hoshi" {
			return &w, true
		}
	}
	return nil, false
}

// checkAddresses holds that nodes listen where their ports are, and that NATS
// is where they look for it.
func checkAddresses(b *bundle, f *facts) (bad findings) {
	w, ok := nodes(b)
	if !ok {
		return findings{"there is no Deployment hoshi"}
	}
	env, _ := environment(b, w, f.values(), "hoshi-0")
	for option, name := range map[string]string{"HOSHI_LISTEN": "clients", "HOSHI_METRICS_LISTEN": "metrics"} {
		host, p, err := net.SplitHostPort(env[option])
		n, ok := port(w.container(), name)
		if err != nil || host != "" || !ok || p != decimal(int64(n)) {
			bad.add("%s: %s=%s is not port %s of every interface", title(w), option, env[option], name)
		}
	}
	// It takes orders, and asks nobody who he is.
	if admin, moved := env["HOSHI_ADMIN_LISTEN"]; moved && !strings.HasPrefix(admin, "127.0.0.1:") {
		bad.add("%s: HOSHI_ADMIN_LISTEN=%s is not on loopback", title(w), admin)
	}
	if env["HOSHI_NATS_URL"] == "" {
		bad.add("%s has no HOSHI_NATS_URL: each pod would have a NATS of its own", title(w))
	}
	for raw := range strings.SplitSeq(env["HOSHI_NATS_URL"], ",") {
		u, err := url.Parse(raw)
		if err != nil {
			bad.add("%s: %v", title(w), err)
			continue
		}
		if strings.Contains(u.Hostname(), ".example.") {
			if u.Scheme != "tls" {
				bad.add("%s: %s leaves the cluster in the clear", title(w), raw)
			}
			continue // somewhere else
		}
		if w, _, ok := servers(b); ok && (u.Scheme == "tls") != strings.Contains(natsConf(b, w)["tls.conf"], "tls {") {
			bad.add("%s: one of %s and NATS speaks TLS, and one does not", title(w), raw)
		}
		if !serverThere(b, u.Host, "client") {
			bad.add("%s: nobody is at %s", title(w), raw)
		}
	}
	return bad
}

// serverThere reports whether POD.SERVICE:PORT is a pod of a StatefulSet that
// listens on its port with that name.
func serverThere(b *bundle, hostport, name string) bool {
	host, p, err := net.SplitHostPort(hostport)
	pod, service, dotted := strings.Cut(host, ".")
	if err != nil || !dotted {
		return false
	}
	for _, s := range all[*apps.StatefulSet](b) {
		ordinal, ok := strings.CutPrefix(pod, s.Name+"-")
		i, err := strconv.Atoi(ordinal)
		if !ok || err != nil || s.Spec.ServiceName != service || int32(i) >= *s.Spec.Replicas {
			continue
		}
		n, ok := port(&s.Spec.Template.Spec.Containers[0], name)
		return ok && p == decimal(int64(n))
	}
	return false
}
