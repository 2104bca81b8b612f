"""The ladder's model in plain PyTorch, for peer.py; tests/interchange/test_peer.py compares it with ours."""
import math

import torch
from torch import nn
from torch.nn import functional as F

GATE_ALPHA, CROSS_ALPHA, RECIP_ALPHA = 0.1, 0.3, 0.2
GATE_DIM, TOP_K, MLP_EXPANSION = 64, 8, 4
EXPERTS, CHOSEN, BALANCE_WEIGHT = 4, 2, 0.01
MULTI_HEAD = ("mha", "experts", "experts-dense")


def causal_softmax(scores, later):
    return scores.masked_fill(later, float("-inf")).softmax(dim=-1)


def scaled_normal(heads, inner, outer):
    return nn.Parameter(torch.randn(heads, inner, outer) / math.sqrt(inner))


class Attention(nn.Module):
    """Multi-head or latent attention. Gives its output, its weights where `rows` asks for them, and c_k."""

    def __init__(self, options):
        super().__init__()
        self.heads, self.head_width = options.heads, options.width // options.heads
        self.careful, self.rows = options.kind == "careful", options.step in ("2", "3")
        width, latent = options.width, options.latent
        self.latent = None if options.step in MULTI_HEAD else latent
        if self.latent is None:
            self.maps = nn.Linear(width, 3 * width, bias=False)
        else:
            self.query = nn.Linear(width, width, bias=False)
            self.key_down = nn.Linear(width, latent, bias=False)
            self.value_down = nn.Linear(width, latent, bias=False)
            self.key_up = scaled_normal(self.heads, self.head_width, latent)
            self.value_up = scaled_normal(self.heads, latent, self.head_width)
        self.output = nn.Linear(width, width, bias=False)
        later = torch.ones(options.context, options.context, dtype=torch.bool).triu(1)
        self.register_buffer("later", later, persistent=False)

    def by_head(self, x):  # [B, T, E] to [B, H, T, D]
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def multi_head(self, x):
        query, key, value = (self.by_head(part) for part in self.maps(x).chunk(3, dim=-1))
        return query, key, value, None, self.head_width

    def latent_heads(self, x, addition):
        key_latent = self.key_down(x)
        if addition is not None:
            key_latent = key_latent + RECIP_ALPHA * addition
        query = self.by_head(self.query(x))
        if self.careful:
            key = torch.einsum("btl,hdl->bhtd", key_latent, self.key_up)
        else:
            query = torch.einsum("bhtd,hdl->bhtl", query, self.key_up)
            key = key_latent.unsqueeze(1)
        value = torch.einsum("btl,hld->bhtd", self.value_down(x), self.value_up)
        return query, key, value, key_latent, self.latent

    def forward(self, x, gate, addition):
        made = self.multi_head(x) if self.latent is None else self.latent_heads(x, addition)
        query, key, value, key_latent, scale_width = made
        scale, weights = scale_width ** -0.5, None
        if self.careful and not self.rows:
            heads = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
        else:
            weights = causal_softmax(query @ key.transpose(-1, -2) * scale, self.later)
            heads = weights @ value
        if gate is not None:
            heads = heads * (1 - GATE_ALPHA + GATE_ALPHA * gate).transpose(1, 2).unsqueeze(-1)
        y = self.output(heads.transpose(1, 2).flatten(2))
        return y, weights.mean(dim=1) if self.rows else None, key_latent


class Mlp(nn.Module):
    """The MLP with the mechanisms of its step. Gives its output, and gate and latent context for above."""

    def __init__(self, options, last):
        super().__init__()
        width, step = options.width, options.step
        hidden = MLP_EXPANSION * width * (CHOSEN if step == "experts-dense" else 1)
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.gates = step in ("1", "2", "3") and not last  # of the last block nobody above reads it
        self.crosses, self.couples, self.last = step in ("2", "3"), step == "3", last
        if self.gates:
            self.gate_down = nn.Linear(hidden, GATE_DIM, bias=False)
            self.gate_heads = nn.Linear(GATE_DIM, options.heads, bias=False)
            count = torch.arange(1.0, options.context + 1).unsqueeze(-1)
            self.register_buffer("count", count, persistent=False)
        if self.crosses:
            self.cross = nn.Linear(hidden, hidden, bias=False)
        if self.couples:
            self.coupler = nn.Parameter(0.02 * torch.randn(hidden, options.latent))

    @staticmethod
    def keep_largest(rows):
        values, columns = rows.topk(min(TOP_K, rows.shape[-1]), dim=-1)
        kept = torch.zeros_like(rows).scatter(-1, columns, values)
        return kept / kept.sum(dim=-1, keepdim=True).clamp_min(1e-8)

    def forward(self, x, rows, key_latent):
        hidden, gate, context = F.gelu(self.up(x)), None, None
        if self.couples:
            context = None if self.last else hidden @ self.coupler
            hidden = hidden + RECIP_ALPHA * (key_latent @ self.coupler.t())
        if self.crosses:
            gathered = torch.bmm(self.keep_largest(rows).to(hidden.dtype), hidden)
            hidden = hidden + CROSS_ALPHA * self.cross(gathered)
        if self.gates:
            gate = torch.sigmoid(self.gate_heads(self.gate_down(hidden).cumsum(dim=1) / self.count))
        return self.down(hidden), gate, context


class Experts(nn.Module):
    """Two of four MLPs for each token, by their probabilities (arXiv 2101.03961): the tokens of each are
    gathered, and what it makes of them is added where they stand."""

    def __init__(self, options):
        super().__init__()
        width, hidden = options.width, MLP_EXPANSION * options.width
        self.router = nn.Linear(width, EXPERTS, bias=False)
        self.experts = nn.ModuleList(nn.ModuleDict({"up": nn.Linear(width, hidden, bias=False),
                                                    "down": nn.Linear(hidden, width, bias=False)})
                                     for _ in range(EXPERTS))

    def forward(self, x, rows, key_latent):
        tokens = x.flatten(0, 1)
        with torch.autocast(x.device.type, enabled=False):
            probabilities = self.router(tokens.float()).softmax(dim=-1)
        weights, chosen = probabilities.topk(CHOSEN, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        loads = F.one_hot(chosen, EXPERTS).sum(dim=1).float().mean(dim=0) / CHOSEN
        self.balance = EXPERTS * (loads * probabilities.mean(dim=0)).sum()
        y = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            places, choices = torch.where(chosen == number)
            made = expert["down"](F.gelu(expert["up"](tokens[places])))
            y.index_add_(0, places, (made * weights[places, choices].unsqueeze(-1)).to(y.dtype))
        return y.view_as(x), None, None


class Model(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.tokens = nn.Embedding(options.vocabulary, options.width)
        self.positions = nn.Parameter(0.02 * torch.randn(options.context, options.width))
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"norm_1": nn.LayerNorm(options.width, bias=False), "attention": Attention(options),
                           "norm_2": nn.LayerNorm(options.width, bias=False),
                           "mlp": Experts(options) if options.step == "experts"
                                  else Mlp(options, last=place == options.layers - 1)})
            for place in range(options.layers))
        self.norm = nn.LayerNorm(options.width, bias=False)

    def forward(self, tokens):  # [B, T] to logits [B, T, V]
        x, gate, context = self.tokens(tokens) + self.positions, None, None
        for block in self.blocks:
            y, rows, key_latent = block["attention"](block["norm_1"](x), gate, context)
            x = x + y
            y, gate, context = block["mlp"](block["norm_2"](x), rows, key_latent)
            x = x + y
        return self.norm(x) @ self.tokens.weight.t()

    def balance(self):
        """What the experts of the last forward pass add to the loss."""
        return BALANCE_WEIGHT * sum(getattr(block["mlp"], "balance", 0) for block in self.blocks)
