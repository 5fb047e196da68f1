#!/bin/sh
# `make release-check TAG=vX.Y.Z`: what must hold before a tag becomes a release. Reports everything that does not.
#   .ci/release/release-check.sh TAG FOLDER TARGET…
set -eu
cd "$(dirname "$0")/../.."
tag=$1
packages=$2
shift 2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
wrong=0
report() {
  echo "release-check: $*" >&2
  wrong=1
}

[ "$tag" = "v$version" ] || report "tag: is '$tag', Cargo.toml has $version, so v$version is expected"
if git rev-parse -q --verify "refs/tags/$tag^{commit}" >/dev/null; then
  [ "$(git rev-parse "refs/tags/$tag^{commit}")" = "$(git rev-parse HEAD)" ] || report "tag: $tag is not the commit that is checked out"
fi
[ -z "$(git status --porcelain)" ] || report "working copy: has changes that are not committed"

heading=$(grep -m 1 '^## ' CHANGELOG.md)
echo "$heading" | grep -qE "^## $version \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$" ||
  report "CHANGELOG.md: the newest heading is '$heading', expected '## $version (YYYY-MM-DD)'"
cargo test -q --locked -p cibridge --test cibridge repository >/dev/null 2>&1 ||
  report "versions: differ; cargo test -p cibridge --test cibridge repository names the places"
cargo metadata --locked --format-version 1 --no-deps >/dev/null 2>&1 || report "Cargo.lock: does not belong to Cargo.toml"

if [ -d "$packages" ]; then
  (cd "$packages" && sha256sum --quiet --check SHA256SUMS) || report "SHA256SUMS: does not belong to the files"
  for target; do
    case $target in
      *-linux-*) files='tar.gz deb rpm debug cdx.json' ;;
      *) files='zip debug cdx.json' ;;
    esac
    for file in $files; do
      name=cibridge-$version-$target.$file
      [ -s "$packages/$name" ] || {
        report "$name: missing"
        continue
      }
      grep -q "  $name\$" "$packages/SHA256SUMS" || report "$name: not in SHA256SUMS"
    done
  done
  grep -q "^version=$version\$" "$packages/cibridge-install.sh" || report "cibridge-install.sh: of another version"
  [ -s "$packages/notes.md" ] || report "notes.md: CHANGELOG.md says nothing about $version"
else
  report "$packages: missing, make dist"
fi
[ $wrong -eq 0 ] || exit 1
echo "release-check: $tag is ready"
