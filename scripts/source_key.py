"""Hashes the sources that can change a trial's numbers: source_key.py --out DIR writes DIR/source_key.h.

They are read as tokens: comments, white space and line breaks don't count; a better comment reruns no ladder.
"""

import argparse
import hashlib
import os
import re

import kconfig_strict as strict

FOLDERS = ("base", "config", "shape", "measure", "data", "model", "optim", "distributed", "train")
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")

TOKEN = re.compile(
    r"""
    (?P<skip>//[^\n]*|/\*.*?\*/|[ \t\r\f\v]+)
  | (?P<newline>\n)
  | (?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
  | (?P<string>(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*")
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
  | (?P<char>'(?:[^'\\\n]|\\.)*')
  | (?P<operator><=>|\.\.\.|->\*|<<=|>>=|\#\#|::|->|\.\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""",
    re.VERBOSE | re.DOTALL,
)


def tokens(text):
    """The tokens of a C++ source. A directive ends in a newline token, since its end has a meaning."""
    text = text.replace("\\\n", "")
    directive, at_line_start, found = False, True, []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "mark" else "raw"
        if kind == "skip":
            continue
        if kind == "newline":
            if directive:
                found.append("\n")
            directive, at_line_start = False, True
            continue
        if at_line_start and match[0] == "#":
            directive = True
        elif (
            match[0] == "("
            and found[-2:-1] == ["define"]
            and match.start()
            and not text[match.start() - 1].isspace()
        ):
            found.append("function-like")  # "#define F(x)" and "#define F (x)" differ by a blank alone
        at_line_start = False
        found.append(match[0])
    return found


def sources(root):
    """Paths relative to `root`, sorted, of all sources in FOLDERS."""
    found = []
    for folder in FOLDERS:
        for parent, _, names in os.walk(os.path.join(root, folder)):
            found += [
                os.path.relpath(os.path.join(parent, name), root) for name in names if name.endswith(SUFFIXES)
            ]
    return sorted(found)


def key(root):
    digest = hashlib.sha256()
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            words = tokens(file.read())
        digest.update(f"{path}\0{len(words)}\0".encode())
        digest.update("\0".join(words).encode())
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="the folder for source_key.h")
    options = parser.parse_args()
    root = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
    text = (
        "// Written by scripts/source_key.py: a hash of the sources that can change a trial's numbers.\n"
        f'#pragma once\n\n#define KABLATE_SOURCE_KEY "{key(root)}"\n'
    )
    strict.write_if_changed(os.path.join(options.out, "source_key.h"), text)


if __name__ == "__main__":
    strict.run(main)
