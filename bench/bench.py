"""Times an iteration of our steps and of peer.py's, in turn, on the same shapes, and prints the ratios.

    bench.py --program build/kablate --peer-python VENV/bin/python [--rounds N] [--shapes small,medium]
             [--steps mha,0,1,2,3,modern,gqa,deepseek,experts,experts-dense] [--query-latent N]
             [--device cpu|cuda]

Every figure is of a process of its own that has the machine for itself: the median of its iterations. A
round runs each program once; a ratio is taken within a round, so that what the machine does in the
meantime meets both sides. Printed are medians over rounds with the least and the most, and the number of
parameters, which must be the same in both programs. With --device cuda four columns more say how many GiB of
tensors each had at most. The shape gpt2, 124 million parameters and 16 x 1,024 tokens, is for a GPU and timed
where it is named. Steps mha to 3 are the ladder's; modern (multi-head), gqa (a quarter as many heads of keys)
and deepseek (latent attention of that form; --query-latent 0: its queries come from the input) have rotary
positions, RMSNorm and SwiGLU. In experts a token goes through two of four MLPs, and experts-dense has one
as wide as both: the ratio of their times is what sorting the tokens costs.
"""
import argparse
import os
import statistics
import sys

from ours import SHAPES, STEPS, VOCABULARY, config_text, cost, modern, output_of, parameters, start

PROGRAMS = ("bfloat16", "float32", "published", "careful")
RATIOS = (("published", "bfloat16"), ("careful", "bfloat16"), ("published", "float32"))


def time_peer(options, shape, step, kind, expected):
    """Milliseconds and GiB; ends the program where the model has not `expected` parameters."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
    command = [options.peer_python, script, "--kind", kind, "--step", step, "--device", options.device,
               "--threads", str(options.threads)]
    for name, value in {"vocabulary": VOCABULARY, **shape, **modern(shape, step)}.items():
        command += ["--" + name, str(value)]
    ms, mib, count = output_of(start(command)).split()
    if int(count) != expected:
        sys.exit(f"step {step}: the program's model has {expected} parameters, the {kind} kind of peer.py "
                 f"{count}: not one model.")
    return float(ms), float(mib) / 1024


def time_ours(options, shape, step, dtype):
    ms, most = cost(options.program, shape, step, dtype, options.threads, DEVICE=options.device)
    return ms, most / 2**30


def spread(values, digits):
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def measure(options, shape, step):
    rounds, count = [], parameters(options.program, config_text(shape, step, "float32"))
    for _ in range(options.rounds):
        rounds.append({name: time_ours(options, shape, step, name) if name in ("bfloat16", "float32")
                       else time_peer(options, shape, step, name, count) for name in PROGRAMS})
    cells = [f"{count:,}"]
    cells += [spread([costs[name][0] for costs in rounds], 1) for name in PROGRAMS]
    cells += [spread([costs[slow][0] / costs[fast][0] for costs in rounds], 2) for slow, fast in RATIOS]
    if options.device == "cuda":  # of a CPU each program counts something else
        cells += [spread([costs[name][1] for costs in rounds], 2) for name in PROGRAMS]
    return cells


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--shapes", default="small,medium")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--query-latent", type=int, default=0)
    options = parser.parse_args()
    for given, known in ((options.shapes, SHAPES), (options.steps, STEPS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"{name!r} is not one of {', '.join(known)}")
    return options


def main():
    options = parse()
    print(f"ms an iteration, {options.threads} threads, {options.rounds} rounds: median [least, most]\n")
    heads = ["shape", "step", "parameters of each", "ours bfloat16", "ours float32", "published", "careful"]
    heads += [f"{slow} / ours {fast}" for slow, fast in RATIOS]
    if options.device == "cuda":
        heads += ["GiB: ours bfloat16", "ours float32", "published", "careful"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for shape in options.shapes.split(","):
        sized = {**SHAPES[shape], "query-latent": options.query_latent}
        for step in options.steps.split(","):
            print("| " + " | ".join([shape, step] + measure(options, sized, step)) + " |", flush=True)


if __name__ == "__main__":
    main()
