#!/usr/bin/env bash
# Trains on several nodes of a Kubernetes cluster that has JobSet, by kubectl:
#
#   bash launch/kubernetes.sh [--dry_run] gpu IMAGE HOSTS FLAG...
#   bash launch/kubernetes.sh [--dry_run] tpu IMAGE HOSTS FLAG...
#
# IMAGE has this folder as its working directory and the package installed, with the
# extras train, report and cuda12 or tpu. GPUS is how many each host has (8). For a TPU slice
# TPU_TYPE, TPU_TOPOLOGY and TPUS name it as GKE does (tpu-v5-lite-podslice, 4x4, 4).
# NAME names the job set (stpn). --dry_run prints the manifest.
#
# No volume is mounted: IMAGE also holds records and weights, and the workdir is in a
# bucket, --workdir=gs://..., for which IMAGE has the extra gcs.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
[ $# -ge 4 ] || die "expected gpu or tpu, IMAGE, HOSTS and the flags of stpn_jax.main"
device=$1 image=$2 hosts=$3
shift 3
[[ $hosts =~ ^[1-9][0-9]*$ ]] || die "expected the number of hosts, found '$hosts'"
name=${NAME:-stpn}

# YAML takes a JSON string as it is.
quoted() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"; }

arguments() {
  local argument
  for argument in python -u -m stpn_jax.main "$@"; do
    printf '                  - %s\n' "$(quoted "$argument")"
  done
}

# What places a pod and what it asks for.
case $device in
  gpu)
    resource=nvidia.com/gpu amount=${GPUS:-8}
    selector='{}'
    ;;
  tpu)
    resource=google.com/tpu amount=${TPUS:-4}
    selector="{cloud.google.com/gke-tpu-accelerator: $(quoted "${TPU_TYPE:-tpu-v5-lite-podslice}"), \
cloud.google.com/gke-tpu-topology: $(quoted "${TPU_TOPOLOGY:-4x4}")}"
    ;;
  *) die "unknown device '$device': gpu or tpu" ;;
esac

# JAX finds the hosts of a TPU slice by itself.
environment() {
  cat <<END
                env:
                  - {name: EPATH_USE_TF, value: "0"}
END
  [ "$device" = gpu ] || return 0
  cat <<END
                  - {name: JAX_COORDINATOR_ADDRESS, value: "$name-train-0-0.$name:8476"}
                  - {name: JAX_NUM_PROCESSES, value: "$hosts"}
END
}

manifest() {
  cat <<END
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $(quoted "$name")
spec:
  failurePolicy: {maxRestarts: 10}
  replicatedJobs:
    - name: train
      replicas: 1
      template:
        spec:
          parallelism: $hosts
          completions: $hosts
          completionMode: Indexed
          backoffLimit: 0
          template:
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: 120
              nodeSelector: $selector
              containers:
              - name: train
                image: $(quoted "$image")
                ports:
                  - containerPort: 8476
                command:
$(arguments "$@")
$(environment)
                resources:
                  limits: {$resource: $amount}
                volumeMounts:
                  - {name: memory, mountPath: /dev/shm}
              volumes:
                - {name: memory, emptyDir: {medium: Memory}}
END
}

if [ -n "$DRY_RUN" ]; then
  manifest "$@"
else
  manifest "$@" | kubectl apply -f -
fi
