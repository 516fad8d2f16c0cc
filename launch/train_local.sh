#!/usr/bin/env bash
# Sets up and trains on all devices of this machine; arguments go to stpn_jax.main:
#
#   bash launch/train_local.sh --config=configs/ucf101.py
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
NEEDED=(train report)
become python -m stpn_jax.main "${ARGUMENTS[@]}"
