"""`run` and `report`: the table, the files behind it, and which trials a second run makes."""

import csv
import glob
import hashlib
import io
import json
import math
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (COLUMNS, ProgramTest, finish_again, flip, loss_log, metrics, read_bytes,  # noqa: E402
                     read_json, read_text, sha256)


class Ladder(ProgramTest):
    """Steps 0, 2 and 4, which is step 2 again, over two seeds: run once, looked at from all sides."""

    @classmethod
    def setUpClass(cls):
        ladder = cls("run_ladder")
        ladder.setUp()
        cls.addClassCleanup(ladder.doCleanups)
        ladder.first = ladder.done("run", "--steps", "0,2,4", "--seeds", "1,2")
        cls.ladder = ladder

    def run_ladder(self):
        """Stands for the test that setUpClass needs."""

    def setUp(self):
        if "ladder" in vars(type(self)):
            self.folder, self.program, self.first = self.ladder.folder, self.ladder.program, self.ladder.first
        else:
            super().setUp()

    def test_messages_are_plain_lines(self):
        self.assertNotIn("\r", self.first.stderr)
        self.assertNotIn("\033", self.first.stdout + self.first.stderr)
        for step, name in ((0, "mla"), (2, "gate+cross"), (4, "gate+cross")):
            for seed in (1, 2):
                label = re.escape(f"step {step} {name}, seed {seed}")
                self.assertRegex(self.first.stderr, rf"(?m)^{label}: started as process \d+$")
                self.assertRegex(self.first.stderr, rf"(?m)^{label}: validation loss \d\.\d{{4}} after ")

    def test_seeds_run_one_after_the_other(self):
        started = re.findall(r"step (\d) \S+, seed (\d): started", self.first.stderr)
        self.assertEqual(started, [("0", "1"), ("2", "1"), ("4", "1"), ("0", "2"), ("2", "2"), ("4", "2")])

    def test_columns_and_values_of_the_table(self):
        text = read_text(self.path("results", "small", "report.csv"))
        self.assertEqual(next(csv.reader(io.StringIO(text)))[:len(COLUMNS)], COLUMNS)
        table = self.table()
        self.assertEqual(list(table), [0, 2, 4])
        for row in table.values():
            self.assertEqual((row["seeds"], row["status"]), ("2", "done"))
            for column in set(COLUMNS) - {"name", "status", "delta_mean", "delta_ci_low", "delta_ci_high",
                                          "identical_to"}:
                self.assertGreaterEqual(float(row[column]), 0, column)
        self.assertEqual([table[step]["identical_to"] for step in table], ["", "", "2"])
        self.assertEqual(table[0]["delta_mean"] + table[0]["delta_ci_low"], "")
        for column in ("val_loss_mean", "val_loss_sd", "delta_mean", "delta_ci_low", "delta_ci_high",
                       "parameters"):
            self.assertEqual(table[2][column], table[4][column], column)

    def test_rows_trace_to_files(self):
        """Means, deviations, differences and intervals computed again from the summaries."""
        loss, summaries = {}, {}
        for place, trial in self.trials().items():
            summaries[place] = summary = read_json(trial, "summary.json")
            last = [row for row in metrics(trial) if row["kind"] == "eval"][-1]
            self.assertEqual((last["iteration"], last["val_loss"]), (12, summary["val_loss"]))
            loss[place] = summary["val_loss"]
        for step, row in self.table().items():
            a, b = loss[step, 1], loss[step, 2]
            self.assertAlmostEqual(float(row["val_loss_mean"]), (a + b) / 2, 12)
            self.assertAlmostEqual(float(row["val_loss_sd"]), abs(a - b) / 2 ** 0.5, 12)
            self.assertEqual(int(row["peak_tensor_bytes"]),
                             max(summaries[step, s]["peak_tensor_bytes"] for s in (1, 2)))
            if step == 0:
                continue
            first, second = a - loss[0, 1], b - loss[0, 2]
            self.assertAlmostEqual(float(row["delta_mean"]), (first + second) / 2, 12)
            half = 12.706204736432095 * abs(first - second) / 2  # Student's t, 97.5 %, one degree of freedom
            self.assertAlmostEqual(float(row["delta_ci_low"]), (first + second) / 2 - half, 10)
            self.assertAlmostEqual(float(row["delta_ci_high"]), (first + second) / 2 + half, 10)
            t = (first + second) / abs(first - second)  # of one degree of freedom: Cauchy's distribution
            self.assertAlmostEqual(float(row["p_t"]), 1 - 2 / math.pi * math.atan(abs(t)), 9)
            self.assertEqual(float(row["p_sign_flip"]), 0.5 if first * second > 0 else 1)
            self.assertEqual(row["verdict"].startswith("not enough seeds (2 of 8)"), row["role"] == "arm")

    def test_reruns_have_processes_of_their_own(self):
        trials = self.trials()
        first, again = (read_json(trials[step, 1], "summary.json") for step in (2, 4))
        self.assertEqual(first["weights_sha256"], again["weights_sha256"])
        self.assertNotEqual(first["pid"], again["pid"])
        self.assertNotEqual(first["key"], again["key"])
        started = re.findall(r"started as process (\d+)", self.first.stderr)
        self.assertEqual({int(pid) for pid in started},
                         {read_json(t, "summary.json")["pid"] for t in trials.values()})
        report = read_text(self.path("results", "small", "report.md"))
        for pid in started:
            self.assertIn(f" {pid} |", report)

    def test_files_of_a_trial(self):
        files = {name for name in os.listdir(self.path("results", "small"))
                 if not name.startswith("changes-")}  # of a checkout with uncommitted changes
        self.assertEqual(files,
                         {"plan.json", "base.config", "base.defconfig", "report.md", "report.html",
                          "report.csv", "trials", "looks.jsonl", "audit.json", "peak.json"})
        look, = read_text(self.path("results", "small", "looks.jsonl")).splitlines()
        trials = sorted(os.listdir(self.path("results", "small", "trials")))
        self.assertEqual(json.loads(look)["trials"], trials)
        for (step, seed), trial in self.trials().items():
            self.assert_tidy(trial)
            summary = read_json(trial, "summary.json")
            self.assertEqual((summary["step"], summary["seed"], summary["status"]), (step, seed, "done"))
            self.assertEqual((summary["iterations"], summary["interruptions"], summary["threads"]),
                             (12, 0, 1))
            listed = read_text(trial, "DONE").splitlines()
            self.assertEqual(listed[0], "# kablate trial 2")
            names = sorted(set(os.listdir(trial)) - {"DONE"})
            self.assertEqual(listed[1:], [f"{sha256(trial, name)}  {name}" for name in names])
            self.assertEqual(summary["metrics_sha256"], sha256(trial, "metrics.jsonl"))
            self.assertEqual(hashlib.sha256(read_bytes(trial, "key.txt")).hexdigest(), summary["key"])
            self.assertTrue(trial.endswith(summary["key"][:12]))
            weights = hashlib.sha256(read_bytes(trial, "weights.safetensors")).hexdigest()
            self.assertEqual(read_text(trial, "weights.sha256"), f"{weights}  weights.safetensors\n")
            self.assertEqual(summary["weights_sha256"], weights)
            rows = [(row["kind"], row["iteration"]) for row in metrics(trial)]
            self.assertEqual([i for kind, i in rows if kind == "train"], list(range(12)))
            self.assertEqual([i for kind, i in rows if kind == "eval"], [5, 10, 12])
            environment = read_json(trial, "environment.json")
            for key in ("cpu", "cores", "libtorch", "git", "threads", "sources", "system", "compiler"):
                self.assertIn(key, environment)
            self.assertIn("iteration 12: training loss", read_text(trial, "log.txt"))
            self.assertGreater(len(read_text(trial, "sample.txt")), 200)

    def test_written_configurations_give_the_same_trials(self):
        first = set(self.trials().values())
        for name in ("base.config", "base.defconfig"):
            self.done("run", "--steps", "0,2,4", "--seeds", "1-2", "--config",
                      self.path("results", "small", name))
            self.assertEqual(set(self.trials().values()), first, name)

    def test_report_is_the_same_table(self):
        before = read_bytes(self.path("results", "small", "report.csv"))
        ended = self.done("report", self.path("results", "small"))
        self.assertTrue(self.first.stdout.startswith(ended.stdout), ended.stdout)
        self.assertEqual(read_bytes(self.path("results", "small", "report.csv")), before)


class SecondRun(ProgramTest):
    def run_again(self, *arguments, **symbols):
        """The started trials of another run of step 0, and what it printed."""
        ended = self.done("run", *(arguments or ["--steps", "0"]), **symbols)
        return re.findall(r"step (\d) \S+, seed (\d): started as process \d+(.*)", ended.stderr), ended

    def folders(self):
        return set(os.listdir(self.path("results", "small", "trials")))

    def test_only_what_is_missing_or_changed(self):
        started, _ = self.run_again()
        self.assertEqual(started, [("0", "1", "")])
        first = self.folders()
        mark = self.path("results", "small", "trials", *first, "DONE")
        done = os.stat(mark).st_mtime_ns

        with self.subTest("the same again, and what can't change a number"):
            for symbols in ({}, {"PARALLEL_TRIALS": "1"}, {"GPT2_DROPOUT": "1e-1"}, {"GPT2_DROPOUT": "0.10"},
                            {"DATA_SEED": "1"}, {"GPT2_LEARNING_RATE": "0.0006"}):
                started, ended = self.run_again(**symbols)
                self.assertEqual(started, [], symbols)
                self.assertIn("1 of 1 trials are finished already", ended.stderr)
            self.configure(RA_MLA_MLP_GATE_ALPHA='"0.7"')
            started, ended = self.run_again()
            self.assertEqual(started, [])
            self.assertIn('read by no selected step: ', ended.stderr)
            self.assertIn('RA_MLA_MLP_GATE_ALPHA = "0.7"', ended.stderr)
            self.configure()
            self.assertEqual(self.folders(), first)
            self.assertEqual(os.stat(mark).st_mtime_ns, done)

        with self.subTest("the same data in another place"):
            copy = self.write("another text", read_bytes(self.path("text")))
            self.assertEqual(self.run_again(DATA_PATH=copy)[0], [])

        with self.subTest("a changed option makes new trials beside the old"):
            started, ended = self.run_again(GPT2_WEIGHT_DECAY="0.2")
            self.assertEqual([trial[:2] for trial in started], [("0", "1")])
            self.assertIn("GPT2_WEIGHT_DECAY 0.1 -> 0.2", started[0][2])
            self.assertEqual(len(self.folders()), 2)
            self.assertTrue(first < self.folders())
            self.assertIn("1 other trial folder(s)", ended.stdout)

        with self.subTest("so do other data"):
            self.write("text", read_bytes(self.path("text")) + b" of")
            started, ended = self.run_again()
            self.assertEqual(len(started), 1)
            self.assertIn("2 other trial folder(s)", ended.stdout)

        with self.subTest("more steps and seeds train only what is new"):
            started, ended = self.run_again("--steps", "0-1", "--seeds", "1,3")
            self.assertEqual([trial[:2] for trial in started], [("1", "1"), ("0", "3"), ("1", "3")])
            self.assertEqual(sorted(self.table()), [0, 1])
            self.assertIn("1 of 4 trials are finished already", ended.stderr)

        with self.subTest("a damaged trial is trained again"):
            self.assertEqual(self.run_again()[0], [])
            trial = read_json(self.path("results", "small", "plan.json"))["trials"][0]["folder"]
            for name in ("summary.json", "weights.safetensors"):
                flip(self.path("results", "small", "trials", trial, name))
                started, _ = self.run_again()
                self.assertEqual(len(started), 1)
                self.assertIn("trained again, since it is damaged: ", started[0][2])
                self.assertIn(f"{name}: does not have the SHA-256", started[0][2])
                self.assertEqual(self.table()[0]["status"], "done")

    def test_an_experiment_of_an_earlier_format_is_left_alone(self):
        """One message, and nothing of it is changed."""
        os.makedirs(self.path("results", "small"))
        self.write("results/small/plan.json", '{"name": "ladder", "steps": []}\n')
        for command in (("run", "--steps", "1"),  # which reads every symbol
                        ("report", self.path("results", "small"))):
            self.assert_refused(self.call(*command), "plan.json", "earlier version of Kablate",
                                "move the folder away")
        self.assertEqual(os.listdir(self.path("results", "small")), ["plan.json"])

    def test_report_of_what_can_only_be_read(self):
        self.run_again()
        results = self.path("results", "small")
        before = read_text(results, "report.md")
        # Root, who may write everywhere, without that right: another user may not read a home that is root's.
        as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
        os.chmod(results, 0o555)
        self.addCleanup(os.chmod, results, 0o755)
        ended = subprocess.run([*as_others, self.program, "report", results], capture_output=True,
                               encoding="utf-8")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("step", ended.stdout)
        self.assertRegex(ended.stderr,
                         r"\Akablate: \S.*small: can only be read \(Permission denied\): report.html, "
                         r"report.md and report.csv are not written, and this look is not recorded\n\Z")
        self.assertEqual(read_text(results, "report.md"), before)

    def test_without_the_ladder_the_configuration_is_step_0(self):
        self.done("run", RA_MLA_ABLATION_MODE="n", RA_MLA_MLP_CROSS_TOKEN="n")
        row, = self.table().values()
        self.assertEqual((row["step"], row["name"], row["status"]), ("0", "gate+recip", "done"))

    def test_threads_are_chosen_once(self):
        arguments = {"RA_MLA_ABLATION_MODE": "n", "THREADS": "0", "GPT2_MAX_ITERS": "1"}
        ended = self.done("run", **arguments)
        threads = read_json(self.path("results", "small", "threads.json"))["threads"]
        self.assertIn(f"THREADS = {threads} for every trial", ended.stderr)
        self.assertEqual(read_json(self.trials()[0, 1], "summary.json")["threads"], threads)
        ended = self.done("run", "--seeds", "1,2", **arguments)
        self.assertNotIn("THREADS", ended.stderr)
        self.assertEqual(read_json(self.trials()[0, 2], "summary.json")["threads"], threads)


class Twins(ProgramTest):
    def test_that_is_none_fails_the_run(self):
        """A rerun that ends with another loss: the cause on top, no verdict, exit code 1."""
        self.done("run", "--steps", "0,2,4")
        trial = self.trials()[4, 1]
        finish_again(trial, val_loss=read_json(trial, "summary.json")["val_loss"] + 0.5)
        for command in (("run", "--steps", "0,2,4"), ("report", self.path("results", "small"))):
            ended = self.done(*command, code=1)
            self.assertIn("no verdict of this table can be believed: step 4 (gate+cross) must equal step 2",
                          ended.stderr)
            top = ended.stdout.split("\n\n")[1]
            self.assertTrue(top.startswith("NO VERDICT OF THIS TABLE"), ended.stdout)
        table = self.table()
        self.assertEqual(table[2]["verdict"], "withheld")
        self.assertIn("the final losses of the summaries", table[0]["withheld"])


class Utilisation(ProgramTest):
    def test_is_against_a_peak_measured_once(self):
        self.done("run", "--steps", "0", GPT2_MAX_ITERS=14)
        peak, = read_json(self.path("results", "small", "peak.json"))["peaks"]
        self.assertEqual((peak["device"], peak["dtype"], peak["threads"]), ("cpu", "float32", 1))
        again = self.done("run", "--steps", "0,1", GPT2_MAX_ITERS=14)
        self.assertNotIn("GFLOP/s, which", again.stderr, "it is measured once")
        for place in ((0, 1), (1, 1)):
            summary = read_json(self.trials()[place], "summary.json")
            self.assertEqual(summary["peak_flops"], peak["flops_per_second"])
            self.assertGreater(summary["mfu"], 0)
            self.assertGreater(summary["cpu_share"], 0)
            self.assertLessEqual(summary["cpu_share"], 1)
        self.assertIn(f"{peak['flops_per_second'] / 1e9:.1f} GFLOP/s (float32, 1 thread, ",
                      " ".join(again.stdout.split()))  # lines are broken


class Environment(ProgramTest):
    def test_numbers_do_not_depend_on_it(self):
        """Another time zone, language, number of OpenMP threads and a results folder with odd characters."""
        self.done("run", "--steps", "2")
        odd = {"TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de",
               "OMP_NUM_THREADS": "7",
               "MKL_NUM_THREADS": "5", "HOME": "/nonexistent", "TERM": "dumb"}
        results = "with blanks, 'quotes' & \u00fcml\u00e4ute"
        self.done("run", "--steps", "2", environment=odd, results=results)
        place, other = self.trials()[2, 1], self.trials(results)[2, 1]
        self.assertEqual(os.path.basename(place), os.path.basename(other))
        self.assert_same_end(other, place)
        summary = read_json(other, "summary.json")
        self.assertRegex(summary["started"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.done("report", self.path(results, "small"), environment=odd)
        for column in ("val_loss_mean", "peak_tensor_bytes", "parameters", "flops_per_iteration"):
            self.assertEqual(self.table()[2][column], self.table(results)[2][column], column)

    def test_what_would_change_numbers_is_taken_out_of_it(self):
        odd = {"OMP_THREAD_LIMIT": "1", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}
        ended = self.done("run", "--steps", "0", environment=odd)
        self.assertIn("OMP_THREAD_LIMIT = 1 is taken out of the environment", ended.stderr)
        self.assertIn("ONEDNN_DEFAULT_FPMATH_MODE = BF16 gives way to STRICT", ended.stderr)
        self.assertIn("audit: ", ended.stderr)
        recorded = read_json(self.trials()[0, 1], "environment.json")
        self.assertEqual(set(recorded["waiting"]), {"GOMP_SPINCOUNT"})
        self.assertEqual(recorded["arithmetic"]["variables"], {})
        self.assertIn("libgomp", recorded["openmp"])

    def test_trials_of_another_arithmetic_are_not_paired(self):
        """Step 1 is added to the baseline by a machine whose oneDNN has fewer instructions."""
        self.done("run", "--steps", "0")
        self.done("run", "--steps", "0,1", environment={"ONEDNN_MAX_CPU_ISA": "SSE41"})
        self.assertEqual(self.table()[1]["delta_mean"], "")
        notes = read_text(self.path("results", "small"), "report.md")
        self.assertIn("Step 1, seed 1 is not compared with the baseline: their arithmetic differs", notes)

    def test_relative_folders_and_a_closed_output(self):
        """Folders are those of where the program was started; a reader that goes away ends nothing."""
        line = [self.program, "run", "--config", "small.config", "--results", "here", "--steps", "0", "--set",
                "DATA_PATH=text"]
        process = subprocess.Popen(line, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.close()
        process.wait()
        self.assertTrue(os.path.exists(os.path.join(self.trials("here")[0, 1], "DONE")))


class Vocabulary(ProgramTest):
    """GPT2_VOCAB_SIZE = 0 is a number before a model is made: the text has 21 characters."""

    symbols = {"RA_MLA_ABLATION_MODE": "n", "GPT2_MAX_ITERS": 4}

    def trial_config(self, results):
        folder, = glob.glob(self.path(results, "small", "trials", "*"))
        return folder, read_text(folder, "config")

    def test_is_what_the_data_need(self):
        self.done("run", GPT2_VOCAB_SIZE=0)
        folder, config = self.trial_config("results")
        self.assertIn("CONFIG_GPT2_VOCAB_SIZE=21\n", config)
        self.assertIn("GPT2_VOCAB_SIZE = 21\n", read_text(folder, "key.txt"))
        self.done("run", results="given", GPT2_VOCAB_SIZE=21)
        given, _ = self.trial_config("given")
        self.assertEqual(os.path.basename(given), os.path.basename(folder), "one key")
        self.assertEqual(loss_log(given), loss_log(folder))
        self.assertEqual(read_bytes(given, "weights.safetensors"), read_bytes(folder, "weights.safetensors"))
        again = self.done("run", GPT2_VOCAB_SIZE=0).stderr
        self.assertNotIn("started as process", again)
        self.assertIn("equal bit for bit", self.done("verify", self.path("results", "small")).stdout)
        plan = json.loads(self.done("plan", "--json", GPT2_VOCAB_SIZE=0).stdout)
        self.assertEqual([trial["action"] for trial in plan["trials"]], ["skip"])
        self.done("noise", "--fresh", "4", GPT2_VOCAB_SIZE=0)
        self.done("audit", GPT2_VOCAB_SIZE=0)
        self.done("bench-decode", "--contexts", "4", GPT2_VOCAB_SIZE=0)

    def test_of_lines(self):
        """Both objectives: the mask token stands behind the characters."""
        text = "".join(f"{word}\n" for word in read_text(self.path("text")).split())
        lines = {"DATASET": "lines", "DATA_PATH": self.write("lines", text), "GPT2_VOCAB_SIZE": 0}
        masked = {"OBJECTIVE": "masked_token", "ATTENTION_DIRECTION": "bidirectional"}
        for results, symbols, more in (("next", {}, 0), ("masked", masked, 1)):
            with self.subTest(**symbols):
                self.done("run", results=results, **lines, **symbols)
                folder, config = self.trial_config(results)
                self.assertIn(f"CONFIG_GPT2_VOCAB_SIZE={len(set(text)) + more}\n", config)
                self.assertIn("equal bit for bit", self.done("verify", self.path(results, "small")).stdout)
                self.assertIn("as summary.json has it", self.done("eval", "--run", folder).stdout)
                drawn = self.done("sample", "--run", folder, "--prompt", "k", "--sequences", "4", "--tokens",
                                  "12")
                for line in drawn.stdout.rstrip("\n").split("\n---------------\n"):
                    self.assertRegex(line, r"\Ak\w*\Z")
                if more == 0:
                    self.assert_refused(self.call("sample", "--run", folder), "--prompt", "DATASET = lines")


if __name__ == "__main__":
    unittest.main()
