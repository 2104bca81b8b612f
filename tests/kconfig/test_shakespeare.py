"""Data preparation: Markdown becomes plain text, and every play is split."""

import os
import unittest

from support import FolderTest

import prepare_shakespeare as shakespeare  # noqa: E402  (support makes scripts/ known)
from data_files import DataError  # noqa: E402


class Markup(unittest.TestCase):
    def test_lines(self):
        for markdown, text in {
            "# Hamlet": "Hamlet",
            "### SCENE I. Elsinore. ###": "SCENE I. Elsinore.",
            "**FRANCISCO**  ": "FRANCISCO",
            "_Exit_": "Exit",
            "***both***": "both",
            "**_nested_ one**": "nested one",
            "__\\[Awaking]_  ": "[Awaking]",
            "1\\. A flourish": "1. A flourish",
            "'Ladies,'\\--or": "'Ladies,'--or",
            "> quoted": "quoted",
            "> > twice": "twice",
            "a [link](http://a.b/c) here": "a link here",
            "![picture](x.png)": "picture",
            "a<br/>b <i>c</i>": "ab c",
            "sing, & c.": "sing, & c.",
            "a &amp; b": "a & b",
            "hard break\\": "hard break",
            "kept \\* \\_ \\\\ signs": "kept * _ \\ signs",
            "_And either \\[ ]_  ": "And either [ ]",
            "2 < 3 > 1": "2 < 3 > 1",
            "\\[_not a link_\\](x)": "[not a link](x)",
            "#hashtag": "#hashtag",
            "`code`": "code",
        }.items():
            with self.subTest(markdown):
                self.assertEqual(shakespeare.strip_line(markdown), text)

    def test_blank_lines_and_comments(self):
        self.assertEqual(shakespeare.strip_markup("\n# A\n\n\n<!-- x\ny -->\n\nb  \r\nc\n\n"), "A\n\nb\nc\n")


class Split(unittest.TestCase):
    def test_the_last_tenth_in_whole_lines(self):
        text = "".join(f"line {number:04d}\n" for number in range(1000))
        train, validation = shakespeare.split_play(text)
        self.assertEqual(train + validation, text)
        self.assertTrue(train.endswith("\n"))
        self.assertEqual(len(validation.splitlines()), 100)


class Prepare(FolderTest):
    def test_the_38_plays(self):
        try:
            plays = shakespeare.find_plays()
        except DataError as error:
            self.skipTest(str(error))
        self.assertEqual(len(plays), 38)
        shakespeare.prepare(self.folder)
        train, validation = self.read("train.txt"), self.read("validation.txt")
        self.assertEqual(len(set(train + validation)), 80)
        self.assertLess(abs(len(train + validation) - 4.96e6), 1e4)
        self.assertLess(abs(len(validation) / len(train + validation) - 0.1), 0.001)
        self.assertFalse(set("*_\\#") & set(train + validation))
        self.write("train.txt", train[:-1])
        shakespeare.prepare(self.folder)
        self.assertEqual(self.read("train.txt"), train)
        self.write("train.txt", train[:-1])
        os.symlink("/dev/full", self.path(f"train.txt.{os.getpid()}.tmp"))
        with self.assertRaisesRegex(DataError, "no room is left on its disk .*call make again"):
            shakespeare.prepare(self.folder)
        self.assertEqual(self.read("train.txt"), train[:-1])


if __name__ == "__main__":
    unittest.main()
