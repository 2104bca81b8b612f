"""Times an iteration of our steps and of peer.py's, in turn, on the same shapes, and prints the ratios.

    bench.py --program build/kablate --peer-python VENV/bin/python [--rounds N] [--shapes small,medium]
             [--steps mha,0,1,2,3]

Every figure is of a process of its own that has the machine for itself: the median of its iterations. A round
runs each program once; a ratio is taken within a round, so that what the machine does in the meantime meets
both sides. Printed are medians over rounds with the least and the most.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

SHAPES = {
    "small": {"layers": 4, "heads": 4, "width": 128, "context": 64, "batch": 12, "latent": 32,
              "iterations": 60},
    "medium": {"layers": 6, "heads": 6, "width": 384, "context": 256, "batch": 8, "latent": 128,
               "iterations": 8},
}
VOCABULARY = 80  # of the prepared plays
SWITCHES = ("RA_MLA_MLP_ATTN_GATE", "RA_MLA_MLP_CROSS_TOKEN", "RA_MLA_MLP_LATENT_RECIP")
STEPS = {"mha": 0, "0": 0, "1": 1, "2": 2, "3": 3}  # how many of the switches are on
PROGRAMS = ("bfloat16", "float32", "published", "careful")
RATIOS = (("published", "bfloat16"), ("careful", "bfloat16"), ("published", "float32"))


def config_text(shape, step, dtype):
    values = {"GPT2_N_LAYER": shape["layers"], "GPT2_N_HEAD": shape["heads"], "GPT2_N_EMBD": shape["width"],
              "GPT2_BLOCK_SIZE": shape["context"], "GPT2_BATCH_SIZE": shape["batch"],
              "RA_MLA_LATENT_DIM": shape["latent"], "GPT2_VOCAB_SIZE": VOCABULARY,
              "GPT2_GRADIENT_ACCUMULATION": 1,
              "GPT2_DROPOUT": '"0.0"', "OPTIMIZER": '"adamw"', "DTYPE": f'"{dtype}"', "ADAM_BETA2": '"0.99"',
              "DATASET": '"shakespeare"'}
    flags = {"ENABLE_RA_MLA": step != "mha", "GPT2_BIAS": False}
    flags.update({name: place < STEPS[step] for place, name in enumerate(SWITCHES)})
    lines = [f"CONFIG_{name}={value}" for name, value in values.items()]
    lines += [f"CONFIG_{name}=y" if on else f"# CONFIG_{name} is not set" for name, on in flags.items()]
    return "\n".join(lines) + "\n"


def output_of(command):
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def time_ours(options, shape, step, dtype):
    with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
        file.write(config_text(shape, step, dtype))
        file.flush()
        command = [options.program, "time", "--config", file.name, "--threads", str(options.threads),
                   "--iterations", str(shape["iterations"])]
        return float(output_of(command))


def time_peer(options, shape, step, kind):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
    command = [options.peer_python, script, "--kind", kind, "--step", step, "--vocabulary", str(VOCABULARY),
               "--threads", str(options.threads)]
    for name, value in shape.items():
        command += ["--" + name, str(value)]
    return float(output_of(command).split()[0])


def spread(values, digits):
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def measure(options, shape, step):
    rounds = []
    for _ in range(options.rounds):
        rounds.append({name: time_ours(options, shape, step, name) if name in ("bfloat16", "float32")
                       else time_peer(options, shape, step, name) for name in PROGRAMS})
    cells = [spread([times[name] for times in rounds], 1) for name in PROGRAMS]
    cells += [spread([times[slow] / times[fast] for times in rounds], 2) for slow, fast in RATIOS]
    return cells


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--steps", default=",".join(STEPS))
    options = parser.parse_args()
    for given, known in ((options.shapes, SHAPES), (options.steps, STEPS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"{name!r} is not one of {', '.join(known)}")
    return options


def main():
    options = parse()
    print(f"ms an iteration, {options.threads} threads, {options.rounds} rounds: median [least, most]\n")
    heads = ["shape", "step", "ours bfloat16", "ours float32", "published", "careful"]
    heads += [f"{slow} / ours {fast}" for slow, fast in RATIOS]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for shape in options.shapes.split(","):
        for step in options.steps.split(","):
            print("| " + " | ".join([shape, step] + measure(options, SHAPES[shape], step)) + " |", flush=True)


if __name__ == "__main__":
    main()
