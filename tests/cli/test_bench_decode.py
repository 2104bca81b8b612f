"""`bench-decode`: what a step of decoding costs, and what its cache holds."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest  # noqa: E402


class BenchDecode(ProgramTest):
    def bench(self, *arguments, **symbols):
        return json.loads(self.done("bench-decode", "--json", *arguments, **symbols).stdout)

    def test_every_step_at_every_context(self):
        found = self.bench("--contexts", "40,8", "--batch", "2")
        self.assertEqual((found["batch"], found["threads"]), (2, 1))
        rows = found["rows"]
        self.assertEqual([(row["step"], row["context"]) for row in rows],
                         [(step, context) for step in range(4) for context in (8, 40)], "reruns are left out")
        plan = json.loads(self.done("plan", "--json").stdout)["steps"]
        for row in rows:
            step = plan[row["step"]]
            per_token, fixed = step["decode_cache_bytes_per_token"], step["decode_cache_bytes_fixed"]
            self.assertEqual(row["cache_bytes"], 2 * (per_token * row["context"] + fixed), row)
            self.assertGreater(row["ms_per_token"], 0)
            self.assertAlmostEqual(row["tokens_per_s"], 2e3 / row["ms_per_token"])
        table = self.done("bench-decode", "--contexts", "8", "--steps", "0,2").stdout
        for part in "ms/token", "tokens/s", "mla", "gate+cross", "1 sequence, 1 thread":
            self.assertIn(part, table)

    def test_what_cant_be_decoded_says_why(self):
        rows = self.bench("--contexts", "8", "--steps", "0,1", RA_MLA_MLP_GATE_POOL="sequence")["rows"]
        self.assertEqual([row["step"] for row in rows], [0, 1])
        self.assertIn("RA_MLA_MLP_GATE_POOL = sequence", rows[1]["reason"])

    def test_bad_input(self):
        self.assert_all_refused([
            (["bench-decode", "--contexts", "8,x"], "--contexts", "x"),
            (["bench-decode", "--contexts", "0"], "--contexts", "0"),
            (["bench-decode", "--contexts", ""], "--contexts", "not empty"),
            (["bench-decode", "--batch", "0"], "--batch", "whole number >= 1"),
            (["bench-decode", "--steps", "9"], "9"),
            (["bench-decode", "--set", "GPT2_N_HEAD=3"], "GPT2_N_HEAD"),
        ])


if __name__ == "__main__":
    unittest.main()
