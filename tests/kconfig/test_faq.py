"""The messages that the documents quote are those that the sources print."""

import glob
import os
import re
import unittest

import support

PAGES = {"faq.md": 40, "adding-a-mechanism.md": 3}  # and the least number of messages
GAP = "…"  # a value
LEAST = 4  # letters of a piece that says something
SOURCES = ("src/**/*.cpp", "src/**/*.h", "scripts/*", "Makefile")


def quoted_messages(text):
    """The lines that are quoted and are no commands. Fenced blocks hold other things."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    return [line for line in lines if not re.match(r"make |[A-Z_]+=\S+ make$", line)]


def printed_texts():
    """All sources in one text, in which a literal that goes on in the next line is one."""
    text = ""
    for pattern in SOURCES:
        for path in sorted(glob.glob(os.path.join(support.ROOT, pattern), recursive=True)):
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    text += file.read() + "\n"
    text = re.sub(r'"\s*\n\s*f?"', "", text)  # C++'s and Python's adjacent literals
    text = re.sub(r"\s*\\\n\s*", " ", text)  # make's and the shell's lines that go on
    return text.replace('\\"', '"')


class Messages(unittest.TestCase):
    def test_quoted_messages_are_printed_somewhere(self):
        printed = printed_texts()
        for page, least in PAGES.items():
            with open(os.path.join(support.ROOT, "docs", page), encoding="utf-8") as file:
                messages = quoted_messages(file.read())
            self.assertGreaterEqual(len(messages), least, page)
            for message in messages:
                pieces = [piece.strip(" :;,.") for piece in message.split(GAP)]
                pieces = [piece for piece in pieces if len(piece) >= LEAST]
                with self.subTest(message, page=page):
                    self.assertTrue(pieces, "nothing of it can be looked for")
                    for piece in pieces:
                        self.assertTrue(piece in printed, f"no source has {piece!r}")


if __name__ == "__main__":
    unittest.main()
