"""Names in anonymous namespaces, for lint.py.

The sources of a folder are compiled as one file (cmake/Together.cmake), where the names of one file are
seen by those after it. The compiler refuses what clashes; what it takes silently is refused here: an
overload of another file's function, and a name that hides a header's.
"""

import os
import re

NO_TYPE = (r"(?!(?:return|using|namespace|template|struct|class|enum|case|typedef|static_assert|[A-Z][A-Z_]+)"
           r"\b)")
FUNCTION = re.compile(NO_TYPE + r"[A-Za-z_][\w:<>,&*\s\[\]()]*?[\s&*]([a-z_]\w*)\(")
NAME = re.compile(r"(?:struct|class|enum(?: class)?)\s+(\w+)\b(?!;)|using (\w+) =|"
                  r"(?:inline |static )*(?:constexpr|const)\b[^=({;]*?\b(k[A-Z]\w*)")
MORE = re.compile(r"[,*]\s*(k[A-Z]\w*)\s*[={]")  # of `constexpr double kA = 1, kB = 2;`
OPENS = re.compile(r"namespace ?([\w:]*) ?\{")


def names_of(text):
    """(namespace, name, line) of what begins a line; the namespace is "" where it is anonymous."""
    inside = []
    for number, line in enumerate(text.split("\n"), 1):
        opens = OPENS.match(line)
        if opens:
            inside.append(opens[1])
        elif line.startswith("}  // namespace"):
            inside = inside[:-1]
        elif inside and line[:1].isalpha():
            match = NAME.match(line) or FUNCTION.match(line)
            found = [name for name in match.groups() if name] if match else []
            if found and found[0].startswith("k"):
                found += MORE.findall(line)
            yield from ((inside[-1], name, number) for name in found)


INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def seen_headers(folder, texts):
    """The headers that some source of the folder includes, by itself or through another."""
    left = sources_of(folder, texts)
    seen = set()
    while left:
        for name in INCLUDE.findall(texts[left.pop()]):
            new = {f"src/{name}", f"tests/{name}"} & texts.keys() - seen
            seen |= new
            left += new
    return seen


def sources_of(folder, texts):
    return sorted(path for path in texts if os.path.dirname(path) == folder and path.endswith(".cpp"))


def duplicates(files, apart=()):
    """(path, line, message) for each. `files` are (path, text) of all headers and sources; the folders in
    `apart` are not compiled as one file."""
    texts = dict(files)
    folders = {os.path.dirname(path) for path in texts if path.endswith(".cpp")} - set(apart)
    for folder in sorted(folders):
        taken = {name: header for header in sorted(seen_headers(folder, texts))
                 for space, name, _ in names_of(texts[header]) if space == "kablate"}
        for path in sources_of(folder, texts):
            own = {name: line for space, name, line in reversed(list(names_of(texts[path]))) if not space}
            for name, line in own.items():
                # Of two types or constants in sources the compiler refuses one.
                if name in taken and (taken[name].endswith(".h") or name[0].islower()):
                    yield path, line, f"{name} is a name in {taken[name]}, too: name one of them otherwise"
            taken.update({name: path for name in own})
