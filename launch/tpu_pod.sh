#!/usr/bin/env bash
# Trains on a Cloud TPU, one host or many, with gcloud:
#
#   bash launch/tpu_pod.sh [--dry_run] COMMAND NAME ZONE [ARGUMENT...]
#
#   check   NAME ZONE TYPE FLAG...     stpn_jax.main --mode=compile here, for that type
#   create  NAME ZONE TYPE [RUNTIME]   such as v5litepod-16; asks first in a terminal
#   install NAME ZONE                  the last commit to every host, with its environment
#   data    NAME ZONE gs://...         records to every host, into data/
#   run     NAME ZONE FLAG...          stpn_jax.main on all hosts, in the background
#   tail    NAME ZONE                  what host 0 prints
#   stop    NAME ZONE                  SIGTERM: the run saves its step and ends
#   delete  NAME ZONE
#
# Records are read from the hosts' disks; the workdir is in a bucket: --workdir=gs://...
# What is not committed is not installed, weights/ included: copy that, too.
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

# The chips of an accelerator type, in the compiler's words; v4 and v5p count two cores.
topology() {
  local kind=${1%-*} count=${1##*-}
  case $kind in v4 | v5p) count=$((count / 2)) ;; v5litepod) kind=v5e ;; esac
  case $kind-$count in
    v[56]e-1) echo "$kind:1x1" ;;
    v[56]e-4) echo "$kind:2x2" ;;
    v[56]e-8) echo "$kind:2x4" ;;
    v[56]e-16) echo "$kind:4x4" ;;
    v[56]e-32) echo "$kind:4x8" ;;
    v[56]e-64) echo "$kind:8x8" ;;
    v[56]e-128) echo "$kind:8x16" ;;
    v[56]e-256) echo "$kind:16x16" ;;
    v4-4 | v5p-4) echo "$kind:2x2x1" ;;
    v4-8 | v5p-8) echo "$kind:2x2x2" ;;
    v4-16 | v5p-16) echo "$kind:2x2x4" ;;
    v4-32 | v5p-32) echo "$kind:2x4x4" ;;
    v4-64 | v5p-64) echo "$kind:4x4x4" ;;
    v4-128 | v5p-128) echo "$kind:4x4x8" ;;
    *) die "$1: no topology is known for it; give stpn compile one by --topology" ;;
  esac
}

# The software of a new TPU of an accelerator type.
runtime() {
  case $1 in
    v4-*) echo tpu-ubuntu2204-base ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    *) die "$1: no runtime is known for it; name one behind it" ;;
  esac
}

case $command in
  check)
    [ $# -ge 2 ] || die "check needs the type and the flags of stpn_jax.main"
    chips=$(topology "$1") || exit
    shift
    [ -n "$DRY_RUN" ] || set_up train tpu
    run python -m stpn_jax.main --mode=compile --topology="$chips" "$@"
    ;;
  create)
    [ $# -ge 1 ] || die "create needs the type, such as v5litepod-16"
    version=${2:-$(runtime "$1")} || exit
    say "before it costs: bash launch/tpu_pod.sh check $name $zone $1 --config=..." >&2
    if [ -z "$DRY_RUN" ] && [ -t 0 ]; then
      read -rp "create $name, a $1, now? [y/N] " typed
      [ "$typed" = y ] || die 'nothing was created'
    fi
    run "${tpu[@]}" create "$name" --zone="$zone" --accelerator-type="$1" \
      --version="$version"
    ;;
  install)
    [ -n "$DRY_RUN" ] && folder=FOLDER || folder=$(mktemp -d)
    archive=$folder/stpn_jax.tar.gz
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
    die "unknown command '$command': check, create, install, data, run, tail, stop or delete"
    ;;
esac
