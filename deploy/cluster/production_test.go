package cluster_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	namespace = "hoshi"
	nodes     = "deployment/hoshi"
	servers   = "statefulset/nats"
	// What minReadySeconds is here, and the time that pods take to end: the
	// proportion that they have in deployment.yaml, 60 and 55 s.
	minReady = 4
)

// TestProduction applies overlays/production as README.md says, and watches
// what controllers and the scheduler make of it. Its parts follow each other.
func TestProduction(t *testing.T) {
	installOperator(t)
	overlay := filepath.Join(manifestsCopy(t), "overlays/production")
	mustKubectl(t, "apply", "-f", filepath.Join(overlay, "namespace.yaml"))
	defer clear(t, namespace)
	makeSecrets(t)
	apply(t, overlay)
	shorten(t, namespace, nodes, minReady)
	shorten(t, namespace, servers, minReady)
	available(t, namespace, servers)
	eventually(t, time.Minute, func() string { // the autoscaler makes them three
		if n := len(pods(t, namespace, "hoshi")); n != 3 {
			return fmt.Sprintf("%d nodes", n)
		}
		return ""
	})
	available(t, namespace, nodes)

	for _, part := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"spread", spread},
		{"claims", claims},
		{"admin", admin},
		{"budgets", budgets},
		{"rollout of nodes", rolloutOfNodes},
		{"rollout of NATS", rolloutOfNATS},
		{"a machine is emptied", emptied},
		{"two machines", twoMachines},
		{"autoscaler", autoscaler},
	} {
		if !t.Run(part.name, part.test) {
			t.Log(mustKubectl(t, "-n", namespace, "get", "pods,hpa,pdb,events", "-o", "wide"))
			t.FailNow()
		}
	}
}

// where counts the pods of a workload by machine and zone.
func where(t *testing.T, name string) (machines, in map[string]int) {
	t.Helper()
	machines, in = map[string]int{}, map[string]int{}
	for _, p := range pods(t, namespace, name) {
		machines[p.Spec.NodeName]++
		for _, at := range zones {
			if at.machine == p.Spec.NodeName {
				in[at.zone]++
			}
		}
	}
	return machines, in
}

// spread holds that three pods are in three zones, of nodes and of NATS.
func spread(t *testing.T) {
	for _, name := range []string{"hoshi", "nats"} {
		if machines, in := where(t, name); len(machines) != 3 || len(in) != 3 {
			t.Errorf("%s: on machines %v, in zones %v", name, machines, in)
		}
	}
}

// claims holds that each server has a volume.
func claims(t *testing.T) {
	list, err := here.client.CoreV1().PersistentVolumeClaims(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 3 {
		t.Fatal(len(list.Items), err)
	}
	for _, c := range list.Items {
		if c.Status.Phase != core.ClaimBound {
			t.Errorf("%s is %s", c.Name, c.Status.Phase)
		}
	}
}

// evict asks for the eviction of a pod, as whoever empties a machine does.
func evict(t *testing.T, p *core.Pod) error {
	t.Helper()
	return here.client.PolicyV1().Evictions(namespace).Evict(t.Context(), &policy.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: namespace}})
}

// budgets holds that one pod may be evicted, and the second not before there is
// another for the first.
func budgets(t *testing.T) {
	for _, tt := range []struct{ name, workload string }{{"hoshi", nodes}, {"nats", servers}} {
		allowed := func() string {
			b, err := here.client.PolicyV1().PodDisruptionBudgets(namespace).Get(t.Context(), tt.name, metav1.GetOptions{})
			if err != nil || b.Status.DisruptionsAllowed != 1 || b.Status.ExpectedPods != 3 {
				return fmt.Sprintf("%s: %v, %+v", tt.name, err, b.Status)
			}
			return ""
		}
		eventually(t, 30*time.Second, allowed)
		there := pods(t, namespace, tt.name)
		if err := evict(t, &there[0]); err != nil {
			t.Errorf("%s: the first: %v", tt.name, err)
		}
		if err := evict(t, &there[1]); !apierrors.IsTooManyRequests(err) {
			t.Errorf("%s: the second at once: %v", tt.name, err)
		}
		available(t, namespace, tt.workload)
		eventually(t, 30*time.Second, allowed)
	}
}

// rolloutOfNodes holds that a change of an option puts one in before it takes
// one out, and that drains do not overlap.
func rolloutOfNodes(t *testing.T) {
	w := watch(t, namespace, "hoshi")
	defer w.stop()
	mustKubectl(t, "-n", namespace, "set", "env", nodes, "HOSHI_LOG_LEVEL=debug")
	available(t, namespace, nodes)
	fewest, most, ending, waited := w.saw()
	if fewest < 3 || most > 4 || ending > 1 || len(waited) != 3 {
		t.Errorf("ready %d at least, there %d at most, ending %d at once, ended %d", fewest, most, ending, len(waited))
	}
	if least := slices.Min(waited); least < (minReady-1)*time.Second { // conditions have whole seconds
		t.Errorf("one was told to end %v after the newest had become ready", least)
	}
	spread(t)
}

// rolloutOfNATS holds that servers go one by one.
func rolloutOfNATS(t *testing.T) {
	w := watch(t, namespace, "nats")
	defer w.stop()
	mustKubectl(t, "-n", namespace, "set", "env", servers, "JETSTREAM_MEMORY=32Mi")
	available(t, namespace, servers)
	fewest, most, ending, waited := w.saw()
	if fewest < 2 || most > 3 || ending > 1 || len(waited) != 3 {
		t.Errorf("ready %d at least, there %d at most, ending %d at once, ended %d", fewest, most, ending, len(waited))
	}
	if least := slices.Min(waited[1:]); least < (minReady-1)*time.Second {
		t.Errorf("one was told to end %v after the newest had become ready", least)
	}
}

// emptied holds that kubectl drain empties a machine that has both, and that
// there are enough of the others meanwhile.
func emptied(t *testing.T) {
	machines, _ := where(t, "nats")
	of, _ := where(t, "hoshi")
	both := slices.DeleteFunc(slices.Sorted(maps.Keys(machines)), func(m string) bool { return of[m] == 0 })
	if len(both) == 0 {
		t.Fatal("no machine has a node and a server")
	}
	n, s := watch(t, namespace, "hoshi"), watch(t, namespace, "nats")
	defer n.stop()
	defer s.stop()
	mustKubectl(t, "drain", both[0], "--timeout=60s")
	defer mustKubectl(t, "uncordon", both[0])
	available(t, namespace, nodes)
	available(t, namespace, servers)
	for name, w := range map[string]*watcher{"hoshi": n, "nats": s} {
		if fewest, _, _, _ := w.saw(); fewest != 2 {
			t.Errorf("%s: ready %d at least", name, fewest)
		}
		if machines, _ := where(t, name); machines[both[0]] != 0 {
			t.Errorf("%s is on %s", name, both[0])
		}
	}
}

// twoMachines holds that a third server waits for a machine of its own, and
// that nodes do not.
func twoMachines(t *testing.T) {
	machines, _ := where(t, "nats")
	taken := pods(t, namespace, "nats")[2]
	var shut []string
	for _, at := range zones {
		if machines[at.machine] == 0 || at.machine == taken.Spec.NodeName {
			shut = append(shut, at.machine)
		}
	}
	for _, m := range shut {
		mustKubectl(t, "cordon", m)
		defer mustKubectl(t, "uncordon", m)
	}
	mustKubectl(t, "-n", namespace, "delete", "pod", taken.Name, "--timeout=30s")
	eventually(t, 30*time.Second, func() string {
		p, err := here.client.CoreV1().Pods(namespace).Get(t.Context(), taken.Name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		for _, c := range p.Status.Conditions {
			if c.Type == core.PodScheduled && c.Status == core.ConditionFalse && strings.Contains(c.Message, "anti-affinity") {
				return ""
			}
		}
		return fmt.Sprintf("%s: %s, %+v", p.Name, p.Status.Phase, p.Status.Conditions)
	})
	node := pods(t, namespace, "hoshi")[0]
	mustKubectl(t, "-n", namespace, "delete", "pod", node.Name, "--timeout=30s")
	available(t, namespace, nodes)
	for _, m := range shut {
		mustKubectl(t, "uncordon", m)
	}
	available(t, namespace, servers)
}
