"""make reproduce: trains what others have published on and says published | measured | verdict.

Each task is a preset of defconfigs/, a step of its plan and what of its results is held against what was
published. Without TASKS those run that take minutes; the others are listed with what they would cost, as
estimated. What was trained is not trained again. Exit code 1 where something published was not reached.
"""

import argparse
import csv
import os
import subprocess
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Task:
    name: str
    preset: str
    published: str  # with its source
    measure: str  # a column of report.csv
    least: float = None  # reached from here on
    most: float = None  # reached up to here
    step: int = None  # of the preset's plan; None: it has none
    cost: str = ""  # on 2 cores
    chosen: bool = False  # runs without being asked for
    symbols: dict = field(default_factory=dict)

    def reached(self, value):
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def condition(self):
        bounds = ((">=", self.least), ("<=", self.most))
        return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


ZOOLOGY = "arXiv 2312.04927"
MAD = "arXiv 2403.17844"


def mqar(context, pairs, width, batch, iterations, cost):
    return Task(f"mqar-{context}", "mqar", f"1.00 ({ZOOLOGY}, figure 2)", "val_accuracy_mean", least=0.99,
                step=0, cost=cost,
                symbols={"GPT2_BLOCK_SIZE": context, "MQAR_PAIRS": pairs, "GPT2_N_EMBD": width,
                         "GPT2_BATCH_SIZE": batch, "GPT2_MAX_ITERS": iterations})


def mad(dataset, published, least, cost, **symbols):
    return Task(f"mad-{dataset.replace('_', '-')}", "mad", f"{published} ({MAD})", "val_macro_accuracy_mean",
                least=least, cost=cost, symbols={"DATASET": dataset, "GPT2_VOCAB_SIZE": 0, **symbols})


TASKS = [
    Task("mqar", "mqar", f"1.00 ({ZOOLOGY}, figure 2)", "val_accuracy_mean", least=0.99, step=0,
         cost="18 min", chosen=True),
    Task("mqar-1-layer", "mqar", "a guess among the values, .25 (arXiv 2508.19029)", "val_accuracy_mean",
         least=0.2, most=0.3, step=1, cost="11 min", chosen=True),
    Task("h3-induction", "h3-induction", "> .97 (arXiv 2212.14052)", "val_accuracy_mean", least=0.97,
         cost="9 min", chosen=True),
    Task("h3-recall", "h3-recall", "> .97 (arXiv 2212.14052)", "val_accuracy_mean", least=0.97, cost="15 min",
         chosen=True),
    mqar(128, 8, 128, 512, 3920, "3 hours"),
    mqar(256, 16, 256, 256, 7820, "15 hours"),
    mqar(512, 64, 512, 128, 15640, "days"),
    mad("in_context_recall", ".941, .905", 0.905, "4.5 hours"),
    mad("noisy_recall", ".868, .897", 0.868, "4.5 hours", SYNTHETIC_VOCAB_SIZE=32),
    mad("fuzzy_recall", ".298 to .565, tables disagree", 0.298, "4.5 hours"),
    mad("selective_copy", ".959 to .998", 0.959, "10 hours", GPT2_BLOCK_SIZE=256),
    mad("memorization", ".788 to .852", 0.788, "1 min", GPT2_BLOCK_SIZE=32, SYNTHETIC_VOCAB_SIZE=256,
        SYNTHETIC_TRAIN=256, GPT2_MAX_ITERS=400, GPT2_EVAL_INTERVAL=100),
    mad("compression", ".432 to .516", 0.432, "1 hour", GPT2_BLOCK_SIZE=32, AUTOENCODER="y"),
]


class Unknown(Exception):
    """A name in TASKS that is none."""


def selected(names, tasks):
    """The tasks of these names, blanks or commas between them; "" are those that run by themselves."""
    wanted = names.replace(",", " ").split()
    if not wanted:
        return [task for task in tasks if task.chosen]
    if wanted == ["all"]:
        return list(tasks)
    known = {task.name: task for task in tasks}
    missing = [name for name in wanted if name not in known]
    if missing:
        raise Unknown(f"TASKS = {names}: {missing[0]} is no task; allowed: all, {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)]


def experiment(task):
    """Steps of one preset share a table."""
    return "reproduce-" + (task.preset if not task.symbols else task.name)


def command(task, program, source, results, more):
    line = [program, "run", "--config", os.path.join(source, "defconfigs", task.preset), "--results", results,
            "--set", f"EXPERIMENT_NAME={experiment(task)}"]
    if task.step is not None:
        line += ["--steps", str(task.step)]
    for symbol, value in {**task.symbols, **more}.items():
        line += ["--set", f"{symbol}={value}"]
    return line


def measured(task, results):
    """The mean over the step's seeds in report.csv; None where nothing finished."""
    path = os.path.join(results, experiment(task), "report.csv")
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if int(row["step"]) == (task.step or 0):
                return float(row[task.measure]) if row.get(task.measure) else None
    return None


def verdict(task, value):
    if value is None:
        return "NOT TRAINED"
    return "REACHED" if task.reached(value) else "NOT REACHED"


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def others(tasks, chosen):
    rest = [task for task in tasks if task not in chosen]
    if not rest:
        return ""
    return 'Not asked for (make reproduce TASKS="..." or all), with estimated cost on 2 cores:\n' + "\n".join(
        f"  {task.name:<24}{task.cost:<10}published {task.published}" for task in rest)


def reproduce(arguments, tasks=None):
    """The exit code."""
    tasks = TASKS if tasks is None else tasks
    try:
        chosen = selected(arguments.tasks, tasks)
    except Unknown as fault:
        print(f"make reproduce: {fault}", file=sys.stderr)
        return 2
    more = dict(pair.split("=", 1) for pair in arguments.set)
    rows = [["task", "published", "measured", "reached if", "verdict"]]
    code = 0
    for task in chosen:
        print(f"== {task.name} (estimated: {task.cost} on 2 cores)", flush=True)
        call = command(task, arguments.program, arguments.source, arguments.results, more)
        ended = subprocess.run(call, check=False)
        if ended.returncode in (2, 3):  # wrong input, or interrupted: the same command goes on
            return ended.returncode
        value = measured(task, arguments.results) if ended.returncode == 0 else None
        rows.append([task.name, task.published, "" if value is None else f"{value:.4f}", task.condition(),
                     verdict(task, value)])
        code = max(code, rows[-1][-1] != "REACHED")
    print("\n" + table(rows))
    if rest := others(tasks, chosen):
        print("\n" + rest)
    return int(code)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--results", default="results")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--set", action="append", default=[], metavar="SYMBOL=VALUE")
    return reproduce(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
