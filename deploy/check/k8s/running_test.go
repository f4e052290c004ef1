package k8s_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// checkImages holds that images are pinned, and NATS is the one that the
// project is tested with.
func checkImages(b *bundle, f *facts) (bad findings) {
	for _, w := range workloads(b) {
		for _, c := range w.template.Spec.Containers {
			name, tag, ok := strings.Cut(c.Image, ":")
			if !ok || tag == "" || tag == "latest" {
				bad.add("%s: image %s has no version", title(w), c.Image)
			}
			if name == "nats" && tag != f.nats+"-alpine" {
				bad.add("%s: image %s, and the project is tested with %s", title(w), c.Image, f.nats)
			}
		}
	}
	return bad
}

// checkSecurity holds the profile "restricted" of Kubernetes, and what goes
// beyond it.
func checkSecurity(b *bundle, f *facts) (bad findings) {
	for _, w := range workloads(b) {
		spec := &w.template.Spec
		beside := slices.DeleteFunc(slices.Clone(spec.Containers[1:]), func(c core.Container) bool { return c.Name == "exporter" })
		if len(beside) != 0 || len(spec.InitContainers) != 0 {
			bad.add("%s has more than one container", title(w))
		}
		p := spec.SecurityContext
		if p == nil {
			bad.add("%s has no security context", title(w))
			continue
		}
		if p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.RunAsUser == nil || *p.RunAsUser == 0 {
			bad.add("%s may be root", title(w))
		}
		if p.FSGroup == nil || p.RunAsGroup == nil || *p.FSGroup != *p.RunAsGroup {
			bad.add("%s cannot read its secrets, or write its claim", title(w))
		}
		if nameOf(w) == "hoshi" && p.RunAsUser != nil && p.RunAsGroup != nil && fmt.Sprintf("%d:%d", *p.RunAsUser, *p.RunAsGroup) != f.user {
			bad.add("%s is not who its image is for, %s", title(w), f.user)
		}
		if p.SeccompProfile == nil || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			bad.add("%s may make any system call", title(w))
		}
		for _, c := range spec.Containers {
			s := c.SecurityContext
			if s == nil {
				bad.add("%s: %s has no security context", title(w), c.Name)
				continue
			}
			if s.RunAsUser != nil {
				bad.add("%s: %s is somebody else", title(w), c.Name)
			}
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Privileged != nil && *s.Privileged {
				bad.add("%s may become more than it is", title(w))
			}
			if s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				bad.add("%s may write into its image", title(w))
			}
			if s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
				bad.add("%s has capabilities", title(w))
			}
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC {
			bad.add("%s sees its machine", title(w))
		}
		if a := spec.AutomountServiceAccountToken; a == nil || *a {
			bad.add("%s has a token for Kubernetes", title(w))
		}
		for _, v := range spec.Volumes {
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440) {
				bad.add("%s: everybody in the pod may read secret %s", title(w), v.Secret.SecretName)
			}
		}
	}
	return bad
}

// interest is what each NATS server keeps of each, in bytes, in measurements
// with 200,000 of them: its own cost most, 153 MiB.
const interest = 153 << 20 / 200_000

// checkMemory holds that Go knows the limit, and leaves a quarter of it to what
// it does not count, that NATS can keep the interests of as many clients as
// there can be, and that nothing throttles.
func checkMemory(b *bundle, f *facts) (bad findings) {
	for _, w := range workloads(b) {
		env, _ := environment(b, &w, f.values(), "pod-0")
		r := w.container().Resources
		limit := r.Limits.Memory().Value()
		goes, err := strconv.ParseInt(env["GOMEMLIMIT"], 10, 64)
		if err != nil || limit == 0 || goes*100 < limit*73 || goes*100 > limit*77 {
			bad.add("%s: GOMEMLIMIT is %q, and the limit %d", title(w), env["GOMEMLIMIT"], limit)
		}
		if _, ok := r.Limits[core.ResourceCPU]; ok {
			bad.add("%s is throttled", title(w))
		}
		if n, err := strconv.ParseInt(env["GOMAXPROCS"], 10, 64); err != nil || n != r.Requests.Cpu().Value() {
			bad.add("%s: GOMAXPROCS is %q, and the request %v", title(w), env["GOMAXPROCS"], r.Requests.Cpu())
		}
	}
	n, there := nodes(b)
	w, _, ok := servers(b)
	if !there || !ok {
		return bad
	}
	many := int64(1)
	if n.replicas != nil {
		many = int64(*n.replicas)
	}
	for _, h := range all[*autoscaling.HorizontalPodAutoscaler](b) {
		many = int64(h.Spec.MaxReplicas)
	}
	env, _ := environment(b, n, f.values(), "pod-0")
	each, err := strconv.ParseInt(env["HOSHI_MAX_CONNECTIONS"], 10, 64)
	// Each client of Sente is two: its user, and itself.
	if keeps := many * each * 2 * interest * 5 / 4; err != nil || keeps > w.container().Resources.Requests.Memory().Value() {
		bad.add("%s: the interests of %d nodes with %d clients take %d bytes", title(w), many, each, keeps)
	}
	return bad
}

// checkRollout holds that there are never fewer nodes than before.
func checkRollout(b *bundle, _ *facts) (bad findings) {
	for _, d := range all[*apps.Deployment](b) {
		r := d.Spec.Strategy.RollingUpdate
		if r == nil || r.MaxSurge.IntValue() != 1 || r.MaxUnavailable.String() != "0" {
			bad.add("%s does not put one in before it takes one out", title(d))
		}
		if d.Spec.Replicas != nil && *d.Spec.Replicas < 2 {
			bad.add("%s is one node", title(d))
		}
	}
	return bad
}

// checkDrain holds that a pod has the time it needs for its end, and drains
// alone.
func checkDrain(b *bundle, f *facts) (bad findings) {
	w, ok := nodes(b)
	if !ok {
		return findings{"there is no Deployment hoshi"}
	}
	c := w.container()
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil || c.Lifecycle.PreStop.Sleep.Seconds < 5 {
		return findings{title(w) + " ends before balancers have heard of it"}
	}
	env, _ := environment(b, w, f.values(), "hoshi-0")
	drain := env["HOSHI_DRAIN_TIME"]
	if drain == "" {
		drain = f.options["HOSHI_DRAIN_TIME"]
	}
	takes, err := time.ParseDuration(drain)
	if err != nil {
		return findings{"--drain-time: " + err.Error()}
	}
	takes += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	const room = 5 * time.Second
	if given := time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second; given < takes+f.stop+room {
		bad.add("%s is killed after %v, and takes %v to end", title(w), given, takes+f.stop)
	}
	if d, ok := w.Object.(*apps.Deployment); ok && time.Duration(d.Spec.MinReadySeconds)*time.Second < takes {
		bad.add("%s: the next pod begins to drain after %d s, and this one takes %v", title(w), d.Spec.MinReadySeconds, takes)
	}
	// One that drains, or has no NATS, is alive, also when it is started without.
	if get := probes(c)["liveness"]; get != nil && get.Path != "/health" {
		bad.add("%s is killed when %s says no", title(w), get.Path)
	}
	if get := probes(c)["readiness"]; get != nil && get.Path != "/health/ready" {
		bad.add("%s takes clients when it is not ready", title(w))
	}
	if get := probes(c)["startup"]; get != nil && get.Path != "/health" {
		bad.add("%s is killed while it waits for NATS", title(w))
	}
	if p := c.StartupProbe; p != nil && p.PeriodSeconds*p.FailureThreshold < 25 {
		bad.add("%s is killed where it starts slowly", title(w))
	}
	return bad
}

// setting finds a key of nats.conf with one value, at any depth.
func setting(conf, key string) string {
	m := regexp.MustCompile(`(?m)^\s*` + key + `:\s*(\S+)\s*$`).FindStringSubmatch(conf)
	if m == nil {
		return ""
	}
	return m[1]
}

// natsConf is the configuration that NATS servers are given.
func natsConf(b *bundle, w *workload) map[string]string {
	for _, v := range w.template.Spec.Volumes {
		if v.ConfigMap != nil {
			if m, ok := named[*core.ConfigMap](b, v.ConfigMap.Name); ok {
				return m.Data
			}
		}
	}
	return nil
}

// servers is the workload of NATS, where a bundle has one.
func servers(b *bundle) (*workload, *apps.StatefulSet, bool) {
	for _, w := range workloads(b) {
		if s, ok := w.Object.(*apps.StatefulSet); ok {
			return &w, s, true
		}
	}
	return nil, nil, false
}

// checkNATS holds that servers listen where their ports are, find each other,
// and end in their own time.
func checkNATS(b *bundle, f *facts) (bad findings) {
	w, s, ok := servers(b)
	if !ok {
		return nil
	}
	conf := natsConf(b, w)["nats.conf"]
	for i, name := range []string{"client", "cluster"} {
		n, _ := port(w.container(), name)
		found := regexp.MustCompile(`(?m)^\s*port: (\d+)$`).FindAllStringSubmatch(conf, -1)
		if len(found) != 2 || found[i][1] != decimal(int64(n)) {
			bad.add("%s: the %s port of nats.conf is not %d", title(w), name, n)
		}
	}
	if n, _ := port(w.container(), "monitor"); setting(conf, "http_port") != decimal(int64(n)) {
		bad.add("%s: http_port of nats.conf is not %d", title(w), n)
	}
	env, _ := environment(b, w, f.values(), "nats-0")
	for text := range maps.Values(natsConf(b, w)) {
		for _, v := range regexp.MustCompile(`[^"]\$([A-Z0-9_]+)`).FindAllStringSubmatch(text, -1) {
			if env[v[1]] == "" {
				bad.add("%s: nats.conf asks for %s", title(w), v[1])
			}
		}
	}
	routes := 0
	for name, value := range env {
		if strings.HasPrefix(name, "ROUTE_") {
			routes++
			_, at, _ := strings.Cut(value, "@")
			if !strings.Contains(conf, "$"+name) || !strings.HasPrefix(value, "nats://"+setting(conf, "user")+":value-of-route-password@") && !strings.Contains(value, ":everybody-knows-route@") || !serverThere(b, at, "cluster") {
				bad.add("%s: %s=%s is no route", title(w), name, value)
			}
		}
	}
	if s.Spec.Replicas == nil || *s.Spec.Replicas != 3 || routes != 3 || s.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		bad.add("%s is not three at once with %d routes", title(w), routes)
	}
	lame, err1 := time.ParseDuration(setting(conf, "lame_duck_duration"))
	grace, err2 := time.ParseDuration(setting(conf, "lame_duck_grace_period"))
	if given := time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second; err1 != nil || err2 != nil || given < lame+grace+5*time.Second {
		bad.add("%s is killed after %v, and takes %v and %v to end", title(w), given, lame, grace)
	}
	// A rollout goes on when a server has caught up, and streams end none.
	asked := probes(w.container())
	if get := asked["startup"]; get != nil && get.Path != "/healthz" {
		bad.add("%s has started when %s says so, before it has caught up", title(w), get.Path)
	}
	if p := w.container().StartupProbe; p != nil && p.PeriodSeconds*p.FailureThreshold < 600 {
		bad.add("%s is killed while it catches up", title(w))
	}
	for _, kind := range []string{"liveness", "readiness"} {
		if get := asked[kind]; get != nil && get.Path == "/healthz" {
			bad.add("%s: a stream that ails fails its %s", title(w), kind)
		}
	}
	if setting(conf, "no_advertise") != "true" {
		bad.add("%s: clients learn the addresses of pods, which end", title(w))
	}
	if l := w.container().Lifecycle; l == nil || l.PreStop == nil || l.PreStop.Exec == nil || !strings.Contains(strings.Join(l.PreStop.Exec.Command, " "), "--signal ldm") {
		bad.add("%s ends without a word to its clients", title(w))
	}
	return bad
}

// checkStorage holds that JetStream stays within what it is given.
func checkStorage(b *bundle, f *facts) (bad findings) {
	w, s, ok := servers(b)
	if !ok {
		return nil
	}
	conf := natsConf(b, w)["nats.conf"]
	env, _ := environment(b, w, f.values(), "nats-0")
	size := func(key string) int64 {
		q, err := resource.ParseQuantity(env[strings.TrimPrefix(setting(conf, key), "$")])
		if err != nil {
			bad.add("%s: %s: %v", title(w), key, err)
		}
		return q.Value()
	}
	if len(s.Spec.VolumeClaimTemplates) != 1 {
		return findings{title(w) + " has not one claim"}
	}
	claim := s.Spec.VolumeClaimTemplates[0]
	at := ""
	for _, m := range w.container().VolumeMounts {
		if m.Name == claim.Name && !m.ReadOnly {
			at = m.MountPath
		}
	}
	if at == "" || setting(conf, "store_dir") != at {
		bad.add("%s stores in %s, and the claim is at %q", title(w), setting(conf, "store_dir"), at)
	}
	if disk := claim.Spec.Resources.Requests.Storage().Value(); size("max_file_store")*10 > disk*9 {
		bad.add("%s: %d bytes in files do not fit into a claim of %d", title(w), size("max_file_store"), disk)
	}
	if memory := w.container().Resources.Requests.Memory().Value(); size("max_memory_store")*2 > memory {
		bad.add("%s: %d bytes of streams in memory leave too little of %d", title(w), size("max_memory_store"), memory)
	}
	return bad
}
