"""`import` and `export`: another program's GPT-2 in, ours out, and what does not map."""

import json
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, flip, read_bytes, read_json, read_safetensors, read_text  # noqa: E402
from support import write_safetensors  # noqa: E402

HEAD, EMBEDDING = "lm_head.weight", "transformer.wte.weight"


def is_map(name):
    return ".c_" in name and name.endswith("weight")


def turned(tensors):
    """The maps as transformers' Conv1D keeps them."""
    result = {}
    for name, (shape, values) in tensors.items():
        if is_map(name):
            rows, columns = shape
            values = [values[row * columns + column] for column in range(columns) for row in range(rows)]
            shape = [columns, rows]
        result[name] = (shape, values)
    return result


class Interchange(ProgramTest):
    symbols = {"ENABLE_RA_MLA": "n", "RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n",
               "RA_MLA_MLP_LATENT_RECIP": "n", "GPT2_ACTIVATION_GELU_TANH": "y"}

    def setUp(self):
        super().setUp()
        self.write("ids", "0 1 2 3\n29 0 0 7\n")
        self.done("init", "--out", self.path("ours"))

    def logits(self, weights, config):
        self.done("logits", "--weights", self.path(weights), "--tokens", self.path("ids"), "--out",
                  self.path("logits"), "--config", self.path(config))
        return read_safetensors(self.path("logits"))["logits"]

    def bring_in(self, *arguments, name="theirs"):
        return self.done("import", "--in", self.path(name), "--out", self.path("in"), "--config-out",
                         self.path("in.config"), *arguments)

    def test_transformers_weights(self):
        ours = read_safetensors(self.path("ours"))
        write_safetensors(self.path("theirs"), {name.removeprefix("transformer."): tensor
                                                for name, tensor in turned(ours).items()})
        said = self.bring_in("--heads", "2")
        self.assertIn("from hf-gpt2", said.stdout)
        self.assertEqual(read_bytes(self.path("in")), read_bytes(self.path("ours")))
        self.assertEqual(self.logits("in", "in.config"), self.logits("ours", "small.config"))
        # config.json, as transformers leaves it beside the weights, says the heads and the activation.
        self.write("config.json", json.dumps({"n_head": 2, "activation_function": "gelu"}))
        self.bring_in("--from", "hf-gpt2")
        self.assertNotEqual(self.logits("in", "in.config"), self.logits("ours", "small.config"))
        self.assertEqual(self.logits("in", "in.config"), self.logits("ours", "in.config"))
        refuse = ["import", "--in", self.path("theirs"), "--out", self.path("x")]
        self.assert_refused(self.call(*refuse, "--heads", "4"), "--heads = 4", "says 2")
        self.write("config.json", json.dumps({"n_head": 2, "layer_norm_epsilon": 1e-6}))
        self.assert_refused(self.call(*refuse), "config.json", "layer_norm_epsilon", "1e-05")

    def test_there_and_back(self):
        for form in "nanogpt", "hf-gpt2":
            self.configure(GPT2_ACTIVATION_GELU_TANH="n" if form == "nanogpt" else "y")
            self.done("export", "--to", form, "--weights", self.path("ours"), "--out", self.path("theirs"),
                      "--config-out", self.path("config.json" if form == "hf-gpt2" else "args.json"))
            self.bring_in("--from", form)
            self.assertEqual(read_bytes(self.path("in")), read_bytes(self.path("ours")))
            self.assertEqual(self.logits("in", "in.config"), self.logits("ours", "small.config"))
        self.assertEqual(read_json(self.path("args.json")),
                         {"n_layer": 2, "n_head": 2, "n_embd": 16, "bias": True, "vocab_size": 30,
                          "block_size": 16, "dropout": 0.1})
        self.assertEqual(read_json(self.path("config.json"))["activation_function"], "gelu_new")

    def test_a_run_goes_out(self):
        self.configure(GPT2_ACTIVATION_GELU_TANH="n", RA_MLA_ABLATION_MODE="n")
        self.done("run")
        trial, = self.trials().values()
        self.done("export", "--to", "nanogpt", "--run", trial, "--out", self.path("theirs"))
        tensors = read_safetensors(os.path.join(trial, "weights.safetensors"))
        content = read_bytes(self.path("theirs"))
        size, = struct.unpack_from("<Q", content)
        header = json.loads(content[8:8 + size])
        self.assertEqual(set(header) - {"__metadata__"}, {*tensors, HEAD})
        self.assertEqual(header["__metadata__"], {"format": "pt", "n_head": "2"})
        self.bring_in()
        self.assertEqual(read_bytes(self.path("in")), read_bytes(trial, "weights.safetensors"))
        flip(os.path.join(trial, "weights.safetensors"))
        self.assert_refused(self.call("export", "--to", "nanogpt", "--run", trial, "--out", self.path("x")),
                            "does not have the SHA-256")

    def test_what_the_file_does_not_say(self):
        """How many heads: asked for where nothing says it, and only where a configuration is wanted."""
        ours = read_safetensors(self.path("ours"))
        write_safetensors(self.path("theirs"), ours)
        self.done("import", "--in", self.path("theirs"), "--out", self.path("in"))
        self.assertEqual(read_bytes(self.path("in")), read_bytes(self.path("ours")))
        self.assert_refused(self.call("import", "--in", self.path("theirs"), "--out", self.path("in"),
                                      "--config-out", self.path("c")), "how many heads", "--heads N",
                            "width 16")
        self.configure(GPT2_N_EMBD=128)
        self.done("init", "--out", self.path("theirs"))
        said = self.bring_in()
        self.assertIn("taken: 2, of 64 channels", said.stderr)
        self.assertIn("CONFIG_GPT2_N_HEAD=2\n", read_text(self.path("in.config")))

    def test_bad_input(self):
        ours, weights = read_safetensors(self.path("ours")), self.path("ours")
        write_safetensors(self.path("theirs"), {**ours, "score.weight": ([1], [0.0])})
        self.write("pickle", b"PK\3\4" + bytes(100))
        self.write("old", b"\x80\2\x8a\n" + bytes(100))
        out = ["--out", self.path("x")]
        bring, send = ["import", "--heads", "2", *out], ["export", "--weights", weights, *out]
        self.assert_all_refused([
            ([*bring, "--in", self.path("theirs")], "score.weight [1]", "not a parameter"),
            ([*bring, "--in", self.path("pickle")], "PyTorch pickle", "torch.load", "save_file"),
            ([*bring, "--in", self.path("old")], "PyTorch pickle"),
            ([*bring, "--in", weights, "--from", "gguf"], "--from = gguf", "nanogpt, hf-gpt2, auto"),
            ([*bring, "--in", weights, "--from", "hf-gpt2"], "not hf-gpt2 but nanogpt"),
            (["import", "--in", weights, *out, "--config-out", self.path("y"), "--heads", "3"],
             "GPT2_N_HEAD"),
            ([*bring, "--in", weights, "--config-out", self.path("x")], "--config-out", "is --out too"),
            ([*bring, "--in", self.path("none")], "none", "no such file"),
            ([*send, "--to", "hf-gpt2", "--config-out", self.path("x")], "--config-out", "is --out too"),
            ([*send, "--to", "gguf"], "--to = gguf", "nanogpt, hf-gpt2"),
            ([*send, "--to", "nanogpt"], "GPT2_ACTIVATION", "allowed: gelu"),
            ([*send, "--to", "hf-gpt2", "--set", "NORM_PLACEMENT=post"], "NORM_PLACEMENT = post"),
            ([*send, "--to", "hf-gpt2", "--set", "GPT2_N_LAYER=3"], "transformer.h.2", "missing"),
            (["export", "--to", "nanogpt", *out], "either --run"),
        ])
        self.assertFalse(os.path.exists(self.path("x")))


if __name__ == "__main__":
    unittest.main()
