"""THREADS: the row that tests/model/every_symbol_test.cpp leaves to here: it takes the whole program."""

import json
import os
import subprocess
import tempfile
import unittest

SETTINGS = [
    "DATASET=text",
    "GPT2_N_LAYER=1",
    "GPT2_N_EMBD=8",
    "GPT2_N_HEAD=2",
    "GPT2_BLOCK_SIZE=8",
    "SEEDS=1",
    "RA_MLA_ABLATION_MODE=n",
    "RA_MLA_MLP_ATTN_GATE=n",
]


class Threads(unittest.TestCase):
    def planned(self, threads):
        """What `plan --json` says of a trial with THREADS=threads."""
        with tempfile.TemporaryDirectory() as folder:
            text = os.path.join(folder, "text")
            with open(text, "w", encoding="utf-8") as file:
                file.write("a text to learn, " * 50)
            command = [os.environ["KABLATE"], "plan", "--json", "--results", os.path.join(folder, "results")]
            for setting in [*SETTINGS, f"DATA_PATH={text}", f"THREADS={threads}"]:
                command += ["--set", setting]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def test_trials_of_another_number_of_threads_are_other_trials(self):
        one, two = (self.planned(threads)["trials"][0]["folder"] for threads in (1, 2))
        self.assertEqual(one, self.planned(1)["trials"][0]["folder"])
        self.assertNotEqual(one, two)

    def test_zero_is_left_to_a_measurement(self):
        self.assertIn("THREADS", self.planned(0)["undecided"])
        self.assertNotIn("undecided", self.planned(1))


if __name__ == "__main__":
    unittest.main()
