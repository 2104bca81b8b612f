"""A plan that lies anywhere: --plan, and ABLATION_PLAN with a path."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest  # noqa: E402

PLAN = """name: anywhere
baseline: 0
each: [RA_MLA_MLP_ATTN_GATE, {RA_MLA_LATENT_DIM: 16}]
"""
NAMES = ["mla", "gate", "mla RA_MLA_LATENT_DIM=16"]
OFF = {"RA_MLA_ABLATION_MODE": "y", "RA_MLA_MLP_CROSS_TOKEN": "n", "RA_MLA_MLP_LATENT_RECIP": "n"}


class PlanFile(ProgramTest):
    symbols = OFF

    def names(self, *arguments, **symbols):
        plan = json.loads(self.done("plan", "--json", "--no-measure", *arguments, **symbols).stdout)
        return [step["name"] for step in plan["steps"]]

    def test_is_found_from_the_current_folder(self):
        self.write("mine.yaml", PLAN)
        self.assertEqual(self.names("--plan", "mine.yaml"), NAMES)
        self.assertEqual(self.names("--plan", "./mine.yaml"), NAMES)
        self.assertEqual(self.names(ABLATION_PLAN="mine.yaml"), NAMES)
        self.configure(ABLATION_PLAN=f'"{self.path("mine.yaml")}"')
        self.assertEqual(self.names(), NAMES)
        self.assertEqual(self.names("--plan", "ra-mla", "--steps", "0,1"), ["mla", "gate"])

    def test_is_not_needed_any_more_once_it_was_run(self):
        plan = self.write("mine.yaml", PLAN)
        self.done("run", "--plan", plan, "--steps", "0,1")
        self.done("noise", "--plan", plan, "--fresh", "4")
        os.remove(plan)
        table = self.done("report", self.path("results", "small")).stdout
        self.assertIn("gate", table)
        self.done("verify", self.path("results", "small"), "--no-retrain")
        trial = sorted(os.listdir(self.path("results", "small", "trials")))[0]
        self.done("rerun", self.path("results", "small", "trials", trial))


if __name__ == "__main__":
    unittest.main()
