"""Data made from a seed, from outside: trained, evaluated, verified, refused."""

import json
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, TrainedOnce, finish_again, metrics, read_json  # noqa: E402
from support import read_text, sha256  # noqa: E402

MADE = {"DATASET_TEXT": "n", "DATASET_MQAR": "y", "SYNTHETIC_VOCAB_SIZE": 20, "SYNTHETIC_TRAIN": 60,
        "SYNTHETIC_TEST": 30, "MQAR_PAIRS": 3}
TASKS = ["mqar", "induction", "recall", "in_context_recall", "noisy_recall", "fuzzy_recall", "selective_copy",
         "memorization", "compression", "repeats"]


class Ladder(TrainedOnce):
    symbols = {**MADE, "SEEDS": '"1-2"', "ADAM_DECAY_ALL": "y"}
    run_arguments = ("--steps", "0,3")

    def begin(self):
        self.trial = self.trials()[3, 2]

    def test_logs_and_sums_up_accuracy(self):
        row = [row for row in metrics(self.trial) if row["kind"] == "eval"][-1]
        summary = read_json(self.trial, "summary.json")
        for name in "val_accuracy", "val_macro_accuracy", "train_accuracy":
            self.assertEqual(row["terms"][name], summary[name])
            self.assertTrue(0 <= summary[name] <= 1)
        self.assertNotIn("terms", metrics(self.trial)[0], "a training step does not ask")
        self.assertIn(f"accuracy {summary['val_accuracy']:.4f}", read_text(self.trial, "log.txt"))

    def test_stands_in_the_table(self):
        table = self.table()
        mean = sum(read_json(self.trials()[3, seed], "summary.json")["val_accuracy"] for seed in (1, 2)) / 2
        self.assertAlmostEqual(float(table[3]["val_accuracy_mean"]), mean, delta=1e-12)
        self.assertIn("not enough seeds (2 of 8)", table[3]["val_accuracy_verdict"])
        text = read_text(self.path("results", "small", "report.md"))
        self.assertIn("accuracy verdict", text)
        self.assertIn("of labelled positions alone (DATASET = mqar)", text)

    def test_writes_what_it_says_of_one_sequence(self):
        first, *labels = read_text(self.trial, "sample.txt").strip().split("\n")
        ids = [int(text) for text in first.split()]
        self.assertEqual(len(ids), 16)
        pairs = dict(zip(ids[0:6:2], ids[1:6:2]))
        self.assertEqual(len(labels), 3)
        for line in labels:
            said = re.match(r"at (\d+) the label is (\d+), the model says \d+$", line)
            place, label = map(int, said.groups())
            self.assertEqual(pairs[ids[place]], label)

    def test_is_evaluated_to_the_bit(self):
        summary = read_json(self.trial, "summary.json")
        text = self.done("eval", "--run", self.trial).stdout
        self.assertIn(f"{summary['val_loss']!r} nats a label, as summary.json has it", text)
        accuracy, macro = summary["val_accuracy"], summary["val_macro_accuracy"]
        self.assertIn(f"accuracy     {accuracy:.4f}, macro {macro:.4f}", text)
        self.assertIn("bits a byte  none: the loss is of labels alone", text)
        found = json.loads(self.done("eval", "--run", self.trial, "--json", "--samples", "0").stdout)
        self.assertEqual((found["windows"], found["tokens"], found["bits_per_byte"]), (30, 90, None))
        self.assertTrue(0 <= found["accuracy"] <= 1)
        again = json.loads(self.done(
            "eval", "--config", os.path.join(self.trial, "config"), "--weights",
            os.path.join(self.trial, "weights.safetensors"), "--json", "--set", "THREADS=1").stdout)
        self.assertEqual((again["loss"], again["accuracy"]), (summary["val_loss"], summary["val_accuracy"]))

    def test_trains_again_to_the_bit(self):
        self.done("verify", self.path("results", "small"))
        self.done("rerun", self.trial)

    def test_an_accuracy_that_the_weights_do_not_give_is_found(self):
        folder = self.path("results", "small")
        path = os.path.join(self.trial, "metrics.jsonl")
        text = read_text(path)
        last = [line for line in text.splitlines() if '"kind":"eval"' in line][-1]
        row = json.loads(last)
        row["terms"]["val_accuracy"] = 0.99
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(last, json.dumps(row, separators=(",", ":"))))
        # The files are whole again, but contradict one another; and then agree, and are wrong.
        finish_again(self.trial, metrics_sha256=sha256(path))
        found = self.done("verify", "--no-retrain", folder, code=1).stdout
        self.assertIn("losses or accuracies are not those of the last evaluation", found)
        finish_again(self.trial, val_accuracy=0.99)
        found = self.done("verify", "--no-retrain", folder, code=1).stdout
        self.assertIn("the recorded accuracy is 0.99", found)

    def test_other_commands_know_no_text(self):
        self.assert_all_refused([
            (["sample", "--run", self.trial], "DATASET = mqar", "`kablate eval`"),
            (["eval", "--run", self.trial, "--data-path", "x"], "--data-path", "DATASET = mqar"),
        ])
        judged = self.call("judge", self.path("results", "small"), "--by", self.path("results", "small"))
        self.assert_refused(judged, "--by", "on text")

    def test_its_heads_and_mechanisms_are_looked_at(self):
        heads = json.loads(self.done("heads", self.trial, "--length", "8", "--json").stdout)
        self.assertEqual(heads["ids"], 20)
        self.assertIn("gate", self.done("knockout", self.trial).stdout)


class Compression(TrainedOnce):
    symbols = {**MADE, "DATASET_MQAR": "n", "DATASET_COMPRESSION": "y", "AUTOENCODER": "y",
               "RA_MLA_ABLATION_MODE": "n"}
    run_arguments = ()

    def begin(self):
        self.trial, = self.trials().values()

    def test_every_token_of_a_sequence_is_said(self):
        found = json.loads(self.done("eval", "--run", self.trial, "--json").stdout)
        self.assertEqual((found["windows"], found["tokens"]), (8, 8 * 16))
        self.assertEqual(found["loss"], read_json(self.trial, "summary.json")["val_loss"])
        first, *labels = read_text(self.trial, "sample.txt").strip().split("\n")
        said = [re.match(r"at (\d+) the label is (\d+), ", line).groups() for line in labels]
        self.assertEqual(said, [(str(t), id) for t, id in enumerate(first.split())])

    def test_what_asks_for_a_next_token_refuses_it(self):
        self.write("text", "to be or not to be " * 40)
        weights = ["--config", os.path.join(self.trial, "config"), "--weights",
                   os.path.join(self.trial, "weights.safetensors")]
        text = ["--set", "DATASET=text", "--set", f"DATA_PATH={self.path('text')}"]
        self.assert_all_refused([
            (["eval", *weights, *text], "AUTOENCODER = y with DATASET = text"),
            (["eval", *weights, "--set", "DATASET=repeats"], "AUTOENCODER = y with DATASET = repeats"),
            (["sample", *weights, *text], "AUTOENCODER = y with DATASET = text"),
            (["sample", "--run", self.trial], "DATASET = compression", "no text to print"),
            (["heads", self.trial, "--length", "8"], "AUTOENCODER = y"),
        ])
        text = self.done("bench-decode", "--config", os.path.join(self.trial, "config")).stdout
        self.assertIn("said from the state at the last one", " ".join(text.split()))


class Every(ProgramTest):
    symbols = {**MADE, "RA_MLA_ABLATION_MODE": "n", "GPT2_BLOCK_SIZE": 20, "SYNTHETIC_COPY": 4,
               "SYNTHETIC_MOTIF": 2,
               "SYNTHETIC_NOISE_VOCAB_SIZE": 4}

    def test_task_trains_with_a_vocabulary_of_its_own(self):
        for task in TASKS:
            with self.subTest(task):
                more = {"AUTOENCODER": "y"} if task == "compression" else {}
                self.done("run", results=task, DATASET=task, GPT2_VOCAB_SIZE=0, **more)
                trial, = self.trials(task).values()
                self.assertIsNotNone(read_json(trial, "summary.json")["val_accuracy"])
                self.assertIn("CONFIG_GPT2_VOCAB_SIZE=20", read_text(trial, "config"))
                self.done("verify", "--no-retrain", self.path(task, "small"))
        plan = json.loads(self.done("plan", "--json").stdout)["steps"][0]
        everywhere = json.loads(self.done("plan", "--json", DATASET="text").stdout)["steps"][0]
        self.assertLess(plan["flops_per_iteration"], everywhere["flops_per_iteration"], "the head's share")

    def test_seeds_have_training_sets_of_their_own_and_one_test_set(self):
        self.done("run", "--seeds", "1-2", GPT2_EVAL_SAMPLES=30)
        hashes = [metrics(trial)[0]["tokens"] for trial in self.trials().values()]
        self.assertNotEqual(*hashes)
        samples = [read_text(trial, "sample.txt").split("\n")[0] for trial in self.trials().values()]
        self.assertEqual(*samples)
        self.done("run", "--seeds", "1-2", results="one", DATA_SEED=7)
        self.assertEqual(*[metrics(trial)[0]["tokens"] for trial in self.trials("one").values()])

    def test_bad_input(self):
        def refused(fragments, *arguments, **symbols):
            self.assert_refused(self.call("run", *arguments, **symbols), *fragments)

        refused(["GPT2_BLOCK_SIZE = 20", "needs at least 24", "MQAR_PAIRS = 6"], MQAR_PAIRS=6)
        refused(["SYNTHETIC_VOCAB_SIZE = 6 has 2 keys", "at least 8"], SYNTHETIC_VOCAB_SIZE=6)
        refused(["GPT2_VOCAB_SIZE = 10", "SYNTHETIC_VOCAB_SIZE = 20"], GPT2_VOCAB_SIZE=10)
        refused(["OBJECTIVE = masked_token with DATASET = mqar"], OBJECTIVE="masked_token",
                ATTENTION_DIRECTION="bidirectional")
        refused(["SYNTHETIC_NOISE", "nothing reads it", "DATASET = noisy_recall"], SYNTHETIC_NOISE="0.1")
        refused(["SYNTHETIC_NOISE", "< 1"], DATASET="noisy_recall", SYNTHETIC_NOISE="1")

    def test_goes_on_where_it_was_stopped(self):
        symbols = {"GPT2_MAX_ITERS": 60, "GPT2_EVAL_INTERVAL": 20}
        self.done("run", results="undisturbed", **symbols)
        run = self.start("run", **symbols)
        self.wait_for(lambda: any(len(metrics(trial)) > 5 for trial in self.trials().values()), run)
        run.send_signal(signal.SIGTERM)
        run.wait()
        self.done("run", **symbols)
        (trial,), (other,) = self.trials().values(), self.trials("undisturbed").values()
        self.assert_same_end(trial, other)


if __name__ == "__main__":
    unittest.main()
