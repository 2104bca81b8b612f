"""Every defconfig: what it says that it is; made small, that it trains, stops, goes on and generates."""

import glob
import json
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, metrics, read_text, words  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRESETS = sorted(path for path in glob.glob(os.path.join(ROOT, "defconfigs", "*")) if os.path.isfile(path))
# One set for all of them: it keeps what a preset is about, and its plan's own widths.
SHRUNK = {
    "GPT2_N_LAYER": 4, "GPT2_N_HEAD": 4, "GPT2_N_EMBD": 48, "GPT2_BLOCK_SIZE": 16, "GPT2_VOCAB_SIZE": 30,
    "GPT2_BATCH_SIZE": 2, "GPT2_GRADIENT_ACCUMULATION": 1, "GPT2_WARMUP_STEPS": 1, "GPT2_MAX_ITERS": 3,
    "GPT2_EVAL_INTERVAL": 100, "GPT2_EVAL_SAMPLES": 2, "GPT2_LOG_INTERVAL": 1, "SEEDS": '"1"',
    "PRUNE_BEGIN": 0, "PRUNE_END": 3, "PRUNE_INTERVAL": 1,
    "DATASET_TEXT": "y", "DEVICE_CPU": "y", "THREADS": 1, "PARALLEL_TRIALS": 2,
}
STARTED = re.compile(r"seed 1: started as process (\d+)")


class PresetTest(ProgramTest):
    words = 400  # of the text to train on

    def setUp(self):
        super().setUp()
        self.write("text", words(self.words))

    def shrunk(self, preset, **symbols):
        values = {**SHRUNK, "EXPERIMENT_NAME": '"small"', "DATA_PATH": f'"{self.path("text")}"', **symbols}
        replaced = re.compile(rf"(# )?CONFIG_({'|'.join(values)}|DATASET_\w+)(=| is not set)")
        kept = [line for line in read_text(preset).splitlines() if not replaced.match(line)]
        return self.write("shrunk.config", "\n".join(
            kept + [f"CONFIG_{name}={value}" for name, value in values.items()]) + "\n")

    def plan(self, *arguments):
        return json.loads(self.done("plan", "--json", "--no-measure", *arguments).stdout)

    def arms(self, config):
        """{number: what it is} of the steps that are no control and no rerun."""
        return {step["step"]: (step["name"], step["parameters"], step["flops_per_iteration"])
                for step in self.plan("--config", config)["steps"]
                if step["rerun_of"] is None and step["control_of"] is None}


class AsWritten(PresetTest):
    def test_each_has_a_plan(self):
        for preset in PRESETS:
            with self.subTest(preset=os.path.basename(preset)):
                for step in self.plan("--config", preset)["steps"]:
                    self.assertEqual(sum(step["parameters_by_part"].values()), step["parameters"])
                    self.assertGreater(step["peak_tensor_bytes"], 0)

    def test_counts_of_those_of_gpt2s_size(self):
        """By hand: V·E, and 4·E² and 2·f·E² in each of 12 blocks; the MLP of one block alone."""
        for name, parameters, mlp in [("gpt2-d12", 123532032, 4718592),
                                      ("gpt2-d12-mlp3x", 124880704, 4153344),
                                      ("gpt2-custom-mlp2x", 136720320, 3686400)]:
            step, = self.plan("--config", os.path.join(ROOT, "defconfigs", name))["steps"]
            self.assertEqual((step["parameters"], step["parameters_by_part"]["mlp"]), (parameters, 12 * mlp))


class TrainsAndGenerates(PresetTest):
    """In all steps of each preset, or the last where other presets have them all."""

    def test_each(self):
        seen = set()
        for preset in PRESETS:
            with self.subTest(preset=os.path.basename(preset)):
                results = "results-" + os.path.basename(preset)
                config = self.shrunk(preset)
                arms = self.arms(config)
                steps = [step for step, arm in arms.items() if arm not in seen] or [max(arms)]
                seen.update(arms.values())
                self.done("run", "--config", config, "--steps", ",".join(map(str, steps)), results=results)
                trials = self.trials(results)
                self.assertEqual(sorted(step for step, _ in trials), steps)
                for trial in trials.values():
                    self.assertTrue(os.path.exists(os.path.join(trial, "DONE")), trial)
                # A model of masked tokens fills in one sequence; any other goes on beyond its context.
                tokens = 12 if "OBJECTIVE_MASKED_TOKEN" in read_text(preset) else 24
                text = self.done("sample", "--run", trials[steps[-1], 1], "--tokens", str(tokens),
                                 "--prompt", "the ").stdout
                self.assertGreater(len(text), tokens)


# What a checkpoint has to hold beside weights, or a loop to find again at the right iteration.
TRAINING_STATE = re.compile(
    r"(?:OPTIMIZER|OBJECTIVE|SPAM|PRUNE|CRITIC|DTYPE|RECOMPUTE|AUTOENCODER|LORA_FREEZE_BASE|MLP_UNSHARE"
    r"|MLP_EXPERTS|MLP_LEARNED_WIDTH)\w*=\S+|GPT2_DROPOUT=\"0\.\d+\"")


class StopsAndGoesOn(PresetTest):
    def test_the_last_step_of_one_of_each_kind(self):
        seen = set()
        for preset in PRESETS:
            with self.subTest(preset=os.path.basename(preset)):
                results = "stopped-" + os.path.basename(preset)
                config = self.shrunk(preset, GPT2_MAX_ITERS=200)
                arms = self.arms(config)
                last = max(arms)
                kind = frozenset(TRAINING_STATE.findall(read_text(config) + " " + arms[last][0]))
                if kind in seen:
                    continue
                seen.add(kind)
                command = ("run", "--config", config, "--steps", str(last))
                run = self.start(*command, results=results)
                self.assertTrue(self.wait_for(lambda: self.first_rows(results), run), run.messages())
                run.send_signal(signal.SIGTERM)
                run.communicate(timeout=60)
                self.assertEqual(run.returncode, 3, run.messages())
                self.done(*command, results=results)
                trial, = self.trials(results).values()
                self.assertTrue(os.path.exists(os.path.join(trial, "DONE")), trial)
                self.assertEqual(read_text(trial, "log.txt").count("going on from iteration"), 1)
                self.assertEqual(metrics(trial)[-1]["iteration"], 200)

    def first_rows(self, results):
        return [rows for trial in self.trials(results).values() if (rows := metrics(trial))]


if __name__ == "__main__":
    unittest.main()
