#!/bin/sh
# `make dist`: builds the release of one target and packs it: archive, debug symbols, SBOM, and for Linux .deb and .rpm.
#   .ci/release/dist.sh TARGET FOLDER
# The same commit gives the same bytes in every folder: paths are mapped, times are those of the commit, entries sorted.
set -eu
target=$1
cd "$(dirname "$0")/../.."
root=$PWD
mkdir -p "$2"
out=$(cd "$2" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
name=cibridge-$version-$target
cargo=${CARGO:-cargo}

missing=
need() {
  command -v "$1" >/dev/null || missing="$missing
  $1: $2"
}
linux=1
exe=
case $target in
  x86_64-unknown-linux-musl)
    prefix=
    need cc 'apt-get install gcc'
    ;;
  aarch64-unknown-linux-musl)
    prefix=aarch64-linux-gnu-
    need aarch64-linux-gnu-gcc 'apt-get install gcc-aarch64-linux-gnu'
    ;;
  x86_64-pc-windows-gnu)
    prefix=x86_64-w64-mingw32-
    linux=
    exe=.exe
    need x86_64-w64-mingw32-gcc 'apt-get install gcc-mingw-w64-x86-64'
    need zip 'apt-get install zip'
    ;;
  *)
    echo "$target: not a release target: x86_64-unknown-linux-musl, aarch64-unknown-linux-musl, x86_64-pc-windows-gnu" >&2
    exit 2
    ;;
esac
need "${prefix}objcopy" 'apt-get install binutils'
need git 'apt-get install git'
need cargo-cyclonedx 'cargo install cargo-cyclonedx --locked'
if [ -n "$linux" ]; then
  need cargo-deb 'cargo install cargo-deb --locked'
  need cargo-generate-rpm 'cargo install cargo-generate-rpm --locked'
fi
if [ -n "$missing" ]; then
  echo "missing:$missing" >&2
  exit 1
fi

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
built=${CARGO_TARGET_DIR:-$root/target}
home=${CARGO_HOME:-$HOME/.cargo}

# No path of this machine gets into messages and symbols of Rust, nor into those of ring's C parts.
flags="'--remap-path-prefix=$root=/cibridge', '--remap-path-prefix=$home=/cargo', '--remap-path-prefix=$built=/target'"
export "CFLAGS_$(echo "$target" | tr - _)=-ffile-prefix-map=$root=/cibridge -ffile-prefix-map=$home=/cargo -ffile-prefix-map=$built=/target"
$cargo build --locked --profile dist --target "$target" -p cibridge --config "target.$target.rustflags=[$flags]"

# The symbols are kept apart; a debugger finds them by the link in the binary. They are in no archive, and their sections
# are compressed instead (Windows has none for that): ubi and mise would take an archive for the program.
stage=$root/target/stage
rm -rf "$stage"
mkdir -p "$stage/files"
binary=cibridge$exe
cp "$built/$target/dist/$binary" "$stage/files/$binary"
# shellcheck disable=SC2086
"${prefix}objcopy" --only-keep-debug ${linux:+--compress-debug-sections=zlib} "$stage/files/$binary" "$stage/$name.debug"
"${prefix}strip" --strip-all "$stage/files/$binary"
(cd "$stage" && "${prefix}objcopy" --add-gnu-debuglink="$name.debug" "files/$binary")
size=$(wc -c < "$stage/files/$binary")
if [ "$size" -gt "$LIMIT" ]; then
  echo "$name: $size bytes, more than $LIMIT" >&2
  exit 1
fi

CIBRIDGE_PACKAGE_FILES=$stage/files $cargo test -q --locked -p cibridge --bin cibridge package_files >/dev/null
cp LICENSE CHANGELOG.md README.md "$stage/files/"
mkdir "$stage/files/schemas"
cp src/*.schema.json "$stage/files/schemas/"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

rm -f "$out/$name".*
if [ -n "$linux" ]; then
  tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u=rwX --mtime="@$SOURCE_DATE_EPOCH" \
    --transform "s,^files,$name," -c files | gzip -9n > "$out/$name.tar.gz"
  $cargo deb -q --no-build --no-strip --locked --target "$target" --output "$out/$name.deb" >/dev/null
  $cargo generate-rpm --target "$target" --payload-compress gzip --source-date "$SOURCE_DATE_EPOCH" --output "$out/$name.rpm"
else
  mv "$stage/files" "$stage/$name"
  (cd "$stage" && find "$name" -type f | sort | zip -9 -q -X -@ "$out/$name.zip")
fi
chmod 644 "$stage/$name.debug"
cp "$stage/$name.debug" "$out/"

# The components of the binary. The tool writes beside each manifest, and names components by their folder.
$cargo cyclonedx -q --format json --spec-version 1.5 --no-build-deps --target "$target" --override-filename "$name.cdx"
sed "s,file://$root,file:///cibridge,g" "$name.cdx.json" > "$out/$name.cdx.json"
rm "$name.cdx.json" "tests/simulator/$name.cdx.json"
echo "$name: $size bytes"
