"""What an iteration of the program costs, for bench.py and studies.py, and its models."""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

SHAPES = {
    "small": {"layers": 4, "heads": 4, "width": 128, "context": 64, "batch": 12, "latent": 32,
              "iterations": 60},
    "medium": {"layers": 6, "heads": 6, "width": 384, "context": 256, "batch": 8, "latent": 128,
               "iterations": 8},
    "gpt2": {"layers": 12, "heads": 12, "width": 768, "context": 1024, "batch": 16, "latent": 256,
             "iterations": 20, "vocabulary": 50304},
}
VOCABULARY = 80  # of the prepared plays, where a shape names no other
SWITCHES = ("RA_MLA_MLP_ATTN_GATE", "RA_MLA_MLP_CROSS_TOKEN", "RA_MLA_MLP_LATENT_RECIP")
LADDER = {"mha": 0, "0": 0, "1": 1, "2": 2, "3": 3}  # how many of the switches are on
MODERN = ("modern", "gqa", "deepseek")  # all with rotary positions, RMSNorm and SwiGLU
# mha with two of four experts for each token, and with one MLP as wide as those two.
EXPERTS = {"experts": {"MLP_EXPERTS": 4, "MLP_EXPERTS_TOP": 2}, "experts-dense": {"MLP_EXPANSION": '"8"'}}
STEPS = (*LADDER, *MODERN, *EXPERTS)
DECODE_WARMUP, DECODE_TIMED = 2, 9  # steps of bench-decode at a context (src/generate/decode_bench.h)


def rounded_up(value, multiple):
    return multiple * math.ceil(value / multiple)


def modern(shape, step):
    """What a further architecture has beside its shape, by the names of peer.py's options; {} for the ladder.
    SwiGLU is 8/3 as wide as the model, so that its three maps cost what a GELU's two of 4 do."""
    if step not in MODERN:
        return {}
    heads, width = shape["heads"], shape["width"]
    sizes = {"hidden": rounded_up(width * 8 / 3, 32), "kv-heads": heads}
    if step == "gqa":  # a quarter of the heads, or the next number above it that divides them
        sizes["kv-heads"] = next(n for n in range(1, heads + 1) if 4 * n >= heads and heads % n == 0)
    if step == "deepseek":  # half as wide as a head's own channels, as published
        sizes.update({"rotary": width // heads // 2, "query-latent": shape.get("query-latent", 0)})
    return sizes


def modern_symbols(shape, step):
    sizes = modern(shape, step)
    if not sizes:
        return {}
    values = {"POSITIONS": '"rotary"', "NORM_KIND": '"rmsnorm"', "GPT2_ACTIVATION": '"swiglu"',
              "MLP_EXPANSION": f'"{sizes["hidden"] / shape["width"]:.12g}"'}
    if step == "deepseek":
        values.update({"RA_MLA_FORM": '"deepseek"', "RA_MLA_ROPE_DIM": sizes["rotary"],
                       "RA_MLA_Q_LATENT_DIM": sizes["query-latent"]})
    else:
        values["GPT2_N_KV_HEAD"] = sizes["kv-heads"]
    return values


def config_text(shape, step, dtype, **more):
    """The .config of a step; `more` are further symbols: numbers, "y" and "n", strings, choices by name."""
    values = {"GPT2_N_LAYER": shape["layers"], "GPT2_N_HEAD": shape["heads"], "GPT2_N_EMBD": shape["width"],
              "GPT2_BLOCK_SIZE": shape["context"], "GPT2_BATCH_SIZE": shape["batch"],
              "RA_MLA_LATENT_DIM": shape["latent"], "GPT2_VOCAB_SIZE": shape.get("vocabulary", VOCABULARY),
              "GPT2_GRADIENT_ACCUMULATION": 1, "GPT2_DROPOUT": '"0.0"', "GPT2_BIAS": "n",
              "OPTIMIZER": '"adamw"', "ADAM_BETA2": '"0.99"', "DTYPE": f'"{dtype}"',
              "DATASET": '"shakespeare"', **modern_symbols(shape, step), **EXPERTS.get(step, {})}
    values["ENABLE_RA_MLA"] = "n" if step in ("mha", "modern", "gqa", *EXPERTS) else "y"
    values.update({name: "y" if place < LADDER.get(step, 0) else "n" for place, name in enumerate(SWITCHES)})
    values.update({name: value if value in ("y", "n") or isinstance(value, int) else f'"{value}"'
                   for name, value in more.items()})
    lines = [f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"
             for name, value in values.items()]
    return "\n".join(lines) + "\n"


def output_of(process):
    output, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(process.args)}\nended with {process.returncode}:\n{output}{errors}")
    return output


def start(command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def parameters(program, text):
    """How many the model of a .config's text has: the numbers of its initial weights (a safetensors file)."""
    with tempfile.TemporaryDirectory() as folder:
        config, weights = os.path.join(folder, "config"), os.path.join(folder, "weights")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        output_of(start([os.path.abspath(program), "init", "--config", config, "--out", weights]))
        with open(weights, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def cost(program, shape, step, dtype, threads, copies=1, **more):
    """(milliseconds, bytes of tensors at most) of an iteration; of `copies` at once, the slowest."""
    with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
        file.write(config_text(shape, step, dtype, **more))
        file.flush()
        command = [os.path.abspath(program), "time", "--config", file.name, "--threads", str(threads),
                   "--iterations", str(shape["iterations"]), "--peak"]
        outputs = [output_of(process).split() for process in [start(command) for _ in range(copies)]]
    return max(float(ms) for _, ms in outputs), int(outputs[0][0])
