#!/bin/sh
# Brings a cluster to an overlay: the migration first, then every process.
#
#   deploy/kubernetes/roll.sh deploy/kubernetes/production
#
# It can be run again after a failure. Until the migration has succeeded no pod of a process changes.
set -eu
overlay=${1:?give the folder of an overlay, for example deploy/kubernetes/production}
namespace=trivet
manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT
kubectl kustomize "$overlay" >"$manifests"

in_namespace() {
    kubectl --namespace "$namespace" "$@"
}

# The three stores are those of the development overlay. The job below waits for the database by itself.
kubectl apply -f "$manifests" --selector 'app.kubernetes.io/component in (foundation,mysql,mongodb,redis)'
# The job of the release before: a job cannot be changed.
in_namespace delete job migrate --ignore-not-found --wait
kubectl apply -f "$manifests" --selector 'app.kubernetes.io/component=migrate'
in_namespace wait --for=condition=complete --timeout=60m job/migrate
kubectl apply -f "$manifests"
# Services before gateways: a gateway of the new release can call what services of the release before do not have.
for name in cache notifications identity gateway; do
    in_namespace rollout status --timeout=15m "deployment/$name"
done
