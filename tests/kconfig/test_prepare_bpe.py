"""Encoding a text for TOKENIZER=gpt2, with a stand-in for the encoder: a token for each byte. What tiktoken
itself makes of a text: tests/interchange/test_tiktoken.py."""

import contextlib
import errno
import hashlib
import io
import json
import os
import random
import sys
import unittest
from unittest import mock

from support import FolderTest, ids_of

import gpt2_bpe  # noqa: E402  (support makes scripts/ known)
import prepare_bpe  # noqa: E402
from data_files import DataError  # noqa: E402


class Bytes:
    """As many tokens as bytes; and what it was asked to encode."""

    def __init__(self):
        self.pieces = []

    def encode_ordinary_batch(self, texts, num_threads):
        del num_threads
        self.pieces += texts
        return [list(text.encode()) for text in texts]


class Pieces(unittest.TestCase):
    def test_a_cut_is_before_a_blank_behind_something_else(self):
        for text, start, place in (
            ("ab cd", 0, 2),
            ("ab  cd", 0, 2),
            ("ab\n\ncd ef", 0, 6),
            ("ab\tcd", 0, 0),
            ("ab\u00a0 cd", 0, 0),
            (" ab", 0, 0),
            ("", 0, 0),
            ("ab cd ", 0, 5),
            ("ab cd", 3, 0),
        ):
            with self.subTest(text):
                self.assertEqual(gpt2_bpe.cut(text, start, len(text)), place)

    def test_of_any_parts_are_the_text(self):
        draw = random.Random(1)
        with mock.patch.object(gpt2_bpe, "NEXT_PIECE", 7):
            for length in (0, 1, 6, 7, 8, 200, 1000):
                for letters in ("a ", "a", " ", "ab \n\u00a0é"):
                    text = "".join(draw.choices(letters, k=length))
                    parts, rest = [], text
                    while rest:
                        size = draw.randrange(1, 30)
                        parts.append(rest[:size])
                        rest = rest[size:]
                    found = list(gpt2_bpe.pieces(parts))
                    self.assertEqual("".join(found), text)
                    for before, after in zip(found, found[1:]):
                        self.assertIn(after[0], " \n")
                        self.assertFalse(before[-1].isspace())
                    if letters == "a " and length == 1000:
                        self.assertGreater(len(found), 20)


class Prepare(FolderTest):
    def setUp(self):
        super().setUp()
        self.encoder = Bytes()
        self.loads = 0
        for name, stand_in in (
            ("versions", lambda: {"tiktoken": "0"}),
            ("vocabulary_file", lambda name: b"#version: 0.2\n"),
        ):
            patch = mock.patch.object(gpt2_bpe, name, stand_in)
            patch.start()
            self.addCleanup(patch.stop)

    def load(self):
        self.loads += 1
        return self.encoder

    def prepare(self, *names):
        paths = [self.path(name) for name in names]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            labels = [f"it: {name}" for name in names]
            folder = prepare_bpe.prepare(self.path("gpt2"), paths, labels, self.load)
        self.said = said.getvalue()
        return folder

    def tokens(self, folder, name):
        return ids_of(self.read_bytes(os.path.join(folder, name)))

    def test_nine_tenths_of_the_characters_train(self):
        for text in ("é" * 90 + "x" * 10, "ab é\n" * 17, "0123456789x", "ab", "\r\n" * 20):
            for block in (1, 7, 1 << 22):
                with self.subTest(text, block=block), mock.patch.object(prepare_bpe, "BLOCK", block):
                    self.write("text", text)
                    folder = self.prepare("text")
                    cut = len(text) * 9 // 10
                    self.assertEqual(self.tokens(folder, "train.bin"), list(text[:cut].encode()))
                    self.assertEqual(self.tokens(folder, "val.bin"), list(text[cut:].encode()))

    def test_the_folder_is_named_by_the_text_and_says_what_is_in_it(self):
        self.write("text", "to be or not to be")
        folder = self.prepare("text")
        name = hashlib.sha256(b"to be or not to be").hexdigest()[:16]
        self.assertEqual(folder, self.path(f"gpt2/{name}"))
        self.assertIn("16 tokens to train on and 2 to validate", self.said)
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as file:
            meta = json.load(file)
        self.assertEqual((meta["vocab_size"], meta["tokenizer"]), (50257, "gpt2"))
        for file in ("train.bin", "val.bin", "vocab.bpe"):
            with open(os.path.join(folder, file), "rb") as content:
                self.assertEqual(meta["sha256"][file], hashlib.sha256(content.read()).hexdigest())
        self.assertEqual(os.listdir(self.path("gpt2")), [name])

    def test_two_texts_are_the_two_splits(self):
        self.write("train", "to be")
        self.write("validation", "or not")
        folder = self.prepare("train", "validation")
        digests = "".join(hashlib.sha256(text).hexdigest() for text in (b"to be", b"or not"))
        self.assertEqual(os.path.basename(folder), hashlib.sha256(digests.encode()).hexdigest()[:16])
        self.assertEqual(self.tokens(folder, "train.bin"), list(b"to be"))
        self.assertEqual(self.tokens(folder, "val.bin"), list(b"or not"))

    def test_only_what_is_not_there_whole_is_made(self):
        self.write("text", "to be or not to be")
        folder = self.prepare("text")
        self.prepare("text")
        self.assertEqual(self.loads, 1)
        self.assertIn("its tokens are in", self.said)
        for name in ("train.bin", "val.bin", "vocab.bpe", "meta.json"):
            before = self.tokens(folder, "train.bin")
            with open(os.path.join(folder, name), "ab") as file:
                file.write(b"xx")
            self.prepare("text")
            self.assertEqual(self.tokens(folder, "train.bin"), before)
            os.remove(os.path.join(folder, name))
            self.prepare("text")
        self.assertEqual(self.loads, 9)
        self.write("text", "another")
        other = self.prepare("text")
        self.assertNotEqual(other, folder)
        self.assertEqual(set(os.listdir(self.path("gpt2"))), {os.path.basename(f) for f in (folder, other)})

    def test_what_is_no_text_is_named(self):
        for content, *fragments in (
            (b"", "it: text: is empty"),
            (b"a" * 20 + b"\xff", "not UTF-8 at byte 20 (0xFF)", "iconv"),
            ("é".encode() * 9 + b"\xc3", "not UTF-8 at byte 18 (0xC3)"),
            (b"ab\xed\xa0\x80", "not UTF-8 at byte 2 (0xED)"),
            (b"\0" * 100, "no text: 100 of its first 100 bytes are NUL"),
            (b"x", "too short", "train.bin"),
        ):
            for block in (3, 1 << 22):
                if block == 3 and b"\0" in content:
                    continue
                self.write("text", content)
                with self.subTest(content, block=block), mock.patch.object(prepare_bpe, "BLOCK", block):
                    with self.assertRaises(DataError) as caught:
                        self.prepare("text")
                    for fragment in fragments:
                        self.assertIn(fragment, str(caught.exception))
        for name in ("nowhere", "."):
            with self.assertRaises(DataError) as caught:
                self.prepare(name)
            self.assertIn(f"it: {name}: ", str(caught.exception))
        self.assertEqual(os.listdir(self.path("gpt2")), [])

    def test_on_a_full_disk_the_folder_is_named(self):
        self.write("text", "to be or not to be")
        fault = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(prepare_bpe, "write_tokens", side_effect=fault):
            with self.assertRaisesRegex(DataError, "gpt2: no room is left on its disk .*and call again"):
                self.prepare("text")
        self.assertEqual(os.listdir(self.path("gpt2")), [])


class Vocabulary(unittest.TestCase):
    def test_a_missing_package_is_named(self):
        with mock.patch.dict(sys.modules, {"tiktoken": None}):
            with self.assertRaises(DataError) as caught:
                gpt2_bpe.load()
        self.assertIn("tiktoken is missing; bash scripts/setup.sh bpe installs it", str(caught.exception))

    def test_another_vocabulary_is_refused(self):
        with mock.patch.object(gpt2_bpe.importlib.metadata, "distribution") as distribution:
            distribution.return_value.locate_file.return_value = os.devnull
            with self.assertRaises(DataError) as caught:
                gpt2_bpe.vocabulary_file("vocab.bpe")
        self.assertIn("another vocab.bpe than OpenAI's", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
