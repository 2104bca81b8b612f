"""What the tests of prepare_corpus.py share: a stand-in for the encoder, a token for each byte."""

import argparse
import contextlib
import gzip
import io
import json
import os
import struct
from unittest import mock

from support import FolderTest, ids_of

import prepare_corpus  # noqa: E402  (support makes scripts/ known)
from data_files import DataError  # noqa: E402

DOCUMENTS = [f"document {i} " * (i * 7 % 11) for i in range(60)]  # some are empty
SHARD = 500


class Tokenizer:
    """Stands for the module gpt2_bpe; may be told to fail at a document."""

    def __init__(self, fails_at=None):
        self.fails_at, self.documents = fails_at, []

    def load(self):
        return self

    @staticmethod
    def versions():
        return {"tiktoken": "0"}

    @staticmethod
    def vocabulary_file(_):
        return b"#version: 0.2\n"

    def encode_ordinary_batch(self, texts, num_threads):
        del num_threads
        for text in texts:
            if text == self.fails_at:
                raise KeyboardInterrupt
        self.documents += texts
        return [list(text.encode()) for text in texts]


class CorpusTest(FolderTest):
    def setUp(self):
        super().setUp()
        patch = mock.patch.object(prepare_corpus, "BATCH_CHARACTERS", 300)  # a few documents
        patch.start()
        self.addCleanup(patch.stop)

    def write_lines(self, name, documents=DOCUMENTS):
        content = "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in documents).encode()
        return self.write(name, gzip.compress(content) if name.endswith(".gz") else content)

    def prepare(self, *inputs, out="out", tokenizer=None, **options):
        given = {"shard_tokens": SHARD, "shards": None, "column": "text", **options}
        given = argparse.Namespace(source="fineweb-edu", out=self.path(out), input=list(inputs), **given)
        tokenizer = tokenizer or Tokenizer()
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
            try:
                prepare_corpus.prepare(given, tokenizer)
            finally:
                self.said = said.getvalue()
        return tokenizer

    def shards(self, out="out"):
        return sorted(
            (name for name in os.listdir(self.path(out)) if name.endswith(".bin")),
            key=lambda name: name.rpartition("_")[2],
        )

    def contents(self, out="out"):
        return {name: self.read_bytes(f"{out}/{name}") for name in os.listdir(self.path(out))}

    def tokens(self, out="out"):
        found = []
        for name in self.shards(out):
            content = self.read_bytes(f"{out}/{name}")
            header, content = content[:1024], content[1024:]
            self.assertEqual(struct.unpack("<256i", header)[:3], (20240520, 1, len(content) // 2))
            self.assertEqual(set(header[12:]), {0})
            found += ids_of(content)
        return found

    @staticmethod
    def expected(documents):
        return [token for text in documents for token in (50256, *text.encode())]

    def refused(self, *fragments, inputs, **options):
        with self.assertRaises(DataError) as caught:
            self.prepare(*inputs, **options)
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        for fragment in fragments:
            self.assertIn(fragment, message)
