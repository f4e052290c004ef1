package k8s_test

import (
	"fmt"
	"slices"
	"testing"
)

// check finds what is wrong in a bundle. Facts are what the repository says
// beside the manifests.
type check func(b *bundle, f *facts) findings

// findings are sentences, each about one object.
type findings []string

func (f *findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// checks are all there are, by the names that TestBroken gives.
var checks = map[string]check{
	"selectors":  checkSelectors,
	"ports":      checkPorts,
	"policies":   checkPolicies,
	"references": checkReferences,
	"files":      checkFiles,
	"options":    checkOptions,
	"addresses":  checkAddresses,
	"images":     checkImages,
	"security":   checkSecurity,
	"memory":     checkMemory,
	"rollout":    checkRollout,
	"drain":      checkDrain,
	"nats":       checkNATS,
	"storage":    checkStorage,
	"autoscaler": checkAutoscaler,
	"ingress":    checkIngress,
	"monitoring": checkMonitoring,
}

// TestOverlays runs every check over everything that somebody could apply.
func TestOverlays(t *testing.T) {
	f := gather(t)
	for name, b := range whole(t) {
		t.Run(name, func(t *testing.T) {
			for _, subject := range slices.Sorted(mapKeys(checks)) {
				for _, finding := range checks[subject](b, f) {
					t.Errorf("%s: %s", subject, finding)
				}
			}
		})
	}
}
