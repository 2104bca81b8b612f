"""What `make wandb` and `make trackio` store, read back by these programs' own readers: every value of
metrics.jsonl once, also of a trial that was killed and gone on with. A program that is not installed is
skipped; `make check-trackers` installs both."""

import glob
import importlib.util
import json
import os
import subprocess
import sys
import unittest
from datetime import datetime

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from curves import (Curves, ProgramTest, TrainedOnce, expected, read_json, run_name,  # noqa: E402
                    training_seconds)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = {name: importlib.util.find_spec(name) is not None for name in ("wandb", "trackio")}
if not any(HERE.values()):
    print("skipped: neither wandb nor trackio is installed")
    sys.exit(77)  # as CMakeLists.txt has it


class Tracker(Curves):
    """`stored()` gives {run id: {name, group, tags, config, summary, points}}, a point being (iteration,
    time, {name: value}); a run id that is stored twice fails there."""

    def track(self, code=0):
        return self.call_python(os.path.join(ROOT, "scripts", "track.py"), self.tracker, "--program",
                                self.program, self.experiment, code=code)

    def call_python(self, *arguments, code=0, **environment):
        """With a home that is empty, and variables that would send what is stored elsewhere."""
        wrong = {"HOME": self.path("home"), "WANDB_MODE": "online", "WANDB_DIR": self.path("home"),
                 "WANDB_RUN_ID": "wrong", "WANDB_RESUME": "must",
                 "TRACKIO_DIR": self.path("home"), "TRACKIO_SPACE_ID": "no/where"}
        os.makedirs(self.path("home"), exist_ok=True)
        ended = subprocess.run([sys.executable, "-B", *arguments], cwd=self.folder, capture_output=True,
                               encoding="utf-8", env=os.environ | wrong | environment, check=False)
        self.assertEqual(ended.returncode, code, ended.stdout + ended.stderr)
        return ended

    def assert_whole(self):
        """A run a trial, and each has the log's numbers."""
        stored = self.stored()
        trials = {trial.rpartition(".")[2]: trial for trial in self.trials().values()}
        self.assertEqual(set(stored), set(trials))
        for key, trial in trials.items():
            run, curves = stored[key], {}
            iterations = [iteration for iteration, _, _ in run["points"]]
            self.assertEqual(iterations, sorted(set(iterations)))
            for iteration, _, values in run["points"]:
                for name, value in values.items():
                    curves.setdefault(name, []).append((iteration, value))
            self.assertEqual(curves, expected(trial))
            self.assertEqual((run["name"], run["group"]), (run_name(trial), "small"))
        return {trial: stored[key] for key, trial in trials.items()}


class Wandb(Tracker):
    tracker = "wandb"

    def stored(self):
        """By `wandb leet inspect`, which prints the records of a run's file."""
        found = {}
        for folder in glob.glob(os.path.join(glob.escape(self.experiment), "wandb", "offline-run-*")):
            listing = self.call_python("-m", "wandb", "leet", "inspect", "--json", folder,
                                       WANDB_ERROR_REPORTING="false").stdout
            run = {"summary": {}, "points": [], "exit": None}
            for record in map(json.loads, listing.splitlines()):
                if record["type"] == "run":
                    about = record["run"]
                    self.assertNotIn(about["run_id"], found)
                    found[about["run_id"]] = run
                    config = about["config"].get("update", about["config"])
                    run |= {"name": about["display_name"], "group": about["run_group"], "tags": about["tags"],
                            "config": config}
                elif record["type"] == "exit":
                    run["exit"] = record["exit"].get("exit_code", 0)
                elif record["type"] == "summary":
                    run["summary"] |= record["summary"].get("update", {})
                elif record["type"] == "history":
                    item = dict(record["history"]["item"])
                    step, time = item.pop("_step"), item.pop("_timestamp")
                    item.pop("_runtime")
                    run["points"].append((step, time, item))
        return found


class Trackio(Tracker):
    tracker = "trackio"
    reading = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
print(json.dumps([{"id": run.id, "name": run.name, "config": run.config,
                   "logs": SQLiteStorage.get_logs("kablate", run.name, run_id=run.id, max_points=None)}
                  for run in trackio.Api().runs("kablate")]))
"""

    def stored(self):
        """By trackio's Api."""
        store = os.path.join(self.experiment, "trackio")
        found = {}
        for run in json.loads(self.call_python("-c", self.reading, TRACKIO_DIR=store).stdout):
            self.assertNotIn(run["id"], found)
            points = []
            for log in run["logs"]:
                step, time = log.pop("step"), log.pop("timestamp")
                points.append((step, datetime.fromisoformat(time).timestamp(), log))
            config = run["config"]
            summary = {name.removeprefix("summary_"): value for name, value in config.items()}
            found[run["id"]] = {"name": run["name"], "group": config["_Group"], "config": config,
                                "tags": [config["trial_role"]], "summary": summary, "points": points}
        return found


class Ladder(TrainedOnce):
    run_arguments = ("--steps", "0-2")

    def test_every_value_is_that_of_the_log(self):
        self.assertIn("3 of 3 runs", self.track().stdout)
        for trial, run in self.assert_whole().items():
            summary = read_json(trial, "summary.json")
            config = run["config"]
            self.assertEqual(config["GPT2_MAX_ITERS"], 12)
            self.assertEqual(config["GPT2_DROPOUT"], 0.1)
            self.assertIs(config["ENABLE_RA_MLA"], True)
            self.assertEqual(config["ATTENTION_DIRECTION"], "causal")
            self.assertEqual((config["trial_step"], config["trial_seed"]), (summary["step"], summary["seed"]))
            role = "baseline" if summary["step"] == 0 else "arm"
            self.assertEqual(config["trial_role"], role)
            self.assertEqual(run["tags"], [role])
            for name in "val_loss", "parameters", "weights_sha256", "status":
                self.assertEqual(run["summary"][name], summary[name])
            times = [time for _, time, _ in run["points"]]
            self.assertEqual(times, sorted(times))
            self.assertLessEqual(times[-1] - times[0], training_seconds(trial))
        self.assertEqual(os.listdir(self.path("home")), [])

    def test_a_second_call_stores_nothing_twice(self):
        self.track()
        before = self.stored()
        self.assertIn("0 of 3 runs", self.track().stdout)
        self.assertEqual(self.stored(), before)

    def test_a_damaged_trial_is_left_out_and_named(self):
        trial = self.trials()[1, 1]
        with open(os.path.join(trial, "metrics.jsonl"), "a", encoding="utf-8") as file:
            file.write("\n")
        self.assertIn(trial, self.track(code=1).stderr)
        self.assertEqual(len(self.stored()), 2)

    def test_what_is_no_experiment_is_refused(self):
        ended = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "scripts", "track.py"), self.tracker,
                                "--program", self.program, self.path("nowhere")], capture_output=True,
                               encoding="utf-8", check=False)
        self.assert_refused(ended, "nowhere", "there is no such folder")


class Interrupted(ProgramTest):
    symbols = Curves.long

    def test_an_interrupted_trial_is_one_run(self):
        trial = self.kill_in_the_middle()
        self.track()
        run, = self.assert_whole().values()
        self.assertEqual(run["config"]["trial_state"], "interrupted")
        self.assertEqual(run.get("exit", 1), 1)
        self.done("run", "--steps", "0")
        self.assertEqual(read_json(trial, "summary.json")["interruptions"], 1)
        self.track()
        run, = self.assert_whole().values()
        self.assertEqual(run["config"]["trial_state"], "done")
        self.assertEqual(run.get("exit", 0), 0)  # W&B's


@unittest.skipUnless(HERE["wandb"], "wandb is not installed")
class WandbLadder(Wandb, Ladder):
    pass


@unittest.skipUnless(HERE["wandb"], "wandb is not installed")
class WandbInterrupted(Wandb, Interrupted):
    pass


@unittest.skipUnless(HERE["trackio"], "trackio is not installed")
class TrackioLadder(Trackio, Ladder):
    pass


@unittest.skipUnless(HERE["trackio"], "trackio is not installed")
class TrackioInterrupted(Trackio, Interrupted):
    pass


def load_tests(loader, _tests, _pattern):
    """Not the classes that the others are made of."""
    whole = (WandbLadder, WandbInterrupted, TrackioLadder, TrackioInterrupted)
    return unittest.TestSuite(loader.loadTestsFromTestCase(test) for test in whole)


if __name__ == "__main__":
    unittest.main()
