"""`submit`, `task` and `status` beside stand-ins for Slurm's commands, which record how they are called
(tests/slurm has the real ones)."""

import glob
import json
import os
import re
import shutil
import signal
import time
import unittest

from support import ProgramTest, flip, read_json, read_text

# sbatch counts its jobs; squeue and sacct print what a file holds; scontrol knows the most of an array.
STAND_INS = {
    "sbatch": 'echo "sbatch $*" >> {0}/calls; env | grep -c "^SBATCH_" >> {0}/variables\n'
              'echo "sbatch: a warning" >&2; n=$(($(cat {0}/jobs) + 1)); echo $n > {0}/jobs; echo $n\n',
    "squeue": "cat {0}/squeue\n",
    "sacct": 'case "$*" in *--array*) exit 1;; esac; cat {0}/sacct\n',  # 22.05 has no such option
    "scontrol": 'if [ "$1" = show ]; then echo "MaxArraySize            = $(cat {0}/most)"; '
                'else echo "scontrol $*" >> {0}/calls; fi\n',
}
ON = {"ABLATION_PLAN": "ra-mla", "RA_MLA_ABLATION_MODE": "y"}
SUBMIT = {"SLURM_CPUS": 1, **ON}


class WithStandIns(ProgramTest):
    symbols = {"THREADS": 0}

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("slurm", "bin"))
        for name, body in STAND_INS.items():
            body = body.format(f"'{self.path('slurm')}'")
            self.write(os.path.join("slurm", "bin", name), "#!/bin/sh\n" + body)
            os.chmod(self.path("slurm", "bin", name), 0o755)
        for name, content in {"jobs": "10\n", "squeue": "", "sacct": "", "most": "1001", "calls": ""}.items():
            self.write(os.path.join("slurm", name), content)

    def replace(self, name, body):
        self.write(os.path.join("slurm", "bin", name), f"#!/bin/sh\n{body}\n")

    def call(self, *arguments, environment=None, **options):
        path = {"PATH": self.path("slurm", "bin") + os.pathsep + os.environ["PATH"]}
        return super().call(*arguments, environment={**path, **(environment or {})}, **options)

    def arguments(self, command, *arguments, results="results", **symbols):
        if command == "status":
            return [self.program, command, self.path(results, "small"), *arguments]
        if command == "task":
            return [self.program, command, *arguments]
        line = super().arguments(command, *arguments, results=results, **symbols)
        return [*line, "--results", self.path(results)] if command == "submit" else line

    def calls(self):
        return read_text(self.path("slurm", "calls")).splitlines()

    def submission(self, number="0001", *name):
        return self.path("results", "small", "slurm", number, *name)

    def status(self):
        return json.loads(self.done("status", "--json").stdout)


class Submit(WithStandIns):
    def test_an_array_and_a_report(self):
        said = self.done("submit", SEEDS="1-2", **SUBMIT, environment={"SBATCH_SIGNAL": "KILL@1"}).stderr
        self.assertIn("submitted 12 trials as job 11, the table as job 12", said)
        scripts = self.submission("0001", "trials.sh"), self.submission("0001", "report.sh")
        self.assertEqual(self.calls(), [f"sbatch --parsable --array=0-11 {scripts[0]} 0",
                                        f"sbatch --parsable --dependency=afterany:11 {scripts[1]}"])
        self.assertEqual(read_text(self.path("slurm", "variables")).split(), ["0", "0"])
        self.assertEqual(read_text(self.submission("0001", "jobs.txt")), "11 0 12\n12 0 0\n")
        trials = read_json(self.submission("0001", "submission.json"))["trials"]
        self.assertEqual([(trial["step"], trial["seed"]) for trial in trials],
                         [(step, seed) for seed in (1, 2) for step in range(6)])
        self.assertTrue(os.access(self.submission("0001", "kablate"), os.X_OK))
        self.assertEqual(read_json(self.path("results", "small", "threads.json"))["threads"], 1)

    def test_a_dry_run_prints_and_writes_nothing(self):
        text = self.done("submit", "--dry-run", SLURM_TIME="1:00:00", SLURM_TASKS_AT_ONCE=2, **SUBMIT).stdout
        self.assertIn("#SBATCH --time=1:00:00\n", text)
        self.assertIn("#SBATCH --cpus-per-task=1\n", text)
        self.assertRegex(text, r"\n# sbatch --parsable --array=0-5%2 /.*/trials.sh 0\n")
        self.assertFalse(os.path.exists(self.path("results")))
        self.assertEqual(self.calls(), [])
        more = self.done("submit", "--dry-run", **{**SUBMIT, "SLURM_CPUS": 3}).stdout
        self.assertIn("#SBATCH --cpus-per-task=3\n", more)

    def test_more_tasks_than_an_array_may_have(self):
        self.write(os.path.join("slurm", "most"), "5")
        self.done("submit", SLURM_TASKS_AT_ONCE=3, **SUBMIT)
        self.assertEqual([re.sub(" /.*/", " ", call) for call in self.calls()],
                         ["sbatch --parsable --array=0-3%3 trials.sh 0",
                          "sbatch --parsable --array=0-1%3 --dependency=afterany:11 trials.sh 4",
                          "sbatch --parsable --dependency=afterany:11:12 report.sh"])

    def test_what_waits_or_is_done_is_not_submitted_again(self):
        self.done("submit", **SUBMIT)
        self.done("task", self.submission(), "0")
        waiting = "".join(f"kablate|11|{task}|PENDING|Resources|\n" for task in (1, 2, 3))
        self.write(os.path.join("slurm", "squeue"), waiting + "kablate|99|4|RUNNING|None|n1\n")
        again = self.done("submit", **SUBMIT).stderr
        self.assertIn("3 trials are in Slurm's queue already and not submitted again", again)
        self.assertIn("submitted 2 trials as job 13", again)
        second = read_json(self.submission("0002", "submission.json"))
        self.assertEqual([trial["step"] for trial in second["trials"]], [4, 5])
        waiting += "kablate|13|0|RUNNING|None|n1\nkablate|13|1|PENDING||\n"
        self.write(os.path.join("slurm", "squeue"), waiting)
        self.assertIn("there is nothing to submit", self.done("submit", **SUBMIT).stderr)
        self.assertEqual(len(self.calls()), 4)

    def test_a_queue_that_cannot_be_asked_is_no_empty_one(self):
        self.done("submit", **SUBMIT)
        self.replace("squeue", "echo squeue: error: no controller >&2; exit 1")
        self.assert_refused(self.call("submit", **SUBMIT), "squeue: error: no controller", "again")

    def test_what_sbatch_refuses_is_said(self):
        self.replace("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")
        ended = self.call("submit", SLURM_PARTITION="none", **SUBMIT)
        self.assertEqual(ended.returncode, 2)
        self.assertIn("sbatch: error: invalid partition", ended.stderr)
        for name in STAND_INS:
            os.remove(self.path("slurm", "bin", name))
        if shutil.which("sbatch") is None:
            self.assertIn("is Slurm installed here?", self.call("submit", **SUBMIT).stderr)

    def test_a_second_array_that_is_refused_leaves_the_first_named(self):
        self.write(os.path.join("slurm", "most"), "5")
        self.replace("sbatch", f"n=$(($(cat '{self.path('slurm', 'jobs')}') + 1)); [ $n -lt 12 ] || "
                     "{ echo 'sbatch: error: MaxSubmitJobs' >&2; exit 1; }; "
                     f"echo $n | tee '{self.path('slurm', 'next')}'; mv '{self.path('slurm', 'next')}' "
                     f"'{self.path('slurm', 'jobs')}'")
        ended = self.call("submit", **SUBMIT)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("MaxSubmitJobs", ended.stderr)
        self.assertIn("4 of 6 trials were submitted before, as job 11", ended.stderr)

    def test_trials_go_without_the_job_of_the_table(self):
        self.replace("sbatch", "case \"$*\" in *report.sh*) echo no >&2; exit 1;; esac; echo 11")
        said = self.done("submit", **SUBMIT).stderr
        self.assertIn("no job for the table", said)
        self.assertIn("submitted 6 trials as job 11 (", said)

    def test_what_does_not_fit_together(self):
        self.assert_all_refused([
            (("submit", "--set", "SLURM_TIME=1h"), "SLURM_TIME", "1h"),
            (("submit",), "SLURM_CPUS = 0 with THREADS = 0"),
            (("submit", "--set", "THREADS=4", "--set", "SLURM_CPUS=2"), "THREADS = 4", "SLURM_CPUS = 2"),
            (("submit", "--set", "SLURM_GPUS=1", "--set", "SLURM_CPUS=1"), "SLURM_GPUS = 1", "DEVICE = cpu"),
            (("submit", "--set", "SLURM_EXTRA=--array=3", "--set", "SLURM_CPUS=1"), "--array"),
        ])

    def test_no_other_command_ignores_its_symbols(self):
        for command in "run", "plan", "audit", "noise":
            self.assert_refused(self.call(command, "--set", "SLURM_CPUS=1"), "SLURM_CPUS=1", "kablate submit")

    def test_a_trial_keeps_the_threads_that_others_had(self):
        self.done("submit", **SUBMIT)
        refused = self.call("submit", **{**SUBMIT, "SLURM_CPUS": 2})
        self.assert_refused(refused, "SLURM_CPUS = 2", "1 threads", "threads.json")
        without = {name: value for name, value in SUBMIT.items() if name != "SLURM_CPUS"}
        self.assertIn("#SBATCH --cpus-per-task=1\n", self.done("submit", "--dry-run", **without).stdout)


class Task(WithStandIns):
    def test_trials_are_those_of_a_run(self):
        self.done("submit", **SUBMIT)
        for place in range(6):
            self.done("task", self.submission(), str(place))
        self.done("run", **{**ON, "THREADS": 1}, results="alone")
        alone, here = self.trials("alone"), self.trials()
        self.assertEqual(set(here), set(alone))
        for place, trial in here.items():
            self.assertEqual(os.path.basename(trial), os.path.basename(alone[place]))
            self.assert_same_end(trial, alone[place])
            self.assertGreater(read_json(trial, "summary.json")["peak_flops"], 0)
        again = self.done("run", **{**ON, "THREADS": 1}).stderr
        self.assertIn("6 of 6 trials are finished already", again)
        self.assertIn("finished already", self.done("task", self.submission(), "0").stderr)

    def interrupted(self, number, **environment):
        """The messages of a task that gets a signal in the middle of its trial."""
        self.done("submit", GPT2_MAX_ITERS=3000, GPT2_EVAL_INTERVAL=3000, SEEDS="1", **SUBMIT)
        old = dict(os.environ)
        os.environ.update({"PATH": self.path("slurm", "bin") + os.pathsep + old["PATH"], **environment})
        try:
            task = self.start("task", self.submission(), "0")
        finally:
            os.environ.clear()
            os.environ.update(old)
        logs = self.path("results", "small", "trials", "*", "metrics.jsonl")
        self.wait_for(lambda: glob.glob(logs), task)
        time.sleep(0.3)
        task.send_signal(number)
        self.assertEqual(task.wait(60), 3)
        return task.messages()

    def test_heads_are_measured_where_that_is_configured(self):
        self.done("submit", MEASURE_HEADS="y", **SUBMIT)
        self.done("task", self.submission(), "0")
        self.assertTrue(os.path.isfile(os.path.join(self.trials()[0, 1], "heads.json")))

    def test_a_notice_puts_it_back_into_the_queue(self):
        said = self.interrupted(signal.SIGUSR1, SLURM_JOB_ID="17")
        self.assertIn("saved, and back in the queue", said)
        self.assertEqual(self.calls()[-1], "scontrol requeue 17")
        trial, = self.trials().values()
        self.assertTrue(os.path.isdir(os.path.join(trial, "checkpoint")))
        self.assertEqual(self.status()["counts"], {"interrupted": 1, "missing": 5})

    def test_of_an_array_the_task_alone_goes_back(self):
        """The SLURM_JOB_ID of one task is the array's, and would requeue all of it."""
        self.interrupted(signal.SIGUSR1, SLURM_JOB_ID="11", SLURM_ARRAY_JOB_ID="11", SLURM_ARRAY_TASK_ID="0")
        self.assertEqual(self.calls()[-1], "scontrol requeue 11_0")

    def test_an_end_by_slurm_does_not(self):
        self.write(os.path.join("slurm", "squeue"), "kablate|11|0|COMPLETING|None|n1\n")
        self.interrupted(signal.SIGTERM, SLURM_JOB_ID="17")
        self.assertFalse([call for call in self.calls() if call.startswith("scontrol")])

    def test_an_end_that_slurm_knows_nothing_of_does(self):
        self.write(os.path.join("slurm", "squeue"), "kablate|11|0|RUNNING|None|n1\n")
        self.interrupted(signal.SIGTERM, SLURM_JOB_ID="17")
        self.assertEqual(self.calls()[-1], "scontrol requeue 17")

    def test_another_program_is_not_taken_for_the_same(self):
        self.done("submit", **SUBMIT)
        with open(self.path("text"), "a", encoding="utf-8") as file:
            file.write("another end\n")
        self.assert_refused(self.call("task", self.submission(), "0"), "it would be another trial", "data")
        self.assert_refused(self.call("task", self.submission(), "6"), "allowed: 0 to 5")
        flip(self.submission("0001", "submission.json"))
        self.assertEqual(self.call("task", self.submission(), "0").returncode, 2)


class Retry(WithStandIns):
    def test_what_was_tried_again_and_interrupted_is_gone_on_with(self):
        self.done("submit", SEEDS="1", **SUBMIT)
        self.done("task", self.submission(), "0")
        trial, = self.trials().values()
        for name in ("DONE", "summary.json"):
            os.remove(os.path.join(trial, name))
        failure = {"status": "diverged", "reason": "a loss", "exit_code": 10, "signal": None, "log_tail": ""}
        with open(os.path.join(trial, "failure.json"), "w", encoding="utf-8") as file:
            json.dump(failure, file)
        self.assertIn("submitted 5 trials", self.done("submit", SEEDS="1", **SUBMIT).stderr)
        self.assertIn("submitted 1 trial as job", self.done("submit", "--retry", SEEDS="1", **SUBMIT).stderr)
        os.remove(os.path.join(trial, "failure.json"))  # as the first attempt leaves it that is asked to stop
        self.done("task", self.submission("0003"), "0")
        self.assertTrue(os.path.exists(os.path.join(trial, "DONE")))


class Status(WithStandIns):
    def test_without_slurm_it_tells_what_is_on_disk(self):
        self.done("run", "--steps", "0-2", **{**ON, "THREADS": 1})
        self.assertIn("3 trials planned: 3 done", self.done("status").stdout)
        self.assertNotIn("mla ", self.done("status").stdout)
        self.assertIn("mla ", self.done("status", "--all").stdout)
        trial = self.trials()[2, 1]
        for name in ("DONE", "summary.json"):
            os.remove(os.path.join(trial, name))
        status = self.status()
        self.assertEqual(status["counts"], {"done": 2, "interrupted": 1})
        row, = (row for row in status["trials"] if row["state"] == "interrupted")
        self.assertEqual((row["step"], row["iteration"], row["iterations"], row["slurm"]), (2, 12, 12, None))

    def test_slurms_word_stands_beside(self):
        self.done("submit", **SUBMIT)
        self.write(os.path.join("slurm", "squeue"),
                   "kablate|11|1|PENDING|Resources|\nkablate|11|2|RUNNING|None|n1\n")
        self.write(os.path.join("slurm", "sacct"), "11_0|NODE_FAIL|n2\n11_1|NODE_FAIL|n2\n")
        rows = {row["step"]: row["slurm"] for row in self.status()["trials"]}
        self.assertEqual(rows[0]["state"], "NODE_FAIL")
        self.assertEqual((rows[1]["state"], rows[1]["reason"]), ("PENDING", "Resources"))
        self.assertEqual((rows[2]["state"], rows[2]["node"]), ("RUNNING", "n1"))
        self.assertIsNone(rows[3])
        text = self.done("status").stdout
        for said in ("11_1 pending (Resources)", "11_2 running on n1", "11_0 node_fail on n2",
                     "1 waiting in Slurm's queue"):
            self.assertIn(said, text)
        with open(os.path.join(self.submission("0001", "log"), "11_3.txt"), "w", encoding="utf-8") as file:
            file.write("kablate: it would be another trial\n")
        self.assertIn('its task ended with "kablate: it would be another trial"', self.done("status").stdout)
        os.remove(self.path("slurm", "bin", "squeue"))
        if shutil.which("squeue") is None:
            self.assertIn("squeue can't be run here", self.done("status").stdout)


del WithStandIns

if __name__ == "__main__":
    unittest.main(verbosity=2)
