"""A results tree of thousands of trials, and what it takes to look at it: a table of docs/performance.md.

    many_trials.py --program build/kablate --to FOLDER [--steps 10] [--seeds 1000] [--evaluations 20]

One tiny trial of each step is trained by the program. Those of the other seeds are copies in which the key,
the seed, the losses, the hashes of what was trained on and a weight are changed, with all sums of FORMAT.md
anew, so that the program takes each as a finished trial of its plan. They are for looking at: `verify` would
find that no training gives their numbers. What lies there of an earlier call is kept as long as it is of the
same program and configuration.

Then `plan`, `status` (where the program has it), `list`, `report` and `run` are called, twice each: seconds
and the most memory of the second call, files in the system's cache; and the sizes of what `report` writes.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time

EXPERIMENT = "many"
UPDATES = 2  # between two evaluations


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def draw(*of):
    """A number from -1 to 1 that hangs on `of` alone."""
    return random.Random(repr(of)).uniform(-1, 1)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def configure(options):
    """The configuration, its text and its plan: a gate with another weight in each arm."""
    words = "the king and queen of a land sea wind moon stone bird light dark".split()
    number = random.Random(1)
    write(f"{options.to}/text", " ".join(number.choice(words) for _ in range(4000)) + "\n")
    values = {
        "EXPERIMENT_NAME": f'"{EXPERIMENT}"', "DATASET_TEXT": "y", "DATA_PATH": f'"{options.to}/text"',
        "GPT2_N_LAYER": 2, "GPT2_N_HEAD": 2, "GPT2_N_EMBD": 8, "GPT2_BLOCK_SIZE": 16, "GPT2_VOCAB_SIZE": 30,
        "GPT2_DROPOUT": '"0.0"', "RA_MLA_LATENT_DIM": 4, "RA_MLA_MLP_GATE_DIM": 4, "GPT2_BATCH_SIZE": 2,
        "GPT2_GRADIENT_ACCUMULATION": 1, "GPT2_MAX_ITERS": UPDATES * options.evaluations,
        "GPT2_WARMUP_STEPS": 2, "GPT2_EVAL_INTERVAL": UPDATES, "GPT2_EVAL_SAMPLES": 4,
        "GPT2_LOG_INTERVAL": UPDATES, "DEVICE_CPU": "y", "THREADS": 1, "PARALLEL_TRIALS": os.cpu_count()}
    write(f"{options.to}/config", "".join(f"CONFIG_{name}={value}\n" for name, value in values.items()))
    off = "RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n"
    lines = ["name: many trials", "baseline: 0", "steps:", f"  0: {{set: {{{off}}}}}"]
    for step in range(1, options.steps):
        on = off.replace("GATE: n", "GATE: y")
        lines.append(f"  {step}: {{set: {{{on}, RA_MLA_MLP_GATE_ALPHA: {step / options.steps}}}}}")
    write(f"{options.to}/plan.yaml", "\n".join(lines) + "\n")


def command(options, name, seeds):
    return [options.program, name, "--config", f"{options.to}/config", "--plan", f"{options.to}/plan.yaml",
            "--results", f"{options.to}/results", "--seeds", seeds]


def changed_key(text, seed):
    lines = text.decode().splitlines(keepends=True)
    for name in ("DATA_SEED", "seed"):
        place = lines.index(f"{name} = 1\n")
        lines[place] = f"{name} = {seed}\n"
    return "".join(lines).encode()


def changed_row(line, step, seed, iterations):
    """The losses drift from those of seed 1, more with every iteration; the validation split stays."""
    row = json.loads(line)
    part = row["iteration"] / iterations
    drift = part * (0.02 * draw(seed) + 0.005 * draw(step, seed))
    for name in ("loss", "train_loss", "val_loss"):
        if name in row:
            row[name] += drift
    if row["kind"] == "train":
        row["tokens"] = sha256(f"{row['tokens']} {seed}".encode())[:16]
    return row


def copy_trial(source, target, step, seed, key_text):
    """Writes the files of another seed (FORMAT.md), DONE last."""
    files = {name: read(f"{source}/{name}") for name in os.listdir(source)}
    del files["DONE"]
    summary = json.loads(files["summary.json"])
    rows = [changed_row(line, step, seed, summary["iterations"])
            for line in files["metrics.jsonl"].splitlines()]
    files["key.txt"] = key_text
    files["metrics.jsonl"] = "".join(
        json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows).encode()
    weight = struct.pack("<f", 0.01 * draw(step, seed))
    files["weights.safetensors"] = files["weights.safetensors"][:-4] + weight
    weights = sha256(files["weights.safetensors"])
    files["weights.sha256"] = f"{weights}  weights.safetensors\n".encode()
    end = [row for row in rows if row["kind"] == "eval"][-1]
    summary.update(seed=seed, key=sha256(key_text), weights_sha256=weights, pid=summary["pid"] + seed,
                   metrics_sha256=sha256(files["metrics.jsonl"]),
                   train_loss=end["train_loss"], val_loss=end["val_loss"])
    files["summary.json"] = (json.dumps(summary, indent=2, sort_keys=True) + "\n").encode()
    os.makedirs(target)
    for name, content in files.items():
        write(f"{target}/{name}", content)
    sums = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    write(f"{target}/DONE", "# kablate trial 2\n" + sums)


def make_tree(options):
    os.makedirs(options.to, exist_ok=True)
    configure(options)
    folder = f"{options.to}/results/{EXPERIMENT}"
    subprocess.run(command(options, "run", "1"), check=True, stdout=subprocess.DEVNULL)
    trials = f"{folder}/trials"
    for name in sorted(os.listdir(trials)):
        step, seed = name.split("-")[0].removeprefix("step"), name.rsplit(".seed")[1].split(".")[0]
        if seed != "1":
            continue
        key_text = read(f"{trials}/{name}/key.txt")
        for other in range(2, options.seeds + 1):
            changed = changed_key(key_text, other)
            target = f"{trials}/{name.rsplit('.seed')[0]}.seed{other}.{sha256(changed)[:12]}"
            if not os.path.exists(f"{target}/DONE"):
                shutil.rmtree(target, ignore_errors=True)
                copy_trial(f"{trials}/{name}", target, int(step), other, changed)
    # The program writes plan.json for all seeds; it trains nothing, or these were no copies as planned.
    planned = subprocess.run([*command(options, "plan", f"1-{options.seeds}"), "--json"], check=True,
                             stdout=subprocess.PIPE)
    actions = [trial["action"] for trial in json.loads(planned.stdout)["trials"]]
    if set(actions) != {"skip"}:
        count = len(actions) - actions.count("skip")
        sys.exit(f"many_trials.py: {count} of {len(actions)} trials would be trained: the copies are wrong")
    subprocess.run(command(options, "run", f"1-{options.seeds}"), check=True, stdout=subprocess.DEVNULL)


def measure(arguments):
    """Seconds and MiB of a call."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"many_trials.py: {' '.join(arguments)}: ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024


def commands_of(program):
    text = subprocess.run([program, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--to", required=True, help="folder for what is made")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, default=20)
    options = parser.parse_args()
    options.program, options.to = os.path.abspath(options.program), os.path.abspath(options.to)
    make_tree(options)
    results = f"{options.to}/results"
    folder = f"{results}/{EXPERIMENT}"
    calls = {"plan": [*command(options, "plan", f"1-{options.seeds}"), "--no-measure"],
             "status": [options.program, "status", folder],
             "list": [options.program, "list", "--results", results],
             "report": [options.program, "report", folder],
             "run": command(options, "run", f"1-{options.seeds}")}  # of what is finished: the table
    known = commands_of(options.program)
    print(f"{options.steps} steps x {options.seeds} seeds, {options.evaluations} evaluations\n")
    print("| command | seconds | MiB |\n|---|---:|---:|")
    for name, arguments in calls.items():
        if name not in known:
            continue
        measure(arguments)
        seconds, mib = measure(arguments)
        print(f"| {name} | {seconds:.2f} | {mib:.0f} |", flush=True)
    for name in ("report.html", "report.md", "report.csv"):
        print(f"{name}: {os.path.getsize(f'{folder}/{name}') / 1000:.0f} KB")


if __name__ == "__main__":
    main()
