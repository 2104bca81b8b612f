"""Tokens of byte pairs: text in, text out, where the vocabulary lies beside the ids; and what TOKENIZER=gpt2
asks for. The ids here are of a vocabulary of four merges."""

import json
import os
import random
import shutil
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_json, read_text  # noqa: E402

MERGES = "#version: 0.2\nĠ t\nĠt h\nĠth e\na b\n"
VOCABULARY = 256 + 4 + 1
THE, AB, END = 258, 259, 260
LEAD, TAIL = 127, 102  # é, whose bytes are two tokens
LETTERS = {letter: ord(letter) - ord("!") for letter in "abcx"} | {"\n": 198, " ": 220}
SEEN = sorted([*LETTERS.values(), THE, AB, END, LEAD, TAIL])
BETWEEN = "\n---------------\n"


class BpeTokens(ProgramTest):
    symbols = {"GPT2_VOCAB_SIZE": 270}

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("tokens"))
        draw = random.Random(5)
        for name, count in ("train.bin", 2000), ("val.bin", 400):
            ids = SEEN + draw.choices(SEEN, k=count)
            self.write(f"tokens/{name}", struct.pack(f"<{len(ids)}H", *ids))
        self.write("tokens/meta.json", json.dumps({"vocab_size": VOCABULARY, "tokenizer": "of this test"}))
        self.write("tokens/vocab.bpe", MERGES)
        self.data = {"DATASET": "bin", "DATA_PATH": self.path("tokens")}

    def trial(self):
        self.done("run", "--steps", "0", **self.data)
        return self.trials()[0, 1]

    def test_a_run_brings_its_vocabulary(self):
        trial = self.trial()
        shutil.rmtree(self.path("tokens"))
        tokenizer = read_json(trial, "tokenizer.json")
        self.assertEqual((tokenizer["kind"], tokenizer["merges"]), ("bpe", MERGES))
        self.assertTrue(read_text(trial, "sample.txt"), "is UTF-8")
        sample = ["sample", "--run", trial, "--temperature", "9"]
        text = self.done(*sample, "--prompt", " the x", "--tokens", "200").stdout[:-1]
        self.assertEqual(text[:6], " the x")
        found = set(text.replace("<|endoftext|>", "").replace(" the", ""))
        self.assertEqual(found - {"\ufffd", "é"}, set(LETTERS))
        self.assertIn("\ufffd", found, "a byte alone is no character")
        several = self.done(*sample, "--prompt", " the x", "--tokens", "200", "--sequences", "3").stdout
        self.assertEqual(several.split(BETWEEN)[0], text)
        begun = self.done(*sample, "--tokens", "1").stdout
        self.assertTrue(begun.startswith("<|endoftext|>"), "what a text begins with")

    def test_text_may_stop_within_a_token(self):
        trial = self.trial()
        sample = ["sample", "--run", trial, "--temperature", "9", "--tokens", "1500", "--prompt"]
        text = self.done(*sample, "x").stdout[1:-1]
        for stop in ("he", " the", "ab", "\n", "<|endoftext|>", "é", "xa", "a the"):
            with self.subTest(stop):
                place = text.find(stop)
                self.assertGreaterEqual(place, 0, "in 1500 tokens of 11")
                one = self.done(*sample, "x", "--stop", stop).stdout
                self.assertEqual(one, "x" + text[:place] + "\n")
                two = self.done(*sample, "x", "--stop", stop, "--sequences", "2").stdout
                self.assertEqual(two.split(BETWEEN)[0], "x" + text[:place])
        absent = next(word for word in ("hhhhhh", "eheheheh", "bbbbbbbb") if word not in text)
        self.assertEqual(self.done(*sample, "x", "--stop", absent).stdout[1:-1], text)
        self.assert_refused(self.call(*sample, "x", "--stop", "hQ"), "--stop = hQ", "byte 81")
        short = ["sample", "--run", trial, "--tokens", "1", "--prompt", "x", "--stop", "he" * 40]
        self.assert_refused(self.call(*short), "80 bytes", "--tokens = 1")

    def test_a_prompt_is_text(self):
        trial = self.trial()
        sample = ["sample", "--run", trial, "--tokens", "1", "--prompt"]
        ended = self.done(*sample, "ab<|endoftext|> the\n\u00e9")
        self.assertNotIn("never stood", ended.stderr)
        self.assertTrue(ended.stdout.startswith("ab<|endoftext|> the\n\u00e9"))
        ended = self.done(*sample, "abQ7")
        self.assertIn('--prompt: 2 of its 3 tokens never stood in the data, the first "Q"', ended.stderr)
        self.assert_refused(self.call(*sample, ""), "--prompt", "at least one token")
        self.assert_refused(self.call(*sample, os.fsdecode(b"a\xff")), "--prompt: not UTF-8 at byte 1")

    def test_bits_a_byte_are_those_of_the_text(self):
        found = json.loads(self.done("eval", "--run", self.trial(), "--json").stdout)
        self.assertGreater(found["bytes"], found["tokens"])
        self.assertGreater(found["bits_per_byte"], 0)

    def test_without_merges_ids_are_numbers(self):
        os.remove(self.path("tokens", "vocab.bpe"))
        text = self.done("sample", "--run", self.trial(), "--tokens", "3", "--prompt", "1 2").stdout
        self.assertEqual([int(word) for word in text.split()][:2], [1, 2])


class Gpt2(ProgramTest):
    def test_what_it_asks_for(self):
        self.assert_refused(self.call("run", TOKENIZER="gpt2"), "TOKENIZER = gpt2 has 50257 tokens",
                            "GPT2_VOCAB_SIZE = 30", "50257 or more")
        given = {"TOKENIZER": "gpt2", "GPT2_VOCAB_SIZE": 50257}
        self.assert_refused(self.call("run", **given), f"DATA_PATH = {self.path('text')}: TOKENIZER = gpt2: ",
                            f"`make data-bpe DATA_PATH='{self.path('text')}'`")
        self.assert_refused(self.call("run", **given, DATA_PATH="/nowhere"), "/nowhere: no such file")
        self.assert_refused(self.call("run", TOKENIZER="gpt2", DATASET="bin", DATA_PATH=self.folder),
                            "TOKENIZER", "nothing reads it", "DATASET = shakespeare or text")


if __name__ == "__main__":
    unittest.main()
