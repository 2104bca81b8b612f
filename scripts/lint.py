"""Rules that a compiler doesn't check: lint.py [--root FOLDER]. It prints "file:line: what, and what to do".

The rules: formatting (clang-format), layers of includes, who may include the generated header and LibTorch,
lengths of files, lines and functions, the form of Kconfig entries, defconfigs as savedefconfig writes them,
docs/configuration.md as scripts/config_docs.py makes it, names within a folder of sources (lint_names.py).
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

import config_docs
import kconfig_strict as strict
import lint_names
from configure import minimal_text
from kconfig_texts import number_symbols
from source_key import TOKEN

LAYERS = [
    ["base"],
    ["config"],
    ["shape"],
    ["plan", "record", "stats"],
    ["measure", "data", "interchange"],
    ["distributed"],
    ["model", "optim"],
    ["generate"],
    ["train"],
    ["audit", "analyse", "report", "cluster"],
    ["runner"],
    ["cli"],
]
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}
WITHOUT_LIBTORCH = {"base", "config", "shape", "plan", "record", "stats", "report", "cluster"}
LIBTORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MAX_FILE, MAX_FUNCTION, MAX_COLUMNS, MAX_MAKEFILE, MAX_HELP_COLUMNS = 400, 60, 110, 199, 62
MAX_MENU_COLUMNS = 80
CPP = (".h", ".cpp", ".cu")


def files(root, folders, suffixes):
    for folder in folders:
        for parent, names_of_folders, names in os.walk(os.path.join(root, folder)):
            names_of_folders.sort()
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield os.path.relpath(os.path.join(parent, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def check_includes(path, text):
    """Layers, the generated header and LibTorch, for a file under src/."""
    parts = path.split("/")
    if len(parts) < 3:
        return [f"{path}:1: sources lie in a folder of src/, not in src/ itself; move it to its layer"]
    folder, found = parts[1], []
    if folder not in RANK:
        return [
            f"{path}:1: src/{folder} has no layer; add it to LAYERS in scripts/lint.py and to src/README.md"
        ]
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        where, target = f"{path}:{number}", match[2]
        other = target.split("/")[0]
        if os.path.basename(target) == "autoconf.h" and folder != "config":
            found.append(
                f"{where}: includes {target}; only src/config reads the generated header; use config/config.h"
            )
        if LIBTORCH.match(target) and folder in WITHOUT_LIBTORCH:
            found.append(f"{where}: includes {target}; src/{folder} does without LibTorch; move this code up")
        if match[1] == '"' and other in RANK and other != folder and RANK[other] >= RANK[folder]:
            found.append(
                f"{where}: src/{folder} must not include {target}: src/{other} is not below it; "
                "pass the value in, or move the code"
            )
        if match[1] == '"' and "/" not in target and target not in ("autoconf.h", "source_key.h"):
            found.append(f'{where}: write the path from src/: #include "{"/".join(parts[1:-1])}/{target}"')
    return found


def blank_out(text):
    """The source with comments, literals and directives blanked; line breaks stay."""

    def blank(match):
        if match.lastgroup in ("word", "operator", "number", "newline"):
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    text = re.sub(
        r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.MULTILINE
    )
    return TOKEN.sub(blank, text)


def function_lengths(text):
    """(first line, number of lines) of each function; lambdas count with the function that holds them."""
    text, head, depth_of_body, stack, found = blank_out(text), 0, None, [], []
    for position, letter in enumerate(text):
        if letter == ";" and depth_of_body is None:
            head = position + 1
        elif letter == "{":
            before = text[head:position].strip()
            container = (
                re.search(r"\b(namespace|class|struct|enum|union|extern)\b[^()=]*$", before) is not None
            )
            table = before.endswith(("=", "return")) or (
                before and "(" not in before and not before.startswith(",")
            )
            if depth_of_body is None and not container:
                depth_of_body = len(stack)
                start = head + len(text[head:position]) - len(text[head:position].lstrip())
                found.append(
                    [text.count("\n", 0, start) + 1, 0 if table else text.count("\n", 0, position) + 1]
                )
            stack.append(letter)
            if depth_of_body is None:
                head = position + 1
        elif letter == "}" and stack:
            stack.pop()
            if depth_of_body == len(stack):
                depth_of_body = None
                found[-1][1] = text.count("\n", 0, position) + 1 - found[-1][1] + 1 if found[-1][1] else 0
            if depth_of_body is None:
                head = position + 1
    return found


def check_lengths(path, text):
    found, lines = [], text.splitlines()
    if len(lines) > MAX_FILE:
        found.append(f"{path}:{MAX_FILE + 1}: {len(lines)} lines; a file has at most {MAX_FILE}: split it")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:  # clang-format leaves comments and long strings alone
            found.append(f"{path}:{number}: {len(line)} columns; a line has at most {MAX_COLUMNS}: break it")
    if path.endswith(CPP):
        for line, length in function_lengths(text):
            if length > MAX_FUNCTION and not re.search(
                r"NOLINT\(length\): \w+", "\n".join(lines[max(0, line - 2) : line])
            ):
                found.append(
                    f"{path}:{line}: a function of {length} lines; at most {MAX_FUNCTION}: split it; above a "
                    "mere table write why: // NOLINT(length): one line a symbol"
                )
    if path.endswith(".h") and "#pragma once" not in text:
        found.append(f"{path}:1: a header starts with #pragma once; add it")
    return found


def check_makefile(text):
    count = len(text.splitlines())
    return (
        [f"Makefile:{count}: {count} lines; at most {MAX_MAKEFILE} are allowed: move recipes to scripts/"]
        if count > MAX_MAKEFILE
        else []
    )


def check_tables(path, text):
    """Markdown's tables: a row of another number of cells than its head is cut off or drawn as text."""
    found, head, in_code = [], None, False
    for number, line in enumerate(text.splitlines(), 1):
        in_code ^= line.startswith("```")
        if in_code or not line.startswith("|"):
            head = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) - 1
        if head is None:
            head = cells
        elif cells != head:
            found.append(f"{path}:{number}: {cells} cells in a table of {head} columns")
    return found


# Published with these on, or what their switch takes away was there before it; whatever else comes later is
# off by itself.
ON_BY_DEFAULT = set(
    "RA_MLA_ABLATION_MODE GPT2_ATTENTION GPT2_BIAS GPT2_WEIGHT_TYING ENABLE_RA_MLA RA_MLA_PER_HEAD_Q_LATENT "
    "RA_MLA_PER_HEAD_V_UP RA_MLA_MLP_ATTN_GATE RA_MLA_MLP_CROSS_TOKEN RA_MLA_MLP_LATENT_RECIP "
    "RA_MLA_MLP_SPARSE_NORMALIZE RA_MLA_MLP_SPARSE_HEAD_AVERAGE GPT2_DECAY_LR SPAM_ENABLE_CLIP "
    "SPAM_PERIODIC_RESET SPAM_WARMUP NORM_AFFINE".split()
)
ORDER = ["type", "default", "range", "depends", "help"]
KINDS = {
    "bool": "type",
    "int": "type",
    "string": "type",
    "prompt": "type",
    "default": "default",
    "range": "range",
    "depends": "depends",
    "help": "help",
}


def check_entry(path, number, head, body):
    """One config or choice of a Kconfig file: `body` is its lines up to the next entry."""
    where, found, order, help_lines = f"{path}:{number}", [], [], []
    for offset, line in enumerate(body, 1):
        here = f"{path}:{number + offset}"
        if "help" in order:
            if line.strip():
                help_lines.append(line)
                if not line.startswith("\t  "):
                    found.append(f"{here}: help is indented with a tab and two blanks")
                elif len(line) - 3 > MAX_HELP_COLUMNS:
                    found.append(
                        f"{here}: help of {len(line) - 3} columns; at most {MAX_HELP_COLUMNS}: break it"
                    )
            continue
        if not line.strip():
            continue
        if not re.match(r"\t\S", line):
            found.append(f"{here}: properties are indented with one tab")
        word = line.split()[0]
        if word not in KINDS:
            found.append(f"{here}: '{word}' is not used here; allowed are {', '.join(KINDS)}")
            continue
        order.append(KINDS[word])
        if line.split() == ["default", "n"]:
            found.append(f"{here}: a bool is n by itself; drop 'default n'")
        if (
            body[0].startswith("\tbool")
            and line.split()[:2] == ["default", "y"]
            and head not in ON_BY_DEFAULT
        ):
            found.append(
                f"{here}: {head}: a new switch is n by itself, or plans that don't name it would train "
                "other arms than before; drop 'default y'"
            )
    if order != sorted(order, key=ORDER.index):
        found.append(f"{where}: {head}: the order is type and prompt, default, range, depends on, help")
    if body and body[0].startswith("\tint") and "range" not in order:
        found.append(f"{where}: {head}: every int has a range; add the one that excludes what can't work")
    in_menu = head == "choice" or any(re.match(r'\t(bool|int|string) "', line) for line in body)
    if in_menu and not help_lines and "member" not in head:
        found.append(f"{where}: {head}: help is missing; say effect, what is allowed and cost in 6 lines")
    if len(help_lines) > 6:
        found.append(f"{where}: {head}: help of {len(help_lines)} lines; at most 6 are enough")
    if in_menu and help_lines and "member" not in head:
        found += check_help(where, head, body, " ".join(line.strip() for line in help_lines))
    return found


def check_help(where, head, body, text):
    """What a reader of the menu must find: the cost, and of a number or a text what is allowed."""
    found = []
    if not re.search(r"(^| )Cost: \w", text):
        found.append(f"{where}: {head}: the help names no cost; add 'Cost: ', followed by it or by 'nothing'")
    if not re.match(r"\t(int|string) ", body[0]):
        return found
    allowed = re.search(r"(?:^| )Allowed: (.*?)(?= (?:Cost|Source): |$)", text)
    if not allowed:
        return [*found, f"{where}: {head}: the help doesn't say what is allowed; add 'Allowed: '"]
    for line in body:
        if line.startswith("\trange ") and not re.match("{} to {}\\b".format(*line.split()[1:]), allowed[1]):
            found.append(
                f"{where}: {head}: 'Allowed: ' must begin with the range, '{' to '.join(line.split()[1:])}'"
            )
    for _, bound in number_symbols().get(head, (None, []))[1]:
        if not re.search(rf"(?<![\d.]){re.escape(bound)}(?![\d]|\.\d)", allowed[1]):
            found.append(f"{where}: {head}: 'Allowed: ' lacks the bound {bound} of src/config/binding.h")
    return found


def check_kconfig(path, text):
    found, inside_choice, entry = [], False, None
    lines = text.splitlines() + ["end"]
    for number, line in enumerate(lines, 1):
        if line.startswith(("\t", " ")) or not line:
            continue
        if entry:
            found += check_entry(path, entry[0], entry[1], lines[entry[0] : number - 1])
        entry = None
        if line.startswith("choice"):
            inside_choice, entry = True, (number, "choice")
        elif line.startswith("config "):
            entry = (number, line.split()[1] + (" (member)" if inside_choice else ""))
        elif line == "endchoice":
            inside_choice = False
    return found


def check_menu_lines(menu):
    """A choice's line in the full-screen menu fits into 80 columns, whichever member it shows."""
    found = []
    for choice in menu.unique_choices:
        prompt = choice.nodes[0].prompt[0]
        for member in choice.syms:
            line = f"    {prompt} ({member.nodes[0].prompt[0]})  --->"
            if len(line) > MAX_MENU_COLUMNS:
                found.append(
                    f"{strict.location(member)}: {member.name}: in the menu '{line.strip()}' has {len(line)} "
                    f"columns, at most {MAX_MENU_COLUMNS}; shorten a prompt"
                )
    return found


def check_defconfig(root, menu, path):
    """A defconfig says no more and no less than savedefconfig writes."""
    try:
        strict.load(menu, os.path.join(root, path))
    except strict.ConfigError as error:
        return [str(error)]
    with tempfile.TemporaryDirectory() as folder:
        minimal = minimal_text(menu, os.path.join(folder, "defconfig")).splitlines()
    name = os.path.basename(path)
    if read(root, path).splitlines() != minimal:
        return [
            f"{path}:1: not as savedefconfig writes it; call 'make defconfig-{name} savedefconfig' "
            "and copy ./defconfig here"
        ]
    named = any(line.startswith("CONFIG_EXPERIMENT_NAME=") for line in minimal)
    return [] if named else [f"{path}:1: sets no CONFIG_EXPERIMENT_NAME; its results would mix with others'"]


def check_format(root):
    paths = list(files(root, ("src", "tests", "bench"), CPP))
    if not paths:
        return []
    program = os.path.join(os.path.dirname(sys.executable), "clang-format")
    answer = subprocess.run(
        [program, "--dry-run", "-Werror", *paths], cwd=root, capture_output=True, text=True
    )
    places = re.findall(r"^(\S+:\d+):\d+: error", answer.stderr, re.MULTILINE)
    if answer.returncode and not places:
        return [f"clang-format failed: {answer.stderr.strip()}"]
    first = {place.rsplit(":", 1)[0]: place for place in reversed(places)}
    return [f"{place}: not formatted; call 'make format'" for place in first.values()]


def check_names(root):
    """CMakeLists.txt says which tests are not compiled as one file."""
    apart = re.findall(r"compile_together\([^ )]+ ([^)]+)\)", read(root, "CMakeLists.txt"))
    texts = [(path, read(root, path)) for path in files(root, ("src", "tests"), CPP)]
    return [f"{path}:{line}: {message}"
            for path, line, message in lint_names.duplicates(texts, " ".join(apart).split())]


def check_all(root):
    found = []
    for path in files(root, ("src",), CPP):
        found += check_includes(path, read(root, path))
    for path in files(root, ("src", "tests", "scripts", "bench"), (*CPP, ".py", ".sh")):
        found += check_lengths(path, read(root, path))
    for path in ["Kconfig", *files(root, ("src",), ("Kconfig",))]:
        found += check_kconfig(path, read(root, path))
    menu = strict.open_menu(root)
    found += check_menu_lines(menu)
    if read(root, config_docs.PATH) != config_docs.page(root, menu):
        found.append(
            f"{config_docs.PATH}:1: not what the menu says; call '.venv/bin/python scripts/config_docs.py'"
        )
    for name in sorted(os.listdir(os.path.join(root, "defconfigs"))):
        if os.path.isfile(os.path.join(root, "defconfigs", name)):
            found += check_defconfig(root, menu, f"defconfigs/{name}")
    for path in ["README.md", *files(root, ("docs", "src"), (".md",))]:
        found += check_tables(path, read(root, path))
    return found + check_names(root) + check_makefile(read(root, "Makefile")) + check_format(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = check_all(parser.parse_args().root)
    print("\n".join(found) if found else "Lints: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    strict.run(main)
