package cluster_test

import (
	"context"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const class = "standard"

// storage makes the default class: volumes that are made once it is known which
// machine a pod is for, and reached from every machine.
func (m *machines) storage(ctx context.Context) error {
	late := storage.VolumeBindingWaitForFirstConsumer
	_, err := m.client.StorageV1().StorageClasses().Create(ctx, &storage.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: class, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: "example.com/made-up", VolumeBindingMode: &late,
	}, metav1.CreateOptions{})
	return err
}

// provision makes the volume that a claim waits for.
func (m *machines) provision(ctx context.Context, c *core.PersistentVolumeClaim) {
	if c.Spec.VolumeName != "" || c.Annotations["volume.kubernetes.io/selected-node"] == "" {
		return
	}
	_, _ = m.client.CoreV1().PersistentVolumes().Create(ctx, &core.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + string(c.UID)},
		Spec: core.PersistentVolumeSpec{
			Capacity: c.Spec.Resources.Requests, AccessModes: c.Spec.AccessModes, StorageClassName: class,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimRetain,
			ClaimRef:                      &core.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: c.Namespace, Name: c.Name, UID: c.UID},
			PersistentVolumeSource:        core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/made-up/" + string(c.UID)}},
		},
	}, metav1.CreateOptions{})
}
