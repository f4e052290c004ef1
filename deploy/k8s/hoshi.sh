#!/bin/sh
# Runs a command that speaks to the nodes over NATS, in a pod of its own and as
# the user admin: deploy/k8s/hoshi.sh top, hoshi.sh who user alice, hoshi.sh kick
# user alice. The pod has the image and the options of the nodes, takes the
# password from the secret, and is gone afterwards. NAMESPACE is hoshi, unless
# it is set.
set -eu
namespace=${NAMESPACE:-hoshi} name=hoshi-admin-$$-$(date +%s)
of() { kubectl -n "$namespace" get deployment hoshi -o "jsonpath={.spec.template.spec.$1}"; }
image=$(of 'containers[?(@.name=="hoshi")].image')
options=$(of 'containers[?(@.name=="hoshi")].envFrom[0].configMapRef.name')
secret=$(of 'volumes[?(@.name=="nats")].secret.secretName')
# For a NATS that speaks TLS, the authority, where a volume has it.
volume=$(of 'volumes[?(@.name=="nats-ca")]')
mount=$(of 'containers[?(@.name=="hoshi")].volumeMounts[?(@.name=="nats-ca")]')
tty=
if [ -t 0 ] && [ -t 1 ]; then tty=-t; fi
# NetworkPolicies let it reach NATS by its label.
# shellcheck disable=SC2086 # no word is none
exec kubectl -n "$namespace" run "$name" --image="$image" --labels=hoshi-nats-client=true --restart=Never --rm -i $tty --quiet \
  --override-type=strategic --overrides='{"spec": {
    "volumes": ['"$volume"'],
    "automountServiceAccountToken": false, "enableServiceLinks": false,
    "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{
      "name": "'"$name"'",
      "volumeMounts": ['"$mount"'],
      "envFrom": [{"configMapRef": {"name": "'"$options"'"}}],
      "env": [
        {"name": "HOSHI_NATS_USER", "value": "admin"},
        {"name": "HOSHI_NATS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "'"$secret"'", "key": "admin-password"}}}
      ],
      "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}
    }]
  }}' -- "$@"
