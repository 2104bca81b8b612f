"""GPT-2's tokens: those of the preparation and those that the program makes of a prompt are tiktoken's
"gpt2", on the plays, on all of Unicode and on random strings. Skipped where tiktoken is not installed (`make
data-bpe` installs it in .venv)."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kconfig"))
from support import ROOT, FolderTest, ids_of  # noqa: E402  (it makes scripts/ known)

try:
    import tiktoken
    import unicode_classes
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

import gpt2_bpe  # noqa: E402
import prepare_bpe  # noqa: E402
import prepare_shakespeare  # noqa: E402
from data_files import DataError  # noqa: E402

SEED = int(os.environ.get("KABLATE_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
POINTS = [chr(p) for p in range(0x110000) if not 0xD800 <= p < 0xE000]
AROUND = ("{0}", "{0}{0}", " {0}", "{0} ", "a{0}", "{0}1", "'{0}", "!{0}\n", "\n {0}'s")
RUN = 4096  # code points of a text


def random_text(draw):
    some = draw.choice(
        (
            "abcXYZ 019.,!?'\"\n",
            " \t\n\r\u00a0\u2003\u3000a",
            ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", " ", "it", "9", "<|endoftext|>"],
            ["the", " of", " and", "ing", "\n\n", " 1999", "naïve", "日本語", "😀", "e\u0301", " ,", "--"],
            [chr(draw.randrange(0x80, 0x3000)) for _ in range(20)] + [" "],
            draw.choices(POINTS, k=20),
            [draw.choice("a1! \n") * draw.randrange(1, 200)],
        )
    )
    return "".join(draw.choices(some, k=draw.randrange(0, 60)))


class Tiktoken(FolderTest):
    @classmethod
    def setUpClass(cls):
        print(f"KABLATE_TEST_SEED={SEED}", flush=True)
        cls.encoding = gpt2_bpe.load()
        draw = random.Random(SEED)
        cls.random_texts = [random_text(draw) for _ in range(10_000)]

    def plays(self):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                prepare_shakespeare.prepare(self.folder)
        except DataError as fault:
            self.skipTest(str(fault))
        for name in ("train.txt", "validation.txt"):
            yield self.read(name)

    @staticmethod
    def unicode(form):
        """All code points, so many in a text."""
        for start in range(0, len(POINTS), RUN):
            yield "".join(map(form.format, POINTS[start : start + RUN]))


class Vocabulary(Tiktoken):
    def test_is_the_published_one_and_needs_no_network(self):
        with mock.patch("tiktoken.load.read_file", side_effect=AssertionError("asked for a file")):
            encoding = gpt2_bpe.load()  # tiktoken's own definition, which asks for its SHA-256
        self.assertEqual((encoding.name, encoding.n_vocab, encoding.eot_token), ("gpt2", 50257, 50256))
        merges = gpt2_bpe.vocabulary_file("vocab.bpe").decode().splitlines()
        self.assertEqual((merges[0], len(merges) - 1), ("#version: 0.2", 50_000))
        self.assertEqual(encoding.encode_ordinary("<|endoftext|>"), [27, 91, 437, 1659, 5239, 91, 29])

    def test_classes_of_characters_are_those_of_its_expression(self):
        with open(os.path.join(ROOT, "src", "data", "unicode_classes.inc"), encoding="ascii") as file:
            self.assertEqual(file.read(), unicode_classes.table(), "call scripts/unicode_classes.py")


class Preparation(Tiktoken):
    """A text is encoded in pieces, which must not change a token."""

    def check(self, text):
        whole = self.encoding.encode_ordinary(text)
        for piece in (1, 50, 5000, gpt2_bpe.NEXT_PIECE):
            if len(text) // piece > 300_000:
                continue
            with mock.patch.object(gpt2_bpe, "NEXT_PIECE", piece):
                lists = list(gpt2_bpe.token_lists(self.encoding, gpt2_bpe.pieces([text])))
            found = [i for ids in lists for i in ids]
            self.assertTrue(found == whole, f"{text[:200]!r} in pieces of {piece}")  # a diff would take hours

    def test_of_the_plays(self):
        texts = list(self.plays())
        for text in texts:
            self.check(text)
        paths = [self.path("train.txt"), self.path("validation.txt")]
        with contextlib.redirect_stdout(io.StringIO()):
            folder = prepare_bpe.prepare(self.path("gpt2"), paths, paths)
        for name, text in zip(("train.bin", "val.bin"), texts):
            found = ids_of(self.read_bytes(os.path.join(folder, name)))
            self.assertTrue(found == self.encoding.encode_ordinary(text), name)

    def test_of_all_of_unicode(self):
        for form in AROUND:
            with self.subTest(form):
                self.check("".join(map(form.format, POINTS)))

    def test_of_random_strings(self):
        self.check(" ".join(self.random_texts))
        for text in self.random_texts[::20]:
            self.check(text)


class Program(Tiktoken):
    """The tests' own program reads texts and ids (tests/data/bpe_test.cpp)."""

    def check(self, texts):
        program = os.path.join(os.path.dirname(os.environ.get("KABLATE", "")), "engine_tests")
        if not os.path.exists(program):
            self.skipTest(f"{program} is not built")
        self.write("vocab.bpe", gpt2_bpe.vocabulary_file("vocab.bpe"))
        cases = [[text, self.encoding.encode_ordinary(text)] for text in texts]
        with open(self.path("cases"), "w", encoding="utf-8") as file:
            json.dump({"merges": self.path("vocab.bpe"), "cases": cases}, file)
        ended = subprocess.run(
            [program, "--gtest_filter=Bpe.GivesTheIdsOfAFile"],
            env={**os.environ, "KABLATE_BPE_CASES": self.path("cases")},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout[-2000:])
        self.assertIn("[  PASSED  ] 1 test.", ended.stdout)
        return len(cases)

    def test_of_the_plays(self):
        self.check(line for text in self.plays() for line in (text, *text.splitlines(keepends=True)))

    def test_of_all_of_unicode(self):
        for form in AROUND:
            with self.subTest(form):
                self.check(self.unicode(form))
        self.check(POINTS)

    def test_of_random_strings(self):
        self.assertEqual(self.check(self.random_texts), 10_000)
        draw = random.Random(SEED + 1)
        self.check("".join(draw.choices(POINTS, k=2)) for _ in range(200_000))

    def test_of_long_runs(self):
        self.check(letter * 100_000 for letter in ("a", " ", "\n", "1", "!", "é", "日", "' ", "\u00a0"))


if __name__ == "__main__":
    del tiktoken  # imported to see that it is there
    unittest.main()
