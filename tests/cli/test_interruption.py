"""Killed, stopped, full, damaged, shared: the same command again ends as if nothing had happened."""

import glob
import hashlib
import os
import random
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (ProgramTest, flip, loss_log, metrics, read_bytes, read_json,  # noqa: E402
                     read_safetensors, read_text)

STARTED = re.compile(r"step (\d) \S+, seed (\d): started as process (\d+)")
ALONE = ("run", "--steps", "3")


class InterruptionTest(ProgramTest):
    """All that has a state: dropout, accumulation, moments, resets, pruning; saved every 8 iterations."""

    symbols = {"GPT2_GRADIENT_ACCUMULATION": 2, "GPT2_MAX_ITERS": 150, "GPT2_EVAL_INTERVAL": 8,
               "GPT2_EVAL_SAMPLES": 4,
               "SPAM_INTERVAL": 25, "SPAM_WARMUP_STEPS": 6, "GPT2_LEARNING_RATE": '"1e-2"',
               "PRUNE_MOMENTS": "y", "PRUNE_BEGIN": 3, "PRUNE_END": 30, "PRUNE_INTERVAL": 3}
    undisturbed = {}  # the folder of that trial without any disturbance, for each configuration

    @classmethod
    def setUpClass(cls):
        if repr(cls.symbols) not in cls.undisturbed:
            calm = cls("assert_undisturbed")
            calm.setUp()
            unittest.addModuleCleanup(calm.doCleanups)
            calm.done(*ALONE)
            cls.undisturbed[repr(cls.symbols)] = calm.trials()[3, 1]

    def assert_undisturbed(self, trial):
        """The trial's end is that of one which nothing has disturbed."""
        self.assert_same_end(trial, self.undisturbed[repr(self.symbols)])

    def processes(self, run):
        """(step, seed) -> process id of the trial last started for it."""
        return {(int(step), int(seed)): int(pid) for step, seed, pid in STARTED.findall(run.messages())}

    def wait_for_iteration(self, run, iteration, place=(3, 1)):
        """Until the trial that `run` has started has logged it; its process id, None if all has ended."""
        def reached():
            pid, trial = self.processes(run).get(place), self.trials().get(place)
            rows = metrics(trial) if pid and trial else []
            return pid if rows and rows[-1]["iteration"] >= iteration else None
        return self.wait_for(reached, run)

    def end_of(self, run, code):
        output, _ = run.communicate(timeout=60)
        self.assertEqual(run.returncode, code, output + run.messages())
        return output

    def kill(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def wait_until_gone(self, pid):
        """A trial whose runner was killed is no child of ours."""
        def gone():
            try:
                return read_text("/proc", str(pid), "stat").rsplit(")", 1)[1].split()[0] == "Z"
            except (FileNotFoundError, ProcessLookupError):
                return True
        self.wait_for(gone)


class Killed(InterruptionTest):
    def test_at_random_moments(self):
        """SIGKILL to the trial, to the runner, or to both, wherever they are; then the same command again."""
        seed = int(os.environ.get("KABLATE_TEST_SEED", 0)) or random.SystemRandom().randrange(1, 10**6)
        print(f"KABLATE_TEST_SEED={seed}", file=sys.stderr)
        draw = random.Random(seed)
        reached = 0
        for victims in draw.sample(["trial", "trial", "both", "both", "runner"], 5):
            run = self.start(*ALONE)
            pid = self.wait_for_iteration(run, reached + draw.randrange(1, 10))
            self.assertIsNotNone(pid, f"seed {seed}: the run ended before it was killed: {run.messages()}")
            time.sleep(draw.random() * 0.01)
            if victims != "trial":
                self.kill(run.pid)
            if victims != "runner":
                self.kill(pid)
            reached = metrics(self.trials()[3, 1])[-1]["iteration"]
            if victims == "trial":
                self.end_of(run, 1)
                failure = read_json(self.trials()[3, 1], "failure.json")
                self.assertEqual((failure["status"], failure["signal"]), ("failed", 9))
                self.assertEqual(self.table()[3]["status"], "failed")
            else:
                run.wait()
                self.wait_until_gone(pid)
            self.assertNotIn("DONE", os.listdir(self.trials()[3, 1]))
        self.done(*ALONE)
        self.assert_undisturbed(self.trials()[3, 1])

    def test_a_failed_trial_does_not_stop_the_others(self):
        ladder = ("run", "--steps", "0,3,5")
        run = self.start(*ladder)
        self.kill(self.wait_for_iteration(run, 3))
        output = self.end_of(run, 1)
        self.assertIn("step 3 (all): failed", output)
        self.assertIn("killed by signal 9", run.messages())
        self.assertIn("killed by signal 9", read_text(self.path("results", "small", "report.md")))
        table = self.table()
        self.assertEqual([table[step]["status"] for step in (0, 3, 5)], ["done", "failed", "done"])
        self.assertEqual(table[3]["val_loss_mean"], "")
        self.assertIn("seed 1 not finished", table[5]["identical_to"])
        again = self.done(*ladder)
        self.assertEqual([found[0] for found in STARTED.findall(again.stderr)], ["3"])
        self.assertIn("killed by signal 9", again.stderr)
        self.assertEqual(self.table()[5]["identical_to"], "3")
        self.assert_undisturbed(self.trials()[3, 1])


class Stopped(InterruptionTest):
    def test_by_a_signal(self):
        """Exit code 3 within 10 s, saved, and no iteration is trained twice."""
        reached = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            run = self.start(*ALONE)
            pid = self.wait_for_iteration(run, reached + 5)
            self.assertIsNotNone(pid, run.messages())
            asked = time.monotonic()
            run.send_signal(number)
            output = self.end_of(run, 3)
            self.assertLess(time.monotonic() - asked, 10)
            self.assertEqual(output, "", "no table that nobody waited for")
            self.assertIn("interrupted with 0 of 1 trials finished", run.messages().splitlines()[-1])
            self.assertFalse(os.path.exists(self.path("results", "small", "looks.jsonl")), "nor a look at it")
            self.assertIn("the same command goes on from here", run.messages())
            trial = self.trials()[3, 1]
            saved = max(int(name) for name in os.listdir(os.path.join(trial, "checkpoint")) if name.isdigit())
            reached = metrics(trial)[-1]["iteration"]
            self.assertEqual(saved, reached + (metrics(trial)[-1]["kind"] == "train"))
            self.assertEqual([name for name in os.listdir(trial) if name.startswith("claim")], [])
        self.assertIn("goes on where it was interrupted", self.done(*ALONE).stderr)
        self.assert_undisturbed(self.trials()[3, 1])
        self.assertEqual(read_json(self.trials()[3, 1], "summary.json")["interruptions"], 3)
        log = read_text(self.trials()[3, 1], "log.txt")
        self.assertEqual(log.count("going on from iteration"), 3)


    def test_a_trial_that_has_hardly_started(self):
        """A signal to its process while that loads its libraries: stopped, not failed."""
        for number in (signal.SIGUSR1, signal.SIGTERM):
            run = self.start(*ALONE)
            pid = self.wait_for(lambda: self.processes(run).get((3, 1)), run)
            os.kill(pid, number)
            output = self.end_of(run, 3)
            self.assertNotIn("failed", output + run.messages())
        self.done(*ALONE)
        self.assert_undisturbed(self.trials()[3, 1])


class Damaged(InterruptionTest):
    def stop_at(self, iteration):
        run = self.start(*ALONE)
        self.assertIsNotNone(self.wait_for_iteration(run, iteration))
        run.send_signal(signal.SIGTERM)
        self.end_of(run, 3)
        return self.trials()[3, 1]

    def test_checkpoint(self):
        """The one before is used, and the start where there is none; the log names what was damaged."""
        trial = self.stop_at(20)
        saved = sorted((int(name) for name in os.listdir(os.path.join(trial, "checkpoint"))), reverse=True)
        self.assertEqual(len(saved), 2)
        flip(os.path.join(trial, "checkpoint", str(saved[0]), "state.safetensors"), 0.9)
        self.stop_at(saved[0] + 5)
        log = read_text(trial, "log.txt")
        self.assertIn(f"checkpoint {saved[0]} is not used: ", log)
        self.assertIn(f"going on from iteration {saved[1]}", log)
        saved = os.listdir(os.path.join(trial, "checkpoint"))
        for name, file in zip(saved, ("weights.safetensors", "manifest.json")):
            flip(os.path.join(trial, "checkpoint", name, file), 0.5 if file.startswith("w") else 0)
        self.done(*ALONE)
        log = read_text(trial, "log.txt")
        for name in saved:
            self.assertIn(f"checkpoint {name} is not used: ", log)
        self.assertEqual(log.count("going on from iteration"), 1)
        self.assert_undisturbed(trial)

    def test_log(self):
        """Rows that a checkpoint counts on are gone: an older one serves, or the trial begins again."""
        trial = self.stop_at(20)
        with open(os.path.join(trial, "metrics.jsonl"), "wb"):
            pass
        ended = self.done(*ALONE)
        self.assertIn("validation loss", ended.stderr)
        log = read_text(trial, "log.txt")
        self.assertIn("rows that stood in it when the checkpoint was made", log)
        self.assertIn("no checkpoint can be gone on from: the trial begins again", log)
        self.assert_undisturbed(trial)

    def test_end_of_the_metrics(self):
        """A crash of the machine may leave half a line, or zeros, and rows later than the checkpoint."""
        trial = self.stop_at(20)
        with open(os.path.join(trial, "metrics.jsonl"), "ab") as file:
            file.write(b'{"iteration": 99, "kind": "train", "loss": 1}\n{"iteration": 100, "ki' + b"\0" * 50)
        with open(os.path.join(trial, "weights.safetensors.tmp999999"), "wb") as file:
            file.write(b"half a file")
        self.done(*ALONE)
        self.assert_undisturbed(trial)


class Full(InterruptionTest):
    def assert_nothing_torn(self):
        for folder, _, names in os.walk(self.path("results")):
            for name in names:
                path = os.path.join(folder, name)
                self.assertNotIn(".tmp", name, path)
                if name.endswith(".json"):
                    read_json(path)
                elif name.endswith(".safetensors"):
                    read_safetensors(path)
                elif name in ("config", "defconfig", "base.config", "base.defconfig"):
                    self.assertRegex(read_text(path), r"(?s)\ACONFIG_.*\n\Z", path)
                elif name == "key.txt":
                    key = hashlib.sha256(read_bytes(path)).hexdigest()
                    self.assertTrue(folder.endswith(key[:12]), path)
                self.assertNotEqual(name, "DONE", path)

    def test_at_any_size(self):
        """No file may be longer than the limit: as on a full disk, writing fails, before the trial, while it
        starts, or at a checkpoint; then there is room again."""
        self.configure(EXPERIMENT_NAME='"small"')
        for limit in (1, 1000, 2500, 30_000, 100_000):
            with self.subTest(limit=limit):
                ended = self.done(*ALONE, limit=limit, code=1)
                self.assertIn("File too large", ended.stderr)
                self.assert_nothing_torn()
                if limit > 2500:
                    self.assertIn("File too large", read_json(self.trials()[3, 1], "failure.json")["reason"])
                    self.assertEqual(self.table()[3]["status"], "failed")
        self.done(*ALONE)
        self.assert_undisturbed(self.trials()[3, 1])

    def test_the_log_of_metrics(self):
        """It grows a row at a time: a row that did not fit is dropped, those before it are kept."""
        self.configure(GPT2_EVAL_INTERVAL=1000, GPT2_N_EMBD=8, RA_MLA_LATENT_DIM=4, GPT2_VOCAB_SIZE=21,
                       RA_MLA_ABLATION_MODE="n", RA_MLA_MLP_CROSS_TOKEN="n", SPAM_PERIODIC_RESET="n")
        environment = {"GIT_DIR": "/nonexistent"}  # the sources' changes may be longer than the log
        self.done("run", limit=20_000, code=1, environment=environment)
        trial = self.trials()[0, 1]
        self.assertIn("metrics.jsonl: writing failed", read_json(trial, "failure.json")["reason"])
        kept = loss_log(trial)
        self.assertGreater(len(kept), 20)
        self.done("run")
        self.assertEqual(loss_log(trial)[:len(kept)], kept)
        self.assert_tidy(trial)

    def test_too_little_space_is_said_before(self):
        """A model whose checkpoints no disk holds; nothing is trained."""
        huge = {"GPT2_N_LAYER": 4096, "GPT2_N_EMBD": 65536, "MLP_EXPANSION": 64, "THREADS": 1}
        ended = self.call(*ALONE, **huge)
        self.assert_refused(ended, "results folder", "trials need about", "are free")
        self.assertEqual(glob.glob(glob.escape(self.path("results")) + "/*/trials/*"), [])


class Diverged(ProgramTest):
    def test_is_marked_and_skipped(self):
        """Weights grow by 1 an update; times 1e17 they leave float32 in step 2, after its gates."""
        arguments = ("run", "--steps", "0,2")
        heavy = {"ABLATION_PLAN": "factorial", "RA_MLA_MLP_CROSS_ALPHA": "1e17",
                 "GPT2_LEARNING_RATE": "1"}
        ended = self.done(*arguments, code=1, **heavy)
        self.assertIn("step 2 (cross): diverged", ended.stdout)
        self.assertEqual([self.table()[step]["status"] for step in (0, 2)], ["done", "diverged"])
        trial = self.trials()[2, 1]
        failure = read_json(trial, "failure.json")
        self.assertEqual(failure["status"], "diverged")
        self.assertRegex(failure["reason"], r"at iteration \d")
        self.assertIn("no finite number", read_text(trial, "log.txt"))
        again = self.done(*arguments, code=1, **heavy)
        self.assertEqual(STARTED.findall(again.stderr), [])
        self.assertIn("1 of 2 trials are finished already", again.stderr)
        self.assertIn(f"delete {trial}", again.stderr)
        self.assertIn("diverged", again.stdout)


class Shared(InterruptionTest):
    symbols = {**InterruptionTest.symbols, "GPT2_MAX_ITERS": 40}

    def test_two_runs_on_one_folder(self):
        """No iteration of any trial is trained twice, and both runs end with the whole table."""
        ladder = ("run", "--steps", "0,1,3,5", "--seeds", "1,2")
        runs = [self.start(*ladder, PARALLEL_TRIALS=1), self.start(*ladder, PARALLEL_TRIALS=2)]
        tables = [self.end_of(run, 0) for run in runs]
        self.assertEqual(len(self.trials()), 8)
        for trial in self.trials().values():
            self.assert_tidy(trial)
            logged = re.findall(r" info iteration (\d+):", read_text(trial, "log.txt"))
            self.assertEqual(logged, ["8", "16", "24", "32", "40"])
            self.assertEqual(read_json(trial, "summary.json")["interruptions"], 0)
        for run in runs:
            self.assertIn("validation loss", run.messages(), "this run did nothing of the work")
        for table in tables:
            self.assertEqual(table.splitlines()[2:8], tables[0].splitlines()[2:8])
        self.assertEqual({row["status"] for row in self.table().values()}, {"done"})
        self.assertEqual(self.table()[5]["identical_to"], "3")

    def test_a_dead_owner_is_followed(self):
        """A second run waits for the trial of the first, and takes it over when its process is killed."""
        run = self.start(*ALONE)
        pid = self.wait_for_iteration(run, 5)
        os.kill(pid, signal.SIGSTOP)  # it is alive, however long the rest of this test takes
        follower = self.start(*ALONE)
        self.wait_for(lambda: "experiment" in follower.messages())
        time.sleep(0.3)
        self.assertEqual(self.processes(follower), {})
        self.kill(run.pid)
        self.kill(pid)
        self.end_of(follower, 0)
        self.assertEqual(list(self.processes(follower)), [(3, 1)])
        self.assert_undisturbed(self.trials()[3, 1])


if __name__ == "__main__":
    unittest.main()
