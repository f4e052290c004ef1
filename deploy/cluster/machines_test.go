package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// zones say where each machine is.
var zones = []struct{ machine, zone string }{{"m-1", "a"}, {"m-2", "a"}, {"m-3", "b"}, {"m-4", "c"}}

const (
	starts = 300 * time.Millisecond  // from a pod's machine to its being ready
	ends   = 3500 * time.Millisecond // from being told to end to having ended
)

// machines are what kubelets would be. A pod is ready a moment after it has been
// given to one, if the secrets and config maps it refers to are there, and is
// gone some time after it was deleted. Nothing runs.
type machines struct {
	client *kubernetes.Clientset

	mu struct {
		sync.Mutex
		known map[types.UID]bool // given to a machine
		gone  map[types.UID]bool // told to end
		ips   int
	}
}

func newMachines(client *kubernetes.Clientset) *machines {
	m := &machines{client: client}
	m.mu.known, m.mu.gone = map[types.UID]bool{}, map[types.UID]bool{}
	return m
}

// run has the machines there, until ctx is over and ended closed.
func (m *machines) run(ctx context.Context) (ended <-chan struct{}, err error) {
	done := make(chan struct{})
	factory := informers.NewSharedInformerFactory(m.client, 0)
	pods := factory.Core().V1().Pods().Informer()
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	if _, err := pods.AddEventHandler(handler(func(p *core.Pod) { m.pod(ctx, p) })); err != nil {
		return done, err
	}
	if _, err := claims.AddEventHandler(handler(func(c *core.PersistentVolumeClaim) { m.provision(ctx, c) })); err != nil {
		return done, err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for _, at := range zones {
		if err := m.add(ctx, at.machine, at.zone); err != nil {
			return done, err
		}
	}
	if err := m.storage(ctx); err != nil {
		return done, err
	}
	go func() { // until ctx is over
		defer close(done)
		beat := time.NewTicker(5 * time.Second)
		defer beat.Stop()
		for {
			for _, at := range zones {
				m.beat(ctx, at.machine)
			}
			select {
			case <-ctx.Done():
				factory.Shutdown()
				return
			case <-beat.C:
			}
		}
	}()
	return done, nil
}

func handler[T any](f func(T)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { f(o.(T)) },
		UpdateFunc: func(_, o any) { f(o.(T)) },
	}
}

func (m *machines) add(ctx context.Context, name, zone string) error {
	has := core.ResourceList{
		core.ResourceCPU: resource.MustParse("16"), core.ResourceMemory: resource.MustParse("32Gi"),
		core.ResourcePods: resource.MustParse("110"), core.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
	n := &core.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{core.LabelHostname: name, core.LabelTopologyZone: zone}}}
	n, err := m.client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	n.Status.Capacity, n.Status.Allocatable = has, has
	n.Status.Conditions = []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now}}
	_, err = m.client.CoreV1().Nodes().UpdateStatus(ctx, n, metav1.UpdateOptions{})
	return err
}

// beat renews the lease by which a machine is known to be there.
func (m *machines) beat(ctx context.Context, machine string) {
	leases, now := m.client.CoordinationV1().Leases(core.NamespaceNodeLease), metav1.NowMicro()
	if l, err := leases.Get(ctx, machine, metav1.GetOptions{}); err == nil {
		l.Spec.RenewTime = &now
		_, _ = leases.Update(ctx, l, metav1.UpdateOptions{})
		return
	}
	lasts := int32(40)
	l := &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: machine}, Spec: coordination.LeaseSpec{HolderIdentity: &machine, LeaseDurationSeconds: &lasts, RenewTime: &now}}
	_, _ = leases.Create(ctx, l, metav1.CreateOptions{})
}

// pod sees to a change of a pod.
func (m *machines) pod(ctx context.Context, p *core.Pod) {
	if p.Spec.NodeName == "" {
		return
	}
	m.mu.Lock()
	begin, end := !m.mu.known[p.UID], p.DeletionTimestamp != nil && !m.mu.gone[p.UID]
	m.mu.known[p.UID] = true
	m.mu.gone[p.UID] = p.DeletionTimestamp != nil
	m.mu.Unlock()
	if begin && !end {
		time.AfterFunc(starts, func() { m.begin(ctx, p) })
	}
	if end {
		time.AfterFunc(ends, func() { m.end(ctx, p) })
	}
}

func (m *machines) end(ctx context.Context, p *core.Pod) {
	now := int64(0)
	_ = m.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.UID}})
}

// begin says that a pod runs, or what it waits for, and looks again.
func (m *machines) begin(ctx context.Context, p *core.Pod) {
	m.mu.Lock()
	gone := m.mu.gone[p.UID]
	m.mu.ips++
	ip := fmt.Sprintf("10.244.%d.%d", m.mu.ips/250, 1+m.mu.ips%250)
	m.mu.Unlock()
	if gone || ctx.Err() != nil {
		return
	}
	missing, now := m.missing(ctx, p), metav1.Now()
	s := core.PodStatus{Phase: core.PodRunning, PodIP: ip, PodIPs: []core.PodIP{{IP: ip}}, HostIP: "192.0.2.1", StartTime: &now}
	ready := core.ConditionTrue
	if missing != "" {
		s.Phase, ready = core.PodPending, core.ConditionFalse
		time.AfterFunc(2*starts, func() { m.begin(ctx, p) })
	}
	for _, kind := range []core.PodConditionType{core.PodInitialized, core.ContainersReady, core.PodReady} {
		s.Conditions = append(s.Conditions, core.PodCondition{Type: kind, Status: ready, LastTransitionTime: now})
	}
	for _, c := range p.Spec.Containers {
		state, up := core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}}, missing == ""
		if !up {
			state = core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: missing}}
		}
		s.ContainerStatuses = append(s.ContainerStatuses, core.ContainerStatus{Name: c.Name, Image: c.Image, Ready: up, Started: &up, State: state})
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID}, "status": s})
	if err != nil {
		panic(err)
	}
	_, _ = m.client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}

// missing names what a kubelet would not find of what a pod refers to.
func (m *machines) missing(ctx context.Context, p *core.Pod) string {
	secret := func(name string, keys ...string) string {
		s, err := m.client.CoreV1().Secrets(p.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		for _, k := range keys {
			if _, ok := s.Data[k]; !ok {
				return "secret " + name + " has no " + k
			}
		}
		return ""
	}
	config := func(name string) string {
		if _, err := m.client.CoreV1().ConfigMaps(p.Namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		return ""
	}
	var found string
	note := func(s string) {
		if s != "" {
			found = s
		}
	}
	for _, v := range p.Spec.Volumes {
		switch {
		case v.Secret != nil:
			var keys []string
			for _, i := range v.Secret.Items {
				keys = append(keys, i.Key)
			}
			note(secret(v.Secret.SecretName, keys...))
		case v.ConfigMap != nil:
			note(config(v.ConfigMap.Name))
		}
	}
	for _, c := range p.Spec.Containers {
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil {
				note(config(e.ConfigMapRef.Name))
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				note(secret(e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key))
			}
		}
	}
	return found
}
