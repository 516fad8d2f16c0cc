#!/usr/bin/env bash
# Runs the rows of one of the paper's tables and writes them beside its numbers:
#
#   bash launch/table.sh 6 --config=configs/ucf101.py [--workdir=DIR] [--config.X=VALUE]
#
# N is 2 to 7, or extra; arguments go to studies. Rows share their streams.
# Resumable: rerun the same command.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
take_dry_run "$@"
set -- "${ARGUMENTS[@]}"
table=${1-}
case $table in
  [2-7]) table=table$table ;;
  table[2-7] | extra) ;;
  *) die "expected a table, 2 to 7 or extra, found '$table'" ;;
esac
[[ " ${*:2}" =~ " --config"[=\ ] ]] || die '--config=FILE is needed'
NEEDED=("${ALL[@]}")
become python -m studies "$table" "${@:2}"
