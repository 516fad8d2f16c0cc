#!/usr/bin/env bash
# Lint, format, types and tests; arguments go to pytest: bash launch/test.sh -k tvl1
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say 'ruff, mypy and pytest: about 6 minutes on two cores, plus the first install'
set_up dev
failed=()
check() { "$@" || failed+=("$1 $2"); }

say 'lint and types'
check ruff check .
check ruff format --check .
check mypy stpn_jax
[ ${#failed[@]} -eq 0 ] || printf 'failed: %s\n' "${failed[@]}" >&2

say 'tests'
check python -m pytest -q "$@"
[ ${#failed[@]} -eq 0 ]
