#!/usr/bin/env bash
# Sets up and prepares videos; arguments go to stpn_jax.prepare:
#
#   bash launch/prepare.sh --dataset=ucf101 --videos=DIR --splits=DIR --data_dir=OUT
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
NEEDED=(prepare)
become python -m stpn_jax.prepare "${ARGUMENTS[@]}"
