"""Decoding by transformers' GPT-2, for decode.py to time beside `kablate bench-decode`.

    decode_peer.py --kind generate|loop --layers N --heads N --width N --vocabulary N --context N --threads N
                   [--dtype float32|bfloat16]

One sequence of random weights and random tokens, greedy. `generate` is the library's function of that name
with its cache, as a user calls it; `loop` calls the model with its cache token by token, without what
`generate` does around it. Prints the median milliseconds of 9 steps after a cache that holds `context`
tokens and 2 more steps, as bench-decode does, the seconds that filling the cache took (in one pass), and
the number of parameters.
"""
import argparse
import statistics
import time

import torch
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel
from transformers.generation.streamers import BaseStreamer

from ours import DECODE_TIMED, DECODE_WARMUP


class Clock(BaseStreamer):
    """When each token came."""

    def __init__(self):
        self.times = []

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def generated(model, prompt, count):
    """The times at which the cache was begun, held the prompt, and held each token after it."""
    clock = Clock()
    clock.put(None)
    model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count + 1, do_sample=False,
                   use_cache=True, pad_token_id=0, streamer=clock)
    # The streamer gets the prompt before anything is computed, and a token when the cache holds the prompt.
    return clock.times[:1] + clock.times[2:]


def looped(model, prompt, count):
    cache, token, clock = DynamicCache(config=model.config), prompt, Clock()
    clock.put(None)
    with torch.inference_mode():
        for _ in range(count + 1):
            made = model(token, past_key_values=cache, use_cache=True, logits_to_keep=1)
            token = made.logits[:, -1].argmax(dim=-1, keepdim=True)
            clock.put(token)
    return clock.times


KINDS = {"generate": generated, "loop": looped}


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True, choices=KINDS)
    for name in ("layers", "heads", "width", "vocabulary", "context", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    count = DECODE_WARMUP + DECODE_TIMED
    config = GPT2Config(n_layer=options.layers, n_head=options.heads, n_embd=options.width,
                        vocab_size=options.vocabulary, n_positions=options.context + count, bos_token_id=None,
                        eos_token_id=None)
    model = GPT2LMHeadModel(config).to(getattr(torch, options.dtype)).eval()
    prompt = torch.randint(options.vocabulary, (1, options.context))
    times = KINDS[options.kind](model, prompt, count)
    steps = [1e3 * (after - before) for before, after in zip(times[1:], times[2:])]
    assert len(steps) == count, f"{len(steps)} steps instead of {count}"
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{statistics.median(steps[DECODE_WARMUP:]):.4f} {times[1] - times[0]:.4f} {parameters}")


if __name__ == "__main__":
    main()
