"""`audit`, and the gates as the first act of `run`."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_json  # noqa: E402

DEAD = {"RA_MLA_MLP_CROSS_ALPHA": "0"}


class Audit(ProgramTest):
    def checks(self, *arguments, code=0, **symbols):
        """(step, check) -> (passed, detail)"""
        found = json.loads(self.done("audit", "--json", *arguments, code=code, **symbols).stdout)["checks"]
        self.assertTrue(all(set(check) == {"step", "check", "passed", "detail"} for check in found))
        return {(check["step"], check["check"]): (check["passed"], check["detail"]) for check in found}

    def test_every_gate_of_the_ladder_passes_without_data(self):
        checks = self.checks("--set", "DATA_PATH=/nonexistent")
        self.assertEqual({step for step, _ in checks}, set(range(6)))
        self.assertEqual({name for step, name in checks if step == 0},
                         {"off_identity", "dead_parameters", "causality", "consistency", "positions",
                          "gradients", "every_layer", "arithmetic", "initial_values", "decode_parity",
                          "cache_size", "samples", "evaluation", "optimizer", "updates"})
        of = [{name for step, name in checks if step == wanted} for wanted in (0, 5)]
        self.assertEqual(of[1] - of[0], {"liveness", "pairing", "twin_training"})
        self.assertTrue(all(passed for passed, _ in checks.values()), checks)
        for part in ("gate", "cross-token", "latent reciprocity"):
            self.assertIn(part, checks[3, "liveness"][1])

    def test_what_fails_is_named_and_ends_with_1(self):
        checks = self.checks(code=1, **DEAD)
        failed = {key for key, (passed, _) in checks.items() if not passed}
        self.assertEqual(failed, {(step, name) for step in (2, 3, 4, 5)
                                  for name in ("liveness", "dead_parameters", "every_layer")})
        self.assertIn("cross-token aggregation is DEAD", checks[2, "liveness"][1])
        text = self.done("audit", "--steps", "2", code=1, **DEAD).stdout
        self.assertIn("FAILED", text)
        self.assertIn("cross_proj.weight", text)

    def test_what_no_gate_reads_is_said(self):
        ended = self.done("audit", "--steps", "0", "--seeds", "4", DATA_PATH="/nowhere", GPT2_MAX_ITERS=9)
        self.assertIn('no gate reads: --seeds: SEEDS = "4"; --set: DATA_PATH = "/nowhere"\n', ended.stderr)

    def test_pooling_over_the_sequence_is_a_leak(self):
        sequence = {"RA_MLA_MLP_GATE_POOL": "sequence"}
        leak = self.checks("--steps", "1", code=1, **sequence)
        self.assertEqual([name for (_, name), (passed, _) in leak.items() if not passed], ["causality"])
        self.assertNotIn((1, "decode_parity"), leak)
        allowed = self.checks("--steps", "1", RA_MLA_ALLOW_NONCAUSAL="y", **sequence)
        self.assertIn("NOT CAUSAL", allowed[1, "causality"][1])

    def test_a_run_blocks_the_arm_and_trains_the_others(self):
        ended = self.done("run", "--steps", "0,1,2", code=1, **DEAD)
        self.assertIn("step 2 (gate+cross) is blocked: gate failed: liveness", ended.stderr)
        table = self.table()
        self.assertEqual([table[step]["status"] for step in (0, 1)], ["done", "done"])
        self.assertTrue(table[2]["status"].startswith("blocked: gate failed: liveness"), table[2]["status"])
        self.assertEqual((table[2]["seeds"], table[2]["val_loss_mean"]), ("0", ""))
        experiment = self.path("results", "small")
        trials = os.listdir(os.path.join(experiment, "trials"))
        self.assertFalse([name for name in trials if name.startswith("step2")])
        failed = [check for check in read_json(experiment, "audit.json")["checks"] if not check["passed"]]
        self.assertEqual({check["step"] for check in failed}, {2})


if __name__ == "__main__":
    unittest.main()
