"""`submit` and `status` on a real Slurm, which the test starts: whatever befalls trials there, the table is
that of one machine, bit for bit."""

import glob
import json
import os

import signal
import sys

import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from local_slurm import LocalSlurm, missing  # noqa: E402
from merge_support import TIMES  # noqa: E402
from support import ProgramTest, read_json, read_text  # noqa: E402

LONG = 300  # seconds


def children(pid):
    try:
        return [int(child) for child in read_text(f"/proc/{pid}/task/{pid}/children").split()]
    except FileNotFoundError:
        return []


def command_line(pid):
    try:
        return read_text(f"/proc/{pid}/cmdline").split("\0")
    except FileNotFoundError:
        return []


@unittest.skipIf(missing(), missing())
class OnSlurm(ProgramTest):
    patience = LONG
    # Long enough for things to befall a trial; saved at every evaluation.
    symbols = {"SEEDS": '"1-2"', "GPT2_MAX_ITERS": 1200, "GPT2_EVAL_INTERVAL": 50, "GPT2_LOG_INTERVAL": 10,
               "SLURM_CPUS": 1, "SLURM_PARTITION": '"low"', "ABLATION_PLAN": '"ra-mla"',
               "RA_MLA_ABLATION_MODE": "y"}

    @classmethod
    def setUpClass(cls):
        cls.slurm = LocalSlurm()
        cls.addClassCleanup(cls.slurm.stop)

    def call(self, *arguments, environment=None, **options):
        environment = {**self.slurm.environment, **(environment or {})}
        return super().call(*arguments, environment=environment, **options)

    def arguments(self, command, *arguments, results="results", **symbols):
        if command == "status":
            return [self.program, command, self.path(results, "small"), *arguments]
        if command == "submit":
            return [*super().arguments(command, *arguments, **symbols), "--results", self.path(results)]
        return super().arguments(command, *arguments, results=results, **symbols)

    def status(self):
        return json.loads(self.done("status", "--json").stdout)

    def running_task(self, but=(), last=False):
        """(job_task, node, its job id) of a task whose trial has logged something; of the last, whose job has
        the array's id."""
        begun = {f"{trial['slurm']['job']}_{trial['slurm']['task']}" for trial in self.status()["trials"]
                 if trial["slurm"] and (trial["iteration"] or 0) > 60}
        for state, task, node, job, _ in self.slurm.tasks():
            if last and task.split("_")[0] != job:
                continue
            if state == "RUNNING" and task in begun and task not in but:
                return task, node, job
        return None

    def trial_process(self, task):
        """The process that trains this task's trial."""
        place = task.split("_")[1]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            line = command_line(pid)
            if len(line) > 3 and line[1] == "task" and line[3] == place and self.folder in line[2]:
                return next((child for child in children(pid) if "trial" in command_line(child)), None)
        return None

    def logs(self):
        """What the tasks printed, and what the controller says of jobs that were killed or requeued."""
        logs = glob.glob(os.path.join(glob.escape(self.path("results", "small", "slurm")), "*", "log", "*"))
        text = "".join(f"--- {name}\n{read_text(name)}\n" for name in sorted(logs))
        lines = read_text(self.slurm.folder, "slurmctld.log").splitlines()
        return text + "\n".join(line for line in lines if "queue" in line or "preempt" in line.lower())

    def displace(self, but):
        """Has a job of higher priority take a node with a running trial; another one if that just ended."""
        for _ in range(3):
            _, node, _ = self.slurm.wait(lambda: self.running_task(but), "a third", 90)
            self.slurm.call("sbatch", "--partition=high", f"--nodelist={node}", "--exclusive",
                            "--output=/dev/null", "--wrap=sleep 2")
            self.slurm.wait(lambda: "wrap" not in [one[4] for one in self.slurm.tasks()], "its end")
            if "preempted JobId" in read_text(self.slurm.folder, "slurmctld.log"):
                return
        self.fail("no trial was displaced")

    def wait_until_empty(self):
        self.slurm.wait(lambda: not self.slurm.tasks(), "an empty queue", LONG)

    def assert_equal_tables(self):
        expected = self.trials("alone")
        trials = self.trials("results")
        self.assertEqual(set(trials), set(expected))
        for place, trial in trials.items():
            with self.subTest(place):
                self.assert_same_end(trial, expected[place])
        mine, others = self.table("results"), self.table("alone")
        for step, row in others.items():
            for column, value in row.items():
                if not TIMES.search(column) and not column.startswith("equal_time"):
                    self.assertEqual(mine[step][column], value, (step, column))

    def test_a_ladder_through_everything(self):
        """One trial is killed, one displaced, one asked to make room before its limit, one node drained."""
        self.done("submit")
        task, _, job = self.slurm.wait(self.running_task, "a running trial", 90)
        os.kill(self.slurm.wait(lambda: self.trial_process(task), "its process"), signal.SIGKILL)
        killed = task
        asked, _, job = self.slurm.wait(lambda: self.running_task(but=(killed,)), "another", 90)
        self.slurm.call("scancel", "--batch", "--signal=USR1", job)
        again = self.done("submit").stderr
        self.assertRegex(again, r"trials? (is|are) in Slurm's queue already")
        self.displace(but=(killed, asked))
        self.slurm.call("scontrol", "update", "NodeName=n2", "State=DRAIN", "Reason=test")
        last, _, job = self.slurm.wait(lambda: self.running_task(last=True), "the last task", LONG)
        self.slurm.call("scancel", "--batch", "--signal=USR1", last)
        self.wait_until_empty()
        failed = [trial for trial in self.status()["trials"] if trial["state"] == "failed"]
        self.assertLessEqual(len(failed), 1)  # if it was not submitted again above
        self.slurm.call("scontrol", "update", "NodeName=n2", "State=RESUME")
        if failed:
            self.assertIn("killed by signal 9", failed[0]["reason"])
            self.assertIn("submitted 1 trial as job", self.done("submit").stderr)
            self.wait_until_empty()
        self.assertEqual(self.status()["counts"], {"done": 12}, self.logs())
        self.assertIn("nothing to submit", self.done("submit").stderr)
        interrupted = [read_json(trial, "summary.json")["interruptions"] for trial in self.trials().values()]
        self.assertGreaterEqual(sum(interrupted), 3, interrupted)
        logs = self.logs()
        requeued = [part.split("\n")[0] for part in logs.split("--- ") if "DUE TO JOB REQUEUE" in part]
        self.assertEqual({os.path.basename(name) for name in requeued}, {f"{asked}.txt", f"{last}.txt"}, logs)
        self.assertIn("change: to step 0", logs)  # the table of the dependent job
        self.done("run", results="alone")
        self.done("report", self.path("results", "small"))
        self.assert_equal_tables()



if __name__ == "__main__":
    unittest.main(verbosity=2)
