"""The mechanism of docs/adding-a-mechanism.md, taken from the page: its code, and the faults that it shows.

A fenced block belongs to the file that is named, in `backquotes`, at the beginning of the line above it, or
to that of the block before it. In the language "diff" it changes the file: its lines with " " and "-" stand
there once, those with " " and "+" take their place. In any other language it is the whole file.
"""

import os
import re
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/adding-a-mechanism.md"
NOT_FILES = ("sh", "text")  # commands, and what is printed
BLOCK = re.compile(r"^(?:`([^`\n]+)`[^\n]*:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FAULT = re.compile(r"^\| `([^`]+)` → `([^`]+)`[^|]*\| (\w+) \| (.+) \|$", re.MULTILINE)


class GuideError(AssertionError):
    """The page and the tree don't go together any more."""


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def blocks(page):
    """(file, language, text) of each block of the page that belongs to a file."""
    found, name, end = [], None, None
    for match in BLOCK.finditer(page):
        given, language, text = match.groups()
        follows = end is not None and not page[end : match.start()].strip()
        name, end = given or (name if follows else None), match.end()
        if language in NOT_FILES:
            continue
        if name is None:
            raise GuideError(f"{PAGE}: no file is named above the block that begins with {text[:60]!r}")
        found.append((name, language, text))
    return found


def faults(page):
    """(text, what stands for it, gate, message) of each row of the page's table of faults."""
    return FAULT.findall(page)


def changed(name, content, text):
    """The content of the file `name` with the lines of a diff."""
    lines = [(line[:1] or " ", line[1:] + "\n") for line in text.splitlines()]
    if any(mark not in " +-" for mark, _ in lines):
        raise GuideError(f"{PAGE}: in the diff of {name} a line begins with none of ' +-':\n{text}")
    old, new = ("".join(line for mark, line in lines if mark != gone) for gone in "+-")
    count = ("\n" + content).count("\n" + old)
    if count != 1:
        raise GuideError(
            f"{name} has these lines {count} times, and {PAGE} shows a change to them: mend the page\n{old}"
        )
    return ("\n" + content).replace("\n" + old, "\n" + new)[1:]


def plant(copy, page):
    """Puts the page's mechanism into the tree `copy`. Returns the files that it has there or changes."""
    files = []
    for name, language, text in blocks(page):
        path = os.path.join(copy, name)
        if language == "diff":
            text = changed(name, read(path), text)
        elif os.path.exists(path):
            raise GuideError(f"{PAGE}: {name} is in the tree already; the example needs a name of its own")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        files += [name] if name not in files else []
    return files


def copy_tree(copy, names):
    """These files and folders of the tree, in a folder `copy` that is made."""
    os.makedirs(copy)
    for name in names:
        source, target = os.path.join(ROOT, name), os.path.join(copy, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
