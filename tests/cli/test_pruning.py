"""Pruning from outside: what is 0 in a trial's weights, and what plan, log, summary and table say of it."""

import json
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import TrainedOnce, metrics, read_json, read_safetensors, read_text  # noqa: E402

WHOLE = ("transformer.wte.", "transformer.wpe.", "lm_head.")


def lost(shape, sparsity):
    return math.floor(sparsity * math.prod(shape))


class Pruned(TrainedOnce):
    symbols = {"PRUNE_MAGNITUDE": "y", "PRUNE_SPARSITY": '"0.7"', "PRUNE_BEGIN": 2, "PRUNE_END": 10,
               "PRUNE_INTERVAL": 4, "GPT2_MAX_ITERS": 12, "GPT2_LOG_INTERVAL": 1}
    run_arguments = ("--steps", "0,1")

    def maps(self, trial):
        tensors = read_safetensors(os.path.join(trial, "weights.safetensors"))
        found = {name: tensor for name, tensor in tensors.items()
                 if len(tensor[0]) > 1 and not name.startswith(WHOLE)}
        return tensors, found

    def test_every_map_has_lost_as_much(self):
        for trial in self.trials().values():
            tensors, maps = self.maps(trial)
            self.assertGreater(len(maps), 10)
            for name, (shape, values) in tensors.items():
                zeros = values.count(0.0)
                with self.subTest(name=name):
                    self.assertEqual(zeros, lost(shape, 0.7) if name in maps else 0)
            summary = read_json(trial, "summary.json")
            self.assertEqual(summary["sparsity"],
                             {name: lost(shape, 0.7) / math.prod(shape) for name, (shape, _) in maps.items()})
            self.assertEqual(summary["nonzero_parameters"], sum(
                len(values) - values.count(0.0) for _, values in tensors.values()))

    def test_the_log_says_when(self):
        """After update 2 nothing, after 6 seven eighths, after 10 all."""
        for trial in self.trials().values():
            _, maps = self.maps(trial)
            total = sum(math.prod(shape) for shape, _ in maps.values())
            for row in metrics(trial):
                if row["kind"] != "train":
                    continue
                update = row["iteration"] + 1
                sparsity = 0 if update < 6 else 0.7 * (1 - 0.5 ** 3) if update < 10 else 0.7
                expected = sum(lost(shape, sparsity) for shape, _ in maps.values()) / total
                self.assertAlmostEqual(row["sparsity"], expected, 12, update)

    def test_the_plan_expects_it_and_the_table_has_it(self):
        found = {step: read_json(trial, "summary.json")["nonzero_parameters"]
                 for (step, _), trial in self.trials().items()}
        plan = json.loads(self.done("plan", "--steps", "0,1", "--json").stdout)
        self.assertEqual({step["step"]: step["nonzero_parameters"] for step in plan["steps"]}, found)
        text = self.done("plan", "--steps", "0,1").stdout
        self.assertRegex(text, r"parameters +not 0 ")
        self.assertIn(f"{found[0]:,}", text)
        table = self.table()
        self.assertEqual({step: int(table[step]["nonzero_parameters"]) for step in found}, found)
        report = read_text(self.path("results", "small", "report.md"))
        self.assertIn("| not 0 |", report)
        self.assertIn(f"| {found[1]:,} |", report)

    def test_of_a_plan_that_does_not_prune_nothing_is_said(self):
        unpruned = {"PRUNE": "none"}
        plan = json.loads(self.done("plan", "--steps", "0", "--json", **unpruned).stdout)
        self.assertIsNone(plan["steps"][0]["nonzero_parameters"])
        self.assertIn("PRUNE_SPARSITY", plan["steps"][0]["unused"])
        self.assertNotIn("not 0", self.done("plan", "--steps", "0", **unpruned).stdout)
        self.done("run", "--steps", "0", results="other", **unpruned)
        self.assertNotIn("nonzero_parameters", self.table("other")[0])
        trial, = self.trials("other").values()
        self.assertNotIn("sparsity", metrics(trial)[0])
        self.assertNotIn("| not 0 |", read_text(self.path("other", "small", "report.md")))


if __name__ == "__main__":
    unittest.main()
