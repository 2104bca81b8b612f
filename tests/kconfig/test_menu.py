"""The program's own menu: names and defaults as published, and the header made from it."""

import os
import pty
import re
import select
import subprocess
import sys
import time
import unittest

import support
from support import FolderTest, strict

import config_docs  # noqa: E402  (support makes scripts/ known)
import genconfig  # noqa: E402

BOOLS = {
    "y": "RA_MLA_ABLATION_MODE GPT2_ATTENTION GPT2_BIAS GPT2_WEIGHT_TYING NORM_AFFINE ENABLE_RA_MLA "
    "RA_MLA_PER_HEAD_Q_LATENT RA_MLA_PER_HEAD_V_UP RA_MLA_MLP_ATTN_GATE "
    "RA_MLA_MLP_CROSS_TOKEN RA_MLA_MLP_LATENT_RECIP RA_MLA_MLP_SPARSE_NORMALIZE "
    "RA_MLA_MLP_SPARSE_HEAD_AVERAGE GPT2_DECAY_LR SPAM_ENABLE_CLIP SPAM_PERIODIC_RESET SPAM_WARMUP",
    "n": "RA_MLA_ALLOW_NONCAUSAL RA_MLA_SHARED_KV RA_MLA_LATENT_NORM RA_MLA_LATENT_SCALE "
    "RA_MLA_MLP_CROSS_DETACH RECOMPUTE MLP_PER_HEAD MLP_LEARNED_WIDTH QK_NORM "
    "SHARE_MAIN_MATRICES USE_LORA_ATTN USE_LORA_MLP CRITIC ADAM_DECAY_ALL MEASURE_HEADS SHARD_MOMENTS "
    "AUTOENCODER",
}
INTS = {
    "GPT2_N_KV_HEAD": 0,
    "RA_MLA_Q_LATENT_DIM": 0,
    "RA_MLA_ROPE_DIM": 0,
    "RA_MLA_RA_WINDOW": 64,
    "RA_MLA_MLP_GATE_DIM": 64,
    "RA_MLA_MLP_LATENT_DIM": 0,
    "RA_MLA_MLP_SPARSE_K": 8,
    "RA_MLA_MLP_CROSS_RANK": 0,
    "GPT2_N_LAYER": 12,
    "GPT2_N_HEAD": 12,
    "GPT2_N_EMBD": 768,
    "GPT2_BLOCK_SIZE": 1024,
    "GPT2_VOCAB_SIZE": 50304,
    "GPT2_MAX_ITERS": 10400,
    "GPT2_BATCH_SIZE": 16,
    "GPT2_GRADIENT_ACCUMULATION": 4,
    "GPT2_WARMUP_STEPS": 2000,
    "GPT2_EVAL_INTERVAL": 500,
    "GPT2_EVAL_SAMPLES": 200,
    "GPT2_LOG_INTERVAL": 10,
    "SPAM_INTERVAL": 1000,
    "SPAM_WARMUP_STEPS": 100,
    "DATA_SEED": 0,
    "SYNTHETIC_VOCAB_SIZE": 8192,
    "SYNTHETIC_TRAIN": 100000,
    "SYNTHETIC_TEST": 3000,
    "MQAR_PAIRS": 4,
    "SYNTHETIC_NOISE_VOCAB_SIZE": 16,
    "SYNTHETIC_COPY": 16,
    "SYNTHETIC_MOTIF": 3,
    "THREADS": 0,
    "PARALLEL_TRIALS": 0,
    "RANKS": 1,
    "MLP_SHARE_LAYERS": 1,
    "MLP_SHARE_HEADS": 1,
    "MLP_UNSHARE_AT": 0,
    "MLP_EXPERTS": 0,
    "MLP_EXPERTS_TOP": 1,
    "LORA_RANK": 8,
    "LORA_FREEZE_BASE_AT": 0,
    "PRUNE_BEGIN": 0,
    "PRUNE_END": 0,
    "PRUNE_INTERVAL": 0,
    "SLURM_CPUS": 0,
    "SLURM_GPUS": 0,
    "SLURM_TASKS_AT_ONCE": 0,
    "SLURM_NOTICE": 120,
}
STRINGS = {
    **{"SLURM_" + name: "" for name in "PARTITION ACCOUNT QOS TIME MEMORY CONSTRAINT EXTRA".split()},
    "MASK_RATE": "0.15",
    "SYNTHETIC_NOISE": "0.2",
    "CRITIC_WEIGHT": "0.1",
    "RA_MLA_RA_ALPHA": "0.0",
    "RA_MLA_MLP_GATE_ALPHA": "0.1",
    "RA_MLA_MLP_CROSS_ALPHA": "0.3",
    "RA_MLA_MLP_RECIP_ALPHA": "0.2",
    "RA_MLA_MLP_SPARSE_RMS_THRESHOLD": "0.5",
    "RA_MLA_ABLATION_STEPS": "",
    "GPT2_DROPOUT": "0.1",
    "GPT2_LEARNING_RATE": "6e-4",
    "GPT2_MIN_LR": "6e-5",
    "GPT2_WEIGHT_DECAY": "0.1",
    "SPAM_THETA": "50.0",
    "SPAM_SPIKE_THRESHOLD": "2.0",
    "EXPERIMENT_NAME": "ra-mla",
    "ABLATION_PLAN": "ra-mla",
    "SEEDS": "1-3",
    "DATA_PATH": "",
    "INIT_FROM": "",
    "GRAD_CLIP": "1.0",
    "ADAM_BETA1": "0.9",
    "ADAM_BETA2": "0.999",
    "ADAM_EPSILON": "1e-8",
    "MLP_EXPANSION": "4",
    "RA_MLA_LATENT_DIM": "128",
    "ROPE_BASE": "10000",
    "MLP_WIDTH_PENALTY": "0.0",
    "MLP_BALANCE_WEIGHT": "0.01",
    "LORA_ALPHA": "16",
    "LORA_DROPOUT": "0.0",
    "PRUNE_SPARSITY": "0.5",
}
CHOICES = {
    "RA_MLA_MLP_TYING_MODE": "tied_transpose untied per_head_scalar",
    "RA_MLA_MLP_SPARSE_MODE": "topk none rms",
    "OPTIMIZER": "adamwspam adamw",
    "PRUNE": "none magnitude moments",
    "DATASET": "shakespeare text bin lines mqar induction recall in_context_recall noisy_recall fuzzy_recall "
    "selective_copy memorization compression repeats",
    "TOKENIZER": "character gpt2",
    "DEVICE": "auto cpu cuda",
    "KERNELS": "auto portable avx2 avx512",
    "DTYPE": "float32 bfloat16",
    "NORM_PLACEMENT": "pre post hybrid",
    "NORM_KIND": "layernorm rmsnorm",
    "POSITIONS": "learned rotary none",
    "ATTENTION_DIRECTION": "causal bidirectional",
    "OBJECTIVE": "next_token masked_token",
    "MASK_SCHEDULE": "fixed uniform",
    "RA_MLA_FORM": "latent deepseek",
    "RA_MLA_LATENT_SOURCE": "project slice frozen",
    "GPT2_ACTIVATION": "gelu gelu_tanh relu2 swiglu",
    "MLP_SHARE_PATTERN": "adjacent cyclic",
    "RA_MLA_MLP_GATE_POOL": "causal_mean token sequence",
}
DEFCONFIGS = [
    "albert-lora",
    "attention-kinds",
    "calibration",
    "char-judge",
    "contexts",
    "expansion",
    "experts",
    "gpt2-custom-mlp2x",
    "gpt2-d12",
    "gpt2-d12-mlp3x",
    "gpt2-ra-mla-baseline",
    "gpt2-ra-mla-full",
    "gpt2-ra-mla-step1",
    "gpt2-ra-mla-step2",
    "gpt2-ra-mla-step3",
    "h3-induction",
    "h3-recall",
    "induction",
    "induction-repeats",
    "latent-width",
    "mad",
    "masked-critic",
    "mechanism-choices",
    "mlp-sharing",
    "mlp3x",
    "mqar",
    "nanogpt-char-cpu",
    "nanogpt-mla",
    "pruning",
    "quick",
    "ra-mla-8-seeds",
    "ra-mla-char",
    "ra-mla-factorial",
    "recall-ladder",
    "staircase-mla",
]


def published_rows():
    """{name: (type, default, members)}, written down from the specification."""
    rows = {name: ("kBool", value, "") for value, names in BOOLS.items() for name in names.split()}
    rows |= {name: ("kInt", str(value), "") for name, value in INTS.items()}
    rows |= {name: ("kString", value, "") for name, value in STRINGS.items()}
    for name, values in CHOICES.items():
        members = "|".join(f"{value}={name}_{value.upper()}" for value in values.split())
        rows[name] = ("kChoice", values.split()[0], members)
    return rows


class Menu(FolderTest):
    def setUp(self):
        super().setUp()
        self.menu = strict.open_menu(support.ROOT)

    def header(self, content):
        return genconfig.header(self.menu, self.write("config", content))

    def rows(self, content=""):
        pattern = r'  SYMBOL\((\w+), (\w+), "(.*?)", "(.*?)", (-?\d+), (-?\d+), "(.*?)"\)'
        return {row[0]: row[1:] for row in re.findall(pattern, self.header(content))}

    def test_symbols_types_defaults_and_members(self):
        found = {name: (row[0], row[2], row[5]) for name, row in self.rows().items()}
        self.assertEqual(found, published_rows())

    def test_values_without_a_file_are_the_defaults(self):
        for name, row in self.rows().items():
            self.assertEqual(row[1], row[2], name)

    def test_numbers_and_lists_within_strings_are_judged_before_the_build(self):
        for line, said in (
            ('CONFIG_GPT2_DROPOUT="1e-400"', '"1e-400": allowed: a decimal number >= 0 and < 1 such'),
            ('CONFIG_GPT2_LEARNING_RATE="0"', '"0": allowed: a decimal number > 0 such'),
            ('CONFIG_GRAD_CLIP=" 0.1"', '" 0.1": allowed: a decimal number >= 0 such'),
            ('CONFIG_SEEDS="3-1"', '"3-1": the range 3-1 runs backwards; allowed: whole numbers >= 1'),
            ('CONFIG_RA_MLA_ABLATION_STEPS="x"', '"x" is not a whole number or a range'),
        ):
            with self.assertRaises(strict.ConfigError) as caught:
                self.header(f"\n{line}\n")
            self.assertIn(f"config:2: {line[7:].split('=')[0]} = ", str(caught.exception))
            self.assertIn(said, str(caught.exception))
        self.header('# CONFIG_RA_MLA_ABLATION_MODE is not set\nCONFIG_RA_MLA_ABLATION_STEPS="x"\n')

    def test_values_of_a_file_stand_beside_the_defaults(self):
        rows = self.rows('CONFIG_OPTIMIZER="adamw"\n# CONFIG_GPT2_BIAS is not set\nCONFIG_GPT2_N_LAYER=3\n')
        self.assertEqual(rows["OPTIMIZER"][1:3], ("adamw", "adamwspam"))
        self.assertEqual(rows["GPT2_BIAS"][1:3], ("n", "y"))
        self.assertEqual(rows["GPT2_N_LAYER"][1:5], ("3", "12", "1", "4096"))

    def test_every_value_at_its_bounds_is_accepted(self):
        for name, row in self.rows().items():
            if row[0] == "kInt":
                for value in row[3:5]:
                    self.assertEqual(self.rows(f"CONFIG_{name}={value}\n")[name][1], value)

    def test_values_whose_code_is_still_to_come_are_unknown(self):
        for line in (
            'CONFIG_GPT2_ACTIVATION="geglu"',
            'CONFIG_DATASET="images"',
            'CONFIG_DTYPE="float64"',
        ):
            with self.assertRaisesRegex(strict.ConfigError, "unknown value"):
                self.header(line + "\n")

    def test_strings_are_escaped(self):
        self.assertIn(
            r'SYMBOL(DATA_PATH, kString, "a\"b\\c d", "",', self.header('CONFIG_DATA_PATH="a\\"b\\\\c d"\n')
        )

    def test_the_page_of_symbols_has_each_in_the_menus_order(self):
        page = config_docs.page(support.ROOT, self.menu)
        self.assertEqual(re.findall(r"^#### (\w+)$", page, re.MULTILINE), list(self.rows()))
        for name, values in CHOICES.items():
            part = page.partition(f"#### {name}\n")[2].partition("#### ")[0]
            self.assertEqual(re.findall(r"^- `(\w+)`", part, re.MULTILINE), values.split(), name)

    def test_a_mechanisms_parameters_stay_while_it_is_off(self):
        rows = self.rows("# CONFIG_RA_MLA_MLP_ATTN_GATE is not set\nCONFIG_RA_MLA_MLP_GATE_DIM=7\n")
        self.assertEqual(rows["RA_MLA_MLP_GATE_DIM"][1], "7")

    def test_defconfigs(self):
        folder = os.path.join(support.ROOT, "defconfigs")
        self.assertEqual(
            sorted(n for n in os.listdir(folder) if os.path.isfile(os.path.join(folder, n))), DEFCONFIGS
        )
        for name in DEFCONFIGS:
            strict.load(self.menu, os.path.join(folder, name))
            self.assertEqual(self.menu.syms["EXPERIMENT_NAME"].str_value, name)
            plan = os.path.join(folder, "plans", self.menu.syms["ABLATION_PLAN"].str_value + ".yaml")
            self.assertTrue(os.path.exists(plan), plan)

    def test_the_full_defconfig_holds_the_defaults_of_the_model(self):
        strict.load(self.menu, os.path.join(support.ROOT, "defconfigs", "gpt2-ra-mla-full"))
        changed = {n for n, row in published_rows().items() if self.menu.syms[n].str_value != row[1]}
        self.assertEqual(changed, {"EXPERIMENT_NAME", "RA_MLA_ABLATION_STEPS", "DATASET"})


class Script(FolderTest):
    def run_script(self, script, *arguments, source=support.ROOT, **options):
        command = [sys.executable, "-B", os.path.join(source, "scripts", script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, **options)

    def test_header_is_rewritten_only_if_it_changes(self):
        config = self.write("config", "CONFIG_GPT2_N_LAYER=3\n")

        def written():
            answer = self.run_script("genconfig.py", "--config", config, "--out", self.path("a b"))
            self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (0, "", ""))
            return os.stat(self.path("a b/autoconf.h")).st_mtime_ns

        first = written()
        self.assertEqual(first, written())
        self.write("config", "CONFIG_GPT2_N_LAYER=4\n")
        self.assertNotEqual(first, written())

    def test_an_error_is_one_line_and_exit_code_2_and_leaves_the_header(self):
        config = self.write("config", "CONFIG_GPT2_N_LAYER=3\n")
        self.run_script("genconfig.py", "--config", config, "--out", self.folder)
        before = self.read("autoconf.h")
        self.write("config", "\nCONFIG_GPT2_N_LAYERS=3\n")
        answer = self.run_script("genconfig.py", "--config", config, "--out", self.folder)
        self.assertEqual(answer.returncode, 2)
        self.assertEqual(answer.stderr.count("\n"), 1)
        self.assertTrue(answer.stderr.startswith(f"{config}:2: CONFIG_GPT2_N_LAYERS"), answer.stderr)
        self.assertEqual(self.read("autoconf.h"), before)

    def configure(self, *arguments, **options):
        return self.run_script("configure.py", "--config", self.path(".config"), *arguments, **options)

    def test_defconfig_and_savedefconfig_are_inverse(self):
        for name in DEFCONFIGS:
            defconfig = os.path.join(support.ROOT, "defconfigs", name)
            self.assertEqual(self.configure("defconfig", defconfig).returncode, 0)
            answer = self.configure("savedefconfig", self.path("defconfig"))
            self.assertIn(self.path("defconfig"), answer.stdout)
            with open(defconfig, encoding="utf-8") as file:
                self.assertEqual(self.read("defconfig"), file.read())

    def test_an_older_config_is_completed_and_the_new_symbols_are_named(self):
        self.configure("defconfig", os.path.join(support.ROOT, "defconfigs", "quick"))
        full = self.read(".config")
        self.write(
            ".config",
            "".join(
                line + "\n" for line in full.splitlines() if "THREADS" not in line and "OPTIMIZER" not in line
            ),
        )
        answer = self.configure("olddefconfig")
        self.assertEqual(answer.stdout.count("\n"), 1)
        self.assertIn("2 symbols were new", answer.stdout)
        self.assertIn("THREADS, OPTIMIZER", answer.stdout)
        self.assertIn('CONFIG_OPTIMIZER="adamwspam"', self.read(".config"))
        self.assertEqual(self.configure("olddefconfig").stdout, "")

    def test_oldconfig_asks_for_new_symbols_alone_and_again_after_a_wrong_answer(self):
        self.configure("defconfig", os.path.join(support.ROOT, "defconfigs", "quick"))
        full = self.read(".config")
        self.assertEqual(self.configure("oldconfig", input="").returncode, 0)
        self.write(".config", re.sub(r".*(THREADS|OPTIMIZER).*\n", "", full))
        answer = self.configure("oldconfig", input="2\n99999\n012\n7\n")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("THREADS: must be a whole number from 0 to 4096", answer.stderr)
        self.assertIn("CONFIG_THREADS=7\n", self.read(".config"))
        self.assertIn('CONFIG_OPTIMIZER="adamw"\n', self.read(".config"))
        self.write(".config", re.sub(r".*THREADS.*\n", "", full))
        answer = self.configure("oldconfig", input="")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("olddefconfig", answer.stderr)

    def test_a_locale_that_the_system_lacks_is_named_and_replaced(self):
        code = "import configure, locale; configure.use_known_locale(); locale.setlocale(locale.LC_ALL, '')"
        environment = {
            **os.environ,
            "LC_ALL": "xx_YY.UTF-8",
            "PYTHONPATH": os.path.join(support.ROOT, "scripts"),
        }
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("lacks the locale of LC_ALL=xx_YY.UTF-8", answer.stderr)

    def test_the_menu_shows_the_help_of_its_lines_from_the_start(self):
        self.configure("defconfig", os.path.join(support.ROOT, "defconfigs", "quick"))
        child, terminal = pty.fork()
        if child == 0:
            os.environ.update(TERM="linux", LINES="24", COLUMNS="80")
            script = os.path.join(support.ROOT, "scripts", "configure.py")
            config = self.path(".config")
            os.execv(sys.executable, [sys.executable, "-B", script, "--config", config, "menuconfig"])
        seen = self.read_until(terminal, "show-help")
        os.write(terminal, b"\n")  # into the first menu, whose first line is the experiment's name
        seen += self.read_until(terminal, "The folder under results")
        os.write(terminal, b"q")
        seen += self.read_until(terminal, None)
        self.assertEqual(os.waitpid(child, 0)[1], 0, seen)

    def read_until(self, terminal, text):
        """What a program writes to its terminal until `text` came, or to its end."""
        seen, ends = "", time.monotonic() + 20
        while text is None or text not in seen:
            if not select.select([terminal], [], [], max(0, ends - time.monotonic()))[0]:
                self.fail(f"{text!r} did not come in 20 s: {seen}")
            try:
                more = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                more = b""
            if not more:
                return seen if text is None else self.fail(f"ended without {text!r}: {seen}")
            seen += more.decode(errors="replace")
        return seen

    def test_the_menu_without_a_terminal_is_one_message(self):
        self.configure("defconfig", os.path.join(support.ROOT, "defconfigs", "quick"))
        answer = self.configure("menuconfig", stdin=subprocess.DEVNULL)
        self.assertEqual(answer.returncode, 2)
        self.assertNotIn("Traceback", answer.stderr)


if __name__ == "__main__":
    unittest.main()
