"""Names in anonymous namespaces, for lint.py.

The sources of a folder are compiled as one file (cmake/Together.cmake), where the names of one file are
seen by those after it. The compiler refuses what clashes; what it takes silently is refused here: an
overload of another file's function, and a name that hides a header's.
"""

import os
import re

NO_TYPE = (r"(?!(?:return|using|namespace|struct|class|enum|case|typedef|static_assert)\b)"
           r"(?![A-Z][A-Z0-9_]*\()")  # TEST(
FUNCTION = re.compile(NO_TYPE + r"[A-Za-z_][\w:<>,&*\s\[\]()]*?[\s&*]([a-z_]\w*)\(")
NAME = re.compile(r"(?:struct|class|enum(?: class)?)\s+(\w+)\b(?!;)|using (\w+) =|"
                  r"(?:inline |static )*(?:constexpr|const)\b[^=({;]*?\b(k[A-Z]\w*)")
MORE = re.compile(r"[,*]\s*(k[A-Z]\w*)\s*[={]")  # of `constexpr double kA = 1, kB = 2;`
OPENS = re.compile(r"namespace ?([\w:]*) ?\{")
ATTRIBUTE = re.compile(r"\[\[.*?\]\]\s*")
RAW = re.compile(r'R"(\w*)\(.*?\)\1"', re.DOTALL)
BARE_TYPE = re.compile(r"[A-Za-z_][\w:<>,&*\s]*$")  # its function's name is on the next line


def without_template(line):
    """The line without `template <...>` in front."""
    if not line.startswith("template"):
        return line
    depth = 0
    for place, letter in enumerate(line):
        depth += (letter == "<") - (letter == ">")
        if letter == ">" and depth == 0:
            return line[place + 1:].lstrip()
    return ""


def begun(lines, number):
    """What begins on a line, with the next lines where its name or more of its names stand there."""
    line = without_template(ATTRIBUTE.sub("", lines[number]))
    following = lines[number + 1] if number + 1 < len(lines) else ""
    if BARE_TYPE.match(line) and re.match(r"[a-z_]\w*\(", following):
        return line + " " + following
    match = NAME.match(line)
    while match and match[3] and ";" not in line and number + 1 < len(lines):
        number += 1
        line += "\n" + lines[number]
    return line


def names_of(text):
    """(namespaces, name, line) of what begins a line: from the outer one in, "" for an anonymous one."""
    inside = []
    lines = RAW.sub(lambda raw: "\n" * raw[0].count("\n"), text).split("\n")
    for number in range(len(lines)):
        opens = OPENS.match(lines[number])
        if opens:
            inside.append(opens[1])
        elif lines[number].startswith("}  // namespace") or (
                lines[number] == "}" and OPENS.match(lines[number - 2])):  # of one line, without the comment
            inside = inside[:-1]
        elif inside and re.match(r"[A-Za-z]|\[\[", lines[number]):
            line = begun(lines, number)
            match = NAME.match(line) or FUNCTION.match(line)
            found = [name for name in match.groups() if name] if match else []
            if found and found[0].startswith("k"):
                found += MORE.findall(line)
            yield from ((tuple(inside), name, number + 1) for name in found)


def scope_of(spaces):
    return "::".join(spaces).split("::")


def sees(spaces, others):
    """Whether names of the namespace `others` are seen in `spaces` without being qualified."""
    scope, other = scope_of(spaces), scope_of(others)
    return scope[:len(other)] == other


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
        taken = {}  # name -> (namespace, file) of each
        for header in sorted(seen_headers(folder, texts)):
            for spaces, name, _ in names_of(texts[header]):
                taken.setdefault(name, []).append((spaces, header))
        for path in sources_of(folder, texts):
            own = {(spaces[:-1], name): line for spaces, name, line in reversed(list(names_of(texts[path])))
                   if not spaces[-1]}
            for (space, name), line in own.items():
                # Of two types or constants in sources the compiler refuses one.
                others = [file for other, file in taken.get(name, ())
                          if sees(space, other) and (file.endswith(".h") or name[0].islower())]
                if others:
                    yield path, line, f"{name} is a name in {others[0]}, too: name one of them otherwise"
            for space, name in own:
                taken.setdefault(name, []).append((space, path))
