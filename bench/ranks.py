#!/usr/bin/env python3
"""One rank against several of the same global batch: how much faster, and are the losses the same?

    bench/ranks.py --program build/kablate [--ranks 2] [--layers 6] [--width 384] [SYMBOL=VALUE...]

trains a plain GPT on Shakespeare's plays (which `make` has downloaded), 2 sequences of 256 tokens a rank and
update, on one thread a rank, in turn with one rank and with several, on a machine that should be idle.
Printed are the medians of an update after the fifth, the efficiency (how many times faster, over the ranks),
the share of time in which ranks waited for one another, and the largest relative gap of the losses of the
first ten updates. SYMBOL=VALUE goes to the runs of several ranks alone (SHARD_MOMENTS=y).
"""

import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def trial_of(arguments, ranks, folder, more):
    """(training rows, summary) of a trial that is trained in `folder`."""
    symbols = {"DATASET": "shakespeare", "GPT2_VOCAB_SIZE": 0, "DTYPE": "float32",
               "GPT2_N_LAYER": arguments.layers, "GPT2_N_HEAD": arguments.width // 64,
               "GPT2_N_EMBD": arguments.width, "GPT2_BLOCK_SIZE": 256,
               "GPT2_BATCH_SIZE": 2, "GPT2_GRADIENT_ACCUMULATION": arguments.ranks,
               "GPT2_MAX_ITERS": arguments.updates, "GPT2_WARMUP_STEPS": 10, "GPT2_EVAL_INTERVAL": 10**6,
               "GPT2_EVAL_SAMPLES": 2, "GPT2_LOG_INTERVAL": 1, "THREADS": 1, "RANKS": ranks}
    line = [arguments.program, "run", "--config", os.path.join(ROOT, "defconfigs", "nanogpt-char-cpu"),
            "--results", folder]
    for name, value in symbols.items():
        line += ["--set", f"{name}={value}"]
    for assignment in more:
        line += ["--set", assignment]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(ended.stderr + ended.stdout)
    trial = glob.glob(os.path.join(glob.escape(folder), "*", "trials", "*"))[0]
    with open(os.path.join(trial, "metrics.jsonl"), encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["kind"] == "train"]
    with open(os.path.join(trial, "summary.json"), encoding="utf-8") as file:
        return rows, json.load(file)


def median(rows):
    return statistics.median(row["ms"] for row in rows if row["iteration"] >= 5)


def main():
    """Prints a line a round."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("more", nargs="*", metavar="SYMBOL=VALUE")
    arguments = parser.parse_args()
    for _ in range(arguments.rounds):
        folder = tempfile.mkdtemp(prefix="kablate-ranks-")
        try:
            one, _ = trial_of(arguments, 1, os.path.join(folder, "one"), [])
            several, summary = trial_of(arguments, arguments.ranks, os.path.join(folder, "several"),
                                        arguments.more)
        finally:
            shutil.rmtree(folder)
        gap = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(several[:11], one[:11]))
        speedup = median(one) / median(several)
        print(f"{median(one):.0f} ms on one rank, {median(several):.0f} on {arguments.ranks}: "
              f"efficiency {speedup / arguments.ranks:.3f}, "
              f"waiting {100 * summary['communication_share']:.1f} %, "
              f"largest gap of the first losses {gap:.1e}", flush=True)


if __name__ == "__main__":
    main()
