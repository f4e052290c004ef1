// Package cluster is for the tests in this folder. They start a control plane of
// Kubernetes as it is (etcd, API server, controllers, scheduler; one program, in
// plane), give it machines that are made up, apply what deploy/k8s has, and
// watch what becomes of it. Nothing runs in the pods, so what containers do is
// for deploy/check. Neither are policies enforced, nor does an ingress serve.
//
// A module of its own, since its requirements are those of Kubernetes; not in
// make test, since its first build takes long. scripts/cluster-check.sh runs it.
package cluster
