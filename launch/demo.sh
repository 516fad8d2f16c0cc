#!/usr/bin/env bash
# The whole path on synthetic videos: draw, prepare, train, test, report, export, predict.
#
#   bash launch/demo.sh [--seed N] [--workdir DIR] [--dry_run]
#
# A seed redraws data and network. The workdir is runs/demo-seedN unless it is given.
# Resumable: rerun the same command.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
seed=0 workdir=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    --seed=* | --workdir=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --seed | --workdir) [ -n "${2-}" ] || die "$1 needs a value" ;;&
    --seed) seed=$2 && shift 2 ;;
    --workdir) workdir=$2 && shift 2 ;;
    *) die "$1: unknown argument; usage: bash launch/demo.sh [--seed N] [--workdir DIR]" ;;
  esac
done
[[ $seed =~ ^[0-9]+$ ]] || die "--seed $seed: expected a whole number"
workdir=${workdir:-runs/demo-seed$seed}

SECONDS=0
step() { say "[$((SECONDS / 60)) min $((SECONDS % 60)) s] $*"; }

say "demo with seed $seed in $workdir: makes 702 videos of 13 classes, computes their
   flow, trains the three stages, tests them, writes a report, exports the network and
   asks it about held-out clips. On two cores 8 to 14 minutes, 2 GB of memory, 190 MB of disk
   and 2.9 GB for $VENV."
[ -n "$DRY_RUN" ] || set_up "${ALL[@]}"

step 'videos'
if [ -e "$workdir/videos" ]; then
  echo "already in $workdir/videos"
else
  run python -m stpn_jax.synthetic "$workdir/videos.part" --seed="$seed"
  run mv "$workdir/videos.part" "$workdir/videos"
fi

step 'frames and optical flow'
if [ -e "$workdir/data/dataset.json" ]; then
  echo "already in $workdir/data"
else
  run python -m stpn_jax.prepare --dataset=folder --videos="$workdir/videos" \
    --data_dir="$workdir/data" --size=72x72
fi

main=(python -m stpn_jax.main --config=configs/demo.py --workdir="$workdir/run"
  --config.seed="$seed" --config.model.sketch_seed="$seed"
  --config.data.data_dir="$workdir/data")
step 'training and test'
run "${main[@]}" --boxes="$workdir/videos/boxes.csv"

step 'export'
if [ "$workdir/artifact/artifact.json" -nt "$workdir/run/results.json" ]; then
  echo "already in $workdir/artifact"
else
  run "${main[@]}" --mode=export --out="$workdir/artifact"
fi

step 'prediction for the first held-out clip of each class'
clips=()
for folder in "$workdir"/videos/test/*/; do
  files=("$folder"*)
  clips+=("${files[0]}")
done
run python -m stpn_jax.predict --model="$workdir/artifact" --out="$workdir/predictions" \
  --pictures "${clips[@]}"

step 'done'
run cat "$workdir/run/results.md"
printf '\n%s\n' \
  "videos       $workdir/videos" \
  "records      $workdir/data" \
  "run          $workdir/run (checkpoints, metrics, results.md, results.json)" \
  "report       $workdir/run/report/index.html" \
  "network      $workdir/artifact" \
  "predictions  $workdir/predictions (one .json and one .png a clip)"
