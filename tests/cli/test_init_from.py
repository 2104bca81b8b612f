"""`run --init-from`: training that starts from a file of weights."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, loss_log, read_safetensors, read_text, write_safetensors  # noqa: E402

PLAIN = {"ENABLE_RA_MLA": "n", "RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n",
         "RA_MLA_MLP_LATENT_RECIP": "n", "RA_MLA_ABLATION_MODE": "n"}
LORA = {"USE_LORA_ATTN": "y", "USE_LORA_MLP": "y", "LORA_RANK": 2}
FROZEN = {**LORA, "LORA_FREEZE_BASE_AT": 1}


class InitFrom(ProgramTest):
    symbols = PLAIN

    def weights(self, name="start", **symbols):
        self.done("init", "--out", self.path(name), "--seed", "5", **symbols)
        return self.path(name)

    def run_from(self, file, results="results", code=0, **symbols):
        """The trial's folder, or what was said."""
        ended = self.done("run", "--init-from", file, results=results, code=code, **symbols)
        if code != 0:
            return ended.stderr
        trials = os.path.join(self.path(results), "small", "trials")
        name, = os.listdir(trials)
        return os.path.join(trials, name)

    def test_fine_tuning_moves_adapters_and_norms_alone(self):
        start = self.weights()
        trial = self.run_from(start, **FROZEN)
        before, after = read_safetensors(start), read_safetensors(os.path.join(trial, "weights.safetensors"))
        moved = {name for name in before if after[name] != before[name]}
        self.assertEqual({name for name in before if ".ln_" in name}, moved)
        added = set(after) - set(before)
        self.assertEqual(len(added), 2 * 2 * 4)
        self.assertTrue(all(".lora_" in name for name in added))
        self.assertTrue(any(any(after[name][1]) for name in added if name.endswith("lora_B.weight")))
        self.assertIn(f'CONFIG_INIT_FROM="{start}"', read_text(trial, "config"))
        self.done("rerun", trial)
        self.done("verify", self.path("results", "small"))

    def test_a_file_that_has_moved(self):
        start = self.weights()
        trial = self.run_from(start)
        os.rename(start, self.path("moved"))
        experiment = self.path("results", "small")
        for command in (["rerun", trial], ["verify", experiment]):
            self.assertIn("--init-from", self.done(*command, code=2).stderr)
            self.done(*command, "--init-from", self.path("moved"))
        other = self.weights("other", GPT2_BIAS="y")
        tensors = read_safetensors(other)
        tensors["transformer.wte.weight"][1][0] += 1
        write_safetensors(other, tensors)
        self.assertIn("weights", self.done("rerun", trial, "--init-from", other, code=1).stdout)

    def test_a_trial_that_had_no_file_takes_none(self):
        self.done("run")
        (_, trial), = self.trials().items()
        said = self.done("rerun", trial, "--init-from", "some", code=2).stderr
        self.assertIn("leave --init-from out", said)

    def test_starts_where_the_file_says(self):
        """The weights of seed 5 train as seed 5's do where nothing else hangs on the seed."""
        fixed = {"GPT2_DROPOUT": "0", "DATA_SEED": 3}
        self.done("run", "--seeds", "5", results="drawn", **fixed)
        self.done("run", "--init-from", self.weights(), "--seeds", "7", results="read", **fixed)
        logs = [loss_log(trial) for results in ("drawn", "read")
                for _, trial in sorted(self.trials(results=results).items())]
        self.assertEqual(logs[0], logs[1])

    def test_the_files_content_is_in_the_key(self):
        start, other = self.weights(), self.weights("other", GPT2_BIAS="y")
        tensors = read_safetensors(other)
        tensors["transformer.wte.weight"][1][0] += 1
        write_safetensors(other, tensors)
        def folder(*more):
            trial, = json.loads(self.done("plan", "--json", *more).stdout)["trials"]
            return trial["folder"]

        folders = [folder(), folder("--init-from", start), folder("--init-from", other)]
        self.assertEqual(len(set(folders)), 3)
        os.rename(start, self.path("moved"))
        self.assertEqual(folder("--init-from", self.path("moved")), folders[1])

    def test_adapters_of_the_file_are_taken(self):
        start = self.weights(**LORA)
        trial = self.run_from(start, GPT2_LEARNING_RATE="1e-12", GPT2_MIN_LR="0", **LORA)
        before, after = read_safetensors(start), read_safetensors(os.path.join(trial, "weights.safetensors"))
        name = "transformer.h.1.mlp.c_fc.lora_A.weight"
        for a, b in zip(before[name][1], after[name][1]):
            self.assertAlmostEqual(a, b, places=6)

    def test_what_does_not_fit_is_refused_before_anything_is_trained(self):
        start = self.weights()
        for what, symbols in (("transformer.wte.weight", {"GPT2_VOCAB_SIZE": 31}),
                              ("transformer.h.2.ln_1.weight", {"GPT2_N_LAYER": 3}),
                              ("transformer.h.1", {"GPT2_N_LAYER": 1})):
            said = self.run_from(start, code=2, **symbols)
            self.assertIn("INIT_FROM", said)
            self.assertIn(what, said)
        adapted = self.weights("adapted", **LORA)
        half = read_safetensors(adapted)
        del half["transformer.h.0.attn.c_attn.lora_B.weight"]
        write_safetensors(self.path("half"), half)
        self.assertIn("c_attn.lora_B.weight", self.run_from(self.path("half"), code=2, **LORA))
        said = self.run_from(adapted, code=2)
        self.assertIn("lora_", said)
        self.assertFalse(os.path.exists(self.path("results", "small", "trials")))

    def test_a_file_that_is_none(self):
        for file, word in ((self.path("nowhere"), "nowhere"), (self.path("text"), "text")):
            self.assertIn(word, self.run_from(file, code=2))
        self.assertIn("--init-from", self.run_from("", code=2))

    def test_commands_that_train_nothing_refuse_it(self):
        said = self.done("init", "--out", self.path("w"), INIT_FROM="start", code=2).stderr
        self.assertIn("INIT_FROM", said)


if __name__ == "__main__":
    unittest.main()
