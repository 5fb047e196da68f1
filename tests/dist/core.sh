#!/bin/sh
# Runs the tests of tests/dist/main.rs with a binary for TARGET: natively, under qemu-user, or under wine.
#   tests/dist/core.sh TARGET BINARY
set -eu
target=$1
binary=$(realpath "$2")
cd "$(dirname "$0")/../.."

need() {
  command -v "$1" >/dev/null || {
    echo "missing: $1, e.g. apt-get install $2" >&2
    exit 1
  }
}

# The last argument is meant to be split into words.
# shellcheck disable=SC2086
run() {
  CIBRIDGE_DIST_RUNNER=$1 CIBRIDGE_DIST_BIN=$2 RUST_TEST_THREADS=4 "${CARGO:-cargo}" test --locked -p cibridge --test dist -- $3
}

case $target in
  aarch64-*-linux-*)
    need qemu-aarch64-static qemu-user-static
    run qemu-aarch64-static "$binary" ''
    ;;
  *-windows-gnu)
    need wine 'wine wine64'
    need script bsdutils
    need x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
    work=$(mktemp -d)
    WINEPREFIX=$work/prefix
    WINEDEBUG=-all
    export WINEPREFIX WINEDEBUG
    trap 'wineserver -k 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    cp "$binary" "$work/cibridge.exe"
    x86_64-w64-mingw32-gcc -O1 -o "$work/helper.exe" tests/dist/wine/helper.c
    # Makes the prefix; the files, because what wine leaves running would keep a pipe open.
    timeout 180 wine cmd /c ver > "$work/ver" 2>&1 || {
      tail -n 3 "$work/ver" >&2
      exit 1
    }
    if [ ! -e "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" ]; then
      x86_64-w64-mingw32-gcc -shared -o "$work/bcryptprimitives.dll" tests/dist/wine/bcryptprimitives.c -ladvapi32
    fi
    run wine "$work/cibridge.exe" '--include-ignored --skip a_signal_cancels_the_build'
    ;;
  *)
    run '' "$binary" ''
    ;;
esac
