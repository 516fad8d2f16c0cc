#!/usr/bin/env bash
# Trains on a Cloud TPU, one host or many, with gcloud:
#
#   bash launch/tpu_pod.sh [--dry_run] COMMAND NAME ZONE [ARGUMENT...]
#
#   create  NAME ZONE TYPE [RUNTIME]   such as v5litepod-16 v2-alpha-tpuv5-lite
#   install NAME ZONE                  this folder to every host, with its environment
#   data    NAME ZONE gs://...         records to every host, into data/
#   run     NAME ZONE FLAG...          stpn_jax.main on all hosts, in the background
#   tail    NAME ZONE                  what host 0 prints
#   stop    NAME ZONE                  SIGTERM: the run saves its step and ends
#   delete  NAME ZONE
#
# Records are read from the hosts' disks; the workdir is in a bucket: --workdir=gs://...
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
[ $# -ge 3 ] || die "expected COMMAND NAME ZONE; the head of ${BASH_SOURCE[0]} has them"
command=$1 name=$2 zone=$3
shift 3
tpu=(gcloud compute tpus tpu-vm)

on_all() {
  run "${tpu[@]}" ssh "$name" --zone="$zone" --worker=all --command="$1"
}

case $command in
  create)
    [ $# -ge 1 ] || die "create needs the type, such as v5litepod-16"
    run "${tpu[@]}" create "$name" --zone="$zone" --accelerator-type="$1" \
      --version="${2:-v2-alpha-tpuv5-lite}"
    ;;
  install)
    archive=$(mktemp -d)/stpn_jax.tar.gz
    run git archive --format=tar.gz --prefix=stpn_jax/ --output="$archive" HEAD
    run "${tpu[@]}" scp "$archive" "$name:" --zone="$zone" --worker=all
    on_all 'tar xzf stpn_jax.tar.gz && source stpn_jax/launch/common.sh && set_up train report'
    ;;
  data)
    [ $# -eq 1 ] || die "data needs the records' place, such as gs://BUCKET/data/ucf101"
    on_all "mkdir -p stpn_jax/data; gcloud storage cp -r $(printf '%q' "$1") stpn_jax/data/"
    ;;
  run)
    [ $# -ge 1 ] || die "run needs the flags of stpn_jax.main"
    on_all "cd stpn_jax; EPATH_USE_TF=0 nohup bash launch/train_local.sh $(printf '%q ' "$@")\
>stpn.log 2>&1 & echo \$! >stpn.pid"
    ;;
  tail)
    run "${tpu[@]}" ssh "$name" --zone="$zone" --worker=0 \
      --command='tail -n 50 -F stpn_jax/stpn.log'
    ;;
  stop)
    # shellcheck disable=SC2016 # expanded there
    on_all 'kill -TERM "$(cat stpn_jax/stpn.pid)"'
    ;;
  delete)
    run "${tpu[@]}" delete "$name" --zone="$zone"
    ;;
  *)
    die "unknown command '$command': create, install, data, run, tail, stop or delete"
    ;;
esac
