#!/usr/bin/env bash
# The study of RESULTS.md, end to end: data, streams, every variant with its seeds, tables,
# into runs/study (--quick: runs/study-quick), or DIR of --workdir: DIR/RESULTS.md, and all
# predictions in DIR/results.
#
#   bash launch/study.sh [--quick] [--clips DIR --splits DIR] [--workdir DIR] [--dry_run]
#
# DIR of --clips has hmdb51/ and ucf101/, each with a folder a class (all classes or
# some), DIR of --splits the official lists in folders of the same names; without them
# the synthetic videos and the operator alone are studied. --quick is a short version.
# Resumable: rerun the same command.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage='usage: bash launch/study.sh [--quick] [--clips DIR --splits DIR] [--workdir DIR]'
take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
quick='' clips='' splits='' workdir=''
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 && shift ;;
    --clips=* | --splits=* | --workdir=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --clips | --splits | --workdir)
      [ -n "${2-}" ] || die "$1 needs a value; $usage"
      printf -v "${1#--}" '%s' "$2" && shift 2
      ;;
    -h | --help) usage && exit ;;
    *) die "$1: unknown argument; $usage" ;;
  esac
done
for dataset in ${clips:+hmdb51 ucf101}; do
  for folder in "$clips/$dataset" "$splits/$dataset"; do
    [ -d "$folder" ] || die "$folder: no such folder; $usage"
  done
done
[ -n "$clips" ] || [ -z "$splits" ] || die "--splits without --clips; $usage"
[[ $workdir != -* ]] || die "--workdir=$workdir: expected a folder; $usage"
workdir=${workdir:-runs/study${quick:+-quick}}

SECONDS=0
step() { say "[$((SECONDS / 60)) min $((SECONDS % 60)) s] $*"; }

# The first classes of a data set that are there, with commas.
CLASSES=2
classes() {
  find "$clips/$1" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort |
    sed "${CLASSES}q" | paste -sd, -
}

if [ -n "$quick" ]; then
  say "a cut-down study in $workdir: of every variant one seed and a few updates on a small
   backbone, of the real videos $CLASSES classes. On two cores 5 minutes."
  made=(--train=2 --test=1) cut=(--brief)
  # So few updates take less time than making their programs fast does.
  xla=--xla_backend_optimization_level=0
else
  say "the study in $workdir. On two cores about a night."
  cut=() xla=''
  made=(--train=5 --test=30)
fi
results=("--results=$workdir/results" "--report=$workdir/RESULTS.md")
[ -n "$DRY_RUN" ] || set_up "${ALL[@]}"
run mkdir -p "$workdir"

step 'the operator'
run python -m studies operator "${results[@]}" "${cut[@]}"

step 'synthetic videos'
if [ ! -e "$workdir/made/dataset.json" ]; then
  run python -m stpn_jax.synthetic "$workdir/videos" --seed=7 "${made[@]}"
  run python -m stpn_jax.prepare --dataset=folder --videos="$workdir/videos" \
    --data_dir="$workdir/made" --size=72x72
fi
study() {
  run env XLA_FLAGS="${XLA_FLAGS:-} $xla" python -m studies "$@" \
    --workdir="$workdir/runs" "${results[@]}" "${cut[@]}"
}
study made --data="$workdir/made"
step 'batch statistics over devices'
XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=8" \
  study replicas --data="$workdir/made"

for dataset in ${clips:+hmdb51 ucf101}; do
  step "$dataset"
  if [ ! -e "$workdir/$dataset/dataset.json" ]; then
    run python -m stpn_jax.prepare --dataset="$dataset" --videos="$clips/$dataset" \
      --splits="$splits/$dataset" --data_dir="$workdir/$dataset" --size=170x128 \
      ${quick:+--limit=$((5 * CLASSES)) --classes="$(classes "$dataset")"}
  fi
  study "$dataset" --data="$workdir/$dataset"
done
if [ -n "$clips" ]; then
  step 'products of flow paths'
  run python -m studies products --data="$workdir/hmdb51" --workdir="$workdir/runs" \
    "${results[@]}" "${cut[@]}"
fi
step 'done'
