#!/usr/bin/env bash
# Lint, format, types and tests; arguments go to pytest:
#
#   bash launch/test.sh [--with-torch] [-k tvl1 ...]
#
# --with-torch also compares with other people's networks, live: it installs torch.
# Two workers share the test files, which takes 5 GB of memory, with torch 12;
# -n 4 asks for four.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Without their dependencies, which would bring along what the tests do not use.
install_oracles() {
  local list=tests/parity/requirements.txt stamp=$VENV/installed-oracles
  if ! cksum "$list" | cmp -s - "$stamp"; then
    say "installing the networks of $list"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
      --requirement "$list" || die "the installation failed, see above"
    cksum "$list" >"$stamp"
  fi
}

say 'ruff, mypy and pytest: on two cores 16 to 31 minutes with torch, less without,
   plus the first install'
if [ "${1:-}" = --with-torch ]; then
  shift
  set_up dev torch
  install_oracles
else
  set_up dev
fi
failed=()
check() { "$@" || failed+=("${*:1:2}"); }

say 'lint and types'
check ruff check .
check ruff format --check .
check mypy
[ ${#failed[@]} -eq 0 ] || printf 'failed: %s\n' "${failed[@]}" >&2

say 'tests'
check python -m pytest -q -n 2 --dist loadfile "$@"
[ ${#failed[@]} -eq 0 ]
