"""What `merge` does not make one experiment of, and what is said then."""

import glob
import json
import os
import shutil
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from merge_support import MergeTest  # noqa: E402
from support import finish_again, flip, metrics, read_bytes, read_json  # noqa: E402


class MergeRefused(MergeTest):
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

    def test_places_that_are_none(self):
        os.makedirs(self.path("empty"))
        os.symlink(self.path("empty"), self.path("link"))
        inside = os.path.join(self.a, "x")
        for out, fragment in ((self.path("link"), "is a link"), (self.path("link") + "/", "is a link"),
                              (self.path("text", "x"), "can't be made"), (inside, f"lies in {self.a}"),
                              (os.path.join(self.a, "..x"), f"lies in {self.a}")):
            with self.subTest(out=out):
                ended = self.call("merge", self.a, self.b, "--out", out)
                self.assert_refused(ended, "--out = " + out, fragment)
                self.assertNotIn("--results", ended.stderr)
        self.assertFalse(os.path.exists(inside))


if __name__ == "__main__":
    unittest.main()
