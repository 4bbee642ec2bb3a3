#!/usr/bin/env bash
# Fuzzes with libFuzzer, one target after the other:
#
#   tests/fuzz/run.sh [SECONDS [TARGET…]]        60 seconds each, all targets
#
# Needs cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler; the stable toolchain will do. Inputs that lead somewhere
# new are kept in found/, those that break an invariant in artifacts/. tests/fuzzing.rs asks the same of every input in
# corpus/ and of random ones on each `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls corpus)

# What is fuzzed are the versions that the product is built of.
cp ../../Cargo.lock Cargo.lock
# The coverage instrumentation is an unstable flag of a compiler that has it all the same. Without the address sanitizer:
# nothing in src/ is unsafe, and it would mean building the standard library, too.
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    printf '\n=== %s\n' "$target"
    mkdir -p "found/$target"
    cargo fuzz run --fuzz-dir . --sanitizer none "$target" "found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
