"""`heads`: what the heads of a trained model, or of given weights, attend to; heads.json and the report."""

import json
import os
import pty
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (ProgramTest, TrainedOnce, finish_again, flip, read_bytes, read_json,  # noqa: E402
                     read_text, sealed)

SCORES = {"induction", "duplicate", "previous", "entropy", "copying"}


class Heads(TrainedOnce):
    run_arguments = ("--steps", "0,1")

    def begin(self):
        self.baseline, self.trial = self.trials()[0, 1], self.trials()[1, 1]

    def weights(self, *arguments, trial=None):
        trial = trial or self.trial
        return ["--weights", os.path.join(trial, "weights.safetensors"), "--config",
                os.path.join(trial, "config"), *arguments]

    def heads(self, *arguments):
        return json.loads(self.done("heads", *arguments, "--json").stdout)

    def copies(self, name="ids", count=3, length=8, ids=21):
        draw = random.Random(4)
        rows = [[draw.randrange(ids) for _ in range(length)] for _ in range(count)]
        return self.write(name, "".join(" ".join(map(str, row + row)) + "\n" for row in rows))

    def test_a_run_gets_a_sealed_file_beside_its_own(self):
        found = self.heads(self.trial, "--length", "8")
        self.assertEqual(set(found), {"length", "sequences", "seed", "ids", "first_loss", "second_loss",
                                      "loss_difference", "heads", "weights_sha256"})
        self.assertEqual((found["length"], found["sequences"], found["seed"], found["ids"]), (8, 32, 1, 21))
        self.assertEqual([(head["layer"], head["head"]) for head in found["heads"]],
                         [(0, 0), (0, 1), (1, 0), (1, 1)])
        for head in found["heads"]:
            self.assertEqual(set(head), SCORES | {"layer", "head"})
            for score in "induction", "duplicate", "previous":
                self.assertTrue(0 < head[score] < 1, head)
        self.assertAlmostEqual(found["loss_difference"], found["second_loss"] - found["first_loss"], 12)
        self.assertEqual(found["weights_sha256"], read_json(self.trial, "summary.json")["weights_sha256"])
        self.assertEqual(read_text(self.trial, "heads.json"), sealed(found))
        self.done("verify", self.trial, "--no-retrain")

    def test_the_seed_alone_decides_what_is_drawn(self):
        first = self.heads(self.trial, "--length", "8", "--sequences", "4")
        written = read_bytes(self.trial, "heads.json")
        self.assertEqual(self.heads(self.trial, "--length", "8", "--sequences", "4", "--seed", "1"), first)
        self.assertEqual(read_bytes(self.trial, "heads.json"), written)
        other = self.heads(self.trial, "--length", "8", "--sequences", "4", "--seed", "2")
        self.assertNotEqual(other["heads"], first["heads"])
        # The trial's weights by themselves, with the data's ids, and none of the vocabulary's other nine.
        found = self.heads(*self.weights("--length", "8", "--sequences", "4"))
        self.assertEqual(found, {**first, "weights_sha256": None})

    def test_a_vocabulary_whose_data_are_not_here_is_drawn_from_as_a_whole(self):
        moved = f"DATA_PATH={self.path('gone')}"
        ended = self.done("heads", *self.weights("--set", moved, "--length", "8", "--json"))
        self.assertIn("random ids are any of GPT2_VOCAB_SIZE = 30", ended.stderr)
        self.assertEqual(json.loads(ended.stdout)["ids"], 30)

    def test_sequences_of_a_file(self):
        found = self.heads(self.trial, "--tokens", self.copies())
        self.assertEqual([found[key] for key in ("length", "sequences", "seed", "ids")], [8, 3, None, None])
        self.assertEqual(self.heads(*self.weights("--tokens", self.path("ids")))["heads"], found["heads"])

    def test_a_map_for_people(self):
        """Numbers and shades without colour; colour on a terminal alone."""
        text = self.done("heads", self.trial, "--length", "8").stdout
        self.assertIn("step 1 gate, seed 1: 32 sequences of 2 x 8 ids, seed 1, of 21 ids\n", text)
        self.assertRegex(text, r"induction: [^\n]+\n   head     0      1\n"
                               r"      0   \.\d\d[ ░▒▓█]   \.\d\d[░▒▓█]?\n")
        for part in "Strongest induction head: layer ", "of 4 heads above .40", "Loss on ids 1 to 7":
            self.assertIn(part, text)
        self.assertNotIn("\033", text)
        for environment, coloured in ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False):
            self.assertEqual("\033[48;5;" in self.on_terminal(environment), coloured, environment)

    def on_terminal(self, environment):
        ours, theirs = pty.openpty()
        given = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environment
        with subprocess.Popen([self.program, "heads", self.trial, "--length", "8"], stdout=theirs, env=given):
            os.close(theirs)
            text = b""
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                text += part
        os.close(ours)
        return text.decode()

    def test_the_report_shows_them(self):
        folder = self.path("results", "small")
        self.assertNotIn("Induction heads", self.done("report", folder).stdout)
        found = [self.heads(trial, "--length", "8") for trial in (self.baseline, self.trial)]
        self.assertIn("Induction heads", self.done("report", folder).stdout)
        rows = [line for line in read_text(folder, "report.md").split("## Induction heads")[1].split("\n")
                if line.startswith("| 0 ") or line.startswith("| 1 ")][:2]
        for row, heads in zip(rows, found):
            best = max(heads["heads"], key=lambda head: head["induction"])
            self.assertIn(f"{best['layer']}.{best['head']} ", row)
            self.assertIn("0 of 1", row)
            self.assertIn(f"{heads['loss_difference']:+.4f}", row)
        # What is damaged, or about other weights, is named and left out.
        flip(os.path.join(self.baseline, "heads.json"))
        with open(os.path.join(self.trial, "heads.json"), "w", encoding="utf-8") as file:
            file.write(sealed({**found[1], "weights_sha256": "1" * 64}))
        text = self.done("report", folder).stdout
        self.assertNotIn("Induction heads\n", text)
        self.assertIn("heads.json: is about other weights than the trial's", " ".join(text.split()))

    def test_what_is_refused(self):
        odd = self.write("odd", "1 2 1 2\n1 2 3\n")
        self.write("one", "1 1\n")
        self.write("other", "1 2 1 2\n1 2 1 3\n")
        self.write("high", "1 30 1 30\n")
        long = self.copies("long", length=9)
        self.assert_all_refused([
            (["heads"], "either TRIAL_DIR, or --weights"),
            (["heads", self.trial, "--weights", odd], "either TRIAL_DIR, or --weights"),
            (["heads", self.trial, "--set", "GPT2_N_LAYER=1"], "brings its own configuration"),
            (["heads", self.path("results")], "results"),
            (["heads", self.trial], "--length = 64", "128 ids", "GPT2_BLOCK_SIZE = 16", "--length 8"),
            (["heads", self.trial, "--length", "9"], "--length = 9", "18 ids"),
            (["heads", self.trial, "--length", "1"], "--length"),
            (["heads", self.trial, "--sequences", "0"], "--sequences"),
            (["heads", self.trial, "--tokens", odd], "odd:2", "3 ids"),
            (["heads", self.trial, "--tokens", self.path("one")], "one:1", "an even number from 4 on"),
            (["heads", self.trial, "--tokens", self.path("other")], "other:2", "id 4 is 3, id 2 is 2",
             "a copy"),
            (["heads", self.trial, "--tokens", self.path("high")], "high:1", '"30"', "0 to 29"),
            (["heads", self.trial, "--tokens", long], "long:1", "18 ids", "GPT2_BLOCK_SIZE = 16"),
            (["heads", self.trial, "--tokens", odd, "--seed", "2"], "--seed = 2", "leave one of the two out"),
            (["heads", *self.weights("--set", "GPT2_ATTENTION=n", trial=self.baseline)],
             "GPT2_ATTENTION = n", "no heads"),
            (["heads", *self.weights("--set", "ATTENTION_DIRECTION=bidirectional", "--set",
                                     "OBJECTIVE=masked_token")],
             "ATTENTION_DIRECTION = bidirectional", "masked_token", "causal"),
            (["heads", *self.weights("--set", "GPT2_N_LAYER=1", "--length", "8", trial=self.baseline)],
             "transformer.h.1"),
        ])
        os.remove(os.path.join(self.trial, "DONE"))
        self.assert_refused(self.call("heads", self.trial, "--length", "8"), "no DONE")

    def test_weights_that_are_no_numbers(self):
        path = os.path.join(self.trial, "weights.safetensors")
        content = bytearray(read_bytes(path))
        content[-4:] = b"\xff\xff\xff\x7f"
        with open(path, "wb") as file:
            file.write(content)
        finish_again(self.trial)
        ended = self.done("heads", self.trial, "--length", "8", code=1)
        self.assertIn("are not all numbers", ended.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.trial, "heads.json")))


class MeasuredByTheRun(ProgramTest):
    """MEASURE_HEADS: `run` itself writes what `heads` would, and its table has the verdicts."""

    def run_it(self, **symbols):
        return self.done("run", "--steps", "0,1", "--seeds", "1-2", **symbols)

    def test_of_every_trial_and_once(self):
        self.run_it()  # trained without it
        for trial in self.trials().values():
            self.assertFalse(os.path.exists(os.path.join(trial, "heads.json")))
        ended = self.run_it(MEASURE_HEADS="y")
        self.assertIn("looked at the heads of 4 trials", ended.stderr)
        self.assertNotIn("started as process", ended.stderr)  # it changes no trial
        section = ended.stdout.split("Induction heads")[1]
        self.assertRegex(section, r"verdict +sequences")
        self.assertIn("not enough", section)
        self.assertIn("32 sequences of 2 x 8 ids, seed 1",
                      read_text(self.path("results", "small", "report.md")))
        written = {place: read_bytes(trial, "heads.json") for place, trial in self.trials().items()}
        self.assertEqual(len(written), 4)
        again = self.run_it(MEASURE_HEADS="y")
        self.assertNotIn("looked at the heads", again.stderr)
        self.done("heads", self.trials()[1, 2], "--length", "8")
        flip(os.path.join(self.trials()[0, 1], "heads.json"))
        self.assertIn("looked at the heads of 1 trial", self.run_it(MEASURE_HEADS="y").stderr)
        self.assertEqual({place: read_bytes(trial, "heads.json") for place, trial in self.trials().items()},
                         written)

    def test_of_no_model_that_sees_what_follows(self):
        self.assert_refused(self.call("run", MEASURE_HEADS="y", OBJECTIVE="masked_token",
                                      ATTENTION_DIRECTION="bidirectional"), "step 0", "MEASURE_HEADS = y")


class LongerThanTrained(TrainedOnce):
    """Positions that are not learned exist for any length."""

    symbols = {"POSITIONS_ROTARY": "y", "ENABLE_RA_MLA": "n", "RA_MLA_ABLATION_MODE": "n",
               "RA_MLA_MLP_LATENT_RECIP": "n"}

    def test_copies_longer_than_the_context(self):
        trial, = self.trials().values()
        ended = self.done("heads", trial, "--json")
        found = json.loads(ended.stdout)
        self.assertEqual((found["length"], len(found["heads"])), (64, 4))
        said = " ".join(ended.stderr.split())
        self.assertRegex(said, "128 ids, and .* GPT2_BLOCK_SIZE = 16: .* --length 8 ")
        self.assertNotIn("GPT2_BLOCK_SIZE", self.done("heads", trial, "--length", "8").stderr)


if __name__ == "__main__":
    unittest.main()
