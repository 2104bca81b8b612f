"""`merge`: the trials of several machines as one experiment."""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from merge_support import MergeTest  # noqa: E402
from support import finish_again, loss_log, read_bytes, read_json, read_text, sealed, sha256  # noqa: E402


class Merge(MergeTest):
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
        self.assertIn(" They were not made alike: arithmetic (seeds 3, 4); within each seed they were.",
                      read_json(self.out, "plan.json")["notes"][-1])

    def test_another_program_is_said_first(self):
        lines = {"sources": "0" * 64, "LibTorch": "1", "compiler": "none", "flags": "none", "kernels": "none"}
        for step in (0, 1):
            for seed in (3, 4):
                self.make_otherwise(self.b, step, seed, **lines)
        self.merge()
        note = read_json(self.out, "plan.json")["notes"][-1]
        self.assertRegex(note, r"not made alike: sources \w{12}… -> 0{12}… \(seeds 3, 4\), ")
        for name in lines:
            self.assertRegex(note, rf"{name} [^,]* \(seeds 3, 4\)")
        self.assertTrue(note.endswith("; within each seed they were."), note)

    def test_what_is_mixed_within_a_seed_is_said(self):
        finish_again(self.trial(self.b, 1, 3), arithmetic="f" * 16)
        self.merge()
        self.assertIn(" They were not made alike: arithmetic (seed 3); not even all of seed 3 among "
                      "themselves.", read_json(self.out, "plan.json")["notes"][-1])

    def test_files_are_taken_so_that_a_seed_is_paired(self):
        """Of the same trials with the same results, whichever source is named first."""
        copy, arithmetic = self.copy_of_a(), read_json(self.trial(self.a, 0, 1), "summary.json")["arithmetic"]
        finish_again(self.trial(copy, 0, 1), arithmetic="f" * 16)
        for number, lacks in enumerate((False, True)):
            if lacks:  # what pairs with step 1 is that of the one that has both
                shutil.rmtree(self.trial(copy, 1, 1))
            for sources in ((self.a, copy), (copy, self.a)):
                out = self.path(f"order{number}{sources.index(copy)}", "small")
                self.merge(*sources, out=out)
                found = {read_json(self.trial(out, step, 1), "summary.json")["arithmetic"] for step in (0, 1)}
                self.assertEqual(found, {arithmetic})
                self.done("report", out)
                self.assertEqual([row["seeds"] for row in self.rows(out)], ["2", "2"])
        self.done("run", "--steps", "0,1,2", "--seeds", "1", results="d")
        more = self.path("d", "small")
        shutil.rmtree(self.trial(more, 1, 1))
        shutil.rmtree(self.trial(self.a, 0, 1))
        for step in (0, 2):
            finish_again(self.trial(more, step, 1), arithmetic="f" * 16)
        for sources in ((self.a, more), (more, self.a)):
            self.refused("seed 1 of the second can't be paired with ", "their arithmetic differs",
                         sources=sources)

    def test_of_no_ended_trial(self):
        for tree in (self.a, self.b):
            shutil.rmtree(os.path.join(tree, "trials"))
        self.merge()
        self.assertEqual(read_json(self.out, "plan.json")["notes"][-1],
                         "Merged from 2 results, in which no trial has ended.")

    def test_a_noise_floor_is_kept_with_its_trials(self):
        self.done("noise", "--fresh", "4", results="a")
        self.done("noise", "--fresh", "6", "--set", "GPT2_LEARNING_RATE=0.02", results="b")  # of another arm
        ended = self.merge()
        self.assertIn(f"{self.b}: noise.json is left out: it is of no baseline that has ended here",
                      ended.stderr)
        self.assertIn(f"{self.b}: left out: ", ended.stderr)
        self.assertEqual(read_bytes(self.out, "noise.json"), read_bytes(self.a, "noise.json"))
        noise = read_json(self.out, "noise.json")
        losses = [read_json(self.trial(self.out, 0, seed), "summary.json")["val_loss"]
                  for seed in noise["seeds"]]
        self.assertEqual(noise["val_losses"], losses)
        self.assertIn("Noise floor: ", self.done("report", self.out).stdout)
        then = self.path("then", "small")
        self.merge(self.out, self.b, out=then)
        self.assertTrue(os.path.exists(self.trial(then, 0, 1004)))
        shutil.rmtree(self.trial(self.a, 0, 1003))
        shutil.rmtree(self.out)
        self.assertIn(f"{self.a}: noise.json is left out: the trial of its seed 1003 is not there",
                      self.merge().stderr)
        self.assertFalse(os.path.exists(os.path.join(self.out, "noise.json")))

    def test_what_is_left_out_is_named(self):
        self.done("report", self.a)
        for name in ("my notes.txt", "tensorboard/run"):
            os.makedirs(os.path.dirname(os.path.join(self.a, name)), exist_ok=True)
            self.write(os.path.join(self.a, name), "x")
        text = self.merge().stderr
        line, = [line for line in text.splitlines() if "left out" in line and self.a in line]
        for name in ("my notes.txt", "report.md", "tensorboard"):
            self.assertIn(name, line)

    def test_a_trial_that_ends_meanwhile_is_not_counted(self):
        """It ends while another source is unpacked, by a tar that waits for it."""
        self.done("pack", self.b)
        trial = self.trial(self.a, 1, 2)
        os.rename(os.path.join(trial, "DONE"), self.path("DONE"))
        owner = {"host": "elsewhere", "boot_id": "b", "pid_namespace": "n", "pid": 7, "start_time": 1,
                 "token": "t"}
        self.write(os.path.join(trial, "claim.1"), json.dumps(owner))
        os.makedirs(self.path("bin"))
        tar = self.write("bin/tar", f'#!/bin/sh\nrm -f "{trial}/claim.1"\n'
                                    f'mv "{self.path("DONE")}" "{trial}/DONE" 2> /dev/null\n'
                                    f'exec {shutil.which("tar")} "$@"\n')
        os.chmod(tar, 0o755)
        ended = self.call("merge", self.a, self.b + ".tar.gz", "--out", self.out,
                          environment={"PATH": self.path("bin") + ":" + os.environ["PATH"]})
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertTrue(os.path.exists(os.path.join(trial, "DONE")))
        self.assertIn("7 of 8 trials done", ended.stdout)
        self.assertRegex(self.done("list", "--results", self.path("both")).stdout, r"small +\S+ +7/8 ")

    def test_where_signals_of_children_are_ignored(self):
        def ignoring(*arguments):
            code = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); " \
                   "os.execv(sys.argv[1], sys.argv[1:])"
            subprocess.run([sys.executable, "-c", code, self.program, *arguments], timeout=30, check=True,
                           capture_output=True)

        ignoring("pack", self.b)
        ignoring("merge", self.a, self.b + ".tar.gz", "--out", self.out)
        self.assertEqual(len(self.trials("both")), 8)

    def test_names_are_names(self):
        os.rename(self.a, self.path("-a tree"))
        os.rename(self.b, self.path("h:b 'tree'"))
        self.done("pack", "--out=-b $(x).tar.gz", "--", "h:b 'tree'")
        self.done("merge", "--out=-out put/", "--", "-a tree", "-b $(x).tar.gz")
        self.assertEqual(len(os.listdir(self.path("-out put", "trials"))), 8)


if __name__ == "__main__":
    unittest.main()
