#!/bin/sh
# `make demo`: starts a build on the simulator, waits for it and downloads its artifacts.
# CIBRIDGE and SIMULATOR name the two programs.
set -eu
. "$(dirname "$0")/simulated.sh"
echo

# Prints a command as it can be copied, and runs it.
run() {
  printf '$ cibridge'
  for argument in "$@"; do
    case $argument in
      *[!A-Za-z0-9_./=-]*) printf " '%s'" "$(printf %s "$argument" | sed "s/'/'\\\\''/g")" ;;
      *) printf ' %s' "$argument" ;;
    esac
  done
  echo
  "$CIBRIDGE" "$@"
  echo
}
run codemagic check
run codemagic trigger --dry-run --var GREETING='hello "you"'
run codemagic trigger --wait --poll-interval 1s --artifacts '*.ipa' --artifacts-dir "$work/dist" --result-file "$work/result.json"
echo "The result file:"
cat "$work/result.json"
echo
echo "The files that it downloaded:"
ls -l "$work/dist"
echo
echo "To go on: make play"
