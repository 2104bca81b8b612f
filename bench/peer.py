"""The bench's models in plain PyTorch, to time beside the program: what a user would write instead.

    peer.py --kind published|careful --step mha|0|1|2|3|modern|gqa|deepseek|experts|experts-dense
            --layers N --heads N --width N --context N --batch N --latent N --vocabulary N --threads N
            --iterations N
            [--hidden N --kv-heads N --rotary N --query-latent N] [--device cpu|cuda]

Steps of the ladder and with experts are peer_ladder.py's, further architectures peer_modern.py's, which
take the numbers in brackets. `published` computes in float32 with attention written out and latent attention
scored in the latent space, as the scripts that the ladder comes from do. `careful` is what an experienced
user would do: bfloat16 by autocast, keys as wide as a head, scaled_dot_product_attention wherever nothing
reads the attention's weights. Both use fused AdamW. Trains on random tokens; prints the median milliseconds
of an iteration, the peak memory in MiB (on a GPU of tensors, else of the process) and the number of
parameters.
Its mathematics is src/model/'s, but its numbers are nobody's result.
"""
import argparse
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

import peer_ladder
import peer_modern

LADDER, MODERN = ("mha", "0", "1", "2", "3", "experts", "experts-dense"), ("modern", "gqa", "deepseek")
WARMUP = 3


def make_model(options):
    return (peer_modern if options.step in MODERN else peer_ladder).Model(options)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True, choices=("published", "careful"))
    parser.add_argument("--step", required=True, choices=LADDER + MODERN)
    for name in ("layers", "heads", "width", "context", "batch", "latent", "vocabulary", "threads",
                 "iterations"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    for name in ("hidden", "kv-heads", "rotary", "query-latent"):
        parser.add_argument("--" + name, type=int, default=0)
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = make_model(options).to(options.device)
    on_gpu = options.device == "cuda"
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1,
                                  fused=True)
    times = []
    for iteration in range(WARMUP + options.iterations):
        tokens, targets = torch.randint(options.vocabulary, (2, options.batch, options.context))
        if on_gpu:
            torch.cuda.synchronize()
        start = time.perf_counter()
        tokens, targets = tokens.to(options.device), targets.to(options.device)
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.kind == "careful"):
            logits = model(tokens)
            loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten()) + model.balance()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if on_gpu:
            torch.cuda.synchronize()
        if iteration >= WARMUP:
            times.append(1e3 * (time.perf_counter() - start))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if on_gpu:
        most = torch.cuda.max_memory_allocated() / 2**20
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{statistics.median(times):.4f} {most:.0f} {parameters}")


if __name__ == "__main__":
    main()
