"""make reproduce: which tasks run, what is read of them, and what is said of it, at a size of seconds."""

import argparse
import contextlib
import io
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts")]
import reproduce  # noqa: E402
from reproduce import Task, selected, verdict  # noqa: E402
from support import ProgramTest, read_json  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
TINY = {"GPT2_N_EMBD": 16, "GPT2_BATCH_SIZE": 4, "GPT2_MAX_ITERS": 6, "GPT2_EVAL_INTERVAL": 6,
        "GPT2_EVAL_SAMPLES": 8, "GPT2_BLOCK_SIZE": 16, "GPT2_WARMUP_STEPS": 1, "GPT2_VOCAB_SIZE": 20,
        "SYNTHETIC_VOCAB_SIZE": 20, "SYNTHETIC_TRAIN": 50, "SYNTHETIC_TEST": 20,
        "DEVICE": "cpu", "THREADS": 1}


class Selection(unittest.TestCase):
    def test_by_name(self):
        names = [task.name for task in reproduce.TASKS]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual([task.name for task in selected("", reproduce.TASKS)],
                         ["mqar", "mqar-1-layer", "h3-induction", "h3-recall"])
        self.assertEqual(selected("all", reproduce.TASKS), reproduce.TASKS)
        self.assertEqual([task.name for task in selected("h3-recall,mqar mqar", reproduce.TASKS)],
                         ["h3-recall", "mqar"])
        with self.assertRaisesRegex(reproduce.Unknown, "TASKS = h4: h4 is no task; allowed: all, mqar"):
            selected("h4", reproduce.TASKS)

    def test_each_task_has_a_preset(self):
        for task in reproduce.TASKS:
            self.assertTrue(os.path.exists(os.path.join(ROOT, "defconfigs", task.preset)), task.preset)
            self.assertTrue(task.cost and task.published)
            self.assertTrue(task.least is not None or task.most is not None, task.name)


class Verdicts(unittest.TestCase):
    def test_are_of_the_bound(self):
        least, most = Task("a", "a", "", "x", least=0.97), Task("a", "a", "", "x", most=0.3)
        self.assertEqual([verdict(least, value) for value in (0.97, 0.9699, None)],
                         ["REACHED", "NOT REACHED", "NOT TRAINED"])
        self.assertEqual([verdict(most, value) for value in (0.3, 0.31)], ["REACHED", "NOT REACHED"])


class Runs(ProgramTest):
    def reproduce(self, tasks, **bounds):
        """(exit code, table) of tasks made tiny."""
        small = [Task(task.name, task.preset, task.published, task.measure, step=task.step, cost="seconds",
                      chosen=task.chosen, symbols=TINY, **bounds) for task in reproduce.TASKS]
        arguments = argparse.Namespace(program=self.program, source=ROOT, results=self.path("results"),
                                       tasks=tasks, set=[])
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = reproduce.reproduce(arguments, small)
        return code, said.getvalue()

    def test_says_what_it_measured(self):
        code, text = self.reproduce("h3-recall mqar-1-layer", least=0)
        self.assertEqual(code, 0, text)
        for task in "h3-recall", "mqar-1-layer":
            trial, = self.trials(experiment=f"reproduce-{task}").values()
            accuracy = read_json(trial, "summary.json")["val_accuracy"]
            self.assertRegex(text, rf"(?m)^{task} .* {accuracy:.4f}  +>= 0 +REACHED$")
        self.assertIn("step1-", os.path.basename(trial))
        self.assertIn("mad-memorization", text, "what was not asked for is listed")
        code, text = self.reproduce("h3-recall", least=1.01)
        self.assertEqual(code, 1)
        self.assertRegex(text, r"(?m)^h3-recall .* NOT REACHED$")

    def test_refuses_unknown_names(self):
        code, text = self.reproduce("h3", least=0)
        self.assertEqual(code, 2)
        self.assertIn("h3 is no task", text)


if __name__ == "__main__":
    unittest.main()
