"""`report --watch` and `list`: what is under way and what lies there."""

import json
import os
import shutil
import signal
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
