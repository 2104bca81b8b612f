"""Writes docs/configuration.md from the menu: config_docs.py [--root FOLDER]. A lint compares the two."""

import argparse
import os
import re

import kconfig_strict as strict
import kconfiglib

PATH = "docs/configuration.md"
INTRODUCTION = """\
# Configuration

Every symbol of the menu, in its order, as the Kconfig files have it: `.venv/bin/python
scripts/config_docs.py` writes this page, and what is to be changed here is changed there.

A symbol is set in the menu (`make menuconfig`, where F hides and shows the help and / finds a symbol), for
one run on the command line (`make GPT2_N_LAYER=6`, or `--set GPT2_N_LAYER=6` of the program), or by a step
of a plan (`{{set: {{GPT2_N_LAYER: 6}}}}`). A step's value goes before the command line's, and that before
.config's. What runs, where and on which data is alike for all steps, so that no step sets any of these:
{plan_wide}.

Switches are `y` or `n`. Numbers that may have a fraction are texts for Kconfig ("6e-4") and are checked all
the same. What a value costs in a model of yours says `make plan`: parameters by part, operations, memory and
time.
"""
HARNESS = re.compile(r'visit\("(\w+)", [^;]*kHarness\);')  # in src/config/binding.h
LISTS = re.compile(r"\b(kData|kOfEachTrial)\{(.*?)\}", re.DOTALL)  # in src/plan/step_forms.cpp
LABEL = re.compile(r" (?=(?:Allowed|Cost|Source): )")
TYPES = {kconfiglib.BOOL: "switch", kconfiglib.INT: "whole number", kconfiglib.STRING: "text"}


def escaped(text):
    """So that Markdown shows * and < as they are."""
    return re.sub(r"([*<])", r"\\\1", text)


def plan_wide(root):
    """The symbols that no step of a plan sets, as is_plan_wide() there has them."""
    path = os.path.join(root, "src", "plan", "step_forms.cpp")
    lists = {name: re.findall(r'"(\w+)"', text) for name, text in LISTS.findall(read(path))}
    if len(lists) != 2:
        raise strict.ConfigError(f"{path}: has no kData or no kOfEachTrial; mend scripts/config_docs.py")
    found = HARNESS.findall(read(os.path.join(root, "src", "config", "binding.h"))) + lists["kData"]
    return ", ".join(name for name in found if name not in lists["kOfEachTrial"])


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def help_lines(node):
    """The help as one line for what it does, and one for each of Allowed, Cost and Source."""
    return [f"{escaped(part)}\\" for part in LABEL.split(" ".join(node.help.split()))]


def facts(symbol):
    """Type, range and default of a symbol that is not a choice."""
    kind = TYPES[symbol.orig_type]
    for low, high, _ in symbol.ranges:
        kind += f" from {low.str_value} to {high.str_value}"
    default = next((value.str_value for value, _ in symbol.defaults), "")
    if symbol.orig_type == kconfiglib.BOOL:
        default = default or "n"
    elif symbol.orig_type == kconfiglib.STRING:
        default = f'"{default}"' if default else "empty"
    return f"{kind}, default {default}"


def dependency(node, kconfig):
    return [] if node.dep is kconfig.y else [f"Depends on {kconfiglib.expr_str(node.dep)}.\\"]


def entry(node, menu, strings):
    """The lines of one symbol or choice."""
    item = node.item
    name = strings[item][0].name if isinstance(item, kconfiglib.Choice) else item.name
    lines = [f"#### {name}", "", f"*{escaped(node.prompt[0])}*"]
    if isinstance(item, kconfiglib.Choice):
        values = {member: value for value, member in strings[item][1].items()}
        first = item.defaults[0][0]
        lines[-1] += f": one of these, default {values[first]}"
        lines.append("")
        for member in item.syms:
            value, prompt = values[member], member.nodes[0].prompt[0]
            meaning = prompt.removeprefix(value).removeprefix(":").strip() if prompt != value else ""
            lines.append(f"- `{value}`" + (f": {escaped(meaning)}" if meaning else ""))
        lines.append("")
    else:
        lines[-1] += f": {facts(item)}\\"
    lines += dependency(node, menu) + help_lines(node)
    lines[-1] = lines[-1].removesuffix("\\")
    return [*lines, ""]


def walk(node, depth, menu, strings):
    """The lines of what lies below a menu's node."""
    lines, child = [], node.list
    while child:
        if child.item == kconfiglib.MENU:
            lines += ["#" * min(depth, 3) + f" {child.prompt[0]}", "", *walk(child, depth + 1, menu, strings)]
        elif child.item == kconfiglib.COMMENT:
            lines += [f"**{escaped(child.prompt[0])}**", ""]
        elif child.prompt:
            lines += entry(child, menu, strings)
        child = child.next
    return lines


def anchor(heading):
    """As GitHub makes it of a heading."""
    return "#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def contents(lines):
    """A line a menu, with its own menus beside it."""
    found = []
    for line in lines:
        level, _, heading = line.partition(" ")
        link = f"[{heading}]({anchor(heading)})"
        if level == "##":
            found.append([link])
        elif level == "###":
            found[-1].append(link)
    return [f"- {first}" + (f": {', '.join(more)}" if more else "") for first, *more in found]


def page(root, menu):
    lines = walk(menu.top_node, 2, menu, strict.string_of_choice(menu))
    introduction = INTRODUCTION.format(plan_wide=plan_wide(root))
    return introduction + "\n" + "\n".join([*contents(lines), "", *lines]).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = parser.parse_args().root
    if strict.write_if_changed(os.path.join(root, PATH), page(root, strict.open_menu(root))):
        print(f"Written: {PATH}")


if __name__ == "__main__":
    strict.run(main)
