"""`submit` and `status` on a real Slurm, which the test starts: whatever befalls trials there, the table is
that of one machine, bit for bit."""

import datetime
import glob
import json
import os
import random
import shlex
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from local_slurm import LocalSlurm, faketime, missing  # noqa: E402
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


def environment_of(pid):
    try:
        return set(read_text(f"/proc/{pid}/environ").split("\0"))
    except (FileNotFoundError, ProcessLookupError):
        return set()


@unittest.skipIf(missing(), missing())
class OnSlurm(ProgramTest):
    patience = LONG
    # Long enough for things to befall a trial; saved at every evaluation.
    symbols = {"SEEDS": '"1-2"', "GPT2_MAX_ITERS": 2500, "GPT2_EVAL_INTERVAL": 50, "GPT2_LOG_INTERVAL": 10,
               "SLURM_CPUS": 1, "SLURM_PARTITION": '"low"', "ABLATION_PLAN": '"ra-mla"',
               "RA_MLA_ABLATION_MODE": "y"}

    @classmethod
    def setUpClass(cls):
        cls.slurm = LocalSlurm(most=8)  # a ladder is two arrays
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
        """(job_task, node, its job id) of a task whose trial has logged something and is not near its end; of
        the last, whose job has the array's id."""
        begun = {f"{trial['slurm']['job']}_{trial['slurm']['task']}" for trial in self.status()["trials"]
                 if trial["slurm"] and 60 < (trial["iteration"] or 0) < 1500}
        for state, task, node, job, _ in self.slurm.tasks():
            if last and task.split("_")[0] != job:
                continue
            if state == "RUNNING" and task in begun and task not in but:
                return task, node, job
        return None

    def trial_process(self, task):
        """The process that trains this task's trial."""
        job, number = task.split("_")
        names = {f"SLURM_ARRAY_JOB_ID={job}", f"SLURM_ARRAY_TASK_ID={number}"}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            line = command_line(pid)
            of_task = len(line) > 3 and line[1] == "task" and self.folder in line[2]
            if of_task and names <= environment_of(pid):
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

    def test_a_trial_of_two_ranks(self):
        """On one node and over two; asked to make room, and with a rank that is killed."""
        module = os.path.join(os.path.dirname(os.environ["KABLATE"]), "libkablate_mpi.so")
        if shutil.which("mpirun") is None or not os.path.exists(module):
            self.skipTest("no Open MPI, or a program that was built without it")
        self.configure(SEEDS='"1"', RANKS=2, THREADS=1, GPT2_GRADIENT_ACCUMULATION=2,
                       RA_MLA_ABLATION_MODE="n", GPT2_MAX_ITERS=3000)
        self.done("run", results="alone")
        for cpus, nodes in (1, "n1"), (2, "n[1-2]"):
            with self.subTest(nodes):
                self.done("submit", SLURM_CPUS=cpus)
                _, where, job = self.slurm.wait(self.running_task, "a running trial", 90)
                self.assertEqual(where, nodes)
                self.slurm.call("scancel", "--batch", "--signal=USR1", job)
                self.slurm.wait(lambda: "PENDING" in [one[0] for one in self.slurm.tasks()], "its stop", 90)
                failure = os.path.join(self.trials()[0, 1], "failure.json")
                self.assertFalse(os.path.exists(failure) and read_text(failure), "a stop is no failure")
                before = self.status()["trials"][0]["iteration"]
                self.slurm.wait(lambda: self.status()["trials"][0]["iteration"] > before + 60, "it to go on")
                os.kill(self.slurm.wait(lambda: self.process_of_rank(1), "its second rank"), signal.SIGKILL)
                self.wait_until_empty()
                failed = self.status()["trials"][0]
                self.assertEqual(failed["state"], "failed", self.logs())
                self.assertRegex(failed["reason"], "killed|lost|signal 9|Killed",
                                 read_json(self.trials()[0, 1], "failure.json")["log_tail"])
                self.done("submit", SLURM_CPUS=cpus)
                self.wait_until_empty()
                trial = self.trials()[0, 1]
                self.assert_same_end(trial, self.trials("alone")[0, 1])
                self.assertEqual(read_json(trial, "summary.json")["interruptions"], 2)
                shutil.rmtree(trial)

    def test_a_wrong_clock_a_storm_of_signals_and_the_time_limit(self):
        """A trial a node, one of them 10 minutes ahead; both are saved by the notice before their limit."""
        if not faketime():
            self.skipTest("Debian's faketime is not installed")
        seed = int(os.environ.get("KABLATE_TEST_SEED", 0)) or random.SystemRandom().randrange(1, 10**6)
        print(f"KABLATE_TEST_SEED={seed}", file=sys.stderr)
        draw = random.Random(seed)
        self.slurm.have_a_wrong_clock()
        self.configure(THREADS=1, RA_MLA_ABLATION_MODE="n", GPT2_MAX_ITERS=36000)
        self.done("submit", SLURM_CPUS=2, SLURM_TIME="2", SLURM_NOTICE=59)
        self.slurm.wait(lambda: {self.state_of(trial) for trial in (0, 1)} == {"running"}, "both trials", 90)
        for _ in range(60):
            signal_name = draw.choice(["USR1", "USR2", "HUP"])
            self.slurm.said("scancel", "--batch", "--user=root", f"--signal={signal_name}")
        self.wait_until_empty()
        logs = self.logs()
        self.assertEqual(self.status()["counts"], {"done": 2}, logs)
        self.assertNotIn("TIME LIMIT", logs, "it went back into the queue before")
        self.done("run", results="alone")
        ahead = []
        for place, trial in self.trials().items():
            self.assert_same_end(trial, self.trials("alone")[place])
            summary = read_json(trial, "summary.json")
            self.assertGreaterEqual(summary["interruptions"], 2, "by the storm and by the notice")
            log = os.path.join(trial, "log.txt")
            for line in read_text(log).splitlines():
                ahead.append(datetime.datetime.fromisoformat(line[:25]).timestamp() - os.path.getmtime(log))
        self.assertGreater(max(ahead), 300, "one of them by the wrong clock")

    def test_a_node_whose_disk_is_full(self):
        """Its trial ends and says why, the other node's is trained; with room again, it is trained too."""
        self.configure(THREADS=1, RA_MLA_ABLATION_MODE="n", GPT2_MAX_ITERS=1000)
        self.done("plan", "--no-measure")
        folder = self.path("results", "small")
        os.makedirs(folder)
        self.slurm.fill_disk_under(folder, 400)
        try:
            self.done("submit", SLURM_CPUS=2)
            self.wait_until_empty()
            inside = shlex.quote(folder)
            said = f"{inside}/*.seed*/failure.json {inside}/slurm/*/log/*_*.txt"
            seen = self.slurm.on_second(f"cat {said} || true")
        finally:
            self.slurm.free_disk_under(folder)
        self.assertIn("No space left on device", seen, self.logs())
        self.assertEqual(self.status()["counts"].get("done"), 1, self.logs())
        self.done("submit", SLURM_CPUS=2)
        self.wait_until_empty()
        self.assertEqual(self.status()["counts"], {"done": 2}, self.logs())
        self.done("run", results="alone")
        for place, trial in self.trials().items():
            self.assert_same_end(trial, self.trials("alone")[place])

    def state_of(self, place):
        trial = self.status()["trials"][place]
        return trial["state"] if (trial["iteration"] or 0) > 60 else None

    def process_of_rank(self, rank):
        """The process of this rank of the trial that srun has started."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            line = command_line(pid)
            if len(line) > 2 and line[1] == "trial" and self.folder in line[2]:
                if f"SLURM_PROCID={rank}" in environment_of(pid):
                    return int(pid)
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
