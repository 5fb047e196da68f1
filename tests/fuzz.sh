#!/bin/sh
# Runs libFuzzer on each test of a decoder (`random_tests`), $1 seconds each, or on those whose names contain $2.
# What it finds stays in target/fuzz: corpora for the next run, and an input for each failure.
set -eu
seconds=$1 only=${2:-}
host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/fuzz
mkdir -p "$out"
# As cargo-fuzz does it: coverage of blocks and compared values. With a target, what runs at build time is left out.
export CARGO_TARGET_DIR="$out" RUSTFLAGS="--cfg fuzzing -C passes=sancov-module -C codegen-units=1 \
-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"
cargo test --locked --profile fuzz --target "$host" --bin cibridge --no-run 2> "$out/build.log" || { cat "$out/build.log" >&2; exit 1; }
harness=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$out/build.log")
tests=$("$harness" --list random_tests | sed -n 's/: test$//p' | grep -F -- "$only")
status=0
for test in $tests; do
  found=$out/corpus/$test
  mkdir -p "$found"
  echo "== $test, $seconds seconds"
  CIBRIDGE_FUZZ="-max_total_time=$seconds -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix=$out/$test- $found tests/fixtures/corpus" "$harness" --exact "$test" --nocapture > "$out/$test.log" 2>&1 ||
    { status=1; grep -a -B 3 -A 3 'panicked at\|Test unit written\|ERROR' "$out/$test.log"; }
  grep -a 'stat::number_of_executed_units\|stat::new_units_added' "$out/$test.log" || true
done
exit $status
