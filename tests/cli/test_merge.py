"""`merge`: the trials of several machines as one experiment, and what can't be one."""

import csv
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (TrainedOnce, finish_again, flip, loss_log, metrics, read_bytes, read_json,  # noqa: E402
                     read_text, sealed, sha256)

# Of report.csv: what hangs on the clock and on processes.
TIMES = re.compile(r"ms_per_iter|tokens_per_s|mfu|seconds|cpu_share|resident|time|beside|host|pids")


class Merge(TrainedOnce):
    """Steps 0 and 1, seeds 1 to 4 in one tree (results/small); 1, 2 in a/small and 3, 4 in b/small."""

    run_arguments = ("--steps", "0,1", "--seeds", "1,2")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, seeds in (("results", "1-4"), ("a", "1,2"), ("b", "3,4")):
            cls.made.done("run", "--steps", "0,1", "--seeds", seeds, results=name)

    def begin(self):
        for name in ("a", "b"):
            shutil.copytree(self.made.path(name), self.path(name))
        self.a, self.b, self.out = (self.path(name, "small") for name in ("a", "b", "both"))

    def merge(self, *sources, out=None, code=0):
        return self.done("merge", *(sources or (self.a, self.b)), "--out", out or self.out, code=code)

    def refused(self, *fragments, sources=None):
        """And nothing is left of it."""
        sources = sources or (self.a, self.b)
        ended = self.call("merge", *sources, "--out", self.out)
        self.assert_refused(ended, *fragments, *sources)
        self.assertFalse(os.path.exists(self.out))
        parent = os.path.dirname(self.out)
        self.assertEqual(os.listdir(parent) if os.path.exists(parent) else [], [])

    def rows(self, experiment):
        with open(os.path.join(experiment, "report.csv"), encoding="utf-8", newline="") as file:
            return [{name: value for name, value in row.items() if not TIMES.search(name)}
                    for row in csv.DictReader(file)]

    def copy_of_a(self):
        shutil.copytree(self.a, self.path("c", "small"))
        return self.path("c", "small")

    def trial(self, experiment, step, seed):
        found, = glob.glob(os.path.join(glob.escape(experiment), "trials", f"step{step}-*.seed{seed}.*"))
        return found

    @staticmethod
    def rewrite(experiment, name, change):
        """A sealed file with other content, that has its right sum."""
        content = read_json(experiment, name)
        content.pop("sha256"), content.pop("format")
        change(content)
        with open(os.path.join(experiment, name), "w", encoding="utf-8") as file:
            file.write(sealed(content))

    def make_otherwise(self, experiment, step, seed, **lines):
        """A trial as if its key had these lines, in its plan too; `threads` also in its summary."""
        trial = self.trial(experiment, step, seed)
        text = read_text(trial, "key.txt")
        for name, value in lines.items():
            self.assertRegex(text, rf"(?m)^{name} = ")
            text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        with open(os.path.join(trial, "key.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        key = hashlib.sha256(text.encode()).hexdigest()
        finish_again(trial, key=key, **{name: lines[name] for name in lines if name == "threads"})
        old = os.path.basename(trial)
        new = old[:-12] + key[:12]
        os.rename(trial, os.path.join(os.path.dirname(trial), new))

        def rename(plan):
            for planned in plan["trials"]:
                planned["folder"] = new if planned["folder"] == old else planned["folder"]

        self.rewrite(experiment, "plan.json", rename)

    # --- What is one

    def test_two_machines_make_the_table_of_one(self):
        one = self.path("results", "small")
        self.done("pack", self.b)
        self.merge(self.b + ".tar.gz", self.a)
        self.assertFalse(os.path.exists(os.path.join(self.out, "report.csv")), "nobody has looked yet")
        self.done("report", self.out)
        self.assertEqual(self.rows(self.out), self.rows(one))
        self.assertGreater(len(self.rows(one)[0]), 30)
        merged, expected = self.trials("both"), self.trials("results")
        self.assertEqual({place: os.path.basename(trial) for place, trial in merged.items()},
                         {place: os.path.basename(trial) for place, trial in expected.items()})
        for place, trial in merged.items():
            self.assertEqual(sha256(trial, "weights.safetensors"),
                             sha256(expected[place], "weights.safetensors"))
            self.assertEqual(loss_log(trial), loss_log(expected[place]))
            self.assert_tidy(trial)
        plan = read_json(self.out, "plan.json")
        self.assertEqual(plan["seeds"], [1, 2, 3, 4])
        self.assertEqual(plan["trials"], read_json(one, "plan.json")["trials"])
        self.assertEqual(read_bytes(self.out, "base.config"), read_bytes(one, "base.config"))
        self.assertEqual(plan["notes"][-1], f"Merged from 2 results: seeds 3, 4 of {self.b}.tar.gz; "
                                            f"seeds 1, 2 of {self.a}.")

    def test_is_an_experiment_to_every_command(self):
        self.merge()
        self.done("report", self.out)
        ended = self.done("verify", self.out, "--no-retrain")
        self.assertIn("8 of 8 finished trials have whole files and weights that give their loss",
                      ended.stdout)
        self.assertIn("report.csv: equal", ended.stdout)
        self.assertRegex(self.done("list", "--results", self.path("both")).stdout, r"small +\S+ +8/8 +done")
        text = self.done("diff", self.path("results", "small"), self.out).stdout
        self.assertRegex(text, r"base configuration\n +no difference\n")
        self.assertEqual(text.count("; equal over 4 common seeds"), 2, text)
        def written():
            return {trial: os.stat(os.path.join(trial, "DONE")).st_mtime_ns
                    for trial in self.trials("both").values()}

        before = written()
        self.done("run", "--steps", "0,1", "--seeds", "1-4", results="both")
        self.assertEqual(written(), before)

    def test_what_is_in_both_is_taken_once_and_more_can_be_added(self):
        one, then = self.path("results", "small"), self.path("then", "small")
        shutil.rmtree(self.trial(self.a, 1, 2))  # planned there, and done in the other
        self.done("heads", self.trial(one, 0, 1), "--length", "8")
        self.merge(self.a, one)
        self.assertEqual(len(self.trials("both")), 8)
        self.assertTrue(os.path.exists(os.path.join(self.trial(self.out, 0, 1), "heads.json")))
        self.merge(self.out, self.b, one, out=then)
        self.assertEqual(len(self.trials("then")), 8)
        self.done("verify", then, "--no-retrain")

    def test_looks_and_measurements_are_kept(self):
        def elsewhere(peaks):
            for peak in peaks["peaks"]:
                peak["host"] = "elsewhere"

        for tree in (self.a, self.b):
            with open(os.path.join(tree, "threads.json"), "w", encoding="utf-8") as file:
                file.write(sealed({"threads": 1, "measured": {}}))
        self.rewrite(self.b, "peak.json", elsewhere)
        self.merge()
        lines = [read_text(tree, "looks.jsonl").splitlines() for tree in (self.a, self.b, self.out)]
        self.assertEqual(lines[2], lines[0] + lines[1])
        text = " ".join(self.done("report", self.out).stdout.split())
        self.assertIn("Seeds 3, 4 were added after a look at seeds 1, 2.", text)
        self.assertNotIn("there may have been more looks", text)
        hosts = [peak["host"] for peak in read_json(self.out, "peak.json")["peaks"]]
        self.assertEqual(len(hosts), 2)
        self.assertIn("elsewhere", hosts)
        self.assertEqual(read_json(self.out, "threads.json")["threads"], 1)
        self.assertEqual(read_json(self.out, "audit.json"), read_json(self.a, "audit.json"))

    def test_seeds_that_were_made_otherwise_are_said_to_be(self):
        for seed in (3, 4):
            for step in (0, 1):
                finish_again(self.trial(self.b, step, seed), arithmetic="f" * 16, host="elsewhere")
        self.merge()
        self.done("report", self.out)
        self.assertEqual([row["seeds"] for row in self.rows(self.out)], ["4", "4"])
        self.assertIn("They were not made alike (arithmetic), but within each seed.",
                      read_json(self.out, "plan.json")["notes"][-1])

    def test_names_are_names(self):
        os.rename(self.a, self.path("-a tree"))
        os.rename(self.b, self.path("h:b 'tree'"))
        self.done("pack", "--out=-b $(x).tar.gz", "--", "h:b 'tree'")
        self.done("merge", "--out=-out put/", "--", "-a tree", "-b $(x).tar.gz")
        self.assertEqual(len(os.listdir(self.path("-out put", "trials"))), 8)

    # --- What is not

    def test_another_plan_or_configuration(self):
        self.done("run", "--steps", "0", "--seeds", "3", results="d", GPT2_LEARNING_RATE="0.02")
        other = self.path("d", "small")
        self.refused("base configurations", "GPT2_LEARNING_RATE", "0.02", sources=(self.a, other))
        for key, value, fragment in (("plan", "steps: []", "the plan files' texts differ"),
                                     ("baseline", 1, "the baseline is step 0 and 1"),
                                     ("arms", 9, "arms"), ("name", "other", "its name is")):
            with self.subTest(key=key):
                copy = self.copy_of_a()
                self.rewrite(copy, "plan.json", lambda plan: plan.update({key: value}))
                self.refused("are not of one plan", fragment, sources=(self.a, copy))
                shutil.rmtree(copy)
        self.rewrite(self.b, "plan.json", lambda plan: plan["steps"][1].update(name="other"))
        self.refused("step 1", "its name is", '"other"')

    def test_a_step_that_was_trained_on_other_data(self):
        self.make_otherwise(self.b, 1, 3, data="0" * 64)
        self.refused("step 1 ", "seed 3 has another configuration than seed 1: data ")

    def test_a_trial_that_came_out_otherwise(self):
        copy = self.copy_of_a()
        trial, other = self.trial(copy, 1, 2), self.trial(copy, 1, 1)
        for name in ("weights.safetensors", "weights.sha256", "metrics.jsonl"):
            shutil.copy(os.path.join(other, name), os.path.join(trial, name))
        taken = ("weights_sha256", "metrics_sha256", "val_loss", "train_loss")
        finish_again(trial, **{key: read_json(other, "summary.json")[key] for key in taken})
        self.refused("step 1 ", "seed 2 is in both and came out otherwise: weights, final losses, first at "
                     "iteration 0", sources=(self.a, copy))

    def test_a_trial_that_was_made_otherwise_in_both(self):
        copy = self.copy_of_a()
        self.make_otherwise(copy, 0, 1, threads=2)
        self.refused("step 0 ", "seed 1 is in both and was not made by the same: threads 1 -> 2",
                     sources=(self.a, copy))

    def test_trials_of_a_seed_that_are_no_pair(self):
        copy = self.copy_of_a()
        shutil.rmtree(self.trial(self.a, 1, 1))
        shutil.rmtree(self.trial(copy, 0, 1))
        self.merge(self.a, copy, out=self.path("as one", "small"))  # the same machine
        finish_again(self.trial(copy, 1, 1), arithmetic="f" * 16, host="elsewhere")
        no_pair = "seed 1 of the second can't be paired with step 0 of the first: "
        self.refused("step 1 ", no_pair + "their arithmetic differs", "elsewhere", sources=(self.a, copy))
        finish_again(self.trial(copy, 1, 1),
                     arithmetic=read_json(self.trial(copy, 1, 2), "summary.json")["arithmetic"])
        self.make_otherwise(copy, 1, 1, sources="0" * 64)
        self.refused("step 1 ", no_pair + "they were not made by the same: sources ",
                     sources=(self.a, copy))
        self.make_otherwise(copy, 1, 1, threads=2)
        self.refused("1 threads on cpu against 2 on cpu", sources=(self.a, copy))

    def test_a_trial_that_diverged_in_one_and_not_in_the_other(self):
        copy = self.copy_of_a()
        trial = self.trial(copy, 1, 1)
        os.remove(os.path.join(trial, "DONE"))
        with open(os.path.join(trial, "failure.json"), "w", encoding="utf-8") as file:
            json.dump({"status": "diverged", "reason": "x", "exit_code": 1, "signal": None, "log_tail": ""},
                      file)
        self.refused("step 1 ", "seed 1 is in both and is done in the one, diverged in the other",
                     sources=(self.a, copy))
        shutil.rmtree(self.trial(self.a, 1, 1))
        self.merge(self.a, copy)
        self.assertIn("diverged", self.done("report", self.out).stdout)

    def test_gates_that_do_not_agree(self):
        self.rewrite(self.b, "audit.json",
                     lambda audit: audit["checks"][0].update(passed=False, detail="why"))
        self.refused("the gates do not agree", "why")

    def test_damage_is_named_as_in_the_source(self):
        flip(os.path.join(self.trial(self.b, 1, 3), "weights.safetensors"))
        name = os.path.basename(self.trial(self.b, 1, 3))
        with tarfile.open(self.path("b.tar.gz"), "w:gz") as archive:
            archive.add(self.b, "small")
        for source in (self.b, self.path("b.tar.gz")):
            ended = self.call("merge", self.a, source, "--out", self.out)
            self.assert_refused(ended, f"{source}/trials/{name}: weights.safetensors: does not have the ")

    def test_no_archive_of_pack(self):
        self.done("pack", self.b)
        content = read_bytes(self.b + ".tar.gz")
        cut = self.write("cut.tar.gz", content[:len(content) // 2])
        text = self.write("text.tar.gz", b"no archive")
        with tarfile.open(self.path("link.tar.gz"), "w:gz") as archive:
            archive.add(self.b, "small")
            link = tarfile.TarInfo("small/report.md.link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        with tarfile.open(self.path("out.tar.gz"), "w:gz") as archive:
            archive.add(self.path("text"), "../../escaped")
        with tarfile.open(self.path("other.tar.gz"), "w:gz") as archive:
            archive.add(self.path("text"), "text")
        for name, fragment in ((cut, "can't be unpacked"), (text, "can't be unpacked"),
                               (self.path("link.tar.gz"), "a link"), (self.path("out.tar.gz"), "tar.gz: "),
                               (self.path("other.tar.gz"), "holds no experiment"),
                               (self.path("none.tar.gz"), "there is no such folder")):
            with self.subTest(name=name):
                self.assert_refused(self.call("merge", self.a, name, "--out", self.out), name, fragment)
        self.assertEqual(glob.glob(self.path("**", "escaped"), recursive=True), [])
        self.assertEqual(os.listdir(self.path("both")), [])

    def test_a_folder_that_holds_something_is_left_alone(self):
        before = read_bytes(self.b, "plan.json")
        self.assert_refused(self.call("merge", self.a, self.b, "--out", self.b), "--out = ",
                            "is there already")
        self.assertEqual(read_bytes(self.b, "plan.json"), before)
        self.assert_refused(self.call("merge", self.a, "--out", self.out), "SOURCE")
        os.makedirs(self.out)
        self.merge()
        self.assertEqual(len(metrics(self.trial(self.out, 0, 1))), len(metrics(self.trial(self.a, 0, 1))))

    def test_a_torn_folder_never_stands(self):
        weights = os.path.join(self.trial(self.a, 0, 1), "weights.safetensors")
        ended = self.call("merge", self.a, self.b, "--out", self.out, limit=os.path.getsize(weights) - 1)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertEqual(os.listdir(self.path("both")), [])

    def test_imported_runs_are_no_trials(self):
        self.write("theirs.csv", "arm,seed,loss\na,1,2\nb,1,1\n")
        self.done("import-runs", "theirs.csv")
        theirs = os.path.join(self.path("results"), "theirs")
        self.assert_refused(self.call("merge", self.a, theirs, "--out", self.out), "were imported from")


if __name__ == "__main__":
    unittest.main()
