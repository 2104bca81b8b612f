"""`pack`: an experiment as one archive that holds what was checked, and nothing else."""

import json
import os
import shutil
import signal
import sys
import tarfile
import time
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import TrainedOnce, flip, read_bytes, sealed, sha256  # noqa: E402

WORD = "0123456789abcdef"


class Pack(TrainedOnce):
    run_arguments = ("--steps", "0,1")

    def begin(self):
        self.experiment = self.path("results", "small")
        self.archive = self.experiment + ".tar.gz"

    def put(self, name, content=b"x"):
        path = os.path.join(self.experiment, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def tree(self):
        """Every file of the experiment: name within it -> content."""
        return {os.path.relpath(os.path.join(folder, name), self.experiment): read_bytes(folder, name)
                for folder, _, names in os.walk(self.experiment) for name in names}

    def packed(self, archive=None, top="small"):
        """The same of an archive, whose members are files alone."""
        with tarfile.open(archive or self.archive, "r:gz") as file:
            members = file.getmembers()
            self.assertTrue(all(member.isreg() for member in members))
            self.assertEqual({(m.uid, m.gid, m.mtime, m.mode) for m in members}, {(0, 0, 0, 0o644)})
            names = [member.name for member in members]
            self.assertEqual(names, sorted(names))
            return {os.path.relpath(name, top): file.extractfile(name).read() for name in names}

    def checkpoint(self, trial):
        """Puts one there, and gives the names of its files."""
        folder = os.path.join("trials", trial, "checkpoint", "5")
        for name in ("weights.safetensors", "state.safetensors"):
            self.put(os.path.join(folder, name), name.encode())
        sums = {name: sha256(self.experiment, folder, name) for name in os.listdir(
            os.path.join(self.experiment, folder))}
        self.put(os.path.join(folder, "manifest.json"), sealed(sums).encode())
        return {os.path.join(folder, name) for name in (*sums, "manifest.json")}

    def test_holds_the_experiment_and_nothing_that_is_of_the_moment(self):
        trial = os.path.basename(self.trials()[0, 1])
        self.put("my notes.txt")
        expected = self.tree()
        of_the_moment = ["checked.json", "plan.json.tmp" + WORD, "threads.json.new" + WORD, ".probe" + WORD,
                         f"trials/{trial}/claim.3", f"trials/{trial}/claim-new.x",
                         f"trials/{trial}/log.txt.tmp" + WORD, "tensorboard/run/events", "wandb/a",
                         "trackio/b", "trials/of another/x", "checks/x"]
        for name in of_the_moment:
            self.put(name)
        checkpoint = self.checkpoint(trial)
        ended = self.done("pack", self.experiment + "/")
        self.assertEqual(self.packed(), expected)
        self.assertIn("not packed: " + os.path.join(self.experiment, "checks"), ended.stderr)
        self.assertTrue(ended.stdout.startswith(f"{self.archive}: {len(expected)} files of "), ended.stdout)
        self.done("pack", self.experiment, "--with-checkpoints", "--out", self.path("whole.tar.gz"))
        self.assertEqual(set(self.packed(self.path("whole.tar.gz"))), set(expected) | checkpoint)

    def test_the_same_tree_gives_the_same_bytes(self):
        self.done("pack", self.experiment)
        first = read_bytes(self.archive)
        for name in self.tree():
            path = os.path.join(self.experiment, name)
            shutil.copyfile(path, path + ".copy")
            os.remove(path)
            os.rename(path + ".copy", path)
            os.chmod(path, 0o600)
        other = self.path("other.tar.gz")
        self.done("pack", self.experiment, "--out", other,
                  environment={"TAR_OPTIONS": "--exclude=*", "GZIP": "-1", "POSIXLY_CORRECT": "1"})
        self.assertEqual(read_bytes(other), first)

    def test_a_file_that_is_not_as_it_was_is_named(self):
        self.done("pack", self.experiment)
        before = read_bytes(self.archive)
        trial = os.path.join("trials", os.path.basename(self.trials()[1, 1]))
        checkpoint = self.checkpoint(os.path.basename(trial))
        places = {os.path.join(trial, "weights.safetensors"): (), os.path.join(trial, "DONE"): (),
                  os.path.join(trial, "log.txt"): (), "audit.json": (), "base.config": (), "plan.json": (),
                  **dict.fromkeys(checkpoint, ("--with-checkpoints",))}
        for name, options in places.items():
            path = os.path.join(self.experiment, name)
            whole = read_bytes(path)
            with self.subTest(name=name):
                flip(path, 0)
                self.assert_refused(self.call("pack", self.experiment, *options), os.path.basename(name),
                                    self.experiment)
            self.put(name, whole)
        flip(os.path.join(self.experiment, trial, "weights.safetensors"))
        flip(os.path.join(self.experiment, "audit.json"))
        self.assert_refused(self.call("pack", self.experiment), "and 1 more of its files")
        self.assertEqual(read_bytes(self.archive), before)
        self.assertEqual(sorted(os.listdir(self.path("results"))), ["small", "small.tar.gz"])

    def test_a_running_trial_is_left_out_and_named(self):
        trial = self.trials()[1, 1]
        os.remove(os.path.join(trial, "DONE"))
        owner = {"host": "elsewhere", "boot_id": "b", "pid_namespace": "n", "pid": 7, "start_time": 1,
                 "token": "t"}
        self.put(os.path.join("trials", os.path.basename(trial), "claim.1"), json.dumps(owner).encode())
        ended = self.done("pack", self.experiment)
        self.assertIn(f"not packed: {trial}: process 7 on elsewhere is working on it", ended.stderr)
        self.assertEqual({name.split(os.sep)[1] for name in self.packed() if name.startswith("trials")},
                         {os.path.basename(self.trials()[0, 1])})

    def test_a_torn_archive_never_stands(self):
        self.done("pack", self.experiment)
        before = read_bytes(self.archive)
        ended = self.call("pack", self.experiment, limit=len(before) // 2)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn(f"{self.archive}: can't be written: ", ended.stderr)
        self.assertEqual(read_bytes(self.archive), before)
        self.assertEqual(sorted(os.listdir(self.path("results"))), ["small", "small.tar.gz"])

    def test_names_are_names(self):
        """Blanks, a dash in front, what a shell or tar would take for something else."""
        for number, name in enumerate(("-small", "a b", "h:small", "@small", "$(x) 'small'", "x*")):
            with self.subTest(name=name):
                shutil.copytree(self.experiment, self.path(name))
                archive = f"-{number} {name}.tar.gz"
                self.done("pack", f"--out={archive}", "--", name)
                self.assertEqual(self.packed(self.path(archive), top=name), self.tree())

    def test_is_refused_where_there_is_nothing_or_no_place(self):
        os.mkdir(self.path("folder"))
        inside = os.path.join(self.experiment, "x.tar.gz")
        self.assert_all_refused([
            (("pack", self.path("none")), "none: there is no such folder"),
            (("pack", self.path("folder")), "folder: has no plan.json"),
            (("pack", self.experiment, "--out", self.path("folder")), "--out = ", "is a folder"),
            (("pack", self.experiment, "--out", self.path("no", "x")), "--out = ", "there is no folder"),
            (("pack", self.experiment, "--out", inside), "--out = ", "lies in the folder that is packed"),
        ])

    def test_replaces_no_other_file_and_no_checkpoints(self):
        notes, gzip = self.path("notes.tar.gz"), self.path("x.tgz")
        self.write("notes.tar.gz", "mine")
        self.assert_refused(self.call("pack", self.experiment, "--out", notes), notes, "no archive")
        self.assertEqual(read_bytes(notes), b"mine")
        for name in ("notes", "small.tar", "gz"):
            self.assert_refused(self.call("pack", self.experiment, "--out", self.path(name)), "--out = ",
                                "ends in .tar.gz or .tgz")
        self.checkpoint(os.path.basename(self.trials()[0, 1]))
        self.done("pack", self.experiment, "--out", gzip)
        self.done("pack", self.experiment, "--out", gzip, "--with-checkpoints")
        before = read_bytes(gzip)
        self.assert_refused(self.call("pack", self.experiment, "--out", gzip), gzip, "--with-checkpoints")
        self.assertEqual(read_bytes(gzip), before)
        self.done("pack", self.experiment, "--out", gzip, "--with-checkpoints")
        beside = self.path("results", "..small.tar.gz")
        self.done("pack", self.experiment, "--out", beside)
        inside = os.path.join(self.experiment, "..x", "a.tar.gz")
        os.makedirs(os.path.dirname(inside))
        self.assert_refused(self.call("pack", self.experiment, "--out", inside), "lies in the folder")

    def test_begins_anew_after_a_signal(self):
        os.makedirs(self.path("bin"))
        tar = self.write("bin/tar", f'#!/bin/sh\ntouch "{self.path("begun")}"\nexec sleep 60\n')
        os.chmod(tar, 0o755)
        with mock.patch.dict(os.environ, PATH=self.path("bin") + ":" + os.environ["PATH"]):
            pack = self.start("pack", self.experiment)
        while not os.path.exists(self.path("begun")):
            self.assertIsNone(pack.poll(), pack.messages())
            time.sleep(0.01)
        pack.send_signal(signal.SIGTERM)
        self.assertEqual(pack.wait(timeout=20), 3)
        self.assertIn("nothing was written: the same command begins anew", pack.messages())
        self.assertEqual(os.listdir(self.path("results")), ["small"])

    def test_takes_imported_runs(self):
        self.write("theirs.csv", "arm,seed,loss\na,1,2\nb,1,1\na,2,2.5\nb,2,1.5\n")
        self.done("import-runs", "theirs.csv")
        self.experiment, self.archive = self.path("results", "theirs"), self.path("results", "theirs.tar.gz")
        self.done("pack", self.experiment)
        self.assertEqual(self.packed(top="theirs"), self.tree())
        flip(os.path.join(self.experiment, "runs.json"))
        self.assert_refused(self.call("pack", self.experiment), "runs.json")


if __name__ == "__main__":
    unittest.main()
