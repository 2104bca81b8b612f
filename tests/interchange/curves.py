"""What the tests of curves in other programs share: the curves of metrics.jsonl by the names that
docs/trackers.md gives them, and a trial that is killed."""

import glob
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from support import ProgramTest, TrainedOnce, metrics, read_json  # noqa: E402

GROUPS = {"clipped_elements": "optimizer", "spikes": "optimizer", "resets": "optimizer", "ms": "speed",
          "tokens_per_s": "speed", "mfu": "speed", "mfu_nanogpt": "speed"}
NO_NUMBERS = ("kind", "iteration", "block", "tokens", "terms")


def name_of(row, key):
    if row["kind"] == "mechanisms":
        return f"{key}/block{row['block']}"
    if row["kind"] == "eval":
        split, _, measure = key.partition("_")
        return f"{measure}/{'val' if split == 'val' else 'train_eval'}"
    if key == "loss" or key in row.get("terms", {}):
        return f"{key}/train"
    return f"{GROUPS[key]}/{key}" if key in GROUPS else key


def expected(trial):
    """{name: [(iteration, value)]} of a trial's metrics.jsonl."""
    curves = {}
    for row in metrics(trial):
        numbers = {key: value for key, value in row.items() if key not in NO_NUMBERS and value is not None}
        for key, value in (numbers | row.get("terms", {})).items():
            curves.setdefault(name_of(row, key), []).append((row["iteration"], value))
    return curves


def training_seconds(trial):
    """The time that the iterations of metrics.jsonl took."""
    seconds, updates = 0, 0
    for row in metrics(trial):
        if row["kind"] == "train":
            seconds += (row["iteration"] + 1 - updates) * row["ms"] / 1e3
            updates = row["iteration"] + 1
    return seconds


def run_name(trial):
    return os.path.basename(trial).rpartition(".")[0]


class Curves:
    """Adds to a test of the program: where an experiment lies, and a run that is killed in its middle."""

    long = {"GPT2_MAX_ITERS": 400, "GPT2_EVAL_INTERVAL": 40, "GPT2_EVAL_SAMPLES": 4}

    @property
    def experiment(self):
        return self.path("results", "small")

    def kill_in_the_middle(self):
        """Trains step 0 until it has saved and gone on; its folder."""
        run = self.start("run", "--steps", "0")

        def far():
            rows = [row for trial in self.trials().values() for row in metrics(trial)]
            return rows and rows[-1]["iteration"] > 100

        self.wait_for(far, run)
        trial, = self.trials().values()
        for claim in glob.glob(os.path.join(glob.escape(trial), "claim.*")):
            os.kill(read_json(claim)["pid"], signal.SIGKILL)
        self.end(run)
        self.assertFalse(os.path.exists(os.path.join(trial, "DONE")))
        return trial


__all__ = ["Curves", "ProgramTest", "TrainedOnce", "expected", "metrics", "read_json", "run_name",
           "training_seconds"]
