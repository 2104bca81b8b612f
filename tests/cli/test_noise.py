"""`noise`: the baseline on fresh seeds, beside the experiment's own plan."""

import math
import os
import re
import statistics
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, metrics, read_bytes, read_json  # noqa: E402


class Noise(ProgramTest):
    def noise(self, *arguments, code=0, **options):
        return self.done("noise", "--fresh", "4", *arguments, code=code, **options)

    def test_beside_a_plan(self):
        self.done("run", "--steps", "0,1")
        planned = self.trials()
        plan = read_bytes(self.path("results", "small", "plan.json"))
        ended = self.noise()

        with self.subTest("what it trains and stores"):
            trials = self.trials()
            self.assertEqual(sorted(set(trials) - set(planned)), [(0, seed) for seed in range(1001, 1005)])
            noise = read_json(self.path("results", "small", "noise.json"))
            losses = [metrics(trials[0, seed])[-1]["val_loss"] for seed in range(1001, 1005)]
            self.assertEqual((noise["seeds"], noise["val_losses"]), ([1001, 1002, 1003, 1004], losses))
            sd = statistics.stdev(losses)
            self.assertAlmostEqual(noise["sd"], sd, 12)
            # chi-squared with 3 degrees of freedom: 0.215795 and 9.348404 at 2.5 and 97.5 %
            self.assertAlmostEqual(noise["sd_low"], sd * math.sqrt(3 / 9.348403604496145), 12)
            self.assertAlmostEqual(noise["sd_high"], sd * math.sqrt(3 / 0.21579528262389788), 12)
            first, second = losses[0] - losses[2], losses[1] - losses[3]
            t = (first + second) / 2 / (abs(first - second) / 2)  # one degree of freedom: p < .05 at 12.706
            self.assertEqual((noise["comparisons"], noise["pairs"], noise["rejected"]),
                             (1, 2, int(abs(t) > 12.706204736432095)))
            self.assertRegex(ended.stdout, rf"sd {sd:.5f} \(95 % interval {noise['sd_low']:.5f} to ")
            self.assertIn(f"A/A: {noise['rejected']} of 1 rejected (allowed 1)", ended.stdout)
            self.assertRegex(ended.stdout, r"(?m)^ +8  1\.45  0\.\d{4}$")

        with self.subTest("the experiment's plan and table stand"):
            self.assertEqual(read_bytes(self.path("results", "small", "plan.json")), plan)
            ended = self.done("report", self.path("results", "small"))
            self.assertEqual(sorted(self.table()), [0, 1])
            self.assertIn("4 other trial folder(s)", ended.stdout)
            self.done("verify", self.path("results", "small"), "--steps", "0")

        with self.subTest("nothing trains twice, here or as planned"):
            self.assertNotIn("started as process", self.noise().stderr)
            ended = self.done("run", "--steps", "0", "--seeds", "1002")
            self.assertNotIn("started as process", ended.stderr)
            ended = self.noise(SEEDS="1,1001")
            started = re.findall(r"step (\d) \S+, seed (\d+): started", ended.stderr)
            self.assertEqual(started, [("0", "1005")])

    def test_planted_harm(self):
        """At once, the model has learnt nothing: the harm is trained beside it and not found."""
        ended = self.noise("--planted-harm", "1", RA_MLA_ABLATION_MODE="n", RA_MLA_MLP_ATTN_GATE="n",
                           RA_MLA_MLP_CROSS_TOKEN="n", RA_MLA_MLP_LATENT_RECIP="n", GPT2_LEARNING_RATE="1e-9",
                           GPT2_MIN_LR="1e-9", code=1)
        self.assertIn("planted harm: 0 of 1 found", ended.stdout)
        self.assertEqual(re.findall(r"step 0 no-attention, seed (\d+): started", ended.stderr),
                         ["1001", "1002"])
        self.assertFalse(os.path.exists(self.path("results", "small", "plan.json")))

    def test_bad_input(self):
        self.assert_all_refused([
            (("noise", "--fresh", "3"), "--fresh", '"3"', ">= 4"),
            (("noise", "--fresh", "8", "--pairs", "5"), "--fresh = 8", "5 pairs", "--pairs"),
            (("noise", "--pairs", "1"), "--pairs", '"1"', ">= 2"),
            (("noise", "--planted-harm", "5"), "--planted-harm = 5", "at most 4"),
        ])


if __name__ == "__main__":
    unittest.main()
