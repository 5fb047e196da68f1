#!/bin/sh
# Completes a folder that .ci/release/dist.sh filled: the install script with the sums of the archives, the folder of the
# container image, the notes of the release from the changelog, and SHA256SUMS.
#   .ci/release/index.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
out=$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
repository=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)

sums=$(cd "$out" && find . -name '*.tar.gz' -printf '%P\n' | LC_ALL=C sort | xargs -r sha256sum --)
awk -v version="$version" -v repository="$repository" -v sums="$sums" '
  { gsub("@VERSION@", version); gsub("@REPOSITORY@", repository); if ($0 == "@SUMS@") $0 = sums; print }
' .ci/release/install.sh > "$out/cibridge-install.sh"

for pair in amd64:x86_64-unknown-linux-musl arm64:aarch64-unknown-linux-musl; do
  name=cibridge-$version-${pair#*:}
  if [ -e "$out/$name.tar.gz" ]; then
    mkdir -p "$out/image/${pair%%:*}"
    gzip -dc "$out/$name.tar.gz" | tar -xf - -C "$out/image/${pair%%:*}" --strip-components=1 "$name/cibridge"
  fi
done

if [ -d "$out/image" ]; then cp .ci/release/Containerfile "$out/image/"; fi

awk -v heading="## $version" 'index($0, heading) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md > "$out/notes.md"

(cd "$out" && LC_ALL=C sha256sum -- cibridge*) > "$out/SHA256SUMS.new"
mv "$out/SHA256SUMS.new" "$out/SHA256SUMS"
cat "$out/SHA256SUMS"
