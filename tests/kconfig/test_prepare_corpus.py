"""Sharding a corpus, with a stand-in for the encoder: a token for each byte. Nothing leaves this machine;
what takes pyarrow or zstandard is skipped where they are not installed."""

import argparse
import array
import contextlib
import functools
import gzip
import http.server
import io
import json
import os
import struct
import sys
import threading
import unittest
from unittest import mock

from support import FolderTest

import corpus_files  # noqa: E402  (support makes scripts/ known)
import prepare_corpus  # noqa: E402
from gpt2_bpe import DataError  # noqa: E402

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
        files = {}
        for name in os.listdir(self.path(out)):
            with open(os.path.join(self.path(out), name), "rb") as file:
                files[name] = file.read()
        return files

    def tokens(self, out="out"):
        found = array.array("H")
        for name in self.shards(out):
            with open(os.path.join(self.path(out), name), "rb") as file:
                header, content = file.read(1024), file.read()
            self.assertEqual(struct.unpack("<256i", header)[:3], (20240520, 1, len(content) // 2))
            self.assertEqual(set(header[12:]), {0})
            found.frombytes(content)
        if sys.byteorder == "big":
            found.byteswap()
        return list(found)

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

    def test_of_parquet_and_zst(self):
        try:
            import pyarrow
            import pyarrow.parquet
            import zstandard
        except ImportError as fault:
            self.skipTest(str(fault))
        table = pyarrow.table({"id": list(range(30)), "text": DOCUMENTS[:30]})
        pyarrow.parquet.write_table(table, self.path("a.parquet"), row_group_size=7)
        raw = "".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS[30:]).encode()
        packed = [zstandard.compress(raw[:100]), zstandard.compress(raw[100:])]  # two frames
        self.write("b.jsonl.zst", b"".join(packed))
        inputs = self.path("a.parquet"), self.path("b.jsonl.zst")
        self.prepare(*inputs)
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        for shards in range(1, len(self.shards()) + 2):
            self.prepare(*inputs, out="by one", shards=shards)
        self.assertEqual(self.contents("by one"), self.contents())
        self.refused('no column "body"; it has id, text', inputs=inputs, out="c", column="body")
        for name, content in ("cut.jsonl.zst", packed[0][:-3]), ("cut.parquet", b"PAR1 and no more"):
            self.refused(f"{name}: is ", inputs=[self.write(name, content)], out="c")
        self.write("cut.jsonl.zst", b"".join(packed)[:-3])
        self.refused("is cut short", inputs=[self.path("cut.jsonl.zst")], out="d")


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
        self.refused(begun + "column = \"text\", not \"id\"", inputs=[path], column="id")
        longer = self.write_lines("in/a.jsonl", DOCUMENTS + ["more"])
        self.refused(begun + "inputs = [[\"a.jsonl\"", inputs=[longer])
        self.write("out/progress.json", "{")
        self.refused("progress.json: is damaged; remove it", inputs=[path])


class BadFiles(CorpusTest):
    def test_are_named(self):
        good = json.dumps({"text": "a"}).encode() + b"\n"
        for name, content, *fragments in (
            ("a.jsonl", good + b"{\n", "a.jsonl: line 2 is no JSON", "a line is a document"),
            ("a.jsonl", b'{"body": "x"}\n', 'line 1 has no "text"; it has body', "--column"),
            ("a.jsonl", b'["text"]\n', 'line 1 has no "text"; it has no fields'),
            ("a.jsonl", good + b'{"text": null}\n', 'line 2: "text" is null, not text'),
            ("a.jsonl", b'{"text": "\xff"}\n', "line 1 is no JSON"),
            ("a.jsonl", b"", "a.jsonl: no document is in it"),
            ("a.jsonl", good, "all 2 tokens are in the first shard", "smaller --shard-tokens"),
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
        for source, files in (("fineweb-edu", 14), ("openwebtext", 80)):
            found = corpus_files.inputs(prepare_corpus.SOURCES[source])
            self.assertEqual((len(found), len({file.local for file in found})), (files, files))


class Server(http.server.BaseHTTPRequestHandler):
    """One file; the first `breaks` answers end halfway."""

    def __init__(self, state, *arguments):
        self.state = state
        super().__init__(*arguments)

    def do_GET(self):  # noqa: N802  (the name that http.server asks for)
        content, start = self.state["content"], 0
        self.state["ranges"].append(self.headers.get("Range"))
        if self.path.endswith("none.jsonl"):
            self.send_error(404)
            return
        if self.headers.get("Range") and self.headers.get("If-Range") == self.state["tag"]:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.state["tag"])
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if self.state["breaks"]:
            self.state["breaks"] -= 1
            end = start + (len(content) - start) // 2
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        """Says nothing."""


class Remote(CorpusTest):
    def setUp(self):
        super().setUp()
        with open(self.write_lines("a.jsonl"), "rb") as file:
            self.state = {"content": file.read(), "tag": '"1"', "breaks": 0, "ranges": []}
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, self.state))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for stop in thread.join, server.server_close, server.shutdown:
            self.addCleanup(stop)
        self.address = f"http://127.0.0.1:{server.server_address[1]}/"
        for name, value in (("http_proxy", ""), ("no_proxy", "*")):
            patch = mock.patch.dict(os.environ, {name: value})
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(corpus_files.time, "sleep")
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_file_behind_a_url_is_read_and_removed(self):
        self.prepare(self.address + "b/a.jsonl?download=true")
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        self.assertEqual([name for name in os.listdir(self.path("out")) if name.startswith("download")], [])

    def test_a_broken_download_goes_on(self):
        self.state["breaks"] = 2
        self.prepare(self.address + "a.jsonl")
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        half = len(self.state["content"]) // 2
        self.assertEqual(self.state["ranges"][:2], [None, f"bytes={half}-"])
        self.assertEqual(len(self.state["ranges"]), 3)

    def test_a_file_that_changed_meanwhile_is_read_anew(self):
        self.state["breaks"] = corpus_files.TRIES
        self.refused("can't be read (", "call again to go on", inputs=[self.address + "a.jsonl"])
        with open(self.write_lines("other.jsonl", DOCUMENTS[::-1]), "rb") as file:
            self.state |= {"content": file.read(), "tag": '"2"', "breaks": 0}
        self.prepare(self.address + "a.jsonl")
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS[::-1]))

    def test_what_is_not_there_is_named_at_once(self):
        self.refused("none.jsonl: can't be read (404 Not Found)", inputs=[self.address + "none.jsonl"])
        self.assertEqual(len(self.state["ranges"]), 1)


if __name__ == "__main__":
    unittest.main()
