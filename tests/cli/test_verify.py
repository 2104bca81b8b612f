"""`verify`: finished trials trained again, and every way in which a stored one can be false."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (ProgramTest, TrainedOnce, finish_again, read_bytes, read_json, read_text,  # noqa: E402
                     sha256)


class Verify(TrainedOnce):
    """Steps 0 and 2 over two seeds, trained once; a test works on a copy."""

    run_arguments = ("--steps", "0,2", "--seeds", "1,2")

    def begin(self):
        self.addCleanup(self.assert_scratch_is_empty)
        os.remove(self.path("text"))  # DATA_PATH of the trials is the other test's

    def assert_scratch_is_empty(self):
        self.assertEqual(self.kept, len(os.listdir(self.path("scratch"))))

    kept = 0  # folders that the test expects to be kept

    def verify(self, *arguments, code=0, folder=None):
        return self.done("verify", folder or self.path("results", "small"), *arguments, code=code,
                         environment={"TMPDIR": self.path("scratch")})

    def change(self, place, name, old, new):
        """Replaces bytes of a trial's file, once."""
        path = os.path.join(self.trials()[place], name)
        content = read_bytes(path)
        self.assertIn(old, content)
        with open(path, "wb") as file:
            file.write(content.replace(old, new, 1))

    def test_all_are_equal(self):
        before = {path: read_bytes(path) for path in glob.glob(self.path("results/**/*"), recursive=True)
                  if os.path.isfile(path)}
        ended = self.verify()
        labels = [f"step {step} {name}, seed {seed}: equal"
                  for seed in (1, 2) for step, name in ((0, "mla"), (2, "gate+cross"))]
        self.assertEqual(ended.stdout.splitlines(),
                         labels + ["report.csv: equal to the table recomputed from the trials' files",
                                   "4 of 4 finished trials are equal bit for bit"])
        self.assertIn("training 4 trials again, up to 2 at once", ended.stderr)
        self.assertEqual({path: read_bytes(path) for path in before}, before)
        self.assertEqual(set(before), {path for path in glob.glob(self.path("results/**/*"), recursive=True)
                                       if os.path.isfile(path)})

    def test_one_trial(self):
        ended = self.verify(folder=self.trials()[2, 1])
        self.assertEqual(ended.stdout, "step 2 gate+cross, seed 1: equal\n"
                                       "1 of 1 finished trials are equal bit for bit\n")

    def test_damaged_files_are_found(self):
        """Nothing is trained for these: the recorded checksums say it."""
        weights = os.path.join(self.trials()[0, 1], "weights.safetensors")
        content = bytearray(read_bytes(weights))
        content[len(content) // 2] ^= 1
        with open(weights, "wb") as file:
            file.write(content)
        self.change((2, 1), "metrics.jsonl", b'"loss":3', b'"loss":2')
        self.change((0, 2), "key.txt", b"seed = 2", b"seed = 3")
        self.change((2, 2), "summary.json", b'"val_loss": 3', b'"val_loss": 2')
        ended = self.verify(code=1)
        lines = ended.stdout.splitlines()
        for line, fragment in zip(lines, ("weights.safetensors: does not have the SHA-256",
                                          "metrics.jsonl: does not have the SHA-256",
                                          "key.txt: does not have the SHA-256",
                                          "summary.json: does not have the SHA-256")):
            self.assertRegex(line, r"^step \d \S+, seed \d: damaged: ")
            self.assertIn(fragment, line)
        self.assertIn("0 of 4 finished trials are equal bit for bit", ended.stdout)
        self.assertNotIn("training", ended.stderr)

    def test_other_configuration_or_data_are_refused(self):
        self.change((0, 1), "config", b'CONFIG_GPT2_WEIGHT_DECAY="0.1"', b'CONFIG_GPT2_WEIGHT_DECAY="0.2"')
        finish_again(self.trials()[0, 1])
        same = self.write("same text", read_bytes(self.made.path("text")))
        ended = self.verify("--seeds", "1", "--data-path", same, code=1)
        self.assertTrue(ended.stdout.startswith(
            "step 0 mla, seed 1: refused: what it was made by differs: GPT2_WEIGHT_DECAY 0.1 -> 0.2\n"
            "step 2 gate+cross, seed 1: equal\n"), ended.stdout)
        other = self.write("other text", read_bytes(same).replace(b"king", b"ring", 1))
        ended = self.verify("--steps", "2", "--seeds", "1", "--data-path", other, code=1)
        self.assertRegex(ended.stdout, r"refused: .* differs: data [0-9a-f]+… -> [0-9a-f]+…\n")

    def test_a_false_result_with_matching_checksums_is_found(self):
        """The files of another seed's trial under this one's key: only training it again shows it."""
        trial, other = self.trials()[0, 1], self.trials()[0, 2]
        for name in ("weights.safetensors", "weights.sha256", "metrics.jsonl"):
            shutil.copy(os.path.join(other, name), os.path.join(trial, name))
        foreign = read_json(other, "summary.json")
        finish_again(trial, **{key: foreign[key] for key in ("weights_sha256", "metrics_sha256", "val_loss",
                                                             "train_loss")})
        self.kept = 1
        ended = self.verify("--steps", "0", code=1)
        self.assertRegex(ended.stdout, r"\Astep 0 mla, seed 1: differs: weights, final losses, "
                                       r"first at iteration 0 \(\w+ \S+ -> \S+\)\n"
                                       r"step 0 mla, seed 2: equal\nreport.csv: differs: step 0: ")
        kept = re.search(r"^kept to be looked at: (.*)$", ended.stdout, re.M)[1]
        self.assertTrue(kept.startswith(self.path("scratch")), kept)
        self.assertEqual(read_json(kept, "summary.json")["seed"], 1)

    def test_weights_that_do_not_give_the_loss_are_found_without_training(self):
        """Summary and log agree on an earlier loss, as a program that reports its best would leave them."""
        trial = self.trials()[0, 1]
        first, *_, last = re.findall(r'"val_loss":[^,}]+', read_text(trial, "metrics.jsonl"))
        self.change((0, 1), "metrics.jsonl", last.encode(), first.encode())
        finish_again(trial, val_loss=float(first.split(":")[1]),
                     metrics_sha256=sha256(trial, "metrics.jsonl"))
        whole = "files whole, and the weights give the validation loss; not trained again"
        for arguments, others in (("--no-retrain",), whole), ((), "equal"):
            ended = self.verify("--seeds", "1", *arguments, code=1)
            lines = ended.stdout.splitlines()
            self.assertRegex(lines[0], r"^step 0 mla, seed 1: closing failed: the recorded validation loss "
                                       r"is \S+, the weights give \S+$")
            self.assertEqual(lines[1], "step 2 gate+cross, seed 1: " + others)
            self.assertEqual("training 1 trial again" in ended.stderr, not arguments)

    def test_without_training_again(self):
        ended = self.verify("--no-retrain")
        self.assertEqual(ended.stdout.splitlines()[-1],
                         "4 of 4 finished trials have whole files and weights that give their loss")
        self.assertNotIn("training", ended.stderr)

    def test_an_edited_table_is_found(self):
        path = self.path("results", "small", "report.csv")
        text = read_text(path)
        loss = self.table()[2]["val_loss_mean"]
        self.write("results/small/report.csv", text.replace(loss, "1.5", 1))
        ended = self.verify("--steps", "0", "--seeds", "1", code=1)
        self.assertIn(f"report.csv: differs: step 2: val_loss_mean 1.5 stored, {loss} recomputed\n",
                      ended.stdout)

    def test_bad_input(self):
        trial = self.trials()[0, 1]
        os.remove(os.path.join(trial, "DONE"))
        missing = self.path("no data")
        self.assert_all_refused([
            (("verify", self.path("nowhere")), "there is no such folder", "trial"),
            (("verify", trial), "no trial here is finished"),
            (("verify", trial, "--seeds", "1"), "--steps and --seeds", "leave them out"),
            (("verify", self.path("results", "small"), "--steps", "9"), '"9"', "has no such trial"),
            (("verify", self.path("results", "small"), "--data-path", missing), missing),
        ])
        ended = self.verify("--steps", "0", "--data-path", self.made.path("text"), code=1)
        self.assertIn("report.csv: differs: step 0: ", ended.stdout)
        self.assertIn("1 of 1 finished trials are equal bit for bit; 1 not finished\n", ended.stdout)


class Interrupted(ProgramTest):
    symbols = {"GPT2_MAX_ITERS": 1500, "GPT2_EVAL_INTERVAL": 1500, "GPT2_LOG_INTERVAL": 100}

    def test_a_signal_ends_it_and_leaves_nothing(self):
        self.done("run", "--steps", "0")
        os.makedirs(self.path("scratch"))
        os.environ["TMPDIR"] = self.path("scratch")
        self.addCleanup(os.environ.pop, "TMPDIR")
        process = self.start("verify", self.path("results", "small"))
        pattern = os.path.join(glob.escape(self.path("scratch")), "*", "*", "metrics.jsonl")
        self.wait_for(lambda: any(os.path.getsize(path) for path in glob.glob(pattern)), process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        self.assertEqual((process.returncode, output), (3, ""), process.messages())
        self.assertEqual(os.listdir(self.path("scratch")), [])

    def test_what_a_kill_leaves_is_removed_by_the_next(self):
        self.done("run", "--steps", "0", GPT2_MAX_ITERS="20")
        os.makedirs(self.path("scratch"))
        left = os.path.join(self.path("scratch"), "kablate-retrain-aaaaaa")
        dead = subprocess.Popen(["true"])
        dead.wait()
        os.makedirs(left)
        with open(os.path.join(left, "claim.1"), "w", encoding="utf-8") as file:
            boot = read_text("/proc/sys/kernel/random/boot_id").strip()
            json.dump({"host": os.uname().nodename, "boot_id": boot, "pid": dead.pid, "start_time": 1,
                       "pid_namespace": os.readlink("/proc/self/ns/pid"), "token": "x"}, file)
        self.done("verify", self.path("results", "small"), environment={"TMPDIR": self.path("scratch")})
        self.assertEqual(os.listdir(self.path("scratch")), [])


if __name__ == "__main__":
    unittest.main()
