"""`report --watch` and `list`: what is under way and what lies there."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest

from support import TrainedOnce, read_json, read_text


class WatchTest(TrainedOnce):
    run_arguments = ("--steps", "0,1")

    def test_a_finished_experiment_ends_it_at_once(self):
        ended = self.done("report", "--watch", self.path("results", "small"))
        self.assertEqual(ended.stdout, self.done("report", self.path("results", "small")).stdout)

    def test_it_prints_what_changed_until_no_trial_is_to_come(self):
        trial = self.trials()[1, 1]
        shutil.move(trial, self.path("scratch", "kept"))
        watch = self.start("report", "--watch=1", self.path("results", "small"))
        report = self.path("results", "small", "report.md")
        self.wait_for(lambda: "| missing |" in read_text(report), watch)
        time.sleep(2.5)  # looks that find nothing new
        shutil.move(self.path("scratch", "kept"), trial)
        out = watch.communicate(timeout=60)[0]
        self.assertEqual(watch.returncode, 0, out)
        self.assertEqual(out.count("1 of 2 trials done, 1 missing"), 1, out)
        self.assertEqual(out.count("not enough seeds"), 1, "the last table has both steps")
        self.assertNotIn("\033", out)
        self.assertIn("| done |", read_text(report))

    def test_a_trial_that_starts_is_no_reason_for_another_table(self):
        trial = self.trials()[1, 1]
        shutil.move(trial, self.path("scratch", "kept"))
        watch = self.start("report", "--watch=1", self.path("results", "small"))
        looks = self.path("results", "small", "looks.jsonl")
        before = read_text(looks).count("\n")
        self.wait_for(lambda: read_text(looks).count("\n") > before, watch)
        os.mkdir(trial)
        shutil.copy(self.path("scratch", "kept", "config"), trial)
        time.sleep(2.5)
        watch.send_signal(signal.SIGINT)
        out = watch.communicate(timeout=60)[0]
        self.assertEqual(out.count("1 of 2 trials done, 1 interrupted"), 1, out)
        self.assertEqual(out.count("gate"), out[:out.index("1 interrupted")].count("gate"), "no second table")
        self.assertEqual(read_text(looks).count("\n"), before + 1)

    def test_each_line_takes_one_row_of_a_terminal(self):
        shutil.rmtree(self.trials()[1, 1])
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        watch = subprocess.Popen(self.arguments("report", "--watch=1", self.path("results", "small")),
                                 cwd=self.folder, stdin=subprocess.DEVNULL, stdout=theirs,
                                 stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        os.close(theirs)
        sent = b""
        while sent.count(b"\033[2J") < 2:
            sent += os.read(ours, 65536)
        os.close(ours)
        lines = re.sub(r"\033\[\d*[A-Za-z]", "", sent.decode()).replace("\r", "").split("\n")
        self.assertIn("1 of 2 trials done, 1 missing at ", lines[0])
        self.assertLess(max(map(len, lines)), 60, lines)

    def test_a_signal_ends_it(self):
        shutil.rmtree(self.trials()[1, 1])
        watch = self.start("report", "--watch=1", self.path("results", "small"))
        self.wait_for(lambda: "| missing |" in read_text(self.path("results", "small", "report.md")), watch)
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=60)
        self.assertEqual(watch.returncode, 3)

    def test_no_seconds_are_refused(self):
        self.assert_refused(self.call("report", "--watch=0", self.path("results", "small")), "--watch", "0")


class ListTest(TrainedOnce):
    run_arguments = ("--steps", "0,1")

    def listed(self):
        rows = json.loads(self.done("list", "--results", self.path("results"), "--json").stdout)
        return {os.path.basename(row["folder"]): row for row in rows}

    def test_it_tells_how_far_each_experiment_is(self):
        for name in ("begun", "failed"):
            shutil.copytree(self.path("results", "small"), self.path("results", name))
        shutil.rmtree(self.trials(experiment="begun")[1, 1])
        trial = self.trials(experiment="failed")[1, 1]
        os.remove(os.path.join(trial, "DONE"))
        with open(os.path.join(trial, "failure.json"), "w", encoding="utf-8") as file:
            json.dump({"status": "diverged", "reason": "no number", "exit_code": None, "signal": None,
                       "log_tail": ""}, file)
        looks = read_text(self.path("results", "small", "looks.jsonl"))
        rows = self.listed()
        self.assertEqual({name: row["state"] for name, row in rows.items()},
                         {"small": "done", "begun": "interrupted", "failed": "diverged 1"})
        self.assertEqual(rows["begun"]["trials"], {"done": 1, "missing": 1})
        self.assertEqual(rows["small"]["planned"], 2)
        self.assertEqual([entry["arm"] for entry in rows["small"]["verdicts"]], ["1 gate"])
        self.assertTrue(rows["small"]["verdicts"][0]["verdict"].startswith("not enough seeds"))
        self.assertEqual(read_text(self.path("results", "small", "looks.jsonl")), looks, "it is no look")
        text = self.done("list", "--results", self.path("results")).stdout
        self.assertRegex(text, r"\nbegun +ra-mla +1/2 +interrupted ")

    def test_imported_runs_are_done(self):
        self.write("theirs.csv", "arm,seed,loss\n" + "".join(f"a,{s},{3 + s / 100}\nb,{s},{2.9 + s / 99}\n"
                                                            for s in range(8)))
        self.done("import-runs", "theirs.csv", "--out", self.path("results", "theirs"))
        row = self.listed()["theirs"]
        self.assertEqual((row["problem"], row["state"], row["trials"]), ("", "imported, done", {"done": 16}))
        self.assertEqual([entry["arm"] for entry in row["verdicts"]], ["1 b"])
        self.assertIn("not gated", self.done("report", "--watch", self.path("results", "theirs")).stdout)

    def test_what_can_not_be_read_is_named(self):
        for name in ("odd", "damaged", "old"):
            shutil.copytree(self.path("results", "small"), self.path("results", name))
        os.remove(self.path("results", "odd", "plan.json"))
        with open(self.path("results", "damaged", "plan.json"), "a", encoding="utf-8") as file:
            file.write(" ")
        plan = read_json(self.path("results", "old", "plan.json"))
        del plan["format"], plan["sha256"]
        self.write(os.path.join("results", "old", "plan.json"), json.dumps(plan))
        rows = self.listed()
        self.assertEqual(rows["small"]["problem"], "")
        self.assertIn("has no plan.json", rows["odd"]["problem"])
        for name in ("damaged", "old"):
            self.assertIn("plan.json", rows[name]["problem"])
        text = self.done("list", "--results", self.path("results")).stdout
        for name in ("odd", "damaged", "old"):
            self.assertRegex(text, rf"\n{name} +not readable ")
        self.assert_refused(self.call("list", "--results", self.path("nowhere")), "--results", "nowhere")


if __name__ == "__main__":
    unittest.main()
