"""Writes src/data/unicode_classes.inc: the letters, numbers and blanks of the regular expression by which
GPT-2's encoding cuts a text, as the installed tiktoken knows them: unicode_classes.py [FILE].

Call it after another tiktoken was chosen (requirements-bpe.txt; `make data-bpe` installs it in .venv).
"""

import os
import sys

from tiktoken import Encoding

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLASSES = {"L": r"\p{L}", "N": r"\p{N}", "S": r"\s"}
POINTS = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
ROWS_A_LINE = 4


def members(pattern):
    """The code points that the expression matches: what it doesn't match is left out of the encoding."""
    bytes_alone = {bytes([byte]): byte for byte in range(256)}
    encoding = Encoding("bytes", pat_str=pattern, mergeable_ranks=bytes_alone, special_tokens={})
    return bytes(encoding.encode_ordinary("".join(map(chr, POINTS)))).decode("utf-8")


def ranges():
    """(first, last, class), sorted."""
    found = []
    for name, pattern in CLASSES.items():
        for point in map(ord, members(pattern)):
            if found and found[-1][1] == point - 1 and found[-1][2] == name:
                found[-1][1] = point
            else:
                found.append([point, point, name])
    return sorted(found)


def table():
    rows = [f"{{0x{first:X}, 0x{last:X}, {name}}}," for first, last, name in ranges()]
    lines = [" ".join(rows[i : i + ROWS_A_LINE]) for i in range(0, len(rows), ROWS_A_LINE)]
    return "\n".join(lines) + "\n"


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(SOURCE, "src", "data", "unicode_classes.inc")
    with open(path, "w", encoding="ascii") as file:
        file.write(table())


if __name__ == "__main__":
    main()
