package cluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watcher sees every change of the pods of a workload, from when it starts, in
// the order in which they happened.
type watcher struct {
	stop func()

	mu struct {
		sync.Mutex
		pods        map[types.UID]*core.Pod
		fewestReady int // of those that are not told to end
		most        int // of those that are not told to end
		mostEnding  int
		begun       []time.Time // when pods were told to end
		ready       map[types.UID]time.Time
	}
}

// watch starts to look at the pods of a workload by its name.
func watch(t *testing.T, namespace, name string) *watcher {
	t.Helper()
	w := &watcher{}
	w.mu.pods, w.mu.ready = map[types.UID]*core.Pod{}, map[types.UID]time.Time{}
	ctx, cancel := context.WithCancel(t.Context())
	factory := informers.NewSharedInformerFactoryWithOptions(here.client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = "app.kubernetes.io/name=" + name }))
	of := factory.Core().V1().Pods().Informer()
	if _, err := of.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.see(o.(*core.Pod), false) },
		UpdateFunc: func(_, o any) { w.see(o.(*core.Pod), false) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			w.see(o.(*core.Pod), true)
		},
	}); err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	eventually(t, 10*time.Second, func() string { // the first look has reached the handler
		if len(w.there()) != len(pods(t, namespace, name)) {
			return "not all pods were seen"
		}
		return ""
	})
	w.reset()
	w.stop = func() { cancel(); factory.Shutdown() }
	return w
}

func (w *watcher) there() []*core.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*core.Pod
	for _, p := range w.mu.pods {
		all = append(all, p)
	}
	return all
}

// reset forgets what was, but for what is there.
func (w *watcher) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.fewestReady, w.mu.most, w.mu.mostEnding, w.mu.begun = 1<<30, 0, 0, nil
	w.countLocked()
}

func (w *watcher) see(p *core.Pod, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.mu.pods[p.UID]
	if p.DeletionTimestamp != nil && old != nil && old.DeletionTimestamp == nil {
		w.mu.begun = append(w.mu.begun, time.Now())
	}
	if _, ok := isReady(p); ok {
		if _, known := w.mu.ready[p.UID]; !known {
			w.mu.ready[p.UID] = time.Now()
		}
	}
	w.mu.pods[p.UID] = p
	if gone {
		delete(w.mu.pods, p.UID)
	}
	w.countLocked()
}

func (w *watcher) countLocked() {
	ready, active, ending := 0, 0, 0
	for _, p := range w.mu.pods {
		switch _, ok := isReady(p); {
		case p.DeletionTimestamp != nil:
			ending++
		case ok:
			ready++
			active++
		default:
			active++
		}
	}
	w.mu.fewestReady, w.mu.most, w.mu.mostEnding = min(w.mu.fewestReady, ready), max(w.mu.most, active), max(w.mu.mostEnding, ending)
}

// saw returns how few were ready at a time, how many were there, and how many
// were ending, and how long before each end the newest pod had become ready.
func (w *watcher) saw() (fewestReady, most, mostEnding int, waited []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.mu.begun {
		var newest time.Time
		for _, ready := range w.mu.ready {
			if ready.Before(at) && ready.After(newest) {
				newest = ready
			}
		}
		waited = append(waited, at.Sub(newest))
	}
	return w.mu.fewestReady, w.mu.most, w.mu.mostEnding, waited
}
