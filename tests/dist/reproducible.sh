#!/bin/sh
# `make test-reproducible`: builds the packages of TARGET in two clones of the current commit, in folders of different
# length and each with a target folder of its own, and compares the files byte by byte.
#   tests/dist/reproducible.sh TARGET
set -eu
target=$1
cd "$(dirname "$0")/../.."
[ -z "$(git status --porcelain)" ] || echo "note: what is not committed is not built" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset CARGO_TARGET_DIR
commit=$(git rev-parse HEAD)
for clone in "$work/one" "$work/another-folder/with-a-longer-name"; do
  git clone -q --no-hardlinks . "$clone"
  git -C "$clone" checkout -q --detach "$commit"
  make -s -C "$clone" dist "TARGET=$target" > "$clone.log" 2>&1 || {
    tail -n 20 "$clone.log" >&2
    exit 1
  }
  (cd "$clone/target/packages" && cat SHA256SUMS) > "$clone.sums"
done
diff "$work/one.sums" "$work/another-folder/with-a-longer-name.sums" || {
  echo "reproducible: error: the packages for $target differ from folder to folder" >&2
  exit 1
}
cat "$work/one.sums"
echo "reproducible: both folders gave the same bytes for $target"
