"""Every wrong input: exit code 2 and one message with the name, the value seen and what is allowed."""

import os
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (ProgramTest, read_bytes, read_safetensors, read_text, words,  # noqa: E402
                     write_safetensors)


class BadInput(ProgramTest):
    def test_values_of_symbols(self):
        def assign(text):
            return ["plan", "--set", text]
        self.assert_all_refused([
            (assign("GPT2_N_LAYERS=3"), "GPT2_N_LAYERS", "did you mean GPT2_N_LAYER?"),
            (assign("CONFIG_GPT2_N_LAYER=3"), "CONFIG_GPT2_N_LAYER", "no such configuration symbol"),
            (assign("GPT2_N_LAYER"), '"GPT2_N_LAYER"', "SYMBOL=VALUE"),
            (assign("GPT2_N_LAYER=0"), "GPT2_N_LAYER", '"0"', "from 1 to"),
            (assign("GPT2_N_LAYER=99999999999999999999"), '"99999999999999999999"', "from 1 to"),
            (assign("GPT2_N_LAYER=two"), "GPT2_N_LAYER", '"two"', "a whole number from 1 to"),
            (assign("GPT2_N_LAYER=2.0"), "GPT2_N_LAYER", '"2.0"', "a whole number from 1 to"),
            (assign("GPT2_N_LAYER=012"), "GPT2_N_LAYER", '"012"', "a whole number"),
            (assign("GPT2_LEARNING_RATE=nan"), "GPT2_LEARNING_RATE", '"nan"', "a decimal number > 0"),
            (assign("GPT2_LEARNING_RATE=0,1"), "GPT2_LEARNING_RATE", '"0,1"', "a decimal number > 0"),
            (assign("GPT2_LEARNING_RATE=0x1p-3"), "GPT2_LEARNING_RATE", '"0x1p-3"', "a decimal number"),
            (assign("GPT2_DROPOUT=1"), "GPT2_DROPOUT", '"1"', ">= 0 and < 1"),
            (assign("GPT2_BIAS=yes"), "GPT2_BIAS", '"yes"', "y or n"),
            (assign("ROPE_BASE=0"), "ROPE_BASE", '"0"', "a decimal number > 0"),
            (assign("OPTIMIZER=sgd"), "OPTIMIZER", '"sgd"', "adamwspam, adamw"),
            (assign("DATASET=wiki"), "DATASET", '"wiki"', "shakespeare, text, bin, lines, mqar"),
            (assign("TOKENIZER=bpe"), "TOKENIZER", '"bpe"', "character, gpt2"),
            (assign("EXPERIMENT_NAME=a/b"), "EXPERIMENT_NAME", '"a/b"', "without /"),
            (assign("ABLATION_PLAN=nope"), "ABLATION_PLAN", '"nope"', "ra-mla"),
            (assign("ABLATION_PLAN=../plans/ra-mla"), "../plans/ra-mla", "no such file", "there are: "),
            (["plan", "--plan", "mine.yaml"], '--plan: ABLATION_PLAN = "mine.yaml"', "no such file in"),
            (["plan", "--plan", "x", "--set", "RA_MLA_ABLATION_MODE=n"], '--plan: ABLATION_PLAN = "x"',
             "nothing reads it"),
            (assign("DEVICE=gpu"), "DEVICE", '"gpu"', "auto, cpu, cuda"),
            (assign("OPTIMIZER_ADAMW=y"), "OPTIMIZER_ADAMW", "write OPTIMIZER=adamw"),
            (assign("RA_MLA_MLP_ATTN_GATE=n"), 'RA_MLA_MLP_ATTN_GATE = "n"', "each sets", "steps 0-5"),
            (["plan", "--steps", "0", "--set", "RA_MLA_MLP_GATE_DIM=4"], "nothing reads it in step 0",
             "select one that does: steps 1-5"),
            (["init", "--out", "w", "--set", "RA_MLA_RA_WINDOW=4"], "RA_MLA_RA_WINDOW", "nothing reads it",
             "set RA_MLA_RA_ALPHA"),
            (["init", "--out", "w", "--set", "SEEDS=9"], 'SEEDS = "9": `kablate init` does not read it'),
            (["plan", "--set", "SEEDS=1", "--seeds", "2"], '--seeds: SEEDS = "2": --set gives it too'),
        ])

    def test_combinations(self):
        def assign(*texts):
            return ["plan"] + [part for text in texts for part in ("--set", text)]
        scalar = assign("RA_MLA_MLP_TYING_MODE=per_head_scalar", "RA_MLA_LATENT_DIM=7")
        cases = [
            (scalar, "RA_MLA_LATENT_DIM = 7", "per_head_scalar", "divide", "64"),
            (assign("GPT2_N_HEAD=3"), "GPT2_N_EMBD = 16", "GPT2_N_HEAD = 3", "multiple"),
            (assign("ENABLE_RA_MLA=n"), "step 3", "RA_MLA_MLP_LATENT_RECIP", "ENABLE_RA_MLA", "MLA"),
            (assign("GPT2_N_LAYER=1"), "step 1", "RA_MLA_MLP_ATTN_GATE", "GPT2_N_LAYER = 1", "at least 2"),
            (assign("MLP_EXPANSION=0"), "MLP_EXPANSION = 0", "switch them off"),
            (assign("RA_MLA_MLP_SPARSE_HEAD_AVERAGE=n", "MLP_EXPANSION=0.9375"), "GPT2_N_HEAD = 2", "15",
             "divide"),
            (assign("SPAM_INTERVAL=50", "SPAM_WARMUP_STEPS=50"), "SPAM_INTERVAL = 50",
             "SPAM_WARMUP_STEPS = 50", "longer"),
            (assign("PRUNE=moments"), "PRUNE_BEGIN = 0", "PRUNE = moments", "PRUNE_END = 0", "below"),
            (assign("PRUNE=moments", "PRUNE_END=4", "PRUNE_INTERVAL=3"), "PRUNE_INTERVAL = 3", "divisor"),
            (assign("PRUNE=moments", "PRUNE_END=4", "PRUNE_INTERVAL=2", "PRUNE_SPARSITY=1e-6"), "step 0",
             "PRUNE_SPARSITY = 1e-06", "no map of this model would lose an entry"),
            (assign("PRUNE_SPARSITY=1"), "PRUNE_SPARSITY", "< 1"),
            (assign("MEASURE_HEADS=y", "ATTENTION_DIRECTION=bidirectional", "OBJECTIVE=masked_token"),
             "MEASURE_HEADS = y", "ATTENTION_DIRECTION = bidirectional", "set MEASURE_HEADS to n"),
            (assign("RA_MLA_RA_ALPHA=0.5", "ENABLE_RA_MLA=n"), "step 0", "RA_MLA_RA_ALPHA = 0.5", "MLA"),
        ]
        init = [(["init", "--out", self.path("w"), *case[0][1:]], *case[1:]) for case in cases[:2]]
        self.assert_all_refused(cases + init)
        self.assertFalse(os.path.exists(self.path("w")))
        # What an unselected step can't do is no error.
        self.done("plan", "--steps", "0", GPT2_N_LAYER=1)

    def test_a_tilde_that_the_shell_left(self):
        self.assert_all_refused([
            (["run", "--results", "~/res"], "--results ~/res", "the shell left ~ as it is"),
            (["plan", "--results=~/res"], "--results=~/res", "the shell left ~"),
            (["plan", "--set", "DATA_PATH=~/x.txt"], "DATA_PATH=~/x.txt", "the shell left ~"),
            (["run", "--results", "~root/res"], "--results ~root/res", "the shell left ~ as it is"),
            (["plan", "--set", "DATA_PATH=~root/x.txt"], "DATA_PATH=~root/x.txt", "the shell left ~"),
            (["report", "~/res"], "~/res", "the shell left ~")])
        self.assertFalse(os.path.exists("~root"))

    def test_cuda_without_a_gpu(self):
        ended = self.call("run", DEVICE="cuda", environment={"CUDA_VISIBLE_DEVICES": ""})
        self.assert_refused(ended, "DEVICE = cuda", "cpu or auto")

    def test_steps_and_seeds(self):
        whole = "whole numbers >= 1"
        cases = [(["plan", "--seeds", text], "SEEDS", f'"{text}"', whole)
                 for text in ("0", "1.5", "-1", "abc", "1,1", "3-1", "1-3,2", "1-", ",", "1-99999999999",
                              "0x1", "1 2")]
        cases += [(["plan", "--steps", text], "RA_MLA_ABLATION_STEPS", f'"{text}"', "whole numbers >= 0")
                  for text in ("x", "0,0", "2-1", "-1", "1.0")]
        cases += [(["plan", "--steps", "0,7"], "step 7 does not exist", "0, 1, 2, 3, 4, 5"),
                  (["plan", "--set", "SEEDS="], "SEEDS", '""', whole),
                  (["plan", "--seeds", ""], "--seeds", '""', "not empty")]
        self.assert_all_refused(cases)

    def test_command_lines(self):
        commands = ["allowed: run, retry, plan, ", ", list, submit, status, verify, ", ", init, sample"]
        for arguments, *fragments in [([], "subcommand is required", "--help"),
                                      (["walk"], '"walk"', *commands),
                                      (["--versions"], '"--versions"', *commands),
                                      (["plan", "--set"], "--set", "SYMBOL=VALUE")]:
            with self.subTest(arguments=arguments):
                self.assert_refused(self.call_bare(*arguments), *fragments)
        self.assert_all_refused([
            (["plan", "--bogus"], "--bogus", "--help"),
            (["plan", "extra"], "extra", "--help"),
            (["plan", "--config", self.path("nothing")], "nothing", "no such file", "defconfigs lie in"),
            (["plan", "--config", "quikc"], "quikc", "no such file", "did you mean", "defconfigs/quick?"),
            (["plan", "--config", self.folder], self.folder, "a folder"),
            (["plan", "--config", self.program], f"{self.program}:1: "),
            (["plan", "--config", ""], "--config", "not empty"),
            (["report", self.path("nothing")], "nothing", "no such folder", "expected"),
            (["report", self.folder], self.folder, "no plan.json", "expected"),
            (["sample"], "--run", "--weights"),
            (["sample", "--run", self.folder], self.folder, "no file `config`"),
        ])
        self.assertEqual(self.call_bare("run", "--help").returncode, 0)

    def test_no_reader_waits_for_a_pipe(self):
        pipe, weights = self.path("pipe"), self.path("weights")
        os.mkfifo(pipe)
        os.mkdir(self.path("tokens"))
        os.mkfifo(self.path("tokens", "train.bin"))
        self.done("init", "--out", weights)
        self.write("ids", "0 1\n")
        said = f"{pipe}: is a pipe, not a file"
        logits = ["logits", "--out", self.path("out"), "--weights"]
        self.assert_all_refused([
            (["plan", "--config", pipe], said),
            ([*logits, pipe, "--tokens", self.path("ids")], said),
            ([*logits, weights, "--tokens", pipe], said),
            ([*logits, "/dev/zero", "--tokens", self.path("ids")], "/dev/zero: is a device, not a file"),
            (["run", "--set", f"DATA_PATH={pipe}"], f"DATA_PATH = {said}"),
            (["run", "--set", "DATASET=bin", "--set", f"DATA_PATH={pipe}"], "is a pipe, not a folder"),
            (["run", "--set", "DATASET=bin", "--set", f"DATA_PATH={self.path('tokens')}"],
             "train.bin: is a pipe, not a file"),
            (["init", "--out", pipe], f"--out = {pipe}: is a pipe; name a file"),
            (["sample", "--run", pipe], pipe),
            (["report", pipe], pipe),
        ])

    def call_bare(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)

    def test_lines_of_a_configuration(self):
        given, cases = read_text(self.path("small.config")), []
        place = given.count("\n") + 1
        for number, (line, *fragments) in enumerate([
                ("CONFIG_GPT2_N_LAYERS=3", "GPT2_N_LAYERS"), ("CONFIG_SPAM_INTERVAL= 5", "blanks"),
                ("CONFIG_SPAM_INTERVAL=012", "012"), ('CONFIG_NORM_PLACEMENT="pre"x', "closing quote"),
                ("# CONFIG_GPT2_BIAS is  not set", "is not set"), ("CONFIG_GPT2_N_LAYER=2", "twice"),
                ('CONFIG_DATASET="bin"', "DATASET", "contradicts"), ("hello", "hello")]):
            name = self.write(f"config{number}", given + line + "\n")
            cases.append((["plan", "--config", name], f"config{number}:{place}:", *fragments))
        self.assert_all_refused(cases)


class BadData(ProgramTest):
    def refused(self, *fragments, **symbols):
        with self.subTest(**symbols):
            self.assert_refused(self.call("run", **symbols), *fragments)

    def test_text(self):
        self.refused("DATA_PATH = /nowhere/at/all", "no such file", DATA_PATH="/nowhere/at/all")
        self.refused("DATA_PATH is empty", DATA_PATH="")
        self.refused(self.folder, "a folder, not a file", DATA_PATH=self.folder)
        os.symlink("loop", self.path("loop"))
        self.refused("loop", "can't be read", DATA_PATH=self.path("loop"))
        os.mkfifo(self.path("pipe"))
        self.refused("pipe", "is a pipe, not a file", DATA_PATH=self.path("pipe"))
        self.refused("is empty", DATA_PATH=self.write("empty", ""))
        self.refused("18 tokens", "GPT2_BLOCK_SIZE = 16", "at least 32",
                     DATA_PATH=self.write("short", words(4)[:20]))
        cut = (words(500) + "\u00fc").encode()[:-1]
        self.refused(f"not UTF-8 at byte {len(cut) - 1}", DATA_PATH=self.write("cut", cut))
        self.refused("not UTF-8 at byte", DATA_PATH=self.program)
        self.refused("21 distinct characters", "GPT2_VOCAB_SIZE = 20", "21 or more", GPT2_VOCAB_SIZE=20)
        self.assertFalse(os.path.exists(self.path("results")))

    def test_lines(self):
        whole = "".join(f"{word}\n" for word in words(30).split())
        self.refused("has 1 line", "needs 2 or more", DATASET="lines")
        self.refused("empty:2: an empty line (2 of 33 lines are)", "next_token", DATASET="lines",
                     DATA_PATH=self.write("empty", f"the\n\n{whole}\n"))
        self.refused("DATA_PATH is empty: DATASET = lines needs", DATASET="lines", DATA_PATH="")
        self.refused("characters", "GPT2_VOCAB_SIZE = 5", DATASET="lines", GPT2_VOCAB_SIZE=5,
                     DATA_PATH=self.write("lines", whole))
        self.refused("TOKENIZER", "nothing reads it", DATASET="lines", TOKENIZER="gpt2",
                     DATA_PATH=self.path("lines"))
        self.assertFalse(os.path.exists(self.path("results")))

    def test_as_many_ids_as_the_data_have(self):
        self.refused("GPT2_VOCAB_SIZE = 0 is as many as the data have: DATA_PATH = /nowhere", "no such file",
                     "to a number", GPT2_VOCAB_SIZE=0, DATA_PATH="/nowhere")
        init = ["init", "--out", self.path("out")]
        for command in (["plan"], ["noise"], ["audit"], ["bench-decode"], init):
            with self.subTest(command=command):
                ended = self.call(*command, GPT2_VOCAB_SIZE=0, DATA_PATH="/nowhere")
                self.assert_refused(ended, "GPT2_VOCAB_SIZE = 0", "/nowhere", "no such file")
        self.assert_refused(self.call("run", GPT2_VOCAB_SIZE=-1), "GPT2_VOCAB_SIZE", "from 0 to")

    def test_token_files(self):
        os.mkdir(self.path("tokens"))
        tokens = struct.pack("<400H", *(i % 30 for i in range(400)))
        others = struct.pack("<400H", *(i * 7 % 30 for i in range(400)))
        self.refused("text", "a file, not a folder", DATASET="bin")
        self.refused("train.bin: no such file", DATASET="bin", DATA_PATH=self.path("tokens"))
        self.write("tokens/train.bin", tokens)
        self.refused("val.bin: no such file", DATASET="bin", DATA_PATH=self.path("tokens"))
        self.write("tokens/val.bin", tokens[:-1])
        self.refused("val.bin: 799 bytes", "cut short", DATASET="bin", DATA_PATH=self.path("tokens"))
        self.write("tokens/val.bin", others[:20])
        self.refused("validation split has 10 tokens", "at least 17", DATASET="bin",
                     DATA_PATH=self.path("tokens"))
        self.write("tokens/val.bin", tokens[:100] + struct.pack("<H", 999) + tokens)
        self.refused("token 999 at byte 100", "GPT2_VOCAB_SIZE = 30", DATASET="bin",
                     DATA_PATH=self.path("tokens"))
        self.write("tokens/val.bin", tokens)
        self.refused("holds the whole validation split, from token 0", DATASET="bin",
                     DATA_PATH=self.path("tokens"))
        self.write("tokens/val.bin", others)
        self.done("run", "--steps", "0", DATASET="bin", DATA_PATH=self.path("tokens"))


class BadWeights(ProgramTest):
    def setUp(self):
        super().setUp()
        self.done("init", "--out", self.path("good"))
        self.write("ids", "0 1 2\n3 4 5\n")
        self.cases = []

    def refused(self, weights, *fragments, tokens="ids", out="out"):
        self.cases.append((["logits", "--weights", self.path(weights), "--tokens", self.path(tokens), "--out",
                            self.path(out)], *fragments))

    def tearDown(self):
        self.assert_all_refused(self.cases)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_files_that_are_not_whole(self):
        content = read_bytes(self.path("good"))
        for name, size in (("no-header", 5), ("half-header", 200), ("last-byte", len(content) - 1)):
            self.refused(os.path.basename(self.write(name, content[:size])), name,
                         "not a whole safetensors file")
        self.write("foreign", words(100))
        self.refused("foreign", "not a whole safetensors file")
        self.write("not-json", struct.pack("<Q", 40) + b"x" * 80)
        self.refused("not-json", "not a whole safetensors file", "JSON")
        self.write("huge", struct.pack("<Q", 2**63) + content[8:])
        self.refused("huge", "not a whole safetensors file", str(2**63))
        self.refused("nothing", "nothing: no such file")
        self.refused(".", "a folder")

    def test_tensors_of_another_model(self):
        name = "transformer.h.1.attn.k_down.weight"
        shape, values = read_safetensors(self.path("good"))[name]
        self.assertEqual(shape, [8, 16])
        for label, change, fragments in [
                ("missing", lambda t: t.pop(name), (name, "[8, 16]", "missing")),
                ("extra", lambda t: t.update({"transformer.h.7.x": ([1], [0])}),
                 ("transformer.h.7.x", "not a parameter")),
                ("shape", lambda t: t.update({name: ([16, 8], values)}), (name, "[16, 8]", "[8, 16]")),
                ("type", lambda t: t.update({name: ([8, 16], [1] * 128, "I64")}),
                 (name, "whole numbers", "F32")),
                ("beyond", lambda t: t.update({name: ([8, 17], values)}), (name, "512 bytes", "544"))]:
            tensors = read_safetensors(self.path("good"))
            change(tensors)
            write_safetensors(self.path(label), tensors)
            self.refused(label, label, *fragments)

    def test_token_lists_and_out(self):
        for name, content, *fragments in [
                ("big", "0 1\n2 30\n", "big:2", '"30"', "0 to 29"),
                ("negative", "-1 2\n", '"-1"', "0 to 29"),
                ("word", "1 x\n", 'word:1: "x"', "token ids"),
                ("ragged", "1 2\n1\n", "ragged:2", "one length"),
                ("empty", "\n", "no token ids"),
                ("long", " ".join(["1"] * 17), "17 ids", "GPT2_BLOCK_SIZE = 16"),
                ("foreign", b"\x7fELF\0\1 1 2\n", "foreign", "not a text file", "token ids")]:
            self.write(name, content)
            self.refused("good", *fragments, tokens=name)
        self.refused("good", "no-folder/out", "there is no folder", out="no-folder/out")
        self.refused("good", "is a folder", out=".")
        ended = self.call("init", "--out", "/proc/kablate")
        self.assert_refused(ended, "--out = /proc/kablate", "can't be written")

    def test_sample(self):
        sample = ["sample", "--weights", self.path("good"), "--tokens", "1"]
        self.assert_all_refused([([*sample, *arguments], *fragments) for arguments, *fragments in [
                (["--temperature", "0"], "--temperature = 0", "> 0"),
                (["--temperature", "hot"], "hot", "> 0"),
                (["--temperature", "nan"], "nan", "> 0"), (["--top-k", "-1"], '--top-k: "-1"', ">= 0"),
                (["--top-k", "1.5"], '--top-k: "1.5"', ">= 0"), (["--seed", "0"], '--seed: "0"', ">= 1"),
                (["--seed", "x"], '--seed: "x"', ">= 1"), (["--prompt", ""], "--prompt", "at least one"),
                (["--prompt", "the Zoo"], "--prompt", "byte 4", "U+005A")]])
        self.assert_refused(self.call("init", "--out", self.path("w"), "--seed", "0"), '--seed: "0"', ">= 1")


class NonCausal(ProgramTest):
    def test_sequence_pooling_blocks_the_arm(self):
        sequence = {"RA_MLA_MLP_GATE_POOL": "sequence"}
        ended = self.done("run", "--steps", "0,1", code=1, **sequence)
        self.assertIn("step 1 (gate): blocked: RA_MLA_MLP_GATE_POOL = sequence", ended.stdout)
        table = self.table()
        self.assertEqual(table[0]["status"], "done")
        self.assertTrue(table[1]["status"].startswith("blocked: RA_MLA_MLP_GATE_POOL = sequence"), table[1])
        self.assertEqual(table[1]["val_loss_mean"], "")
        self.assertEqual(set(self.trials()), {(0, 1)})
        fragments = "RA_MLA_MLP_GATE_POOL = sequence", "causal_mean", "RA_MLA_ALLOW_NONCAUSAL"
        self.assert_refused(self.call("init", "--out", self.path("w"), **sequence), *fragments)
        self.done("init", "--out", self.path("w"))
        self.write("ids", "0 1\n")
        logits = ["logits", "--weights", self.path("w"), "--tokens", self.path("ids"), "--out",
                  self.path("out")]
        self.assert_refused(self.call(*logits, **sequence), *fragments)
        allowed = {**sequence, "RA_MLA_ALLOW_NONCAUSAL": "y"}
        self.done(*logits, **allowed)
        ended = self.done("run", "--steps", "0,1", **allowed)
        self.assertIn("Step 1 (gate) is NOT CAUSAL", ended.stdout)
        self.assertIn("NOT CAUSAL", read_text(self.path("results", "small", "report.md")))


class BadFolder(ProgramTest):
    def test_results_that_can_not_be_written(self):
        """Root may write everywhere: a file stands where a folder is needed, and /proc takes no folders."""
        self.write("file", "")
        os.mkdir(self.path("results"))
        self.write("results/small", "")
        for results in ("file", "/proc/kablate", "results"):
            with self.subTest(results=results):
                ended = self.call("run", results=results)
                self.assert_refused(ended, "results folder", self.path(results), "can't be", "--results")
        self.assert_refused(self.call("run", limit=0, results="other"), "can't be written", "--results")


if __name__ == "__main__":
    unittest.main()
