package k8s_test

import (
	"maps"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// workload is a Deployment or a StatefulSet. The first container is what it is
// for; an exporter may be beside it.
type workload struct {
	runtime.Object
	selector *metav1.LabelSelector
	template *core.PodTemplateSpec
	replicas *int32
}

func (w *workload) container() *core.Container { return &w.template.Spec.Containers[0] }

// ports are those of all containers.
func (w *workload) ports() (all []core.ContainerPort) {
	for _, c := range w.template.Spec.Containers {
		all = append(all, c.Ports...)
	}
	return all
}

// workloads points into the objects of b.
func workloads(b *bundle) []workload {
	var found []workload
	for _, d := range all[*apps.Deployment](b) {
		found = append(found, workload{d, d.Spec.Selector, &d.Spec.Template, d.Spec.Replicas})
	}
	for _, s := range all[*apps.StatefulSet](b) {
		found = append(found, workload{s, s.Spec.Selector, &s.Spec.Template, s.Spec.Replicas})
	}
	return found
}

// selected returns the workloads whose pods a selector means.
func selected(b *bundle, s *metav1.LabelSelector) []workload {
	by, err := metav1.LabelSelectorAsSelector(s)
	if err != nil || s == nil {
		return nil
	}
	var found []workload
	for _, w := range workloads(b) {
		if by.Matches(labels.Set(w.template.Labels)) {
			found = append(found, w)
		}
	}
	return found
}

// port returns the number of a container's port, by number or name.
func port(c *core.Container, wanted string) (number int32, ok bool) {
	for _, p := range c.Ports {
		if p.Name == wanted {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// probes returns those of a container that ask by HTTP, and their names.
func probes(c *core.Container) map[string]*core.HTTPGetAction {
	found := map[string]*core.HTTPGetAction{}
	for name, p := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p != nil && p.HTTPGet != nil {
			found[name] = p.HTTPGet
		}
	}
	return found
}

// environment resolves the variables of a container as a kubelet does: those of
// a config map first, then each in its order, with $(NAME) of those before it.
// What is missing is a finding.
func environment(b *bundle, w *workload, secrets map[string]map[string]string, pod string) (map[string]string, findings) {
	var bad findings
	env := map[string]string{}
	c := w.container()
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			continue // checkReferences says so
		}
		if m, ok := named[*core.ConfigMap](b, from.ConfigMapRef.Name); ok {
			maps.Copy(env, m.Data)
		}
	}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			value := e.Value
			for k, v := range env {
				value = strings.ReplaceAll(value, "$("+k+")", v)
			}
			if strings.Contains(value, "$(") {
				bad.add("%s: %s=%s refers to what is not set before it", title(w), e.Name, e.Value)
			}
			env[e.Name] = value
		case e.ValueFrom.SecretKeyRef != nil:
			ref := e.ValueFrom.SecretKeyRef
			v, ok := secretValue(b, secrets, ref.Name, ref.Key)
			if !ok {
				bad.add("%s: %s refers to secret %s %s, which is not there", title(w), e.Name, ref.Name, ref.Key)
			}
			env[e.Name] = v
		case e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.name":
			env[e.Name] = pod
		case e.ValueFrom.ResourceFieldRef != nil:
			v, ok := resourceValue(c, e.ValueFrom.ResourceFieldRef)
			if !ok {
				bad.add("%s: %s refers to %s, which is not set", title(w), e.Name, e.ValueFrom.ResourceFieldRef.Resource)
			}
			env[e.Name] = v
		default:
			bad.add("%s: %s comes from what is not known here", title(w), e.Name)
		}
	}
	return env, bad
}

// secretValue looks into the bundle, and among what the operator has made.
func secretValue(b *bundle, made map[string]map[string]string, name, key string) (string, bool) {
	if s, ok := named[*core.Secret](b, name); ok {
		v, ok := s.Data[key]
		return string(v), ok
	}
	v, ok := made[name][key]
	return v, ok
}

// resourceValue is what the downward API says: whole cores, and bytes.
func resourceValue(c *core.Container, ref *core.ResourceFieldSelector) (string, bool) {
	which, name, _ := strings.Cut(ref.Resource, ".")
	list := c.Resources.Requests
	if which == "limits" {
		list = c.Resources.Limits
	}
	q, ok := list[core.ResourceName(name)]
	if !ok || !(ref.Divisor.IsZero() || ref.Divisor.Value() == 1) {
		return "", false
	}
	return decimal(q.Value()), true // rounded up, as the kubelet does
}
