"""`rerun` and `diff`: a trial again from its folder alone, and what differs between two."""

import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import TrainedOnce, finish_again, flip, read_bytes, read_json, read_text  # noqa: E402


class Rerun(TrainedOnce):
    """Step 0 over two seeds, trained once; a test works on a copy in another place."""

    run_arguments = ("--steps", "0", "--seeds", "1,2")
    SAME = "same configuration, sources, compiler, LibTorch, threads, data, device and kernels"

    def begin(self):
        self.trial = self.trials()[0, 1]

    def rerun(self, *arguments, code=0):
        return self.done("rerun", self.trial, *arguments, code=code,
                         environment={"TMPDIR": self.path("scratch")}).stdout.splitlines()

    def edit(self, name, **values):
        """Changes a trial's JSON file, and DONE with it."""
        path = os.path.join(self.trial, name)
        text = json.dumps(read_json(path) | values)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        finish_again(self.trial)

    def test_from_the_folder_alone(self):
        """Without the rest of the experiment, under another name."""
        lone = self.path("a run")
        shutil.move(self.trial, lone)
        shutil.rmtree(self.path("results"))
        self.trial = lone
        weights = read_json(lone, "summary.json")["weights_sha256"]
        self.assertEqual(self.rerun(), [
            "the same here: configuration, sources, compiler, LibTorch, threads, data, device, kernels, CPU, "
            "libraries' variables and system",
            f"step 0 mla, seed 1: equal: weights {weights} and every logged loss"])
        self.assertEqual(os.listdir(self.path("scratch")), [])

    def test_a_difference_names_its_causes(self):
        path = os.path.join(self.trial, "config")
        text = read_text(path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('GPT2_WEIGHT_DECAY="0.1"', 'GPT2_WEIGHT_DECAY="0.9"'))
        other = self.write("other", read_bytes(self.path("text")).replace(b"king", b"ring"))
        self.edit("environment.json", cpu="a CPU of long ago")
        lines = self.rerun("--data-path", other, code=1)
        self.assertEqual(lines[0], "differs here: GPT2_WEIGHT_DECAY 0.1 -> 0.9")
        self.assertRegex(lines[1], r"^differs here: data [0-9a-f]+… -> [0-9a-f]+…$")
        self.assertRegex(lines[2], r"^differs here: cpu: a CPU of long ago -> ")
        self.assertIn("step 0 mla, seed 1: differs: weights, final losses, first at iteration 0 (", lines[3])
        self.assertEqual(lines[4], "known causes: configuration, data, CPU")
        kept = lines[5].removeprefix("kept to be looked at: ")
        self.assertTrue(os.path.exists(os.path.join(kept, "DONE")), lines)

    def test_a_difference_without_a_cause_is_a_defect(self):
        self.edit("summary.json", weights_sha256="0" * 64)
        lines = self.rerun(code=1)
        self.assertIn("damaged there: DONE has another SHA-256 of weights.safetensors", lines[0])
        self.assertIn("step 0 mla, seed 1: differs: weights, although the loss logs are equal", lines)
        self.assertIn(self.SAME + ", and the same CPU, variables and system: this is a defect", lines)
        self.edit("environment.json", cpu="a CPU of long ago")
        self.assertIn(self.SAME + ": this is a defect, or comes of CPU", self.rerun(code=1))

    def test_a_variable_that_libraries_read_is_named(self):
        """Where oneDNN uses more than SSE4.1 the numbers differ too."""
        ended = self.call("rerun", self.trial, environment={"ONEDNN_MAX_CPU_ISA": "SSE41"})
        lines = ended.stdout.splitlines()
        self.assertEqual(lines[0],
                         "differs here: arithmetic.variables.ONEDNN_MAX_CPU_ISA: not recorded -> SSE41")
        if ended.returncode != 0:
            self.assertIn(self.SAME + ": this is a defect, or comes of ONEDNN_MAX_CPU_ISA", lines)

    def test_bad_input(self):
        unfinished = self.path("unfinished")
        shutil.copytree(self.trial, unfinished)
        os.remove(os.path.join(unfinished, "DONE"))
        edited = self.path("edited")
        shutil.copytree(self.trial, edited)
        flip(os.path.join(edited, "config"))
        experiment = self.path("results", "small")
        self.assert_all_refused([
            (("rerun", self.path("nowhere")), "nowhere", "there is no such folder"),
            (("rerun", experiment), "is an experiment's folder", "trials/"),
            (("rerun", unfinished), "unfinished", "not the folder of a finished trial"),
            (("rerun", edited), "edited", "config: does not have the SHA-256"),
            (("diff", edited, self.trial), "edited", "config: does not have the SHA-256"),
            (("rerun", self.trial, "--data-path", self.path("gone")), "step 0 mla, seed 1 needs the data",
             self.path("gone"), "--data-path"),
            (("diff", self.trial, experiment), "is an experiment's folder", "two trials"),
            (("diff", self.trial, self.path("nowhere")), "nowhere", "there is no such folder"),
        ])

    def test_diff(self):
        other = self.trials()[0, 2]
        with self.subTest("two seeds"):
            lines = self.done("diff", self.trial, other).stdout.splitlines()
            self.assertEqual(lines[:2], [f"a: {self.trial}", f"b: {other}"])
            self.assertIn("  seed 1 -> 2", lines)
            self.assertEqual(lines[lines.index("configuration") + 1], "  no difference")
            self.assertEqual(lines[lines.index("environment") + 1], "  no difference")
            results = lines[lines.index("results") + 1:]
            self.assertRegex(results[0], r"^  loss logs part at iteration 0: \w+ \S+ -> \S+$")
            self.assertRegex(results[1], r"^  val_loss: \d\.\d{6} -> \d\.\d{6} \([+-]\S+\)$")
            self.assertIn("  weights: not equal", results)
        with self.subTest("two experiments"):
            self.done("run", "--steps", "0", "--seeds", "2", results="changed", GPT2_WEIGHT_DECAY="0.2")
            lines = self.done("diff", self.path("results", "small"),
                              self.path("changed", "small")).stdout.splitlines()
            self.assertIn("  GPT2_WEIGHT_DECAY: 0.1 -> 0.2", lines)
            self.assertIn("  seeds: 1,2 -> 2", lines)
            self.assertRegex(lines[-1], r"^  step 0 mla: val_loss \d\.\d{4} ± \d\.\d{4} over 2 seeds -> "
                                        r"\d\.\d{4} over 1 seed; difference \S+ over 1 common seed$")


if __name__ == "__main__":
    unittest.main()
