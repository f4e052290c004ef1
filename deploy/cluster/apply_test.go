package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDev holds that overlays/dev is accepted as it stands, and comes up.
func TestDev(t *testing.T) {
	const namespace = "hoshi-dev"
	apply(t, filepath.Join(manifests, "overlays/dev"))
	defer clear(t, namespace)
	shorten(t, namespace, "deployment/hoshi", 1)
	shorten(t, namespace, "statefulset/nats", 1)
	available(t, namespace, "deployment/hoshi")
	available(t, namespace, "statefulset/nats")
	if n := len(pods(t, namespace, "hoshi")); n != 2 {
		t.Errorf("%d nodes", n)
	}
	// The namespace is for pods that can do nothing but what theirs can.
	_, err := here.client.CoreV1().Pods(namespace).Create(t.Context(), &core.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: core.PodSpec{Containers: []core.Container{{Name: "root", Image: "x"}}},
	}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("a pod that may be root: %v", err)
	}
}

// TestExternal holds the same of overlays/external-nats.
func TestExternal(t *testing.T) {
	installOperator(t)
	copied := manifestsCopy(t)
	overlay := filepath.Join(copied, "overlays/external-nats")
	mustKubectl(t, "apply", "-f", filepath.Join(overlay, "namespace.yaml"))
	defer clear(t, "hoshi")
	makeSecrets(t)
	apply(t, overlay)
	shorten(t, "hoshi", "deployment/hoshi", 1)
	available(t, "hoshi", "deployment/hoshi")
	eventually(t, 30*time.Second, func() string { // minReplicas of the autoscaler
		if n := len(pods(t, "hoshi", "hoshi")); n != 3 {
			return fmt.Sprintf("%d nodes", n)
		}
		return ""
	})
}

// TestComponents holds that each component is accepted beside dev.
func TestComponents(t *testing.T) {
	installOperator(t)
	copied := manifestsCopy(t)
	mustKubectl(t, "create", "namespace", "hoshi-dev")
	defer clear(t, "hoshi-dev")
	components, err := os.ReadDir(filepath.Join(copied, "components"))
	if err != nil || len(components) < 5 {
		t.Fatal(components, err)
	}
	for _, c := range components {
		t.Run(c.Name(), func(t *testing.T) {
			dir := filepath.Join(copied, "overlays", "with-"+c.Name())
			text := "resources: [../dev]\ncomponents: [../../components/" + c.Name() + "]\n"
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			serverSide(t, dir)
		})
	}
}

// operatorTypes are what the API server must know of the Prometheus operator
// for what is applied here. deploy/check decodes it with the operator's own types;
// here it is enough that there is a kind with these fields and no others.
const operatorTypes = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: servicemonitors.monitoring.coreos.com
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, listKind: ServiceMonitorList, plural: servicemonitors, singular: servicemonitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              type: object
              required: [endpoints, selector]
              properties:
                jobLabel: {type: string}
                selector:
                  type: object
                  properties:
                    matchLabels: {type: object, additionalProperties: {type: string}}
                endpoints:
                  type: array
                  items:
                    type: object
                    properties:
                      port: {type: string}
                      path: {type: string}
                      interval: {type: string, pattern: "^([0-9]+(ms|s|m|h))+$"}
                      scrapeTimeout: {type: string, pattern: "^([0-9]+(ms|s|m|h))+$"}
`

// installOperator has the API server know operatorTypes. Nobody acts on them.
func installOperator(t *testing.T) {
	t.Helper()
	if out, err := shell(t, ".", `printf %s "$1" | kubectl apply -f -`, operatorTypes); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mustKubectl(t, "wait", "--for=condition=Established", "--timeout=30s", "crd/servicemonitors.monitoring.coreos.com")
}
