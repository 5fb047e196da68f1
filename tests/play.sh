#!/bin/sh
# `make play`: a shell in which `cibridge` talks to a simulated Codemagic. CIBRIDGE and SIMULATOR name the two programs.
set -eu
. "$(dirname "$0")/simulated.sh"
mkdir "$work/bin"
cp "$CIBRIDGE" "$work/bin/cibridge"
PATH=$work/bin:$PATH
cat <<'TEXT'

Try:
  cibridge codemagic trigger --wait --console
  cibridge codemagic builds
  cibridge codemagic artifacts latest-success --list

`exit` ends the shell and the simulator.
TEXT
PS1='play$ ' "${PLAY_SHELL:-sh}"
