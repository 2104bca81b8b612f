"""How the cost of an iteration grows, and what a choice saves: the tables of docs/performance.md.

    studies.py --program build/kablate [--rounds N] [--studies tokens,layers,trials,aggregation,mlp]

Every figure is of processes that have the machine for themselves: the median of their iterations, then the
median over rounds, the variants of a table in turn. Memory is the most bytes of tensors alive at once.
"""
import argparse
import os
import statistics

from ours import SHAPES, cost

MIB = 2 ** 20


def changed(shape, **values):
    return {**SHAPES[shape], **values}


def tokens(options):
    """The context grows, the tokens of a batch do not."""
    for context in (64, 128, 256, 512, 1024, 2048):
        shape = changed("medium", context=context, batch=2048 // context, iterations=5)
        for step in ("mha", "0", "3"):
            yield (f"T {context}", f"step {step}"), (shape, step, "bfloat16", options.cores), {}


def layers(options):
    for count in (2, 4, 8, 12):
        for step in ("mha", "3"):
            shape = changed("medium", layers=count, iterations=5)
            yield (f"{count} layers", f"step {step}"), (shape, step, "bfloat16", options.cores), {}


def trials(options):
    """One trial with all threads, or as many trials at once as there are cores."""
    for shape in ("small", "medium"):
        for dtype in ("float32", "bfloat16"):
            for step in ("mha", "3"):
                for copies in sorted({1, options.cores}):
                    yield ((f"{shape} {dtype} step {step}", f"{copies} at once"),
                           (SHAPES[shape], step, dtype, options.cores // copies, copies), {})


def aggregation(options):
    """Mechanism 2 with each way of sparsifying its routing."""
    for context in (256, 1024):
        shape = changed("medium", context=context, batch=2048 // context, iterations=5)
        yield (f"T {context}", "without"), (shape, "1", "bfloat16", options.cores), {}
        for mode in ("none", "topk", "rms"):
            yield ((f"T {context}", mode), (shape, "2", "bfloat16", options.cores),
                   {"RA_MLA_MLP_SPARSE_MODE": mode})


def mlp(options):
    for expansion in ("4", "3"):
        yield ((f"{expansion} x", "medium mha"), (SHAPES["medium"], "mha", "bfloat16", options.cores),
               {"MLP_EXPANSION": expansion})


STUDIES = {study.__name__: study for study in (tokens, layers, trials, aggregation, mlp)}


def measure(options, study):
    variants = list(study(options))
    costs = [[] for _ in variants]
    for _ in range(options.rounds):
        for seen, (_, arguments, symbols) in zip(costs, variants):
            seen.append(cost(options.program, *arguments, **symbols))
    for ((name, variant), arguments, _), seen in zip(variants, costs):
        times = [ms for ms, _ in seen]
        copies = arguments[4] if len(arguments) > 4 else 1
        middle = statistics.median(times)
        yield [name, variant, f"{middle:.1f} [{min(times):.1f}, {max(times):.1f}]",
               f"{copies * 1000 / middle:.2f}", f"{seen[0][1] / MIB:.1f}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--studies", default=",".join(STUDIES))
    options = parser.parse_args()
    options.cores = len(os.sched_getaffinity(0))
    for name in options.studies.split(","):
        if name not in STUDIES:
            parser.error(f"--studies: {name!r} is not one of {', '.join(STUDIES)}")
        print(f"\n{name}, {options.rounds} rounds\n")
        print("| | | ms an iteration | iterations/s of all | MiB of a trial |\n|---|---|---|---|---|")
        for row in measure(options, STUDIES[name]):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
