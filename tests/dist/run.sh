#!/bin/sh
# `make test-dist`: takes the packages apart that `make dist` made, installs them into empty roots, and tests the binaries.
#   tests/dist/run.sh FOLDER TARGET…
# Linux on arm64 runs under qemu-user, Windows under wine. What is missing is named.
set -eu
cd "$(dirname "$0")/../.."
[ -d "$1" ] || { echo "missing: $1, which \`make dist\` makes" >&2; exit 1; }
packages=$(cd "$1" && pwd)
shift
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
cargo=${CARGO:-cargo}
work=$(mktemp -d)
simulator=
clean_up() {
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

say() { echo "-- $*"; }
fail() {
  echo "test-dist: error: $*" >&2
  exit 1
}
need() { command -v "$1" >/dev/null || fail "missing: $1, e.g. apt-get install $2"; }

need sha256sum coreutils
(cd "$packages" && sha256sum --quiet --check SHA256SUMS)
say "the sums are right: $(wc -l < "$packages/SHA256SUMS") files"

$cargo build -q --locked -p cibridge-simulator
target=${CARGO_TARGET_DIR:-target}
"$target/debug/cibridge-simulator" --advance poll --ready-file "$work/ready.json" > "$work/simulator.log" 2>&1 &
simulator=$!
while [ ! -s "$work/ready.json" ]; do
  kill -0 "$simulator" 2>/dev/null || fail "the simulator ended: $(cat "$work/simulator.log")"
done
ready() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/ready.json"; }

# starts NAME COMMAND…: the command, which runs an installed cibridge, starts a build on the simulator.
starts() {
  what=$1
  shift
  id=$(env -i PATH="$PATH" CODEMAGIC_API_KEY="$(ready key)" CODEMAGIC_API_URL="$(ready v3)" \
    CODEMAGIC_LEGACY_API_URL="$(ready legacy)" CODEMAGIC_APP_ID="$(ready app_id)" CODEMAGIC_WORKFLOW=ios-release \
    CODEMAGIC_BRANCH=main "$@" codemagic trigger) || fail "$what: no build was started"
  [ ${#id} -eq 24 ] || fail "$what: no build ID on stdout but: $id"
  say "$what: started build $id"
}

# has FOLDER FILE…: the folder holds these files.
has() {
  folder=$1
  shift
  for file in "$@"; do
    [ -s "$folder/$file" ] || fail "$folder: no $file"
  done
}

# one_archive NAME: ubi and mise take the first archive whose name has the platform, so there may be no second one.
one_archive() {
  archives=$(cd "$packages" && find . -name "$1.*" | grep -cE '\.(gz|xz|bz2|zst|zip|7z|exe|tgz)$')
  [ "$archives" -eq 1 ] || fail "$1: $archives archives with this name, expected one"
}

linux() {
  name=cibridge-$version-$1
  one_archive "$name"
  runner=
  deb=amd64
  rpm=x86_64
  if [ "$1" = aarch64-unknown-linux-musl ]; then
    need qemu-aarch64-static qemu-user-static
    runner=$(command -v qemu-aarch64-static)
    deb=arm64
    rpm=aarch64
  fi

  # An archive.
  gzip -dc "$packages/$name.tar.gz" | tar -xf - -C "$work"
  has "$work/$name" LICENSE CHANGELOG.md README.md man/cibridge.1 man/cibridge-codemagic-trigger.1 \
    completions/cibridge.bash completions/cibridge.fish completions/_cibridge completions/_cibridge.ps1 \
    schemas/result.schema.json
  binary=$work/$name/cibridge
  for place in "$PWD" "${CARGO_HOME:-$HOME/.cargo}"; do
    ! grep -qF -- "$place/" "$binary" || fail "$name: the binary names $place"
  done
  ! readelf -lW "$binary" | grep -q INTERP || fail "$name: not static"
  readelf -SW "$packages/$name.debug" | grep -q debug_line || fail "$name: no symbols in the debug file"
  # Word splitting is meant: no runner is no word.
  # shellcheck disable=SC2086
  starts "$name.tar.gz" $runner "$binary"

  # The packages, each in an empty root. `chroot` needs root; without it the installed file is started where it lies.
  root=$work/deb-$deb
  mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
  : > "$root/var/lib/dpkg/status"
  dpkg --root="$root" --force-not-root --force-architecture --log="$work/dpkg.log" -i "$packages/$name.deb" > "$work/dpkg.out" 2>&1 ||
    fail "$name.deb: $(cat "$work/dpkg.out")"
  has "$root" usr/bin/cibridge usr/share/man/man1/cibridge.1.gz usr/share/bash-completion/completions/cibridge \
    usr/share/doc/cibridge/copyright
  [ "$(dpkg-deb -f "$packages/$name.deb" Architecture)" = "$deb" ] || fail "$name.deb: wrong architecture"
  cmp "$binary" "$root/usr/bin/cibridge"
  installed "$name.deb" "$root"

  need rpm rpm
  root=$work/rpm-$rpm
  mkdir -p "$root"
  [ "$(rpm -qp --qf '%{ARCH}' "$packages/$name.rpm" 2>/dev/null)" = "$rpm" ] || fail "$name.rpm: wrong architecture"
  rpm --root "$root" --dbpath /var/lib/rpm --ignorearch --nodeps --nosignature -i "$packages/$name.rpm" ||
    fail "$name.rpm: not installed"
  has "$root" usr/bin/cibridge usr/share/man/man1/cibridge.1 usr/share/licenses/cibridge/LICENSE
  cmp "$binary" "$root/usr/bin/cibridge"
  installed "$name.rpm" "$root"

  image "$deb"

  sh tests/dist/core.sh "$1" "$binary"
}

# image ARCHITECTURE: the image of the binary holds nothing else; buildah needs no service and no root.
image() {
  command -v buildah >/dev/null || {
    say "image for $1: not built, no buildah"
    return
  }
  root=$work/image-$1
  buildah --root "$work/store" --runroot "$work/store-run" --storage-driver vfs bud -q --isolation chroot \
    --platform "linux/$1" --output "type=local,dest=$root" "$packages/image" > "$work/image.out" 2>&1 ||
    fail "image for $1: $(cat "$work/image.out")"
  [ "$(cd "$root" && find . -type f)" = ./usr/local/bin/cibridge ] || fail "image for $1: holds more than the binary"
  cmp "$binary" "$root/usr/local/bin/cibridge"
  mkdir -p "$root/usr/bin"
  mv "$root/usr/local/bin/cibridge" "$root/usr/bin/cibridge"
  installed "image for $1" "$root"
}

# installed NAME ROOT: the package's binary starts a build, in a root that holds nothing else where that is allowed.
installed() {
  if [ "$(id -u)" -eq 0 ]; then
    if [ -n "$runner" ]; then
      cp "$runner" "$2/runner"
      starts "$1" chroot "$2" /runner /usr/bin/cibridge
    else
      starts "$1" chroot "$2" /usr/bin/cibridge
    fi
  else
    # shellcheck disable=SC2086
    starts "$1" $runner "$2/usr/bin/cibridge"
  fi
}

# The install script, for the machine that this is.
install_script() {
  sh "$packages/cibridge-install.sh" --from "$packages" --dir "$work/bin" > "$work/install.out" 2>&1 ||
    fail "install script: $(cat "$work/install.out")"
  starts cibridge-install.sh "$work/bin/cibridge"

  mkdir "$work/tampered"
  for archive in "$packages"/*.tar.gz; do
    cp "$archive" "$work/tampered/"
    echo >> "$work/tampered/${archive##*/}"
  done
  ! sh "$packages/cibridge-install.sh" --from "$work/tampered" --dir "$work/none" 2> "$work/install.out" ||
    fail 'install script: installed an archive with another sum'
  grep -q 'expected .* nothing was installed' "$work/install.out" || fail "install script: $(cat "$work/install.out")"
  [ ! -e "$work/none/cibridge" ] || fail 'install script: left a binary behind'
  say 'cibridge-install.sh: refused an archive with another sum'
}

windows() {
  name=cibridge-$version-$1
  one_archive "$name"
  need unzip unzip
  need x86_64-w64-mingw32-objdump binutils-mingw-w64-x86-64
  unzip -q "$packages/$name.zip" -d "$work"
  has "$work/$name" cibridge.exe LICENSE CHANGELOG.md README.md completions/_cibridge.ps1 schemas/result.schema.json
  # Nothing but what every Windows has.
  x86_64-w64-mingw32-objdump -p "$work/$name/cibridge.exe" | sed -n 's/.*DLL Name: //p' | sort > "$work/dlls"
  ! grep -qiE 'gcc|pthread|winssp|stdc' "$work/dlls" || fail "$name: needs $(tr '\n' ' ' < "$work/dlls")"
  sh tests/dist/core.sh "$1" "$work/$name/cibridge.exe"
  say "$name.zip: needs only $(tr '\n' ' ' < "$work/dlls")"
}

for target_name in "$@"; do
  case $target_name in
    *-linux-musl) linux "$target_name" ;;
    *-windows-gnu) windows "$target_name" ;;
  esac
done
if [ -e "$packages/cibridge-$version-$(uname -m)-unknown-linux-musl.tar.gz" ]; then install_script; fi
say "all packages are good: $*"
