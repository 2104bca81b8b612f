"""`plan`: what it says before a run, held against what the run then does."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_json  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PUBLISHED = os.path.join(ROOT, "defconfigs", "gpt2-ra-mla-full")


class PlanTest(ProgramTest):
    def plan(self, *arguments, **symbols):
        return json.loads(self.done("plan", "--json", *arguments, **symbols).stdout)


class Published(PlanTest):
    """The defconfig of the published ladder (spec 7); it needs no data."""

    def steps(self, *arguments):
        plan = self.plan("--config", PUBLISHED, "--seeds", "1", *arguments)
        return {step["step"]: step for step in plan["steps"]}

    def test_counts(self):
        steps = self.steps("--set", "DATA_PATH=/nonexistent", "--set", "DATASET=text")
        self.assertEqual([steps[i]["parameters"] for i in range(6)],
                         [115001856, 117172992, 230419200, 235137792, 230419200, 235137792])
        self.assertEqual([steps[i]["name"] for i in range(4)], ["mla", "gate", "gate+cross", "all"])
        self.assertEqual([steps[i]["rerun_of"] for i in range(6)], [None, None, None, None, 2, 3])
        for step in steps.values():
            self.assertEqual(sum(step["parameters_by_part"].values()), step["parameters"])
        untied = self.steps("--steps", "3", "--set", "RA_MLA_MLP_TYING_MODE=untied",
                            "--set", "RA_MLA_MLP_LATENT_DIM=128")
        self.assertEqual(untied[3]["parameters"], 239643392)
        self.assertEqual(self.steps("--steps", "0", "--set", "ENABLE_RA_MLA=n")[0]["parameters"], 124475904)

    def test_decode_cache(self):
        """Spec 3, float32 in 12 blocks: 2L, with mechanism 2 also F, a token; G of each gate that is made."""
        steps = self.steps("--set", "RA_MLA_RA_ALPHA=0.5")
        per_token, fixed = "decode_cache_bytes_per_token", "decode_cache_bytes_fixed"
        self.assertEqual([steps[i][per_token] for i in range(4)],
                         [4 * 12 * n for n in (256, 256, 256 + 3072, 256 + 3072)])
        self.assertEqual([steps[i][fixed] - 4 * 12 * 64 * 768 for i in range(4)],
                         [4 * 11 * n for n in (0, 64, 64, 64)])
        half = self.steps("--steps", "0", "--set", "DTYPE=bfloat16", "--set", "RA_MLA_SHARED_KV=y")[0]
        self.assertEqual((half[per_token], half[fixed]), (2 * 12 * 128, 0))

    def test_text_says_the_same(self):
        text = self.done("plan", "--config", PUBLISHED, "--set", "RA_MLA_MLP_TYING_MODE=untied").stdout
        self.assertIn("6 steps x 3 seeds", text)
        self.assertIn("117,172,992", text)
        self.assertIn("step 0 reads nothing of: ", text)
        self.assertIn("expected time: unknown", text)


class Decisions(PlanTest):
    def actions(self, plan):
        return {(t["step"], t["seed"]): (t["action"], t["reason"]) for t in plan["trials"]}

    def test_why_and_for_how_long(self):
        before = self.plan("--steps", "0,2", GPT2_MAX_ITERS=14)
        self.assertEqual(self.actions(before), {(0, 1): ("run", ""), (2, 1): ("run", "")})
        self.assertEqual(before["expected_seconds"], "unknown")
        self.assertFalse(os.path.exists(self.path("results")), "plan has written something")
        self.done("run", "--steps", "0", GPT2_MAX_ITERS=14)
        ms = float(self.table()[0]["ms_per_iter"])
        after = self.plan("--steps", "0,2", "--seeds", "1,2", GPT2_MAX_ITERS=14)
        self.assertEqual(self.actions(after),
                         {(0, 1): ("skip", "done"), (2, 1): ("run", ""), (0, 2): ("run", ""),
                          (2, 2): ("run", "")})
        expected = [step["expected_seconds_per_trial"] for step in after["steps"]]
        self.assertAlmostEqual(expected[0], 14 * ms / 1000)
        self.assertEqual(expected[1], "unknown")
        only = self.plan("--steps", "0", "--seeds", "1-5", GPT2_MAX_ITERS=14)
        self.assertAlmostEqual(only["expected_seconds"], 4 * 14 * ms / 1000 / 2)
        changed = self.actions(self.plan("--steps", "0", GPT2_MAX_ITERS=15))[0, 1]
        self.assertEqual(changed[0], "run")
        self.assertIn("GPT2_MAX_ITERS 14 -> 15", changed[1])
        blocked = self.actions(self.plan("--steps", "1", RA_MLA_MLP_GATE_POOL="sequence"))[1, 1]
        self.assertEqual(blocked[0], "blocked")
        self.assertIn("RA_MLA_MLP_GATE_POOL", blocked[1])

    def test_measured_time(self):
        """--measure times what no run has recorded."""
        plan = self.plan("--measure", "--steps", "0")
        self.assertGreater(plan["steps"][0]["expected_seconds_per_trial"], 0)
        self.assertGreater(plan["expected_seconds"], 0)
        self.assertFalse(os.path.exists(self.path("results")))


class Memory(PlanTest):
    """The formula for tensor memory is within 15 % of what the allocator counts in the trial."""

    symbols = {"GPT2_N_LAYER": 3, "GPT2_N_HEAD": 4, "GPT2_N_EMBD": 64, "GPT2_BLOCK_SIZE": 64,
               "GPT2_BATCH_SIZE": 8,
               "GPT2_DROPOUT": '"0.0"', "RA_MLA_LATENT_DIM": 16, "RA_MLA_MLP_GATE_DIM": 16,
               "GPT2_EVAL_INTERVAL": 100,
               "GPT2_MAX_ITERS": 2}

    def test_is_what_is_measured(self):
        for steps, symbols in [
                ("0,3", {}),
                ("2", {"ENABLE_RA_MLA": "n", "OPTIMIZER": "adamw", "GPT2_N_LAYER": 2}),
                ("3", {"DTYPE": "bfloat16", "RA_MLA_MLP_TYING_MODE": "untied"}),
                ("0,3", {"GPT2_DROPOUT": "0.1", "GPT2_GRADIENT_ACCUMULATION": 2}),
                ("2", {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE": "n", "RA_MLA_MLP_SPARSE_MODE": "rms"}),
                ("0", {"GPT2_VOCAB_SIZE": 2000, "RA_MLA_RA_ALPHA": "0.5"})]:
            plan = self.plan("--steps", steps, **symbols)
            self.done("run", "--steps", steps, **symbols)
            table = self.table()
            for step in plan["steps"]:
                measured = int(table[step["step"]]["peak_tensor_bytes"])
                with self.subTest(step=step["step"], measured=measured, planned=step["peak_tensor_bytes"],
                                  **symbols):
                    self.assertAlmostEqual(step["peak_tensor_bytes"] / measured, 1, delta=0.15)
        written = read_json(self.path("results", "small", "plan.json"))["steps"][0]
        self.assertEqual(written["peak_tensor_bytes"], plan["steps"][0]["peak_tensor_bytes"])


if __name__ == "__main__":
    unittest.main()
