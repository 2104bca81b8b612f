"""make and the program read one .config alike: the same values or the same message, for generated lines."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import kconfig_strict as strict  # noqa: E402
from kconfig_texts import check_texts  # noqa: E402

FILES = 3000
BOOLS = [
    "GPT2_BIAS",
    "RECOMPUTE",
    "OPTIMIZER_ADAMW",
    "OPTIMIZER_ADAMWSPAM",
    "DTYPE_BFLOAT16",
    "DTYPE_FLOAT32",
]
INTS = ["GPT2_N_LAYER", "GPT2_BLOCK_SIZE", "DATA_SEED"]
WHOLES = ["RA_MLA_LATENT_DIM"]  # a whole number, or a list of them in quotes
STRINGS = ["DATA_PATH", "EXPERIMENT_NAME", "OPTIMIZER", "DTYPE"]
REALS = ["GPT2_DROPOUT", "GPT2_LEARNING_RATE", "GRAD_CLIP", "MLP_EXPANSION", "RA_MLA_MLP_GATE_ALPHA"]
LISTS = ["SEEDS", "RA_MLA_ABLATION_STEPS"]
REAL_VALUES = (
    "0 0.1 -0 -0.0 .5 5. 1 1024 1025 -0.1 1e-3 1E+2 1e400 1e-400 0e-400 5e-324 +1 0x1 nan inf . 1e 1.2.3 --1"
).split() + ["", " 0.1", "0.1 ", "4,3", "4, 3 ,0", "4,,3", ",", "4,1025", "4,-0", "2 ,", "1e400,1"]
LIST_VALUES = (
    "1 0 1-3 3-1 1,3 1,,3 1, -1 1--2 1-3,2 01 0-3,7 1-100000 1-100001 2-99999999999999999999 a 1-2-3 -"
).split() + ["", " ", " 1 - 3 , 5"]
STRANGERS = ["BATCH_SIZE", "gpt2_bias", "GPT2_BIASS", "NOTHING_LIKE_IT", "A"]
BOOL_VALUES = ["y", "n", "y", "n", "m", "", "yes", '"y"', "Y", "1", "y # why"]
INT_VALUES = [
    "1",
    "64",
    "0",
    "-1",
    "007",
    "-0",
    "4096",
    "4097",
    "1.5",
    "1e3",
    "0x10",
    "99999999999999999999",
    "+2",
    "64  # wide",
    "",
    '"3"',
    "\u0663",
    "1 2",
]
WHOLE_VALUES = ["8", "8,4", '"8"', '"8,4"', '"8, 4 ,2"', '"0,1"', '"8,,4"', '"8,"', '" 8"', '"8.0"', '"8']
WHOLE_VALUES += ['"1048577"', '"-0"', '"08,1"', '"8,4" # why']
STRING_VALUES = [
    '"adamw"',
    '"adamwspam"',
    '"float32"',
    '"bfloat16"',
    '""',
    '"a b"',
    r'"C:\data"',
    r'"C:\\data"',
    r'"a\"b"',
    '"open',
    "bare",
    '"a"b',
    '"a" # why',
    "'a'",
    '"\u00e9#="',
    r'"a\\"',
    '"\\',
    r'"\"',
]
LETTERS = list('CONFIG_ =#"\\yn01\t\r ') + [
    "not set",
    " is not set",
    "unset",
    "#",
    "\ufeff",
    "\x7f",
    "\x01",
    "\u00e9",
    "\u00a0",
    "\u2028",
    "\x85",
    "CONFIG_",
]
BYTES = [
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\0",
    b"\xf0\x9f\x92\xa1",
]


def sound_line(draw):
    kind = draw.randrange(12)
    if kind < 3:
        return f"CONFIG_{draw.choice(BOOLS)}={draw.choice(BOOL_VALUES)}"
    if kind < 5:
        return f"CONFIG_{draw.choice(INTS)}={draw.choice(INT_VALUES)}"
    if kind == 5:
        return f'CONFIG_{draw.choice(REALS)}="{draw.choice(REAL_VALUES)}"'
    if kind == 6:
        return f'CONFIG_{draw.choice(LISTS)}="{draw.choice(LIST_VALUES)}"'
    if kind == 7:
        return f"CONFIG_{draw.choice(STRINGS)}={draw.choice(STRING_VALUES)}"
    if kind == 8:
        return f"CONFIG_{draw.choice(WHOLES)}={draw.choice(WHOLE_VALUES + INT_VALUES)}"
    name = draw.choice(BOOLS * 3 + INTS + STRINGS + STRANGERS)
    if kind < 11:
        return f"# CONFIG_{name} is not set"
    return draw.choice(
        [
            "",
            "# a remark",
            f"# CONFIG_{name}=y",
            f"#{name} unset",
            f"CONFIG_{name}=y",
            f"{name}=y",
            f"config {name}",
            f"# {name.lower()} is not set",
        ]
    )


def line(draw):
    """A line as bytes, sometimes damaged."""
    text = sound_line(draw)
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(LETTERS) + text[at + draw.choice([0, 0, 1, 3]) :]
    data = text.encode()
    if draw.randrange(12) == 0:
        at = draw.randrange(len(data) + 1)
        data = data[:at] + draw.choice(BYTES) + data[at:]
    return data.replace(b"\n", b" ") + draw.choice([b"\n", b"\n", b"\n", b"\r\n", b" \n", b"\t\r\n"])


class TwoReaders(ProgramTest):
    def of_make(self, menu, path):
        try:
            strict.load(menu, path, check_texts)
        except strict.ConfigError as error:
            return {"error": str(error)}
        members = {member.name for choice in menu.unique_choices for member in choice.syms}
        return {
            "values": {
                symbol.name: symbol.str_value
                for symbol in menu.unique_defined_syms
                if symbol.name not in members
            }
        }

    def of_program(self, paths):
        """What it prints of them, and what it says on the way."""
        ended = subprocess.run([self.program, "read", *paths], capture_output=True, check=True)
        return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr.decode()

    def test_they_agree(self):
        seed = int(os.environ.get("KABLATE_TEST_SEED") or random.SystemRandom().randrange(2**32))
        draw, menu = random.Random(seed), strict.open_menu(ROOT)
        paths = [
            self.write(f"c{i}", b"".join(line(draw) for _ in range(draw.choice([1, 1, 2, 3]))))
            for i in range(FILES)
        ]
        answers, said = self.of_program(paths)
        accepted, notes = 0, io.StringIO()
        for path, program in zip(paths, answers):
            with open(path, "rb") as file:
                content = file.read()
            with self.subTest(content=content, seed=seed):
                with contextlib.redirect_stderr(notes):
                    self.assertEqual(program, self.of_make(menu, path))
            accepted += "values" in program
        self.assertEqual(said.count("' is a comment: it"), notes.getvalue().count("' is a comment: it"))
        self.assertGreater(accepted, FILES / 20)
        self.assertGreater(FILES - accepted, FILES / 5)

    def test_both_say_that_a_line_is_a_comment(self):
        path = self.write("c", "#CONFIG_GPT2_BIAS=n\n# CONFIG_NO_SUCH=n\n# GPT2_BIAS=n\n")
        answers, said = self.of_program([path])
        self.assertEqual(answers[0]["values"]["GPT2_BIAS"], "y")
        note = f"{path}:1: '#CONFIG_GPT2_BIAS=n' is a comment: it sets nothing"
        self.assertEqual(said.count(note), 1, said)
        self.assertEqual(said.count("is a comment"), 1, said)
        code = "import sys, kconfig_strict as s; s.load(s.open_menu(sys.argv[1]), sys.argv[2])"
        ended = subprocess.run(
            [sys.executable, "-c", code, ROOT, path],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.path.join(ROOT, "scripts")},
        )
        self.assertEqual(ended.stderr, note + "\n")


if __name__ == "__main__":
    unittest.main()
