"""What the tests of `merge` share: trees of one plan, and changes of them that keep every sum right."""

import csv
import glob
import hashlib
import os
import re
import shutil

from support import TrainedOnce, finish_again, read_json, read_text, sealed

# Of report.csv: what hangs on the clock and on processes.
TIMES = re.compile(r"ms_per_iter|tokens_per_s|mfu|seconds|cpu_share|resident|time|beside|host|pids")


class MergeTest(TrainedOnce):
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
