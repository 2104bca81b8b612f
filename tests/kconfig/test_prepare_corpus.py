"""Sharding a corpus of files here, with a stand-in for the encoder. Parquet and zst: test_corpus_formats.py;
what lies behind URLs: test_corpus_download.py."""

import argparse
import gzip
import json
import os
import sys
import unittest
from unittest import mock

from corpus_support import DOCUMENTS, SHARD, CorpusTest, Tokenizer

import corpus_files  # noqa: E402  (support makes scripts/ known)
import data_files  # noqa: E402
import prepare_corpus  # noqa: E402


class Shards(CorpusTest):
    def test_hold_each_document_behind_an_end_of_text(self):
        self.prepare(self.write_lines("a.jsonl"))
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        names = self.shards()
        self.assertEqual(
            names[:2] + names[-1:],
            ["fineweb-edu_val_000000.bin", "fineweb-edu_train_000001.bin"]
            + [f"fineweb-edu_train_{len(names) - 1:06d}.bin"],
        )
        self.assertGreater(len(names), 5)
        sizes = [os.path.getsize(self.path(f"out/{name}")) for name in names]
        self.assertEqual(set(sizes[:-1]), {1024 + 2 * SHARD})
        self.assertEqual(json.loads(self.read("out/meta.json")), {"vocab_size": 50257, "tokenizer": "gpt2"})
        self.assertEqual(self.read("out/vocab.bpe"), "#version: 0.2\n")

    def test_of_several_files_are_one_row_in_the_order_given(self):
        first, second, third = DOCUMENTS[:20], DOCUMENTS[20:21], DOCUMENTS[21:]
        self.write_lines("in/b.jsonl", first)
        self.write_lines("in/c.jsonl.gz", second)
        last = self.write_lines("a.jsonl", third)
        self.write("in/readme", "no data")
        self.prepare(self.path("in"), last)
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        self.prepare(last, self.path("in/*"[:-1] + "[bc].jsonl*"), out="other")
        self.assertEqual(self.tokens("other"), self.expected(third + first + second))


class Interrupted(CorpusTest):
    def test_goes_on_behind_the_last_whole_shard_to_the_same_bytes(self):
        inputs = self.write_lines("a.jsonl", DOCUMENTS[:33]), self.write_lines("b.jsonl.gz", DOCUMENTS[33:])
        self.prepare(*inputs, out="whole")
        for fails_at in (3, 17, 32, 35, 58):
            out = f"cut {fails_at}"
            with self.assertRaises(KeyboardInterrupt):
                self.prepare(*inputs, out=out, tokenizer=Tokenizer(DOCUMENTS[fails_at]))
            begun = {name: os.stat(self.path(f"{out}/{name}")).st_mtime_ns for name in self.shards(out)}
            again = self.prepare(*inputs, out=out)
            self.assertEqual(self.contents(out), self.contents("whole"))
            for name, time in begun.items():
                self.assertEqual(os.stat(self.path(f"{out}/{name}")).st_mtime_ns, time, "is not made again")
            done = len(begun) * SHARD
            texts = [text for text in DOCUMENTS if text]
            left = len(self.expected(DOCUMENTS)) - done
            self.assertLessEqual(len(self.expected(again.documents)), left + 120, "and one that was begun")
            self.assertEqual([text for text in again.documents if text][-1], texts[-1])
        self.assertEqual(self.prepare(*inputs, out="whole").documents, [], "all is done")

    def test_more_shards_may_be_asked_for_later(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path, out="whole")
        for shards in range(1, 5):
            self.prepare(path, shards=shards)
            self.assertEqual(len(self.shards()), shards)
        self.prepare(path)
        self.assertEqual(self.contents(), self.contents("whole"))

    def test_a_shard_that_is_not_whole_any_more_is_made_again(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path, out="whole")
        self.prepare(path)
        with open(self.path("out/fineweb-edu_train_000002.bin"), "ab") as file:
            file.truncate(1500)
        self.prepare(path)
        self.assertIn("train_000002.bin: is not whole; making it and what follows again", self.said)
        self.assertEqual(self.contents(), self.contents("whole"))

    def test_what_was_begun_otherwise_is_refused(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path)
        begun = "progress.json: was begun with "
        self.refused(begun + "shard_tokens = 500, not 600", inputs=[path], shard_tokens=600)
        self.refused(begun + 'column = "text", not "id"', inputs=[path], column="id")
        self.refused(begun + "inputs[1] = null, not ", "a.jsonl, ", inputs=[path, path])
        for content in "{", "[]", '{"made_of": {}, "ended": false, "shards": [1]}':
            self.write("out/progress.json", content)
            self.refused("progress.json: is damaged; ", self.anew(), inputs=[path])

    def anew(self):
        return f"remove the folder {self.path('out')} to begin anew"

    def test_another_file_of_that_name_and_size_is_refused(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path, shards=2)
        time = os.stat(path).st_mtime_ns
        self.write_lines("a.jsonl", DOCUMENTS[::-1])
        os.utime(path, ns=(time, time + 1))
        self.refused(
            'inputs[0] = "a.jsonl, ', f'at {time} ns", not', f"at {time + 1} ns", self.anew(), inputs=[path]
        )
        self.write_lines("a.jsonl")
        os.utime(path, ns=(time, time))
        os.rename(path, self.path("moved"))
        os.mkdir(self.path("a"))
        os.rename(self.path("moved"), self.path("a/a.jsonl"))
        self.prepare(self.path("a/a.jsonl"))
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))

    def test_a_file_that_changes_while_it_is_read_is_refused(self):
        path = self.write_lines("a.jsonl")
        tokenizer = Tokenizer()
        encode = tokenizer.encode_ordinary_batch
        tokenizer.encode_ordinary_batch = lambda *given, **named: (
            os.utime(path, ns=(1, 1)) or encode(*given, **named)
        )
        self.refused(
            "a.jsonl: changed while it was read", "remove the folder", inputs=[path], tokenizer=tokenizer
        )

    def test_shards_of_another_call_are_refused(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path)
        shards = len(self.shards())
        os.remove(self.path("out/progress.json"))
        for changed in {}, {"shard_tokens": 4 * SHARD}:
            self.refused(
                f"out: holds fineweb-edu_train_000001.bin and {shards - 1} more, not listed",
                self.anew(),
                inputs=[path],
                **changed,
            )
        self.assertEqual(len(self.shards()), shards, "they are left alone")
        self.prepare(path, out="other")
        self.write("other/train.bin", b"")
        self.refused("other: holds train.bin, not listed in its progress.json", inputs=[path], out="other")

    def test_a_shard_never_lies_there_unlisted(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path, out="whole")
        for last in range(7):  # vocab.bpe, meta.json, and of each shard progress.json and itself
            out = f"out {last}"
            with self.assertRaises(KeyboardInterrupt):
                with mock.patch.object(os, "replace", self.stopped_after(last)):
                    self.prepare(path, out=out)
            self.prepare(path, out=out)
            self.assertEqual(self.contents(out), self.contents("whole"))

    @staticmethod
    def stopped_after(count, replace=os.replace):
        left = iter(range(count))

        def stand_in(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            replace(*arguments)

        return stand_in

    def test_on_a_full_disk_it_says_how_to_go_on(self):
        path = self.write_lines("a.jsonl")
        self.prepare(path, out="whole")
        os.mkdir(self.path("out"))
        os.symlink("/dev/full", self.path("out/fineweb-edu_train_000002.bin.tmp"))
        self.refused(
            f"{self.path('out')}: no room is left on its disk (No space left on device)",
            "and call again: it goes on",
            inputs=[path],
        )
        self.assertEqual(len(self.shards()), 2)
        self.prepare(path)
        self.assertEqual(self.contents(), self.contents("whole"))

    def test_a_second_call_at_once_is_refused(self):
        path = self.write_lines("a.jsonl")
        with data_files.alone(self.path("out")):
            self.refused("out: another call is writing into it; wait", inputs=[path])
        self.prepare(path)
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))


class BadNumbers(unittest.TestCase):
    def test_are_named(self):
        most = argparse.Namespace(shard_tokens="2147483647", shards=None)
        self.assertEqual(vars(prepare_corpus.with_numbers(most)), {"shard_tokens": 2**31 - 1, "shards": None})
        for name in "shard_tokens", "shards":
            for text in "0", "-1", "1.5", "x", "", "01", " 1", "1_0", "2147483648", "9" * 5000:
                given = argparse.Namespace(**{"shard_tokens": "1", "shards": "1", name: text})
                with self.assertRaises(data_files.DataError) as caught:
                    prepare_corpus.with_numbers(given)
                said = f"{name.upper()} = {text}: must be a whole number from 1 to 2,147,483,647"
                self.assertEqual(str(caught.exception), said)


class BadFiles(CorpusTest):
    def test_are_named(self):
        good = json.dumps({"text": "a"}).encode() + b"\n"
        for name, content, *fragments in (
            ("a.jsonl", good + b"{\n", "a.jsonl: line 2 is no JSON", "a line is a document"),
            ("a.jsonl", b'{"body": "x"}\n', 'line 1 has no "text"; it has body', "COLUMN=NAME after make"),
            ("a.jsonl", b'["text"]\n', 'line 1 has no "text"; it has no fields'),
            ("a.jsonl", good + b'{"text": null}\n', 'line 2: "text" is null, not text'),
            ("a.jsonl", b'{"text": "\xff"}\n', "line 1 is no JSON"),
            ("a.jsonl", b"", "a.jsonl: no document is in it"),
            (
                "a.jsonl",
                good,
                "all 2 tokens are in the first shard",
                "smaller --shard-tokens",
                "remove the folder ",
            ),
            ("a.jsonl.gz", gzip.compress(good * 1000)[:-9], "cut short or damaged"),
            ("a.jsonl.gz", b"no gzip", "cut short or damaged behind line 0"),
            ("a.csv", b"text\na\n", "a.csv: is of a form that is not read; allowed: .parquet, .jsonl"),
        ):
            with self.subTest(name, content=content):
                self.refused(*fragments, inputs=[self.write(name, content)], out=name + str(hash(content)))
        self.refused("none: no such file; allowed: ", inputs=[self.path("none")])
        self.refused("a.txt: is of a form", inputs=["http://127.0.0.1:9/a.txt"])

    def test_missing_packages_are_named(self):
        for name, module in ("a.parquet", "pyarrow"), ("a.jsonl.zst", "zstandard"):
            path = self.write(name, "x")
            with mock.patch.dict(sys.modules, {module: None}):
                self.refused(f"needs the Python package {module}", "scripts/setup.sh corpus", inputs=[path])

    def test_the_published_files_are_of_forms_that_are_read(self):
        for addresses in prepare_corpus.SOURCES.values():
            found = corpus_files.inputs(addresses)
            self.assertEqual([file.name for file in found], addresses)
            self.assertEqual(
                len({file.local for file in found}), len(addresses), "each has a place of its own"
            )


if __name__ == "__main__":
    unittest.main()
