"""What an iteration of the program costs, for bench.py and studies.py."""
import os
import subprocess
import sys
import tempfile

SHAPES = {
    "small": {"layers": 4, "heads": 4, "width": 128, "context": 64, "batch": 12, "latent": 32,
              "iterations": 60},
    "medium": {"layers": 6, "heads": 6, "width": 384, "context": 256, "batch": 8, "latent": 128,
               "iterations": 8},
}
VOCABULARY = 80  # of the prepared plays
SWITCHES = ("RA_MLA_MLP_ATTN_GATE", "RA_MLA_MLP_CROSS_TOKEN", "RA_MLA_MLP_LATENT_RECIP")
STEPS = {"mha": 0, "0": 0, "1": 1, "2": 2, "3": 3}  # how many of the switches are on


def config_text(shape, step, dtype, **more):
    """The .config of a step; `more` are further symbols, choices by name."""
    values = {"GPT2_N_LAYER": shape["layers"], "GPT2_N_HEAD": shape["heads"], "GPT2_N_EMBD": shape["width"],
              "GPT2_BLOCK_SIZE": shape["context"], "GPT2_BATCH_SIZE": shape["batch"],
              "RA_MLA_LATENT_DIM": shape["latent"], "GPT2_VOCAB_SIZE": VOCABULARY,
              "GPT2_GRADIENT_ACCUMULATION": 1,
              "GPT2_DROPOUT": '"0.0"', "OPTIMIZER": '"adamw"', "DTYPE": f'"{dtype}"', "ADAM_BETA2": '"0.99"',
              "DATASET": '"shakespeare"'}
    values.update({name: f'"{value}"' for name, value in more.items()})
    flags = {"ENABLE_RA_MLA": step != "mha", "GPT2_BIAS": False}
    flags.update({name: place < STEPS[step] for place, name in enumerate(SWITCHES)})
    lines = [f"CONFIG_{name}={value}" for name, value in values.items()]
    lines += [f"CONFIG_{name}=y" if on else f"# CONFIG_{name} is not set" for name, on in flags.items()]
    return "\n".join(lines) + "\n"


def output_of(process):
    output, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{' '.join(process.args)}\nended with {process.returncode}:\n{output}{errors}")
    return output


def start(command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def cost(program, shape, step, dtype, threads, copies=1, **more):
    """(milliseconds, bytes of tensors at most) of an iteration; of `copies` at once, the slowest."""
    with tempfile.NamedTemporaryFile("w", suffix=".config") as file:
        file.write(config_text(shape, step, dtype, **more))
        file.flush()
        command = [os.path.abspath(program), "time", "--config", file.name, "--threads", str(threads),
                   "--iterations", str(shape["iterations"]), "--peak"]
        outputs = [output_of(process).split() for process in [start(command) for _ in range(copies)]]
    return max(float(ms) for _, ms in outputs), int(outputs[0][0])
