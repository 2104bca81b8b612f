#!/usr/bin/env bash
# Times the program's steps beside PyTorch's (bench/bench.py), unless some were chosen what makes them grow
# (bench/studies.py), then the kernels (bench/kernels.cpp).
# Environment: SRC and OUT; KABLATE_STEPS, KABLATE_ROUNDS, KABLATE_SHAPES.
set -euo pipefail

cmake "$OUT/build" > /dev/null  # Google Benchmark may have come since the build was configured
bash "$SRC/scripts/build.sh" kernel_bench
"$OUT/.venv-bench/bin/python" "$SRC/bench/bench.py" --program "$OUT/build/kablate" \
  --peer-python "$OUT/.venv-bench/bin/python" ${KABLATE_ROUNDS:+--rounds "$KABLATE_ROUNDS"} \
  ${KABLATE_SHAPES:+--shapes "$KABLATE_SHAPES"} ${KABLATE_STEPS:+--steps "$KABLATE_STEPS"}
if [[ -z ${KABLATE_SHAPES:-}${KABLATE_STEPS:-} ]]; then
  "$OUT/.venv-bench/bin/python" "$SRC/bench/studies.py" --program "$OUT/build/kablate" \
    ${KABLATE_ROUNDS:+--rounds "$KABLATE_ROUNDS"}
fi
exec "$OUT/build/kernel_bench" --benchmark_counters_tabular=true
