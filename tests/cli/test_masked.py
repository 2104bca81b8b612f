"""Models of masked tokens from outside: trained, stopped and gone on with, verified, filled in, judged."""

import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, TrainedOnce, metrics, read_json, read_text  # noqa: E402

MASKED = {"OBJECTIVE_MASKED_TOKEN": "y", "ATTENTION_DIRECTION_BIDIRECTIONAL": "y",
          "MASK_SCHEDULE_UNIFORM": "y", "CRITIC": "y", "RA_MLA_ABLATION_MODE": "n"}


class Masked(TrainedOnce):
    symbols = MASKED

    def begin(self):
        self.trial, = self.trials().values()

    def sample(self, *arguments):
        return self.done("sample", "--run", self.trial, *arguments).stdout

    def test_logs_its_critic(self):
        of_one = ["critic", "critic_accuracy", "critic_changed"]
        names = {"train": of_one,
                 "eval": [f"{split}_{name}" for split in ("train", "val") for name in of_one]}
        seen = set()
        for row in metrics(self.trial):
            for name in names.get(row["kind"], []):
                seen.add(row["kind"])
                self.assertGreaterEqual(row["terms"][name], 0)
                if not name.endswith("critic"):
                    self.assertLessEqual(row["terms"][name], 1)
        self.assertEqual(seen, {"train", "eval"})

    def test_is_what_its_weights_give(self):
        self.done("verify", "--no-retrain", self.path("results", "small"))
        loss = read_json(self.trial, "summary.json")["val_loss"]
        text = self.done("eval", "--run", self.trial).stdout
        self.assertIn(f"{loss!r} nats a masked token", text)
        self.assertIn("bits a byte  none", text)

    def test_trains_again_to_the_bit(self):
        self.done("verify", self.path("results", "small"))

    def test_fills_in(self):
        self.assertEqual(len(read_text(self.trial, "sample.txt")), 16 + 1)
        for arguments in [], ["--critic"], ["--steps", "3"], ["--temperature", "0.5", "--top-k", "4"]:
            text = self.sample("--prompt", "the ", *arguments)
            self.assertEqual(len(text), 16 + 1)
            self.assertTrue(text.startswith("the "))
            self.assertEqual(text, self.sample("--prompt", "the ", *arguments))
        self.assertNotEqual(self.sample(), self.sample("--seed", "2"))
        self.assertEqual(len(self.sample("--tokens", "5")), 5 + 1)
        three = self.sample("--sequences", "3", "--prompt", "the ").split("\n---------------\n")
        self.assertEqual(three[0] + "\n", self.sample("--prompt", "the "))
        self.assertEqual(len(set(three)), 3)
        whole = self.sample("--seed", "3")
        stop = whole[7]
        self.assertEqual(self.sample("--seed", "3", "--stop", stop), whole[:whole.index(stop)] + "\n")

    def test_refuses_what_does_not_fit(self):
        self.assert_all_refused([
            (["sample", "--run", self.trial, "--tokens", "17"], "--tokens = 17", "at most 16"),
            (["sample", "--run", self.trial, "--prompt", "the king and queen"], "--prompt", "16"),
        ])
        text = self.done("bench-decode", "--config", os.path.join(self.trial, "config")).stdout
        self.assertIn("can't be decoded one by one", " ".join(text.split()))

    def test_a_judge_reads_what_it_writes(self):
        self.configure(OBJECTIVE_MASKED_TOKEN="n", ATTENTION_DIRECTION_BIDIRECTIONAL="n", CRITIC="n",
                       MASK_SCHEDULE_UNIFORM="n", EXPERIMENT_NAME='"judge"')
        small, judge = self.path("results", "small"), self.path("results", "judge")
        self.assert_refused(self.call("judge", small, "--by", small),
                            "--by", "OBJECTIVE = next_token")
        self.done("run")
        call = ["judge", small, "--by", judge, "--texts", "4"]
        found = json.loads(self.done(*call, "--json").stdout)
        self.assertEqual([(row["step"], row["sampler"]) for row in found["rows"]],
                         [(0, "probability"), (0, "critic")])
        for row in found["rows"]:
            seed, = row["seeds"]
            self.assertGreater(seed["loss"], 0)
            for share in "distinct", "right", "repaired", "broken":
                self.assertTrue(0 <= seed[share] <= 1, seed)
        written = read_json(self.path("results", "small", "judge.json"))
        self.assertEqual({**found, "format": 2, "sha256": written["sha256"]}, written)
        self.assertEqual(json.loads(self.done(*call, "--json").stdout), found)
        text = self.done(*call).stdout
        self.assertIn("the data", text)
        self.assert_refused(self.call("judge", judge, "--by", judge),
                            "no finished trial of a model of masked tokens")
        sampled, = self.trials(experiment="judge").values()
        for option in ["--critic"], ["--steps", "3"]:
            self.assert_refused(self.call("sample", "--run", sampled, *option), option[0], "masked")


class Interrupted(ProgramTest):
    symbols = {**MASKED, "GPT2_MAX_ITERS": 60, "GPT2_EVAL_INTERVAL": 20}

    def test_goes_on_as_if_it_had_not_been(self):
        self.done("run", results="undisturbed")
        run = self.start("run")
        self.wait_for(lambda: any(len(metrics(trial)) > 5 for trial in self.trials().values()), run)
        run.send_signal(signal.SIGTERM)
        run.wait()
        self.done("run")
        (trial,), (other,) = self.trials().values(), self.trials("undisturbed").values()
        self.assert_same_end(trial, other)


if __name__ == "__main__":
    unittest.main()
