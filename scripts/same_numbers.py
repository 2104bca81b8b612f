"""Whether two builds of the program train to the same bits: same_numbers.py OLD NEW [--only WORD].

For a change that should move no number. Each arm below is trained by both for a few iterations on a text
made here; their weights and every logged loss must be equal. What only one of them logs is left out. Exit
code 1 if an arm differs.
"""

import argparse
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from kconfig_texts import lists_of_whole_numbers

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BASE = {
    "EXPERIMENT_NAME": "same", "RA_MLA_ABLATION_MODE": "n", "SEEDS": "1", "DATASET": "text", "DEVICE": "cpu",
    "THREADS": "1", "PARALLEL_TRIALS": "1", "GPT2_N_LAYER": "3", "GPT2_N_HEAD": "4", "GPT2_N_EMBD": "48",
    "GPT2_BLOCK_SIZE": "32", "GPT2_VOCAB_SIZE": "80", "GPT2_DROPOUT": "0.0", "GPT2_BIAS": "n",
    "RA_MLA_LATENT_DIM": "16", "RA_MLA_MLP_GATE_DIM": "8", "GPT2_MAX_ITERS": "16", "GPT2_BATCH_SIZE": "4",
    "GPT2_GRADIENT_ACCUMULATION": "2", "GPT2_WARMUP_STEPS": "4", "GPT2_EVAL_INTERVAL": "8",
    "GPT2_EVAL_SAMPLES": "16", "GPT2_LOG_INTERVAL": "1", "SPAM_INTERVAL": "8", "SPAM_WARMUP_STEPS": "3",
}  # fmt: skip
OFF = {"RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n", "RA_MLA_MLP_LATENT_RECIP": "n"}
GATE = {**OFF, "RA_MLA_MLP_ATTN_GATE": "y"}
CROSS = {**GATE, "RA_MLA_MLP_CROSS_TOKEN": "y"}
ALL = {}
ARMS = {
    "mla": OFF, "gate": GATE, "gate+cross": CROSS, "all": ALL,
    "mha": {**OFF, "ENABLE_RA_MLA": "n"}, "mha+gate+cross": {**CROSS, "ENABLE_RA_MLA": "n"},
    "reciprocal": {**OFF, "RA_MLA_RA_ALPHA": "0.3", "RA_MLA_RA_WINDOW": "9"},
    "all+reciprocal": {"RA_MLA_RA_ALPHA": "0.3", "RA_MLA_RA_WINDOW": "9"},
    "untied": {"RA_MLA_MLP_TYING_MODE": "untied"},
    "untied through 12": {"RA_MLA_MLP_TYING_MODE": "untied", "RA_MLA_MLP_LATENT_DIM": "12"},
    "per_head_scalar": {"RA_MLA_MLP_TYING_MODE": "per_head_scalar"},
    "shared": {"RA_MLA_SHARED_KV": "y", "RA_MLA_PER_HEAD_Q_LATENT": "n", "RA_MLA_PER_HEAD_V_UP": "n"},
    "by head": {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE": "n"},
    "rms": {"RA_MLA_MLP_SPARSE_MODE": "rms"},
    "dense rows": {"RA_MLA_MLP_SPARSE_MODE": "none", "RA_MLA_MLP_GATE_POOL": "token"},
    "rank 6": {"RA_MLA_MLP_CROSS_RANK": "6", "RA_MLA_MLP_CROSS_DETACH": "y"},
    "biases, untied head": {"GPT2_BIAS": "y", "GPT2_WEIGHT_TYING": "n", "GPT2_ACTIVATION": "gelu_tanh"},
    "hybrid": {"NORM_PLACEMENT": "hybrid"}, "post": {"NORM_PLACEMENT": "post", "OPTIMIZER": "adamw"},
    "no attention": {**OFF, "GPT2_ATTENTION": "n"}, "no mlp": {**OFF, "MLP_EXPANSION": "0"},
}  # fmt: skip
WAYS = {"": {}, ", dropout": {"GPT2_DROPOUT": "0.1"}, ", recompute": {"RECOMPUTE": "y"}}
IN_EVERY_WAY = ("mla", "mha", "all", "untied", "all+reciprocal")


def runs():
    for name, settings in ARMS.items():
        for dtype in ("float32", "bfloat16"):
            for way, more in WAYS.items():
                if not way or name in IN_EVERY_WAY:
                    yield f"{name}, {dtype}{way}", {**BASE, **settings, **more, "DTYPE": dtype}


def symbol_types():
    """{symbol: "bool", "int" or "string"} of the menu; a choice counts as its string."""
    types = {}
    for path in glob.glob(os.path.join(SOURCE, "src", "**", "*Kconfig"), recursive=True):
        with open(path, encoding="utf-8") as file:
            types.update(re.findall(r"^config (\w+)\n\t(bool|int|string)", file.read(), re.MULTILINE))
    return types


def config_text(settings):
    """A .config: in a file, what an arm doesn't read is no mistake, as it is on the command line."""
    types, lines = symbol_types(), []
    for name, value in settings.items():
        if types[name] == "bool" and value == "n":
            lines.append(f"# CONFIG_{name} is not set\n")
        else:
            # Without quotes, a number for all layers is understood by programs that knew no lists of them.
            quoted = types[name] == "string" and name not in lists_of_whole_numbers()
            quote = '"' if quoted else ""
            lines.append(f"CONFIG_{name}={quote}{value}{quote}\n")
    return "".join(lines)


def train(program, folder, settings):
    """The trial's summary and rows."""
    os.makedirs(folder, exist_ok=True)
    config = os.path.join(folder, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write(config_text(settings))
    command = [program, "run", "--results", folder, "--config", config]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{program} ended with {done.returncode}:\n{done.stderr}{done.stdout}")
    (trial,) = glob.glob(f"{folder}/same/trials/*")
    with open(f"{trial}/summary.json", encoding="utf-8") as file:
        summary = json.load(file)
    with open(f"{trial}/metrics.jsonl", encoding="utf-8") as file:
        return summary, [json.loads(line) for line in file]


def difference(old, new):
    """"" or the first thing that differs."""
    (summary, rows), (new_summary, new_rows) = old, new
    clock = {"ms", "tokens_per_s", "mfu", "mfu_nanogpt", "tokens_per_s_rank", "communication_share"}
    kinds = {row["kind"] for row in rows} & {row["kind"] for row in new_rows}
    pairs = zip(*([row for row in some if row["kind"] in kinds] for some in (rows, new_rows)), strict=True)
    for row, new_row in pairs:
        for key in sorted(row.keys() & new_row.keys() - clock):
            if row[key] != new_row[key]:
                return f"iteration {row['iteration']}: {row['kind']}, {key} {row[key]} -> {new_row[key]}"
    for key in ("val_loss", "weights_sha256"):
        if summary[key] != new_summary[key]:
            return f"{key} {summary[key]} -> {new_summary[key]}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--only", default="", help="the arms whose name has this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kablate-same-") as folder:
        draw = random.Random(1)
        letters = [chr(33 + i) for i in range(70)]
        text = os.path.join(folder, "text")
        with open(text, "w", encoding="utf-8") as file:
            file.write("".join(draw.choice(letters[: draw.randint(2, 70)]) for _ in range(20000)))

        def compare(item):
            number, (name, settings) = item
            settings = {**settings, "DATA_PATH": text}
            ends = [
                train(program, os.path.join(folder, f"{side}{number}"), settings)
                for side, program in (("old", options.old), ("new", options.new))
            ]
            return name, difference(*ends)

        chosen = [(i, run) for i, run in enumerate(runs()) if options.only in run[0]]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(compare, chosen))
    differing = [(name, what) for name, what in found if what]
    for name, what in differing:
        print(f"{name}: {what}")
    print(f"{len(found) - len(differing)} of {len(found)} arms are equal to the bit")
    return 1 if differing or not found else 0


if __name__ == "__main__":
    sys.exit(main())
