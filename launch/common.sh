# shellcheck shell=bash
# Sourced by the launchers: makes .venv, keeps it in step with the requirements.
#
# PYTHON names another interpreter, VENV another folder for the environment.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
VENV=${VENV:-.venv}
# shellcheck disable=SC2034
ALL=(prepare train report) # extras of what goes from videos to pages

say() { printf '\n== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 2
}

# The comment at the head of this launcher.
usage() { sed -n '2,/^[^#]/{s/^#$//p;s/^# //p}' "launch/${0##*/}"; }

# Splits --dry_run from the arguments: DRY_RUN is empty or 1, ARGUMENTS are the others.
# Prints the usage and ends where an argument asks for it.
take_dry_run() {
  local argument
  DRY_RUN='' ARGUMENTS=()
  for argument in "$@"; do
    case $argument in
      -h | --help) usage && exit ;;
      --dry_run) DRY_RUN=1 ;;
      *) ARGUMENTS+=("$argument") ;;
    esac
  done
}

# Runs a command, or prints it where it is only to be tried.
run() {
  if [ -n "$DRY_RUN" ]; then printf '%q ' "$@" && echo; else "$@"; fi
}

# Becomes the command, in an environment with the extras NEEDED; a dry run prints it.
become() {
  if [ -n "$DRY_RUN" ]; then run "$@" && exit; fi
  set_up "${NEEDED[@]}"
  exec "$@"
}

# The first interpreter of a version that setup.cfg allows.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c \
      'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
    then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 to 3.13 found (tried: ${PYTHON:-python3 and its versions});" \
    "install one, or name it: PYTHON=/path/to/python bash $0"
}

on_tpu_vm() {
  [ -n "${TPU_ACCELERATOR_TYPE:-}" ] || compgen -G '/dev/accel[0-9]*' >/dev/null ||
    curl -sf -m 1 -o /dev/null -H 'Metadata-Flavor: Google' \
      http://metadata.google.internal/computeMetadata/v1/instance/attributes/accelerator-type
}

# The extra of setup.cfg for the device of this machine; empty for a CPU.
device_extra() {
  if nvidia-smi >/dev/null 2>&1; then
    echo cuda12
  elif on_tpu_vm 2>/dev/null; then
    echo tpu
  fi
}

# Makes the environment and installs the package with the extras given as arguments;
# returns at once when neither the requirements nor the extras have changed.
set_up() {
  local extras stamp python
  extras=$(device_extra)
  extras=$(printf '%s\n' "$@" "$extras" | sed '/^$/d' | paste -sd, -)
  stamp=$VENV/installed-${extras//,/-}
  if [ ! -x "$VENV/bin/python" ]; then
    python=$(find_python) || exit
    say "new environment $VENV with $("$python" --version)"
    "$python" -m venv "$VENV" ||
      die "$python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
  fi
  if ! cksum setup.cfg pyproject.toml requirements.txt | cmp -s - "$stamp"; then
    say "installing into $VENV, extras: ${extras:-none} (1 to 3 minutes, up to 3 GB)"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
      --editable ".${extras:+[$extras]}" || die "the installation failed, see above"
    cksum setup.cfg pyproject.toml requirements.txt >"$stamp"
  fi
  export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}
  # On a CPU the arrays of a step come and go with it, and most of what malloc costs are
  # page faults: pages of 2 MB have few. C libraries before glibc 2.35 ignore it.
  export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
  PATH=$(cd "$VENV" && pwd)/bin:$PATH
}
