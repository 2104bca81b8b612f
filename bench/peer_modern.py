"""Further architectures in plain PyTorch, for peer.py: rotary positions, RMSNorm, SwiGLU, and multi-head,
grouped-query or DeepSeek's latent attention; tests/interchange/test_peer.py compares them with ours.

`published` is written as transformers' models are with eager attention: the rotation by halves turned
round, keys copied for the heads of queries that read them, a norm operation by operation. `careful` has
one map where several read the same input, one rotation of queries and keys together, rms_norm and
scaled_dot_product_attention.
"""
import torch
from torch import nn
from torch.nn import functional as F

ROPE_BASE, NORM_EPSILON, LATENT_EPSILON = 10000.0, 1e-5, 1e-6


def linear(inner, outer):
    return nn.Linear(inner, outer, bias=False)


class RmsNorm(nn.Module):
    def __init__(self, options, width, epsilon=NORM_EPSILON):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon
        self.careful = options.kind == "careful"

    def forward(self, x):
        if self.careful:
            return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.epsilon)
        kind, x = x.dtype, x.float()
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon)).to(kind)


def rotary_tables(context, channels):
    """cos and sin [T, channels / 2] of the angles t · base^(-2i / channels)."""
    angles = ROPE_BASE ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    angles = torch.arange(context, dtype=torch.float64).unsqueeze(-1) * angles
    return angles.cos().float(), angles.sin().float()


def rotated(x, tables):
    """[B, H, T, channels], as careful code does it: each half once."""
    (cos, sin), (one, other) = tables, x.chunk(2, dim=-1)
    return torch.cat((one * cos - other * sin, other * cos + one * sin), dim=-1)


def rotate_half(x):
    one, other = x[..., :x.shape[-1] // 2], x[..., x.shape[-1] // 2:]
    return torch.cat((-other, one), dim=-1)


def rotated_as_published(x, tables):
    cos, sin = (torch.cat((table, table), dim=-1) for table in tables)
    return x * cos + rotate_half(x) * sin


def repeat_heads(x, times):  # [B, n, T, D] to [B, n · times, T, D]
    B, n, T, D = x.shape
    return x if times == 1 else x.unsqueeze(2).expand(B, n, times, T, D).reshape(B, n * times, T, D)


class Attention(nn.Module):
    """What both kinds share: by heads, then attended and mapped out."""

    def __init__(self, options):
        super().__init__()
        self.careful = options.kind == "careful"
        self.heads, self.head_width = options.heads, options.width // options.heads
        self.output = linear(options.width, options.width)
        self.register_buffer("mask", torch.full((options.context, options.context), float("-inf")).triu(1),
                             persistent=False)

    @staticmethod
    def by_head(x, heads):  # [B, T, heads · D] to [B, heads, T, D]
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def attended(self, query, key, value):
        """query [B, H, T, J], key [B, n, T, J], value [B, n, T, D] to [B, T, E]."""
        grouped, T = key.shape[1] != self.heads, query.shape[2]
        if self.careful:
            D, lacking = value.shape[-1], key.shape[-1] - value.shape[-1]
            value = F.pad(value, (0, lacking)) if lacking else value  # the fast kernel wants one width
            heads = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=grouped)
            heads = heads[..., :D]
        else:
            times = self.heads // key.shape[1]
            scores = query @ repeat_heads(key, times).transpose(2, 3) * query.shape[-1] ** -0.5
            weights = F.softmax(scores + self.mask[:T, :T], dim=-1, dtype=torch.float32).to(query.dtype)
            heads = weights @ repeat_heads(value, times)
        return self.output(heads.transpose(1, 2).flatten(2))


class GroupedAttention(Attention):
    """Multi-head and grouped-query attention."""

    def __init__(self, options):
        super().__init__(options)
        self.key_heads = options.kv_heads
        self.maps = linear(options.width, (self.heads + 2 * self.key_heads) * self.head_width)

    def forward(self, x, tables):
        made, D, n = self.maps(x), self.head_width, self.key_heads
        if self.careful:
            both, value = made.split([(self.heads + n) * D, n * D], dim=-1)
            query, key = rotated(self.by_head(both, self.heads + n), tables).split([self.heads, n], dim=1)
            return self.attended(query, key, self.by_head(value, n))
        query, key, value = made.split([self.heads * D, n * D, n * D], dim=-1)
        query = rotated_as_published(self.by_head(query, self.heads), tables)
        key = rotated_as_published(self.by_head(key, n), tables)
        return self.attended(query, key, self.by_head(value, n))


class DeepseekAttention(Attention):
    """arXiv 2405.04434, section 2.1, with 2412.19437's norms; `query_latent` 0: queries from the input."""

    def __init__(self, options):
        super().__init__(options)
        self.latent, self.rotary, self.query_latent = options.latent, options.rotary, options.query_latent
        width, query_width = options.width, self.heads * (self.head_width + self.rotary)
        self.kv_a = linear(width, self.latent + self.rotary)
        self.kv_norm = RmsNorm(options, self.latent, LATENT_EPSILON)
        self.kv_b = linear(self.latent, 2 * width)
        if self.query_latent:
            self.query_a = linear(width, self.query_latent)
            self.query_norm = RmsNorm(options, self.query_latent, LATENT_EPSILON)
        self.query_b = linear(self.query_latent or width, query_width)

    def forward(self, x, tables):
        turn = rotated if self.careful else rotated_as_published
        low = self.query_norm(self.query_a(x)) if self.query_latent else x
        query = self.by_head(self.query_b(low), self.heads)
        plain, turning = query.split([self.head_width, self.rotary], dim=-1)
        query = torch.cat((plain, turn(turning, tables)), dim=-1)
        latent, turning = self.kv_a(x).split([self.latent, self.rotary], dim=-1)
        made = self.by_head(self.kv_b(self.kv_norm(latent)), self.heads)
        key, value = made.split(self.head_width, dim=-1)
        shared = turn(turning.unsqueeze(1), tables).expand(-1, self.heads, -1, -1)
        return self.attended(query, torch.cat((key, shared), dim=-1), value)


class SwiGlu(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.careful, width, hidden = options.kind == "careful", options.width, options.hidden
        if self.careful:
            self.both = linear(width, 2 * hidden)  # gate, then up
        else:
            self.gate, self.up = linear(width, hidden), linear(width, hidden)
        self.down = linear(hidden, width)

    def forward(self, x):
        gate, up = self.both(x).chunk(2, dim=-1) if self.careful else (self.gate(x), self.up(x))
        return self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, options):
        super().__init__()
        attention = DeepseekAttention if options.step == "deepseek" else GroupedAttention
        self.tokens = nn.Embedding(options.vocabulary, options.width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"norm_1": RmsNorm(options, options.width), "attention": attention(options),
                           "norm_2": RmsNorm(options, options.width), "mlp": SwiGlu(options)})
            for _ in range(options.layers))
        self.norm = RmsNorm(options, options.width)
        channels = options.rotary if options.step == "deepseek" else options.width // options.heads
        for name, table in zip(("cos", "sin"), rotary_tables(options.context, channels)):
            self.register_buffer(name, table, persistent=False)

    def forward(self, tokens):  # [B, T] to logits [B, T, V]
        x, T = self.tokens(tokens), tokens.shape[1]
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        tables = tuple(table[:T].to(kind) for table in (self.cos, self.sin))
        for block in self.blocks:
            x = x + block["attention"](block["norm_1"](x), tables)
            x = x + block["mlp"](block["norm_2"](x))
        return self.norm(x) @ self.tokens.weight.t()

    def balance(self):
        return 0  # no experts
