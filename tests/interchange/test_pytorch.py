"""Imported and exported weights against the programs that they come from, on random weights: a GPT of
nanoGPT's names written in plain PyTorch, and transformers' GPT2LMHeadModel. Skipped where torch or
transformers are not installed. KABLATE_GPT2=1 adds a model of GPT-2 small's size (2 GB of files)."""

import math
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from support import ProgramTest  # noqa: E402

try:
    import torch
    from safetensors.torch import load_file, save_file, save_model
    from torch.nn import functional
    from transformers import GPT2Config, GPT2LMHeadModel
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

MOST = 1e-5  # difference of logits
SHAPES = [{"n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 61, "n_positions": 24},
          {"n_layer": 4, "n_head": 8, "n_embd": 256, "vocab_size": 1003, "n_positions": 96}]
if os.environ.get("KABLATE_GPT2"):
    SHAPES.append({"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257, "n_positions": 1024})


class PlainBlock(torch.nn.Module):
    def __init__(self, E, H, bias):
        super().__init__()
        self.H = H
        linear = lambda i, o: torch.nn.Linear(i, o, bias=bias)  # noqa: E731
        self.ln_1, self.ln_2 = (torch.nn.LayerNorm(E, bias=bias) for _ in range(2))
        self.attn = torch.nn.ModuleDict({"c_attn": linear(E, 3 * E), "c_proj": linear(E, E)})
        self.mlp = torch.nn.ModuleDict({"c_fc": linear(E, 4 * E), "c_proj": linear(4 * E, E)})

    def forward(self, x):
        B, T, E = x.shape
        q, k, v = self.attn["c_attn"](self.ln_1(x)).view(B, T, 3, self.H, E // self.H).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(E // self.H)
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        heads = scores.masked_fill(future, -math.inf).softmax(-1) @ v
        x = x + self.attn["c_proj"](heads.transpose(1, 2).reshape(B, T, E))
        return x + self.mlp["c_proj"](functional.gelu(self.mlp["c_fc"](self.ln_2(x))))


class PlainGpt(torch.nn.Module):
    """The names of nanoGPT's state dict."""

    def __init__(self, shape, bias, tied):
        super().__init__()
        E, V = shape["n_embd"], shape["vocab_size"]
        self.transformer = torch.nn.ModuleDict({
            "wte": torch.nn.Embedding(V, E), "wpe": torch.nn.Embedding(shape["n_positions"], E),
            "h": torch.nn.ModuleList(PlainBlock(E, shape["n_head"], bias) for _ in range(shape["n_layer"])),
            "ln_f": torch.nn.LayerNorm(E, bias=bias)})
        self.lm_head = torch.nn.Linear(E, V, bias=False)
        if tied:
            self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, tokens):
        parts = self.transformer
        x = parts["wte"](tokens) + parts["wpe"](torch.arange(tokens.shape[1]))
        for block in parts["h"]:
            x = block(x)
        return self.lm_head(parts["ln_f"](x))


def randomize(model):
    """Every weight off its initial value: norms and biases too."""
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            parameter.normal_(0, 0.02).add_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
    return model.eval()


class Against(ProgramTest):
    symbols = {"ENABLE_RA_MLA": "n", "RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n",
               "RA_MLA_MLP_LATENT_RECIP": "n"}

    @classmethod
    def tearDownClass(cls):
        print(f"\n{cls.__name__}: the largest difference of a logit is {cls.largest:.2e}", file=sys.stderr)

    def setUp(self):
        super().setUp()
        torch.manual_seed(1)

    def compare(self, logits, weights, config, what, most=MOST):
        """`logits` gives a model's for tokens [B, T]."""
        tokens = torch.randint(self.shape["vocab_size"], (2, self.shape["n_positions"]))
        self.write("ids", "\n".join(" ".join(map(str, row)) for row in tokens.tolist()))
        self.done("logits", "--weights", weights, "--config", config, "--tokens", self.path("ids"), "--out",
                  self.path("logits"))
        with torch.no_grad():
            expected = logits(tokens)
        difference = (load_file(self.path("logits"))["logits"] - expected).abs().max().item()
        self.assertGreater(expected.std(), 0.01)
        self.assertLess(difference, most, what)
        type(self).largest = max(getattr(type(self), "largest", 0), difference)

    def bring_in(self, file, *arguments):
        self.done("import", "--in", file, "--out", self.path("ours"), "--config-out", self.path("config"),
                  *arguments)

    def compare_import(self, model, file, what, *arguments):
        self.bring_in(file, *arguments)
        self.compare(model, self.path("ours"), self.path("config"), what)

    def plain_config(self, **symbols):
        names = {"GPT2_N_LAYER": "n_layer", "GPT2_N_HEAD": "n_head", "GPT2_N_EMBD": "n_embd",
                 "GPT2_VOCAB_SIZE": "vocab_size", "GPT2_BLOCK_SIZE": "n_positions"}
        self.configure(**{symbol: self.shape[name] for symbol, name in names.items()}, **symbols)


class NanoGpt(Against):
    def test_in(self):
        for self.shape in SHAPES:
            for bias in True, False:
                for tied in True, False:
                    model = randomize(PlainGpt(self.shape, bias, tied))
                    save_model(model, self.path("theirs"))  # tied: one name, the other in the metadata
                    heads = ["--heads", str(self.shape["n_head"])]
                    self.compare_import(model, self.path("theirs"), (bias, tied), *heads)

    def test_other_forms(self):
        self.shape = SHAPES[0]
        for kind in torch.float16, torch.bfloat16, torch.float64:
            model = randomize(PlainGpt(self.shape, True, True)).to(kind)
            prefix = "_orig_mod.module."
            state = {prefix + name: tensor.clone() for name, tensor in model.state_dict().items()}
            state[f"{prefix}transformer.h.0.attn.bias"] = torch.ones(1, 1, 24, 24, dtype=torch.uint16)
            save_file(state, self.path("theirs"), {"n_head": "2"})
            self.compare_import(model.float(), self.path("theirs"), kind, "--from", "nanogpt")

    def test_a_pickle_by_the_line_of_the_message(self):
        self.shape = SHAPES[0]
        model = randomize(PlainGpt(self.shape, False, True))
        torch.save({"model": model.state_dict(), "model_args": {"n_head": 2}}, self.path("ckpt.pt"))
        refused = self.call("import", "--in", self.path("ckpt.pt"), "--out", self.path("x"))
        self.assert_refused(refused, "PyTorch pickle")
        line = refused.stderr.split('-c "')[1].split('" FILE')[0]
        subprocess.run([sys.executable, "-c", line, self.path("ckpt.pt"), self.path("theirs")], check=True)
        self.compare_import(model, self.path("theirs"), "pickle")

    def test_out(self):
        for self.shape in SHAPES:
            for bias in "y", "n":
                self.plain_config(GPT2_BIAS=bias)
                self.done("init", "--out", self.path("ours"))
                self.done("export", "--to", "nanogpt", "--weights", self.path("ours"), "--out",
                          self.path("theirs"))
                model = PlainGpt(self.shape, bias == "y", True)
                model.load_state_dict(load_file(self.path("theirs")))
                self.compare(model.eval(), self.path("ours"), self.path("small.config"), bias)


class Transformers(Against):
    def model(self, **settings):
        return GPT2LMHeadModel(GPT2Config(**self.shape, attn_implementation="eager", bos_token_id=0,
                                          eos_token_id=0, **settings))

    def test_in(self):
        for self.shape in SHAPES:
            for settings in ({}, {"tie_word_embeddings": False}, {"activation_function": "gelu"},
                             {"n_inner": 3 * self.shape["n_embd"]}):
                model = randomize(self.model(**settings))
                model.save_pretrained(self.path("hf"))
                self.compare_import(lambda tokens: model(tokens).logits, self.path("hf/model.safetensors"),
                                    settings)
                # The body alone, as GPT2Model and the published files have it, with their masks.
                state = {name.removeprefix("transformer."): tensor.clone()
                         for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
                state["h.0.attn.bias"] = torch.ones(1, 1, 24, 24, dtype=torch.uint8).tril()
                state["h.0.attn.masked_bias"] = torch.tensor(-1e4)
                if not settings:
                    save_file(state, self.path("hf/body"), {"format": "pt"})
                    self.compare_import(lambda tokens: model(tokens).logits, self.path("hf/body"), "body")

    def test_out(self):
        for self.shape in SHAPES:
            for symbols in ({}, {"GPT2_BIAS": "n"}, {"GPT2_WEIGHT_TYING": "n"},
                            {"GPT2_ACTIVATION_GELU_TANH": "y"}, {"MLP_EXPANSION": '"3"'}):
                self.plain_config(**symbols)
                self.done("init", "--out", self.path("ours"))
                os.makedirs(self.path("hf"), exist_ok=True)
                self.done("export", "--to", "hf-gpt2", "--weights", self.path("ours"), "--out",
                          self.path("hf/model.safetensors"), "--config-out", self.path("hf/config.json"))
                model, report = GPT2LMHeadModel.from_pretrained(self.path("hf"), output_loading_info=True,
                                                               attn_implementation="eager")
                self.assertFalse(any(report[key] for key in ("unexpected_keys", "mismatched_keys")), report)
                self.assertLessEqual(set(report["missing_keys"]), {"lm_head.weight"})
                self.compare(lambda tokens: model.eval()(tokens).logits, self.path("ours"),
                             self.path("small.config"), symbols)


if __name__ == "__main__":
    unittest.main()
