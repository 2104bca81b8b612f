"""`report` in other forms, tables of `diff`, and `import-runs`."""

import csv
import io
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, TrainedOnce, metrics, read_json, read_text  # noqa: E402

RUNS = "arm,seed,loss,parameters,note\n" + "".join(
    f"dense,{seed},{3 + seed / 100},1000,x\nsparse,{seed},{2.9 + seed / 99},900,\n" for seed in range(8))


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


class Forms(TrainedOnce):
    run_arguments = ("--steps", "0,1")

    def begin(self):
        self.experiment = self.path("results", "small")

    def files(self):
        entries = [entry for entry in os.scandir(self.experiment) if entry.is_file()]
        return {entry.name: (read_text(entry.path), entry.stat().st_mtime_ns) for entry in entries}

    def form(self, *arguments):
        return self.done("report", self.experiment, *arguments).stdout

    def test_go_to_standard_output_alone(self):
        os.remove(os.path.join(self.experiment, "report.md"))
        before = self.files()
        self.assertTrue(self.form("--format", "latex").startswith("% kablate report --format latex "))
        self.assertTrue(self.form("--format", "markdown").startswith("| arm | parameters | val loss |"))
        self.assertEqual(self.form("--format", "csv"), read_text(self.experiment, "report.csv"))
        curves = rows(self.form("--csv-long"))
        self.assertEqual(self.files(), before)
        terminal = self.form("--format", "terminal")
        self.assertNotIn("report.md", self.files())
        self.assertEqual(self.form(), terminal)
        self.assertIn("report.md", self.files())
        for (step, seed), trial in self.trials().items():
            logged = [row for row in metrics(trial) if row["kind"] == "eval"]
            ours = [row for row in curves if (row["step"], row["seed"]) == (str(step), str(seed))]
            names = ("iteration", "val_loss", "train_loss")
            self.assertEqual([[float(row[name]) for name in names] for row in ours],
                             [[row[name] for name in names] for row in logged])
            self.assertEqual({(r["experiment"], r["status"], r["key"]) for r in ours},
                             {("small", "done", os.path.basename(trial)[-12:])})

    def test_are_refused_by_name(self):
        self.assert_all_refused([
            (("report", self.experiment, "--format", "html"), "--format", "html", "latex"),
            (("report", self.experiment, "--format", "csv", "--csv-long"), "--csv-long", "--format"),
        ])

    def test_diff_shows_both_tables_and_then_the_differences(self):
        self.done("run", "--steps", "0,1", results="others", GPT2_LEARNING_RATE="0.02")
        other = self.path("others", "small")
        text = self.done("diff", self.experiment, other).stdout
        a, b, differences = (text.index(f"\na: {self.experiment}"[1:]), text.index(f"\nb: {other}"),
                             text.index("GPT2_LEARNING_RATE"))
        self.assertLess(a, b)
        self.assertLess(b, differences)
        for begin, end, folder in ((a, b, "results"), (b, differences, "others")):
            for row in self.table(folder).values():
                self.assertRegex(text[begin:end], rf"(?m)^ +{row['step']}  {row['name']} .*"
                                                  rf"{float(row['val_loss_mean']):.4f}")


class Imports(ProgramTest):
    def setUp(self):
        super().setUp()
        self.file = self.write("theirs.csv", RUNS)
        self.experiment = self.path("results", "theirs")

    def test_are_shown_again_from_files_alone(self):
        ended = self.done("import-runs", "theirs.csv")
        self.assertIn("nothing is read from the columns note", ended.stderr)
        self.assertIn("Not gated: these runs were imported from theirs.csv", ended.stdout)
        files = [os.path.join("results", "theirs", "report." + end) for end in ("html", "md", "csv")]
        self.assertTrue(ended.stdout.endswith("\n" + "\n".join(files) + "\n"), ended.stdout[-300:])
        os.remove(self.file)
        again = self.done("report", self.experiment).stdout
        self.assertIn(again.replace(self.path() + "/", ""), ended.stdout)
        table = rows(self.done("report", self.experiment, "--format", "csv").stdout)
        names = ("name", "parameters", "verdict", "gates", "seeds")
        self.assertEqual([tuple(row[name] for name in names) for row in table],
                         [("dense", "1000", "", "not gated", "8"),
                          ("sparse", "900", "better", "not gated", "8")])
        self.assertAlmostEqual(float(table[1]["delta_mean"]),
                               sum(2.9 + seed / 99 - 3 - seed / 100 for seed in range(8)) / 8)
        self.assertIn("not gated", self.done("report", self.experiment, "--format", "latex").stdout)

    def test_say_that_seeds_were_added(self):
        few = "".join(line for line in RUNS.splitlines(True) if ",7," not in line and ",6," not in line)
        self.write("theirs.csv", few)
        self.done("import-runs", self.file)
        self.write("theirs.csv", RUNS)
        text = " ".join(self.done("import-runs", self.file).stdout.split())
        self.assertIn("Seeds 6, 7 were added after a look at seeds 0-5.", text)

    def test_are_known_again_in_another_order_and_spelling(self):
        few = "".join(line for line in RUNS.splitlines(True) if ",7," not in line)
        self.write("theirs.csv", few)
        self.done("import-runs", self.file)
        head, *lines = RUNS.splitlines(True)
        lines = [line.replace(",3.01,", ",3.010,").replace(",3.02,", ",3.021,") for line in reversed(lines)]
        self.write("theirs.csv", head + "".join(lines))
        text = " ".join(self.done("import-runs", self.file, "--baseline", "dense").stdout.split())
        self.assertIn("Seed 7 was added after a look at seeds 0-6.", text)

    def test_cannot_leave_arms_out_of_the_family(self):
        more = "".join(f"other{arm},{seed},{3.2 + (seed * arm) % 7 / 9},,\n"
                       for arm in range(12) for seed in range(8))
        self.write("theirs.csv", RUNS + more)
        self.assertIn("not enough seeds (8 of 10)", self.done("import-runs", self.file).stdout)
        self.write("theirs.csv", RUNS)
        text = " ".join(self.done("import-runs", self.file).stdout.split())
        self.assertIn("not enough seeds (8 of 10)", text)
        self.assertIn("had 12 arms that this one leaves out: other0, other1", text)

    def test_are_nothing_to_train(self):
        self.done("import-runs", self.file, "--out", self.path("results", "small"), "--baseline", "sparse")
        experiment = self.path("results", "small")
        self.assertEqual(read_json(experiment, "plan.json")["baseline"], 1)
        self.assert_all_refused([
            (("run",), experiment, "were imported from", "nothing to train"),
            (("noise", "--fresh", "4"), experiment, "were imported from"),
            (("verify", experiment), experiment, "were imported from"),
            (("judge", experiment, "--by", experiment), experiment, "were imported from"),
            (("tensorboard", experiment, "--watch", "1"), experiment, "were imported from"),
            (("tracked", experiment), experiment, "were imported from"),
            (("import-runs", self.file, "--baseline", "deep"), '--baseline = "deep"', "dense, sparse"),
            (("import-runs", self.path("none.csv")), "none.csv"),
            (("import-runs", self.file, "--better", "lower"), "--better", "less"),
        ])
        self.done("diff", experiment, experiment)

    def test_leave_a_trained_experiment_alone(self):
        self.done("run", "--steps", "0")
        self.assert_refused(self.call("import-runs", self.file, "--out", self.path("results", "small")),
                            "holds an experiment that was trained there")


if __name__ == "__main__":
    unittest.main()
