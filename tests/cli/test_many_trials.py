"""bench/many_trials.py: its copies are trials to the program, and differ from seed to seed."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import PATIENCE, ProgramTest, read_json, read_text  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "bench", "many_trials.py")


class ManyTrials(ProgramTest):
    def test_of_two_steps(self):
        size = ["--steps", "2", "--seeds", "4", "--evaluations", "3"]
        ended = subprocess.run(
            [sys.executable, SCRIPT, "--program", os.environ["KABLATE"], "--to", self.path("many"), *size],
            capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("| report |", ended.stdout)
        row = self.table(results="many/results", experiment="many")[1]
        self.assertEqual((row["status"], row["seeds"], row["delta_seeds"], row["pairing"]),
                         ("done", "4", "4", "paired"))
        self.assertNotIn("damaged", read_text(self.path("many", "results", "many", "report.md")))
        trials = self.trials(results="many/results", experiment="many").values()
        summaries = [read_json(trial, "summary.json") for trial in trials]
        for key in ("val_loss", "weights_sha256", "metrics_sha256", "key"):
            self.assertEqual(len({summary[key] for summary in summaries}), 8, key)


if __name__ == "__main__":
    unittest.main()
