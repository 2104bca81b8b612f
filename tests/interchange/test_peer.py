"""The bench's models in PyTorch (bench/peer.py) against the program: equal numbers from the same weights, so
that what bench.py times on both sides is one model. Skipped where torch is not installed."""

import argparse
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", "cli"), os.path.join(HERE, "..", "..", "bench")]
from support import ProgramTest  # noqa: E402

try:
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

import bench  # noqa: E402
import ours  # noqa: E402
import peer  # noqa: E402

MOST = 1e-5  # difference of logits, over the largest logit
SHAPE = {"layers": 3, "heads": 6, "width": 48, "context": 40, "batch": 2, "latent": 16}

# peer_ladder.py's and peer_modern.py's names within a block, by the program's.
NAMES = {
    "ln_1": "norm_1", "ln_2": "norm_2", "mlp.c_proj": "mlp.down", "mlp.gate_to_heads": "mlp.gate_heads",
    "attn.c_attn": "attention.maps", "attn.c_proj": "attention.output", "attn.out_proj": "attention.output",
    "attn.q_proj": "attention.query", "attn.k_down": "attention.key_down",
    "attn.v_down": "attention.value_down", "attn.q_to_latent": "attention.key_up",
    "attn.v_up": "attention.value_up", "mlp.c_fc": "mlp.up", "mlp.gate_proj": "mlp.gate_down",
    "mlp.cross_proj": "mlp.cross", "mlp.coupler.W": "mlp.coupler",
    "attn.q_a_proj": "attention.query_a", "attn.q_a_layernorm": "attention.query_norm",
    "attn.q_b_proj": "attention.query_b", "attn.kv_a_proj_with_mqa": "attention.kv_a",
    "attn.kv_a_layernorm": "attention.kv_norm", "attn.kv_b_proj": "attention.kv_b",
    "attn.o_proj": "attention.output", "mlp.c_gate": "mlp.gate", "mlp.router": "mlp.router",
}
WHOLE = {"transformer.wte.weight": "tokens.weight", "transformer.wpe.weight": "positions",
         "transformer.ln_f.weight": "norm.weight"}


def peer_name(name, step):
    if name in WHOLE:
        return WHOLE[name]
    block, part = name.removeprefix("transformer.h.").split(".", 1)
    weight = part.endswith(".weight")
    part = part.removesuffix(".weight")
    if part.startswith("mlp.experts."):
        expert, key = part.rsplit(".", 1)
        return f"blocks.{block}.{expert}.{'up' if key == 'c_fc' else 'down'}.weight"
    if step == "deepseek" and part == "attn.q_proj":
        part = "attn.q_b_proj"  # the peer has one name for both
    return f"blocks.{block}.{NAMES[part]}" + (".weight" if weight else "")


def peer_weights(weights, step, kind):
    """The program's weights by the peer's names."""
    state = {peer_name(name, step): tensor for name, tensor in weights.items()}
    if step in peer.MODERN and kind == "careful":
        for block in range(SHAPE["layers"]):
            maps = [state.pop(f"blocks.{block}.mlp.{name}.weight") for name in ("gate", "up")]
            state[f"blocks.{block}.mlp.both.weight"] = torch.cat(maps)
    return state


class Peer(ProgramTest):
    def weights(self, shape, step):
        """Drawn anew, so that norms matter and no part is small."""
        self.write("config", ours.config_text(shape, step, "float32"))
        self.done("init", "--config", self.path("config"), "--out", self.path("weights"))
        torch.manual_seed(1)
        drawn = {name: 1 + 0.2 * torch.randn_like(tensor) if tensor.dim() == 1
                 else torch.randn_like(tensor) / tensor.shape[-1] ** 0.5
                 for name, tensor in load_file(self.path("weights")).items()}
        save_file(drawn, self.path("weights"))
        return drawn

    def difference(self, shape, step):
        """The largest, of both kinds and relative to the largest logit."""
        weights = self.weights(shape, step)
        tokens = torch.randint(ours.VOCABULARY, (2, shape["context"]))
        self.write("ids", "\n".join(" ".join(map(str, row)) for row in tokens.tolist()))
        self.done("logits", "--weights", self.path("weights"), "--config", self.path("config"), "--tokens",
                  self.path("ids"), "--out", self.path("logits"))
        logits, found = load_file(self.path("logits"))["logits"], 0
        sizes = {"hidden": 0, **shape, **ours.modern(shape, step)}
        for kind in "published", "careful":
            options = argparse.Namespace(kind=kind, step=step, vocabulary=ours.VOCABULARY,
                                         **{name.replace("-", "_"): value for name, value in sizes.items()})
            model = peer.make_model(options)
            model.load_state_dict(peer_weights(weights, step, kind))  # strict: no name more or less
            self.assertEqual(sum(parameter.numel() for parameter in model.parameters()),
                             ours.parameters(self.program, ours.config_text(shape, step, "float32")))
            with torch.no_grad():
                found = max(found, (model(tokens) - logits).abs().max().item())
        print(f"step {step}, query latent {shape.get('query-latent', 0)}: {found / logits.abs().max():.1e}",
              file=sys.stderr)
        return found / logits.abs().max().item()

    def test_same_logits(self):
        for step in ours.STEPS:
            with self.subTest(step=step):
                self.assertLess(self.difference(SHAPE, step), MOST)

    def test_a_query_latent(self):
        self.assertLess(self.difference({**SHAPE, "query-latent": 20}, "deepseek"), MOST)

    def test_another_model_is_refused(self):
        options = argparse.Namespace(peer_python=sys.executable, threads=1, device="cpu")
        count = ours.parameters(self.program, ours.config_text(SHAPE, "gqa", "float32"))
        shape = {**SHAPE, "iterations": 1}
        self.assertGreater(min(bench.time_peer(options, shape, "gqa", "careful", count)), 0)
        with self.assertRaisesRegex(SystemExit, f"{count + 1} parameters.* {count}: not one model"):
            bench.time_peer(options, shape, "gqa", "careful", count + 1)


if __name__ == "__main__":
    unittest.main()
