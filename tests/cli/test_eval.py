"""`eval`: a trained model's loss again, to the bit, and on other data."""

import json
import math
import os
import shutil
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import TrainedOnce, finish_again, flip, read_json, read_text, words  # noqa: E402


class Eval(TrainedOnce):
    run_arguments = ("--steps", "2")

    def begin(self):
        self.trial = self.trials()[2, 1]

    def eval(self, *arguments, **symbols):
        return json.loads(self.done("eval", *arguments, "--json", **symbols).stdout)

    def of_weights(self):
        return ["--weights", os.path.join(self.trial, "weights.safetensors"), "--config",
                os.path.join(self.trial, "config")]

    def test_a_runs_own_loss(self):
        found = self.eval("--run", self.trial)
        loss = read_json(self.trial, "summary.json")["val_loss"]
        self.assertEqual((found["loss"], found["recorded_loss"]), (loss, loss))
        self.assertEqual((found["windows"], found["tokens"], found["bytes"]), (8, 128, 128))
        self.assertAlmostEqual(found["perplexity"], math.exp(loss), 9)
        self.assertAlmostEqual(found["bits_per_byte"], loss / math.log(2), 9)
        text = self.done("eval", "--run", self.trial).stdout
        for part in f"{loss!r} nats a token, as summary.json has it", "8 windows", "128 tokens, 128 bytes":
            self.assertIn(part, text)
        self.assertEqual(self.eval(*self.of_weights())["loss"], loss)

    def test_other_windows_and_other_data(self):
        loss = self.eval("--run", self.trial)["loss"]
        every = self.eval("--run", self.trial, "--samples", "0")
        self.assertGreater(every["windows"], 8)
        self.assertIsNone(every["recorded_loss"])
        self.assertNotEqual(every["loss"], loss)
        moved = shutil.move(self.path("text"), self.path("moved"))
        self.assertEqual(self.eval("--run", self.trial, "--data-path", moved)["recorded_loss"], loss)
        # A text without some of the characters is numbered by the run's, so its loss is as low as its own.
        other = self.write("other", words(1500, seed=2).replace("k", "").replace("moon", "bird"))
        found = self.eval("--run", self.trial, "--data-path", other)
        self.assertIsNone(found["recorded_loss"])
        self.assertLess(found["loss"], 1.1 * loss)
        strange = self.write("strange", words(1500) + "Q")
        self.assert_refused(self.call("eval", "--run", self.trial, "--data-path", strange), strange,
                            "1 characters that the model's data had not", "U+0051")

    def test_data_that_changed_since_are_not_its_own(self):
        text = type(self).made.path("text")  # where the run has it from
        kept = read_text(text)
        self.addCleanup(type(self).made.write, "text", kept)
        type(self).made.write("text", kept + "the moon\n")
        ended = self.call("eval", "--run", self.trial)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("its data are not those that it was trained on", ended.stderr)
        self.assertIsNone(self.eval("--run", self.trial, "--data-path", text)["recorded_loss"])

    def test_a_context_that_it_was_not_trained_on(self):
        self.assert_refused(self.call("eval", "--run", self.trial, "--context", "20"), "--context = 20",
                            "POSITIONS = learned", "16 positions")
        self.assertEqual(self.eval("--run", self.trial, "--context", "16")["recorded_loss"],
                         self.eval("--run", self.trial)["loss"])
        for context in "99999999", str(2**63 - 1):
            self.assert_refused(self.call("eval", "--run", self.trial, "--context", context), "--context = ")
        rotary = {"ENABLE_RA_MLA": "n", "POSITIONS": "rotary"}
        self.done("run", "--steps", "0", **rotary)
        trial = self.trials()[0, 1]
        own = self.eval("--run", trial)
        self.assertEqual(own["recorded_loss"], own["loss"])
        for context in 8, 40:
            found = self.eval("--run", trial, "--context", str(context), "--samples", "4")
            self.assertEqual((found["windows"], found["tokens"]), (4, 4 * context))
            self.assertIsNone(found["recorded_loss"])
            self.assertLess(abs(found["loss"] - own["loss"]), 1)

    def test_ids_have_no_bytes(self):
        os.mkdir(self.path("tokens"))
        for name, stride in ("train.bin", 1), ("val.bin", 7):
            self.write(f"tokens/{name}", struct.pack("<400H", *(i * stride % 30 for i in range(400))))
        found = self.eval(*self.of_weights(), "--data-path", self.path("tokens"), "--set", "DATASET=bin")
        self.assertIsNone(found["bits_per_byte"])
        self.assertIn("unknown", self.done("eval", *self.of_weights(), "--data-path", self.path("tokens"),
                                           "--set", "DATASET=bin").stdout)

    def test_a_loss_that_is_not_the_recorded_one(self):
        summary = read_json(self.trial, "summary.json")
        finish_again(self.trial, val_loss=summary["val_loss"] + 1e-12)
        ended = self.done("eval", "--run", self.trial, code=1)
        self.assertIn("summary.json says", ended.stderr)
        flip(os.path.join(self.trial, "weights.safetensors"))
        self.assert_refused(self.call("eval", "--run", self.trial), "does not have the SHA-256")

    def test_bad_input(self):
        run = ["eval", "--run", self.trial]
        self.assert_all_refused([
            (["eval"], "either --run", "or --weights"),
            ([*run, "--weights", "w"], "either --run"),
            ([*run, "--set", "GPT2_N_LAYER=2"], "GPT2_N_LAYER=2", "its own configuration"),
            ([*run, "--samples", "-1"], "--samples", "whole number >= 0"),
            ([*run, "--data-path", self.path("none")], "none", "no such file"),
            (["eval", *self.of_weights(), "--set", "GPT2_N_LAYER=3"], "h.1.mlp.gate_proj", "missing"),
            (["eval", *self.of_weights(), "--set", "DATASET=shakespeare", "--data-path", "x"], "--data-path",
             "DATASET = shakespeare"),
            (["eval", *self.of_weights(), "--set", "GPT2_MAX_ITERS=3"], "GPT2_MAX_ITERS", "does not read it"),
        ])


if __name__ == "__main__":
    unittest.main()
