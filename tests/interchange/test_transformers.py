"""Attention's forms against transformers' models, from the same weights: rotary positions and grouped-query
attention against LlamaForCausalLM, the deepseek form of latent attention against DeepseekV3ForCausalLM. Whole
models with RMSNorm and SwiGLU, logits compared. And bench/decode.py, which times decoding beside theirs.
Skipped where torch or transformers are not installed."""

import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from support import ProgramTest  # noqa: E402

try:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, LlamaConfig, LlamaForCausalLM
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

MOST = 2e-5  # difference of logits, over the largest logit

# Theirs by ours; {} is a block's number.
WHOLE = {"wte.weight": "model.embed_tokens.weight", "ln_f.weight": "model.norm.weight"}
PARTS = {"ln_1": "input_layernorm", "ln_2": "post_attention_layernorm", "mlp.c_gate": "mlp.gate_proj",
         "mlp.c_fc": "mlp.up_proj", "mlp.c_proj": "mlp.down_proj", "attn.c_proj": "self_attn.o_proj"}


def scatter(weights):
    """Values of every weight anew: attention's scores spread, norms matter, no part is small."""
    return {name: 1 + 0.3 * torch.randn_like(tensor) if tensor.dim() == 1
            else 1.5 * torch.randn_like(tensor) / tensor.shape[-1] ** 0.5
            for name, tensor in weights.items()}


class AgainstTransformers(ProgramTest):
    symbols = {"RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n", "RA_MLA_MLP_LATENT_RECIP": "n",
               "GPT2_BIAS": "n", "POSITIONS_ROTARY": "y", "NORM_KIND_RMSNORM": "y",
               "GPT2_ACTIVATION_SWIGLU": "y"}
    largest = 0

    @classmethod
    def tearDownClass(cls):
        print(f"\n{cls.__name__}: the largest difference is {cls.largest:.1e} of the largest logit",
              file=sys.stderr)

    def drawn(self, case, seed, change=lambda name, tensor: None, **symbols):
        """The program's names and shapes with values of this seed, changed in place."""
        self.case = case
        values = {"GPT2_N_LAYER": "layers", "GPT2_N_HEAD": "heads", "GPT2_N_EMBD": "width",
                  "GPT2_VOCAB_SIZE": "vocabulary", "GPT2_BLOCK_SIZE": "context"}
        self.configure(**{symbol: case[name] for symbol, name in values.items()}, **symbols,
                       ROPE_BASE=f'"{case["base"]}"', GPT2_WEIGHT_TYING="y" if case["tied"] else "n",
                       MLP_EXPANSION=f'"{case["hidden"] / case["width"]:.12g}"')
        self.done("init", "--out", self.path("weights"))
        torch.manual_seed(seed)
        weights = scatter(load_file(self.path("weights")))
        for name, tensor in weights.items():
            change(name, tensor)
        save_file(weights, self.path("weights"))
        return weights

    def settings(self):
        """What both configurations of transformers have."""
        case = self.case
        return {"vocab_size": case["vocabulary"], "hidden_size": case["width"],
                "intermediate_size": case["hidden"], "num_hidden_layers": case["layers"],
                "num_attention_heads": case["heads"], "rms_norm_eps": 1e-5,
                "max_position_embeddings": case["tokens"], "tie_word_embeddings": case["tied"],
                "rope_parameters": {"rope_type": "default", "rope_theta": float(case["base"])},
                "bos_token_id": 0, "eos_token_id": 0, "attn_implementation": "eager"}

    def theirs(self, weights, attention):
        """The state of their model; `attention` gives names and tensors for a block's attn.* of ours."""
        state = {}
        for name, tensor in weights.items():
            name = name.removeprefix("transformer.")
            if name.startswith("h."):
                _, block, part = name.split(".", 2)
                part = part.removesuffix(".weight")
                found = {PARTS[part]: tensor} if part in PARTS else attention(part, tensor)
                state.update({f"model.layers.{block}.{own}.weight": value for own, value in found.items()})
            else:
                state[WHOLE.get(name, name)] = tensor
        if self.case["tied"]:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        return state

    def compare(self, model, state, what):
        model.load_state_dict(state)  # strict: no name more or less
        tokens = torch.randint(self.case["vocabulary"], (2, self.case["tokens"]))
        self.write("ids", "\n".join(" ".join(map(str, row)) for row in tokens.tolist()))
        self.done("logits", "--weights", self.path("weights"), "--tokens", self.path("ids"), "--out",
                  self.path("logits"))
        with torch.no_grad():
            expected = model.eval()(tokens).logits
        found = (load_file(self.path("logits"))["logits"] - expected).abs().max() / expected.abs().max()
        print(f"{type(self).__name__}, {what}: {found:.1e}", file=sys.stderr)
        self.assertGreater(expected.std(), 0.5)
        self.assertLess(found, MOST, what)
        type(self).largest = max(self.largest, found.item())


class Llama(AgainstTransformers):
    symbols = {**AgainstTransformers.symbols, "ENABLE_RA_MLA": "n"}
    CASES = [  # tokens above the context: rotary positions go on
        {"layers": 2, "heads": 4, "width": 32, "hidden": 88, "vocabulary": 61, "context": 24, "tokens": 24,
         "base": 10000, "tied": True},
        {"layers": 3, "heads": 6, "width": 96, "hidden": 256, "vocabulary": 203, "context": 64, "tokens": 150,
         "base": 500000, "tied": False},
        {"layers": 1, "heads": 8, "width": 256, "hidden": 256, "vocabulary": 97, "context": 128,
         "tokens": 128, "base": 100, "tied": True}]

    def compare_llama(self, case, key_heads, seed):
        weights = self.drawn(case, seed, GPT2_N_KV_HEAD=0 if key_heads == case["heads"] else key_heads)
        width, D = case["width"], case["width"] // case["heads"]

        def attention(part, tensor):
            self.assertEqual(part, "attn.c_attn")
            rows = tensor.split([width, key_heads * D, key_heads * D])
            return {f"self_attn.{letter}_proj": value for letter, value in zip("qkv", rows)}

        config = LlamaConfig(**self.settings(), num_key_value_heads=key_heads)
        self.compare(LlamaForCausalLM(config), self.theirs(weights, attention),
                     f"{case['width']} wide, {case['heads']} heads, {key_heads} of keys, seed {seed}")

    def test_grouped_queries(self):
        for seed, case in enumerate(self.CASES, 1):
            for key_heads in (1, 2, case["heads"]):
                with self.subTest(case=case, key_heads=key_heads):
                    self.compare_llama(case, key_heads, seed)


class Deepseek(AgainstTransformers):
    symbols = {**AgainstTransformers.symbols, "ENABLE_RA_MLA": "y", "RA_MLA_FORM_DEEPSEEK": "y"}
    CASES = [  # the last one's latents are wider than what they come from
        {"layers": 2, "heads": 4, "width": 32, "hidden": 88, "vocabulary": 61, "context": 24, "tokens": 24,
         "base": 10000, "tied": True, "latent": 8, "rotary": 4, "query": 12},
        {"layers": 3, "heads": 6, "width": 96, "hidden": 256, "vocabulary": 203, "context": 64, "tokens": 150,
         "base": 500000, "tied": False, "latent": 40, "rotary": 8, "query": 24},
        {"layers": 1, "heads": 8, "width": 256, "hidden": 256, "vocabulary": 97, "context": 128,
         "tokens": 128, "base": 100, "tied": True, "latent": 300, "rotary": 64, "query": 260}]

    def compare_deepseek(self, case, query, seed):
        def lower(name, tensor):  # latents so small that their norms' epsilon shows; not the rotary rows
            if "_a_proj" in name:
                tensor[:case["latent"] if "kv_a" in name else None] *= 0.05

        weights = self.drawn(case, seed, lower, RA_MLA_LATENT_DIM=case["latent"],
                             RA_MLA_ROPE_DIM=case["rotary"], RA_MLA_Q_LATENT_DIM=query)
        D = case["width"] // case["heads"]
        config = DeepseekV3Config(**self.settings(), kv_lora_rank=case["latent"], q_lora_rank=query or None,
                                  qk_rope_head_dim=case["rotary"], qk_nope_head_dim=D, v_head_dim=D,
                                  num_key_value_heads=case["heads"], rope_interleave=False,
                                  first_k_dense_replace=case["layers"], num_mtp_layers=0)
        state = self.theirs(weights, lambda part, tensor: {part.replace("attn.", "self_attn."): tensor})
        self.compare(DeepseekV3ForCausalLM(config), state,
                     f"{case['width']} wide, {case['heads']} heads, latent {case['latent']}, rotary "
                     f"{case['rotary']}, query latent {query}, seed {seed}")

    def test_latents(self):
        for seed, case in enumerate(self.CASES, 1):
            for query in (0, case["query"]):
                with self.subTest(case=case, query=query):
                    self.compare_deepseek(case, query, seed)


class DecodeBench(ProgramTest):
    def test_both_sides(self):
        script = os.path.join(HERE, "..", "..", "bench", "decode.py")
        for dtype in "float32", "bfloat16":
            ended = subprocess.run([sys.executable, "-B", script, "--program", self.program, "--peer-python",
                                    sys.executable, "--rounds", "1", "--contexts", "8", "--layers", "2",
                                    "--heads", "2", "--width", "32", "--vocabulary", "300", "--dtype", dtype],
                                   capture_output=True, encoding="utf-8")
            self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
            row = [cell.strip() for cell in ended.stdout.splitlines()[-1].strip("|").split("|")]
            E, embeddings, block = 32, 300 + 8 + 11, 12 * 32**2 + 13 * 32
            self.assertEqual(row[:2], ["8", f"{embeddings * E + 2 * block + 2 * E:,}"])
            for cell in row[2:7]:  # milliseconds of three programs, two ratios
                self.assertGreater(float(cell.split()[0]), 0, row)


if __name__ == "__main__":
    unittest.main()
