#!/usr/bin/env bash
# Lint, format, types and tests; other arguments go to pytest:
#
#   bash launch/test.sh                      the default tests: at most 5 minutes on two cores
#   bash launch/test.sh --slow               and those that train, start processes or compare
#   bash launch/test.sh --all [--with-torch] every test
#   bash launch/test.sh -k tvl1              what pytest's arguments choose
#
# --all also opens the page in Chromium and checks the launchers with shellcheck: it
# installs both where it runs as root on Debian or Ubuntu. It compiles for a TPU, with a
# library of 700 MB. --with-torch also compares with other people's networks: it installs
# torch. Two workers share the test files, which takes 5 GB of memory, with torch 12;
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

# The TPU's compiler, for its test alone: in the environment it would make every process
# that starts JAX on a machine without a TPU print warnings.
install_libtpu() {
  local wanted
  wanted=$("$VENV/bin/python" -c 'import importlib.metadata as m
print(next(x.split(";")[0] for x in m.requires("jax") if x.startswith("libtpu")))')
  if ! echo "$wanted" | cmp -s - "$VENV/installed-libtpu"; then
    say "installing $wanted into $VENV/libtpu (700 MB)"
    if "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
      --upgrade --target "$VENV/libtpu" "$wanted"; then
      echo "$wanted" >"$VENV/installed-libtpu"
    else
      say "not installed: $wanted; its test is skipped"
    fi
  fi
}

# The tests that need a missing program are skipped.
install_programs() {
  local program missing=()
  for program in chromium shellcheck; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    if apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null; then
      return 0
    fi
  fi
  say "not installed: ${missing[*]}; their tests are skipped"
}

lane='not slow and not exhaustive' extras=(dev) oracles=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' launch/test.sh && exit ;;
    --slow) lane='not exhaustive' ;;
    --all) lane='' extras+=(app browser) oracles=1 ;;
    --with-torch) extras+=(torch) oracles=1 ;;
    *) break ;;
  esac
  shift
done

set_up "${extras[@]}"
[ -z "$oracles" ] || install_oracles
[ -n "$lane" ] || { install_programs && install_libtpu; }
failed=()
check() { "$@" || failed+=("${*:1:2}"); }

say 'lint and types'
check ruff check .
check ruff format --check .
check mypy
[ ${#failed[@]} -eq 0 ] || printf 'failed: %s\n' "${failed[@]}" >&2

say 'tests'
SECONDS=0
check python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "$lane" \
  --durations=20 "$@"
say "tests took $((SECONDS / 60)) min $((SECONDS % 60)) s"
[ ${#failed[@]} -eq 0 ]
