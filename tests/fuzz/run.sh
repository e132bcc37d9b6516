#!/usr/bin/env bash
# The fuzz targets under libFuzzer, which lets coverage guide them: tests/fuzz/run.sh [target…]. All of them if none is named,
# FUZZ_SECONDS each (600); an input that takes FUZZ_HANG_S (10) is a fault: more where other work takes the cores. What breaks one is kept among its seeds, where `cargo test` finds it again.
# On stable Rust: the instrumentation is LLVM's own and needs no sanitizer. It needs clang or g++ for libFuzzer itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${FUZZ_SECONDS:-600}
work=$PWD/.cache/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# A target folder of its own, so that nothing else is built anew. `--target` keeps the flags from build scripts and macros.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks" \
  CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$work/target} \
  cargo build --locked --quiet -p tertulia-fuzz --features guided --bin tertulia-fuzz --target "$host" --profile fuzz
program=${FUZZ_TARGET_DIR:-$work/target}/$host/fuzz/tertulia-fuzz

targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls tests/fuzz/seeds)
failed=()
for target in "${targets[@]}"; do
  seeds=tests/fuzz/seeds/$target
  corpus=$work/corpus/$target
  log=$work/$target.log
  mkdir -p "$corpus"
  # It may leave no more than its corpus and, where it broke, the input that broke it.
  if TERTULIA_FUZZ_TARGET=$target "$program" -max_total_time="$seconds" -timeout="${FUZZ_HANG_S:-10}" -rss_limit_mb=2048 -max_len=16384 \
    -reload=0 -print_final_stats=1 -artifact_prefix="$seeds/" "$corpus" "$seeds" >"$log" 2>&1; then
    awk -v target="$target" '/ cov: /{ cov = $0 } /number_of_executed_units/{ runs = $2 }
      END { sub(/.* cov: /, "", cov); sub(/ .*/, "", cov); printf "✓ %s: %d inputs, %d edges\n", target, runs, cov }' "$log"
  else
    tail -n 30 "$log"
    echo "✗ $target: see $log; the input is in $seeds"
    failed+=("$target")
  fi
done
((${#failed[@]} == 0))
