"""`knockout`: the mechanisms of a finished trial, switched off one by one."""

import json
import os
import shutil
import unittest

from support import ProgramTest, finish_again, metrics, read_json


class Knockout(ProgramTest):
    symbols = {"DTYPE_BFLOAT16": "y"}

    def knockout(self, trial, *arguments, code=0):
        return self.done("knockout", trial, *arguments, code=code)

    def test_a_trained_ladder(self):
        self.done("run", "--steps", "0,3")
        plain, full = self.trials()[0, 1], self.trials()[3, 1]
        self.assertIn("nothing to knock out", self.knockout(plain).stdout)
        self.assertEqual(json.loads(self.knockout(plain, "--json").stdout)["rows"], [])

        study = json.loads(self.knockout(full, "--json", "--scales", "0,2").stdout)
        self.assertEqual(study["val_loss"], read_json(full, "summary.json")["val_loss"])
        self.assertEqual([(row["mechanism"], row["scale"]) for row in study["rows"]],
                         [("gate", 0), ("gate", 2), ("cross", 0), ("cross", 2), ("recip", 0), ("recip", 2),
                          ("recip attn-to-mlp", 0), ("recip mlp-to-attn", 0), ("all", 0)])
        for row in study["rows"]:
            self.assertLessEqual(row["change_ci_low"], row["change"])
            self.assertEqual("verdict" in row, row["scale"] == 0)
            self.assertGreaterEqual(row["p_holm"], row["p"])
        self.assertIsNone(study["noise_sd"])
        self.assertIsNone(study["noise_problem"])
        table = self.knockout(full).stdout
        self.assertRegex(table, r"(?m)^recip mlp-to-attn +0 +\d\.\d{4} +[+-]\d\.\d{4}  \[.*\] +[<\d.]+$")
        self.assertIn("adjusted for the 12 rows together", table)
        self.assertLessEqual(max(map(len, table.splitlines())), 100)
        self.assertRegex(table, r"(?m)^gate: ")

        self.write(os.path.join("results", "small", "noise.json"), "{}")
        self.assertIn("noise.json: ", json.loads(self.knockout(full, "--json").stdout)["noise_problem"])
        self.assertIn("The noise floor is not used: ", self.knockout(full).stdout)

        self.what_the_mechanisms_did(plain, full)
        self.another_model(full)

    def what_the_mechanisms_did(self, plain, full):
        """Rows beside each evaluation; the last block makes neither gate nor context."""
        self.assertEqual([row for row in metrics(plain) if row["kind"] == "mechanisms"], [])
        rows = [row for row in metrics(full) if row["kind"] == "mechanisms"]
        self.assertEqual([(row["iteration"], row["block"]) for row in rows],
                         [(i, block) for i in (5, 10, 12) for block in (0, 1)])
        shared = {"kind", "iteration", "block", "routing_distance", "routing_entropy", "cross_relative_norm",
                  "enrich_relative_norm"}
        for row in rows:
            own = {"gate_mean", "gate_sd"} if row["block"] == 0 else {"context_relative_norm"}
            self.assertEqual(set(row), shared | own)
            for key in set(row) - {"kind", "iteration", "block"}:
                if key != "gate_sd":  # a gate that has not learnt yet is 0.5 everywhere in bfloat16
                    self.assertGreater(row[key], 0, key)
            self.assertLess(row["routing_distance"], 15)

    def another_model(self, full):
        """Weights that are not the trial's, and folders and scales that are none."""
        copy = self.path("copy")
        shutil.copytree(full, copy)
        self.done("init", "--seed", "9", "--out", os.path.join(copy, "weights.safetensors"),
                  "--config", os.path.join(copy, "config"))
        self.assert_refused(self.call("knockout", copy), "weights.safetensors: does not have the SHA-256")
        finish_again(copy)
        ended = self.knockout(copy, code=1)
        self.assertIn("summary.json says", ended.stderr)
        self.assertEqual(ended.stdout, "")
        os.remove(os.path.join(copy, "DONE"))
        self.assert_all_refused([
            (["knockout", copy], copy, "no DONE"),
            (["knockout", self.folder], "no file `config`"),
            (["knockout", full, "--scales", "0,x"], "--scales", '"x"', "numbers >= 0"),
            (["knockout", full, "--scales", "-1"], "--scales"),
            (["knockout", full, "--data-path", self.path("gone")], "needs the data it was made from",
             "--data-path PATH, or DATA_PATH=PATH after make"),
        ])


if __name__ == "__main__":
    unittest.main()
