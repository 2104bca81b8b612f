"""`run --budget` and `retry`: a part of what is left to train."""

import json
import os
import re
import shutil
import signal
import time
import unittest

from support import ProgramTest, TrainedOnce, flip, metrics, read_json, read_text


class BudgetTest(ProgramTest):
    symbols = {"GPT2_MAX_ITERS": 400, "GPT2_EVAL_INTERVAL": 200, "SEEDS": '"1-20"'}

    def test_it_ends_before_all_are_done_and_says_what_is_left(self):
        """Which seeds it begins is forecast_test.cpp's: where the machine slows down one stays open."""
        began = time.monotonic()
        self.done("run", "--steps", "0,1", "--seeds", "1")
        whole = time.monotonic() - began
        budget = 2 * whole
        ended = self.call("run", "--steps", "0,1", "--budget", f"{budget:.1f}s")
        self.assertEqual(ended.returncode, 3, ended.stderr)
        done = set(self.trials())
        last = max(seed for _, seed in done)
        self.assertLess(last, 20)
        before = {(step, seed) for step in (0, 1) for seed in range(1, last)}
        self.assertLessEqual(before, done, "a seed after the other")
        left = re.search(r"the budget of [\d.]+s is used up \((\d+) trials are left, about .+?\) "
                         r"with (\d+) of 40", ended.stderr)
        self.assertEqual((int(left[1]), int(left[2])), (40 - len(done), len(done)))
        self.assertEqual(ended.stdout, "", "no table, which would be a look")

    def test_one_that_nothing_fits_in_is_refused(self):
        ended = self.call("run", "--budget", "0.5s")
        self.assertEqual((ended.returncode, ended.stdout), (2, ""))
        self.assertIn("--budget = 0.5s: no trial was started", ended.stderr)
        self.assertEqual(self.trials(), {})

    def test_a_damaged_trial_takes_its_whole_time(self):
        self.done("run", "--steps", "0", "--seeds", "1")
        seconds = read_json(self.trials()[0, 1], "summary.json")["wall_seconds"]
        flip(os.path.join(self.trials()[0, 1], "weights.safetensors"))
        ended = self.call("run", "--steps", "0", "--seeds", "1", "--budget", f"{1 + 0.2 * seconds:.1f}s",
                          GPT2_MAX_ITERS=self.symbols["GPT2_MAX_ITERS"])
        self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
        self.assertIn("no trial was started", ended.stderr)

    def test_time_is_not_blamed_for_what_another_run_is_at(self):
        first = self.start("run", "--steps", "0", "--seeds", "1", GPT2_MAX_ITERS=100000)
        self.wait_for(lambda: "started as process" in first.messages(), first)
        self.wait_for(lambda: any(metrics(trial) for trial in self.trials().values()), first)
        ended = self.call("run", "--steps", "0", "--seeds", "1", "--budget", "3s", GPT2_MAX_ITERS=100000)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
        self.assertEqual((ended.returncode, ended.stdout), (3, ""), ended.stderr)
        self.assertIn("another run is at 1 of them", ended.stderr)

    def test_what_is_no_time_is_refused(self):
        self.assert_all_refused([(("run", "--budget", text), "--budget", text, "30m")
                                 for text in ("30", "m", "-5m", "0s", "5 days")])


class RetryTest(TrainedOnce):
    run_arguments = ("--steps", "0,1", "--seeds", "1-2")

    def fail(self, place, status):
        trial = self.trials()[place]
        os.remove(os.path.join(trial, "DONE"))
        with open(os.path.join(trial, "failure.json"), "w", encoding="utf-8") as file:
            json.dump({"status": status, "reason": "no number", "exit_code": 1, "signal": None,
                       "log_tail": ""}, file)

    def test_it_trains_what_failed_or_diverged_and_nothing_else(self):
        sums = {place: read_json(trial, "summary.json")["weights_sha256"]
                for place, trial in self.trials().items()}
        self.fail((0, 1), "failed")
        self.fail((1, 1), "diverged")
        shutil.rmtree(self.trials()[1, 2])
        skipped = self.call("run", "--steps", "1", "--seeds", "1")
        self.assertEqual(skipped.returncode, 1)
        self.assertIn("`kablate retry` tries it again", skipped.stderr)
        looks = read_text(self.path("results", "small", "looks.jsonl"))
        ended = self.done("retry", *self.run_arguments)
        self.assertIn("tried again: 2 done, 0 failed; 1 trial of the plan still to be trained", ended.stderr)
        self.assertEqual(ended.stdout, "")
        self.assertEqual(read_text(self.path("results", "small", "looks.jsonl")), looks, "it is no look")
        self.assertEqual(ended.stderr.count("started as process"), 2, ended.stderr)
        self.assertEqual(set(self.trials()), {(0, 1), (1, 1), (0, 2)}, "what was never started is not")
        for place in ((0, 1), (1, 1)):
            self.assertEqual(read_json(self.trials()[place], "summary.json")["weights_sha256"], sums[place])
            self.assert_tidy(self.trials()[place])
        again = self.done("retry", *self.run_arguments)
        self.assertIn("no trial of the plan has failed or diverged", again.stderr)
        self.assertEqual(again.stdout, "")


if __name__ == "__main__":
    unittest.main()
