"""Times decoding a GPT-2 from its cache, ours and transformers' (decode_peer.py) in turn, and prints the
ratios.

    decode.py --program build/kablate --peer-python VENV/bin/python [--rounds N] [--contexts 64,256,1024]
              [--threads N] [--dtype float32|bfloat16] [--layers N --heads N --width N --vocabulary N]

One sequence, greedy, by default on one thread. Every figure is of a process of its own: the median of its
steps. A round runs each program once; a ratio is taken within a round. Printed are medians over rounds
with the least and the most. Both models have biases, GELU by its tanh approximation, learned positions and
a tied head, and the same number of parameters, or this says so and ends. PyTorch and transformers must be
installed for that Python.
"""
import argparse
import json
import os
import sys
import tempfile

from bench import spread
from ours import DECODE_TIMED, DECODE_WARMUP, config_text, output_of, parameters, start

KINDS = ("generate", "loop")


def our_config(options, context):
    shape = {"layers": options.layers, "heads": options.heads, "width": options.width, "batch": 1,
             "latent": 1, "context": context + DECODE_WARMUP + DECODE_TIMED}
    symbols = {"GPT2_ACTIVATION": "gelu_tanh", "GPT2_BIAS": "y", "GPT2_VOCAB_SIZE": options.vocabulary,
               "THREADS": options.threads}
    return config_text(shape, "mha", options.dtype, **symbols)


def ours(options, context):
    """(milliseconds of a step, seconds to fill the cache)"""
    with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
        file.write(our_config(options, context))
        file.flush()
        command = [os.path.abspath(options.program), "bench-decode", "--config", file.name, "--steps", "0",
                   "--contexts", str(context), "--json"]
        row, = json.loads(output_of(start(command)))["rows"]
    return row["ms_per_token"], row["fill_seconds"]


def theirs(options, context, kind, expected):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decode_peer.py")
    command = [options.peer_python, script, "--kind", kind, "--context", str(context)]
    for name in ("layers", "heads", "width", "vocabulary", "threads", "dtype"):
        command += ["--" + name, str(getattr(options, name))]
    ms, fill, count = output_of(start(command)).split()
    if int(count) != expected:
        sys.exit(f"The program's model has {expected} parameters, transformers' {count}: not one model.")
    return float(ms), float(fill)


def measure(options, context):
    count, rounds = parameters(options.program, our_config(options, context)), []
    for _ in range(options.rounds):
        rounds.append({"ours": ours(options, context),
                       **{kind: theirs(options, context, kind, count) for kind in KINDS}})
    names = ("ours", *KINDS)
    cells = [f"{count:,}"] + [spread([times[name][0] for times in rounds], 3) for name in names]
    cells += [spread([times[kind][0] / times["ours"][0] for times in rounds], 2) for kind in KINDS]
    return cells + [spread([times[name][1] for times in rounds], 2) for name in ("ours", "loop")]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--contexts", default="64,256,1024")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    for name, value in (("rounds", 3), ("threads", 1), ("layers", 6), ("heads", 6), ("width", 384),
                        ("vocabulary", 50257)):
        parser.add_argument("--" + name, type=int, default=value)
    return parser.parse_args()


def main():
    options = parse()
    print(f"ms a token, {options.layers} layers, {options.width} wide, vocabulary {options.vocabulary:,}, "
          f"{options.dtype}, one sequence, threads: {options.threads}, rounds: {options.rounds}; "
          "median [least, most]\n")
    heads = ["context", "parameters of each", "ours", *KINDS, *(f"{kind} / ours" for kind in KINDS),
             "s to fill the cache: ours", "theirs"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for context in options.contexts.split(","):
        print("| " + " | ".join([context] + measure(options, int(context))) + " |", flush=True)


if __name__ == "__main__":
    main()
