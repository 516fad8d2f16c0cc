#!/usr/bin/env bash
# Trains in N processes on this machine, as N hosts would; arguments go to stpn_jax.main:
#
#   bash launch/train_multihost.sh [--dry_run] N --config=configs/demo.py --config.data.data_dir=runs/demo-seed0/data
#
# For trying out what many hosts do. Where there are GPUs, process I gets GPU I; one
# process by itself (train_local.sh) drives all GPUs of a machine just as well.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
count=${1:-}
[[ $count =~ ^[1-9][0-9]*$ ]] || die "expected the number of processes first, found '$count'"
shift
[ -n "$DRY_RUN" ] || set_up train report
port=$((20000 + RANDOM % 20000))

start() {
  local index=$1
  shift
  if nvidia-smi >/dev/null 2>&1; then
    export CUDA_VISIBLE_DEVICES=$index
  fi
  local command=(python -u -m stpn_jax.main "$@" --coordinator="localhost:$port"
    --num_processes="$count" --process_id="$index")
  [ -z "$DRY_RUN" ] || { run "${command[@]}" && return; }
  exec "${command[@]}" # in this shell's place, for signals to reach it
}

# The exit status of a process, also where a signal to this script comes in between.
status_of() {
  local status=0
  wait "$1" || status=$?
  while [ "$status" -gt 128 ] && kill -0 "$1" 2>/dev/null; do
    status=0
    wait "$1" || status=$?
  done
  return "$status"
}

processes=()
trap 'kill -TERM "${processes[@]}" 2>/dev/null || true' TERM INT
for ((index = 0; index < count; index++)); do
  start "$index" "$@" > >(trap '' TERM INT && sed -u "s/^/[$index] /") 2>&1 &
  processes+=($!)
done
status=0
for process in "${processes[@]}"; do
  status_of "$process" || status=$?
done
exit "$status"
