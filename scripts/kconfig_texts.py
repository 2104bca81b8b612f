"""Strings of the menu that hold a real number or a list of numbers, for which Kconfig has no type.

The program judges them when it runs (Binder in src/config/settings.cpp, parse_list in src/base/text.cpp).
Here they are judged before it is compiled, with the same messages; a test compares the two. Which symbols are
real numbers, and their bounds, stands in src/config/binding.h.
"""

import os
import re

from kconfig_lines import INTEGER, ConfigError

BINDING = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src", "config", "binding.h"
)
# A line of binding.h: the symbol, whether each number of a list is meant, which bounds, and their numbers.
NUMBERS = re.compile(
    r'visit\("(\w+)", [\w.]+, kNumbers, (each\()?(?:(\w+)\(([\d., ]+)\)|Bounds\{\})\)?\);'
)
DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MOST_MEMBERS = 100000
BLANKS = " \t\r\n"
LEAST_INT, MOST_INT = -(2**63), 2**63 - 1


def number_symbols():
    """{name: (kind, [(comparison, bound), ...])} in the order of binding.h.

    The kind is "real", "reals" (a number, or one for each layer as a list) or "wholes".
    """
    with open(BINDING, encoding="utf-8") as file:
        text = file.read()
    signs = {
        "at_least": ">=",
        "above": ">",
        "above_to": "> <=",
        "between": "> <",
        "from_to": ">= <=",
        "from_to_below": ">= <",
        "each_whole": ">= <=",
    }
    found = {}
    for name, each, bound, numbers in NUMBERS.findall(text):
        kind = "wholes" if bound == "each_whole" else "reals" if each else "real"
        found[name] = kind, list(zip(signs[bound].split(), numbers.split(", "))) if bound else []
    if len(found) != len(re.findall(r"kNumbers, \w", text)):
        raise ConfigError(f"{BINDING}: has a bound that kconfig_texts.py does not know")
    return found


def lists_of_whole_numbers():
    return {name for name, (kind, _) in number_symbols().items() if kind == "wholes"}


def real(text):
    """The number, or None: a finite decimal one that a double can tell from 0."""
    if not DECIMAL.fullmatch(text):
        return None
    value = float(text)
    is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
    return None if abs(value) == float("inf") or (value == 0) != is_zero else value


def holds(value, sign, bound):
    return {
        ">=": value >= float(bound),
        ">": value > float(bound),
        "<=": value <= float(bound),
        "<": value < float(bound),
    }[sign]


def check_number(what, text, kind, bounds):
    read, parts = whole if kind == "wholes" else real, [text] if kind == "real" else text.split(",")
    if len(parts) > 1:
        parts = [part.strip(BLANKS) for part in parts]
    for value in map(read, parts):
        if value is None or not all(holds(value, *bound) for bound in bounds):
            limits = " and".join(f" {sign} {bound}" for sign, bound in bounds)
            allowed = f"a decimal number{limits} such as 0.1 or 6e-4"
            if kind == "wholes":
                allowed = "a whole number from {} to {}".format(*(bound for _, bound in bounds))
            more = "" if kind == "real" else ", or such a number for each layer as a list"
            raise ConfigError(f'{what} = "{text}": allowed: {allowed}{more}')


def whole(text):
    return int(text) if INTEGER.fullmatch(text) and LEAST_INT <= int(text) <= MOST_INT else None


def check_list(what, text, least):
    def fail(why):
        example = f"{least}-{least + 2} or {least},{least + 4}"
        return ConfigError(
            f'{what} = "{text}": {why}; allowed: whole numbers >= {least} as a list with ranges, '
            f"such as {example}"
        )

    seen = set()
    for part in text.split(","):
        dash = part.find("-", 1)
        first = whole((part if dash < 0 else part[:dash]).strip(BLANKS))
        last = first if dash < 0 else whole(part[dash + 1 :].strip(BLANKS))
        if first is None or last is None:
            raise fail(f'"{part}" is not a whole number or a range')
        if first < least:
            raise fail(f"{first} is too small")
        if last < first:
            raise fail(f"the range {part} runs backwards")
        if last - first >= MOST_MEMBERS - len(seen):
            raise fail(f"a list has at most {MOST_MEMBERS} members")
        for value in range(first, last + 1):
            if value in seen:
                raise fail(f"{value} stands twice")
            seen.add(value)


def check_texts(menu, found):
    """Raises for the first that is none. `found`: kconfig_strict.scan()'s, for where each stands."""

    def given(name):
        return menu.syms[name].str_value, f"{found[name][1].where}: {name}"

    for name, (kind, bounds) in number_symbols().items():
        if name in found:
            text, what = given(name)
            check_number(what, text, kind, bounds)
    if "SEEDS" in found:
        text, what = given("SEEDS")
        check_list(what, text, 1)
    if "RA_MLA_ABLATION_STEPS" in found and menu.syms["RA_MLA_ABLATION_MODE"].str_value == "y":
        text, what = given("RA_MLA_ABLATION_STEPS")
        if text.strip(BLANKS):
            check_list(what, text, 0)
