#!/bin/sh
# Installs cibridge @VERSION@: downloads the archive for this machine, compares its SHA-256 with the one below, and copies
# the binary. Compare the sum of this script itself with SHA256SUMS of the release before running it.
#   sh cibridge-install.sh [--dir FOLDER] [--from ADDRESS_OR_FOLDER]
# FOLDER is /usr/local/bin, or ~/.local/bin where that is not writable. --from names a mirror, or a folder with the archives.
set -eu
version=@VERSION@
from=@REPOSITORY@/releases/download/v$version
dir=

sums() {
  cat <<'SUMS'
@SUMS@
SUMS
}

fail() {
  echo "cibridge-install: error: $1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --dir) dir=${2:?--dir needs a folder} && shift 2 ;;
    --from) from=${2:?--from needs an address or a folder} && shift 2 ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) fail "unknown argument: $1 (known: --dir, --from)" ;;
  esac
done

case $(uname -s)-$(uname -m) in
  Linux-x86_64 | Linux-amd64) target=x86_64-unknown-linux-musl ;;
  Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
  *) fail "no binary for $(uname -s) on $(uname -m); build it from source: @REPOSITORY@" ;;
esac
name=cibridge-$version-$target
wanted=$(sums | sed -n "s/  $name.tar.gz\$//p")
[ -n "$wanted" ] || fail "no sum for $name.tar.gz in this script"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
archive=$work/$name.tar.gz
case $from in
  http://* | https://*)
    if command -v curl >/dev/null; then
      curl -fsSL -o "$archive" "$from/$name.tar.gz" || fail "download failed: $from/$name.tar.gz"
    elif command -v wget >/dev/null; then
      wget -q -O "$archive" "$from/$name.tar.gz" || fail "download failed: $from/$name.tar.gz"
    else
      fail 'missing: curl or wget'
    fi
    ;;
  *) cp "$from/$name.tar.gz" "$archive" || fail "no archive: $from/$name.tar.gz" ;;
esac

if command -v sha256sum >/dev/null; then
  found=$(sha256sum < "$archive" | cut -d' ' -f1)
elif command -v openssl >/dev/null; then
  found=$(openssl dgst -sha256 -r < "$archive" | cut -d' ' -f1)
else
  fail 'missing: sha256sum or openssl'
fi
[ "$found" = "$wanted" ] || fail "$name.tar.gz: SHA-256 is $found, expected $wanted; nothing was installed"

gzip -dc "$archive" | tar -xf - -C "$work"
if [ -z "$dir" ]; then
  dir=/usr/local/bin
  [ -w "$dir" ] || dir=$HOME/.local/bin
fi
mkdir -p "$dir"
# Copied beside the target and renamed: a binary that is running at the moment cannot be overwritten.
cp "$work/$name/cibridge" "$dir/.cibridge-$$"
chmod 755 "$dir/.cibridge-$$"
mv "$dir/.cibridge-$$" "$dir/cibridge"
"$dir/cibridge" --version
echo "installed as $dir/cibridge" >&2
