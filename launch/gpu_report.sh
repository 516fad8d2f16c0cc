#!/usr/bin/env bash
# Measures this machine's GPU, the most valuable first, in at most eight minutes:
#
#   bash launch/gpu_report.sh [--out=DIR] [--seconds=480] [--baseline=CHECKOUT] [--parts WORD ...]
#
# Arguments go to benchmarks.gpu_report; --small tries all of it on a CPU. It runs in
# python3 as it is, or PYTHON, where that has JAX with CUDA, Flax and Optax already.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Whether an interpreter has what is needed; nothing is loaded, which takes long.
is_ready() {
  "$1" - 2>/dev/null <<'PYTHON'
import importlib.util
import sys

has = importlib.util.find_spec
needed = all(map(has, ("jax", "flax", "optax", "chex", "etils", "jaxtyping")))
sys.exit(not (needed and (has("jax_cuda13_plugin") or has("jax_cuda12_plugin"))))
PYTHON
}

take_dry_run "$@"
if [ -z "$DRY_RUN" ] && is_ready "${PYTHON:-python3}"; then
  exec "${PYTHON:-python3}" -m benchmarks.gpu_report "${ARGUMENTS[@]}"
fi
# shellcheck disable=SC2034
NEEDED=(train torch)
become python -m benchmarks.gpu_report "${ARGUMENTS[@]}"
