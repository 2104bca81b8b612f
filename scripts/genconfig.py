"""Turns a configuration into the table that src/config reads: genconfig.py --config FILE --out DIR.

Writes DIR/autoconf.h, and only if it changes, so that a build stays up to date. Every symbol has a row, off
ones too.
"""

import argparse
import os

import kconfiglib
import kconfig_strict as strict
from kconfig_texts import check_texts

HEAD = """\
// Written by scripts/genconfig.py from Kconfig and .config; included by one file of src/config.
#pragma once

// SYMBOL(name, type, value, default, least, greatest, members)
#define KABLATE_SYMBOLS(SYMBOL) \\
"""


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bounds(symbol):
    """Least and greatest value of an int as C++ literals."""
    if len(symbol.ranges) != 1 or symbol.ranges[0][2] is not symbol.kconfig.y:
        raise strict.ConfigError(
            f"{strict.location(symbol)}: {symbol.name} needs one range, without a condition"
        )
    return symbol.ranges[0][0].str_value, symbol.ranges[0][1].str_value


def rows(menu, defaults):
    """(name, type, value, default, least, greatest, members), in the menu's order; a choice is one row."""
    derived = strict.choice_strings(menu)
    for symbol in menu.unique_defined_syms:
        least, greatest, members = "0", "0", ""
        if symbol.choice is not None:
            continue
        if symbol in derived:
            kind = "kChoice"
            members = "|".join(f"{value}={member.name}" for value, member in derived[symbol])
        elif symbol.orig_type == kconfiglib.INT:
            kind = "kInt"
            least, greatest = bounds(symbol)
        else:
            kind = "kBool" if symbol.orig_type == kconfiglib.BOOL else "kString"
        yield symbol.name, kind, symbol.str_value, defaults[symbol.name], least, greatest, members


def header(menu, path):
    """The header's text for the configuration at `path`; what the file lacks has its default."""
    menu.unset_values()
    defaults = {symbol.name: symbol.str_value for symbol in menu.unique_defined_syms}
    strict.load(menu, path, check_texts)
    lines = []
    for name, kind, value, default, least, greatest, members in rows(menu, defaults):
        texts = f"{c_string(value)}, {c_string(default)}, {least}, {greatest}, {c_string(members)}"
        lines.append(f"  SYMBOL({name}, {kind}, {texts})")
    return HEAD + " \\\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="a .config or a defconfig")
    parser.add_argument("--out", required=True, help="the folder for autoconf.h")
    options = parser.parse_args()
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    text = header(strict.open_menu(source), options.config)
    strict.write_if_changed(os.path.join(options.out, "autoconf.h"), text)


if __name__ == "__main__":
    strict.run(main)
