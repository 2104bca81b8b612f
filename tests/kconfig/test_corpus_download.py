"""A corpus behind URLs, with a stand-in for the encoder and a server here: nothing leaves this machine."""

import functools
import http.server
import os
import threading
import unittest
from unittest import mock

from corpus_support import DOCUMENTS, CorpusTest

import corpus_files  # noqa: E402  (support makes scripts/ known)


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
        for name, value in ("ETag", self.state["tag"]), ("Last-Modified", self.state["dated"]):
            if value:
                self.send_header(name, value)
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
            self.state = {"content": file.read(), "tag": '"1"', "dated": None, "breaks": 0, "ranges": []}
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

    def test_one_that_is_left_half_read_is_kept_for_more_shards(self):
        self.prepare(self.address + "a.jsonl", out="whole")
        self.prepare(self.address + "a.jsonl", shards=2)
        (kept,) = (name for name in os.listdir(self.path("out")) if name.endswith("a.jsonl"))
        self.assertIn(f"{self.path('out')}/{kept}: stays for a call that asks for more shards", self.said)
        asked = len(self.state["ranges"])
        self.prepare(self.address + "a.jsonl")
        self.assertEqual(len(self.state["ranges"]), asked, "it is not fetched again")
        self.assertNotIn("stays", self.said)
        self.assertEqual(self.contents(), self.contents("whole"))

    def test_another_file_than_shards_were_made_of_is_refused(self):
        before = self.state["content"]
        for tag, dated, content in ('"2"', None, before), ('"1"', None, before + b"\n"), (None, "2", before):
            with self.subTest(tag=tag, dated=dated, more=len(content) - len(before)):
                out = f"out {tag} {dated} {len(content)}"
                self.state |= {"content": before, "tag": tag and '"1"', "dated": dated and "1"}
                self.prepare(self.address + "a.jsonl", out=out, shards=2)
                self.drop_downloads(out)
                self.state |= {"content": content, "tag": tag, "dated": dated}
                self.refused(
                    "a.jsonl: is another file than shards were made of",
                    f"remove the folder {self.path(out)}",
                    inputs=[self.address + "a.jsonl"],
                    out=out,
                )
                self.drop_downloads(out)
                self.state |= {"content": before, "tag": tag and '"1"', "dated": dated and "1"}
                self.prepare(self.address + "a.jsonl", out=out)
                self.assertEqual(self.tokens(out), self.expected(DOCUMENTS))

    def drop_downloads(self, out):
        for name in os.listdir(self.path(out)):
            if name.startswith("download"):
                os.remove(self.path(f"{out}/{name}"))

    def test_a_full_disk_is_no_fault_of_the_server(self):
        self.prepare(self.address + "a.jsonl", out="whole")
        local = corpus_files.RemoteFile(self.address + "a.jsonl").local
        os.mkdir(self.path("out"))
        os.symlink("/dev/full", self.path(f"out/{local}.part"))
        asked = len(self.state["ranges"])
        self.refused(f"{self.path('out')}: no room is left on its disk", inputs=[self.address + "a.jsonl"])
        self.assertEqual(len(self.state["ranges"]), asked + 1, "no other try")
        os.remove(self.path(f"out/{local}.part"))
        self.prepare(self.address + "a.jsonl")
        self.assertEqual(self.contents(), self.contents("whole"))

    def test_what_is_not_there_is_named_at_once(self):
        self.refused("none.jsonl: can't be read (404 Not Found)", inputs=[self.address + "none.jsonl"])
        self.assertEqual(len(self.state["ranges"]), 1)


if __name__ == "__main__":
    unittest.main()
