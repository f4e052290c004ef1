package cluster_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// adapter answers for metrics-server and prometheus-adapter, behind the API
// server's aggregation, with what the test says that pods do.
type adapter struct {
	port    int
	looks   atomic.Int64 // at CPU: one for each decision of the autoscaler
	mu      sync.Mutex
	clients int64 // of all nodes together
	cpu     int64 // of all nodes together, in percent of one's request
}

// say sets what the nodes do from now on.
func (a *adapter) say(clients, cpu int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients, a.cpu = clients, cpu
}

// decided waits until the autoscaler has looked a few times more, a second after
// each other.
func (a *adapter) decided(t *testing.T, more int64) {
	t.Helper()
	until := a.looks.Load() + more
	eventually(t, time.Minute, func() string {
		if n := a.looks.Load(); n < until {
			return fmt.Sprintf("the autoscaler has looked %d times of %d", n, until)
		}
		return ""
	})
}

func startAdapter(t *testing.T) *adapter {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &adapter{port: l.Addr().(*net.TCPAddr).Port}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1", group("metrics.k8s.io/v1beta1", metav1.APIResource{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: []string{"get", "list"}}))
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", func(w http.ResponseWriter, r *http.Request) {
		a.looks.Add(1)
		a.answer(w, r, "metrics.k8s.io/v1beta1", "PodMetricsList", func(p *core.Pod, n int64) any {
			request := p.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
			return map[string]any{
				"metadata": map[string]any{"name": p.Name, "namespace": p.Namespace}, "timestamp": metav1.Now(), "window": "15s",
				"containers": []any{map[string]any{"name": p.Spec.Containers[0].Name, "usage": map[string]any{"cpu": resource.NewMilliQuantity(request*a.cpu/100/n, resource.DecimalSI), "memory": "100Mi"}}},
			}
		})
	})
	mux.HandleFunc("GET /apis/custom.metrics.k8s.io/v1beta1", group("custom.metrics.k8s.io/v1beta1", metav1.APIResource{Name: "pods/hoshi_connections", Kind: "MetricValueList", Namespaced: true, Verbs: []string{"get"}}))
	mux.HandleFunc("GET /apis/custom.metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{all}/hoshi_connections", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, "custom.metrics.k8s.io/v1beta1", "MetricValueList", func(p *core.Pod, n int64) any {
			return map[string]any{
				"describedObject": map[string]any{"kind": "Pod", "namespace": p.Namespace, "name": p.Name, "apiVersion": "v1"},
				"metricName":      "hoshi_connections", "timestamp": metav1.Now(), "value": fmt.Sprint(a.clients / n),
			}
		})
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { // until Close
		defer close(served)
		_ = s.ServeTLS(l, here.certs.file("server.crt"), here.certs.file("server.key"))
	}()
	t.Cleanup(func() { _ = s.Close(); <-served })
	return a
}

// group answers the question what there is of an API.
func group(version string, resources ...metav1.APIResource) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version, APIResources: resources})
	}
}

// answer lists something of each pod that is meant and runs.
func (a *adapter) answer(w http.ResponseWriter, r *http.Request, version, kind string, of func(p *core.Pod, n int64) any) {
	list, err := here.client.CoreV1().Pods(r.PathValue("namespace")).List(r.Context(), metav1.ListOptions{LabelSelector: r.FormValue("labelSelector")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var running []*core.Pod
	for i := range list.Items {
		if p := &list.Items[i]; p.Status.Phase == core.PodRunning && p.DeletionTimestamp == nil {
			running = append(running, p)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	items := []any{}
	for _, p := range running {
		items = append(items, of(p, int64(len(running))))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]any{}, "items": items})
}

// register has the API server pass what is asked of a group on to the adapter.
func (a *adapter) register(t *testing.T, name string) {
	t.Helper()
	version, api, _ := strings.Cut(name, ".")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "List", "items": [
		{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter", "namespace": "kube-system"}, "spec": {"type": "ExternalName", "externalName": "localhost"}},
		{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": %q}, "spec": {"group": %q, "version": %q, "groupPriorityMinimum": 100, "versionPriority": 100,
			"insecureSkipTLSVerify": true, "service": {"name": "adapter", "namespace": "kube-system", "port": %d}}}]}`, name, api, version, a.port)
	if out, err := shell(t, ".", `printf %s "$1" | kubectl apply -f -`, text); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mustKubectl(t, "wait", "--for=condition=Available", "--timeout=30s", "apiservice/"+name)
}

// autoscaler holds that nodes are added by connections and by CPU, and that
// none is taken away while nobody knows the connections.
func autoscaler(t *testing.T) {
	const cpu, connections = "v1beta1.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io"
	// A window of 600 s and one node in 300 s as they are; here in less time. The
	// window must be the longer one: what was added within the period may be taken
	// away at once.
	const window, period = 12, 10
	mustKubectl(t, "-n", namespace, "patch", "hpa/hoshi", "--type=merge", "-p", fmt.Sprintf(
		`{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":%d,"policies":[{"type":"Pods","value":1,"periodSeconds":%d}]}}}}`, window, period))
	a := startAdapter(t)
	a.say(30_000, 30)
	a.register(t, cpu)
	a.register(t, connections)
	defer mustKubectl(t, "delete", "apiservice", cpu, connections, "--ignore-not-found")
	replicas := func() int32 {
		d, err := here.client.AppsV1().Deployments(namespace).Get(t.Context(), "hoshi", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return *d.Spec.Replicas
	}
	becomes := func(want int32, why string) {
		t.Helper()
		eventually(t, time.Minute, func() string {
			if n := replicas(); n != want {
				return fmt.Sprintf("%d nodes, want %d: %s", n, want, why)
			}
			return ""
		})
		a.decided(t, 3)
		if n := replicas(); n != want {
			t.Errorf("%d nodes, want %d still: %s", n, want, why)
		}
	}
	becomes(3, "few clients, and three at least")
	a.say(90_000, 30)
	becomes(5, "20,000 clients each")
	available(t, namespace, nodes)

	mustKubectl(t, "delete", "apiservice", connections)
	a.say(90_000, 450)
	becomes(7, "90 of 70 % CPU, connections unknown")
	available(t, namespace, nodes)
	a.say(1_000, 35)
	a.decided(t, window+2)
	becomes(7, "none is taken away while connections are unknown")

	a.register(t, connections)
	becomes(6, "one is taken away in the period")
}
