"""The lines of a .config or defconfig: what they say, before anything is known of the menu but its names.

src/config/dotconfig.cpp and dotconfig_line.cpp read the same files with the same messages, and a test
compares the two line by line: a rule that changes here changes there.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ASSIGNMENT = re.compile(r"CONFIG_([A-Za-z0-9_]+)=(.*)", re.DOTALL)
UNSET = re.compile(r"# CONFIG_([A-Za-z0-9_]+) is not set")
NEARLY_UNSET = re.compile(
    r"[ \t]*#+[ \t]*(CONFIG_)?(\w+)\b.*(\bnot[ \t]*set\b|\bunset\b)", re.IGNORECASE | re.ASCII
)
COMMENTED_OUT = re.compile(r"[ \t]*#+[ \t]*CONFIG_([A-Za-z0-9_]+)[ \t]*=")
FOREIGN = re.compile(r'^FOREIGN\((\w+), "(.*)"\)$', re.MULTILINE)
INTEGER = re.compile(r"0|-?[1-9][0-9]*")


class ConfigError(Exception):
    """What the user can mend; the text is "file:line: message"."""


class Assignment:
    """One line of a file that sets a symbol: `form` is the text after '=', or n for an "is not set" line."""

    def __init__(self, name, form, where):
        self.name, self.form, self.where = name, form, where


def distance(a, b):
    """Of two words, by insertions, deletions and exchanges of a letter."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != other))
    return row[-1]


def nearest(name, names):
    """The one of `names` near enough for `name` to be a slip of it, or None."""
    best, limit = None, max(2, len(name) // 4) + 1
    for known in sorted(names):
        far = distance(name.upper(), known)
        if far < limit:
            best, limit = known, far
    return best


def foreign_names():
    """{name in other projects: what it is here}"""
    with open(
        os.path.join(os.path.dirname(HERE), "src", "config", "foreign_names.inc"), encoding="utf-8"
    ) as file:
        return dict(FOREIGN.findall(file.read()))


def unknown_names(lines, names):
    """The message about the Assignments whose names are no symbols."""
    foreign = foreign_names()
    first = lines[0]
    meant = [foreign.get(line.name) or nearest(line.name, names) for line in lines]
    if len(lines) == 1:
        advice = "'make menuconfig' shows all of them"
        if first.name in foreign:
            advice = f"here it is {meant[0]}"
        elif meant[0]:
            advice = f"did you mean {meant[0]}?"
        return f"{first.where}: CONFIG_{first.name} is no symbol of this program; {advice}"
    each = []
    for line, here in zip(lines, meant):
        number = line.where.rpartition(":")[2]
        each.append(f"{line.name} (line {number}{', here ' + here if here else ''})")
    return (
        f"{first.where}: {len(lines)} names are no symbols of this program: {', '.join(each)}; "
        "leave these lines out or rename them; 'make menuconfig' shows all symbols"
    )


def read_lines(path):
    """The file's lines without their ends. Errors: unreadable, no UTF-8, control characters, a BOM."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    lines = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path}:{number}: not UTF-8 text (byte {error.start + 1} of the line)"
            ) from None
        text = text.rstrip(" \t\r")
        if number == 1 and text.startswith("\ufeff"):
            raise ConfigError(f"{path}:1: begins with a byte-order mark; save it as UTF-8 without one")
        if any(ord(letter) < 32 and letter != "\t" or letter in "\x7f\ufeff" for letter in text):
            raise ConfigError(f"{path}:{number}: has a control character; a configuration is plain text")
        lines.append(text)
    return lines


def scan_line(text, where, symbols):
    """The Assignment that a line makes, or None for a blank line or a comment."""
    match = UNSET.fullmatch(text)
    if match:
        return Assignment(match[1], None, where)
    match = ASSIGNMENT.fullmatch(text)
    if match:
        if match[2][:1] in (" ", "\t"):
            value = match[2].strip(" \t")
            raise ConfigError(f"{where}: blanks after '=' in '{text}'; write CONFIG_{match[1]}={value}")
        return Assignment(match[1], match[2], where)
    if text.lstrip(" \t").startswith("#"):
        check_comment(text, where, symbols)
        return None
    if not text:
        return None
    name, equals, value = text.partition("=")
    bare = name.strip(" \t").removeprefix("CONFIG_")
    if equals and bare in symbols:
        value = value.strip(" \t")
        raise ConfigError(
            f"{where}: '{text}' is malformed; write CONFIG_{bare}={value}, without blanks around '='"
        )
    raise ConfigError(
        f"{where}: '{text}' is malformed; a line is CONFIG_NAME=VALUE, "
        "'# CONFIG_NAME is not set' or a comment"
    )


def check_comment(text, where, symbols):
    """A comment that was meant to be read is an error; a line that was commented out gets a word."""
    nearly = NEARLY_UNSET.match(text)
    if nearly and (nearly[1] or nearly[2] in symbols):
        raise ConfigError(
            f"{where}: '{text}' looks like an 'is not set' line but isn't one; "
            f"write '# CONFIG_{nearly[2].upper()} is not set'"
        )
    match = COMMENTED_OUT.match(text)
    if match and match[1] in symbols:
        print(f"{where}: '{text}' is a comment: it sets nothing", file=sys.stderr)


def about_comment(rest):
    return "; a comment stands on a line of its own" if "#" in rest else ""


def parse_bool(assignment):
    if assignment.form is None:
        return "n"
    if assignment.form not in ("y", "n"):
        raise ConfigError(
            f"{assignment.where}: CONFIG_{assignment.name}={assignment.form}: must be y or n"
            f"{about_comment(assignment.form)}"
        )
    return assignment.form


def parse_int(assignment):
    if assignment.form is None:
        raise ConfigError(f"{assignment.where}: {assignment.name} is a whole number, it can't be 'not set'")
    if INTEGER.fullmatch(assignment.form):
        return assignment.form
    why = "is not a whole number"
    if re.fullmatch("-?[0-9]+", assignment.form):
        why = "has leading zeros; write it without"
    what = f"{assignment.where}: CONFIG_{assignment.name}={assignment.form}"
    raise ConfigError(f"{what} {why}{about_comment(assignment.form)}")


def parse_whole_numbers(assignment):
    """Of a whole number, or a list of them in quotes."""
    form = assignment.form or ""
    if form.startswith('"'):
        return parse_string(assignment)
    if "," in form:
        raise ConfigError(
            f"{assignment.where}: CONFIG_{assignment.name}={form}: a list stands in double quotes"
        )
    return parse_int(assignment)


def parse_string(assignment):
    if assignment.form is None:
        raise ConfigError(
            f"{assignment.where}: {assignment.name} is a string, it can't be 'not set'; write "
            f'CONFIG_{assignment.name}=""'
        )
    what = f"{assignment.where}: CONFIG_{assignment.name}={assignment.form}"
    if not assignment.form.startswith('"'):
        raise ConfigError(f"{what}: a string stands in double quotes")
    value, position = "", 1
    while position < len(assignment.form):
        letter = assignment.form[position]
        if letter == '"':
            if position + 1 < len(assignment.form):
                rest = assignment.form[position + 1 :]
                raise ConfigError(f"{what}: text after the closing quote: {rest}{about_comment(rest)}")
            return value
        if letter == "\\":
            position += 1
            letter = assignment.form[position : position + 1]
            if letter not in ('"', "\\"):
                raise ConfigError(
                    f'{what}: after a backslash only " or \\ may stand; write \\\\ for one backslash'
                )
        value += letter
        position += 1
    raise ConfigError(f"{what}: the string has no closing quote")
