"""Strict reading of a configuration: whatever stock Kconfig drops, rewords or falls back on is an error here.

Lines are scanned by kconfig_lines.py, not by Kconfiglib's loader, which ignores what it doesn't understand.
Kconfiglib then evaluates the menu, and each value is compared with what the file asked for.
"""

import os
import sys

# The environment could change the prefix of symbols or add to what is written; neither is wanted.
for _name in ("CONFIG_", "KCONFIG_CONFIG_HEADER", "KCONFIG_AUTOHEADER_HEADER", "KCONFIG_ALLCONFIG"):
    os.environ.pop(_name, None)

import kconfiglib  # noqa: E402  (reads the environment when imported)

from kconfig_lines import (  # noqa: E402
    INTEGER,  # noqa: F401  (for configure.py)
    ConfigError,
    parse_bool,
    parse_int,
    parse_string,
    parse_whole_numbers,
    read_lines,
    scan_line,
    unknown_names,
)
from kconfig_texts import lists_of_whole_numbers  # noqa: E402


def open_menu(source):
    """The menu whose root is `source`/Kconfig, nothing assigned yet. Warnings about it are errors."""
    os.environ["srctree"] = source
    try:
        menu = kconfiglib.Kconfig(os.path.join(source, "Kconfig"), warn_to_stderr=False)
    except kconfiglib.KconfigError as error:
        raise ConfigError(str(error).strip()) from None
    if menu.warnings:
        raise ConfigError(menu.warnings[0])
    for symbol in menu.unique_defined_syms:
        if symbol.orig_type not in (kconfiglib.BOOL, kconfiglib.INT, kconfiglib.STRING):
            raise ConfigError(
                f"{location(symbol)}: {symbol.name}: only bool, int and string symbols are understood"
            )
    return menu


def location(item):
    return f"{item.nodes[0].filename}:{item.nodes[0].linenr}"


def has_prompt(symbol):
    return any(node.prompt for node in symbol.nodes)


def choice_strings(menu):
    """{derived string symbol: [(value, member symbol), ...]}, the choice's default member first.

    A string symbol without a prompt stands for a choice: each of its defaults hangs on one member of it.
    """
    found = {}
    for symbol in menu.unique_defined_syms:
        if symbol.orig_type != kconfiglib.STRING or has_prompt(symbol):
            continue
        pairs = [(value.str_value, member) for value, member in symbol.defaults]
        choices = {getattr(member, "choice", None) for _, member in pairs}
        if len(choices) != 1 or None in choices or {m for _, m in pairs} != set(next(iter(choices)).syms):
            raise ConfigError(
                f"{location(symbol)}: {symbol.name} has no prompt, so it must have one default "
                "'\"value\" if MEMBER' for each member of one choice"
            )
        first = next(iter(choices)).defaults[0][0]
        found[symbol] = sorted(pairs, key=lambda pair: pair[1] is not first)
    return found


def string_of_choice(menu):
    """{choice: (its derived string symbol, {value: member})}"""
    found = {pairs[0][1].choice: (symbol, dict(pairs)) for symbol, pairs in choice_strings(menu).items()}
    for choice in menu.unique_choices:
        if choice not in found:
            raise ConfigError(f"{location(choice)}: this choice lacks its string symbol (see choice_strings)")
    return found


PARSERS = {kconfiglib.BOOL: parse_bool, kconfiglib.INT: parse_int, kconfiglib.STRING: parse_string}


def scan(menu, path):
    """{symbol name: (value, Assignment)} of a file, each value well-formed for its type.

    The first mistake is the error; if it is an unknown name, all unknown names are.
    """
    names = {symbol.name for symbol in menu.unique_defined_syms}
    lists = lists_of_whole_numbers()
    found, unknown, fault = {}, [], None
    for number, text in enumerate(read_lines(path), 1):
        try:
            line = scan_line(text, f"{path}:{number}", names)
            if line is None:
                continue
            if line.name not in names:
                unknown.append(line)
                continue
            if fault or unknown:
                continue
            if line.name in found:
                first = found[line.name][1].where
                raise ConfigError(f"{line.where}: CONFIG_{line.name} is set twice; first at {first}")
            parse = parse_whole_numbers if line.name in lists else PARSERS[menu.syms[line.name].orig_type]
            found[line.name] = (parse(line), line)
        except ConfigError as error:
            if not unknown:
                fault = fault or error
    if fault:
        raise fault
    if unknown:
        raise ConfigError(unknown_names(unknown, names))
    return found


def resolve_choices(menu, found):
    """Checks members against each other and the derived string; turns a string form into its member."""
    for choice, (derived, members) in string_of_choice(menu).items():
        chosen = [
            menu.syms[name]
            for name, (value, _) in found.items()
            if menu.syms[name].choice is choice and value == "y"
        ]
        if len(chosen) > 1:
            first, second = (found[s.name][1] for s in chosen[:2])
            raise ConfigError(
                f"{second.where}: {second.name} is the second member of the choice {derived.name} that is y; "
                f"the first is {first.name} at {first.where}"
            )
        if derived.name in found:
            value, line = found[derived.name]
            if value not in members:
                raise ConfigError(
                    f'{line.where}: CONFIG_{derived.name}="{value}": unknown value; '
                    f"the choice {derived.name} has {', '.join(members)}"
                )
            member = members[value]
            other = chosen[0] if chosen and chosen[0] is not member else None
            if other or found.get(member.name, ("y",))[0] == "n":
                against = found[(other or member).name][1]
                raise ConfigError(
                    f'{line.where}: CONFIG_{derived.name}="{value}" contradicts the choice {derived.name}: '
                    f"{against.name} is {'y' if other else 'n'} at {against.where}; "
                    f"select {member.name}=y or leave this line out"
                )
            del found[derived.name]
            for symbol in choice.syms:
                found.setdefault(symbol.name, ("y" if symbol is member else "n", line))


def check_value(menu, name, value, line):
    """Raises if the menu came to another value than the file asked for."""
    symbol = menu.syms[name]
    if symbol.str_value == value:
        return
    wanted = f"CONFIG_{name}={value}" if symbol.orig_type != kconfiglib.STRING else f'CONFIG_{name}="{value}"'
    if not has_prompt(symbol):
        raise ConfigError(
            f"{line.where}: {wanted}: {name} is derived (it is {symbol.str_value}) and can't be set"
        )
    if symbol.visibility == 0:
        needs = kconfiglib.expr_str(symbol.direct_dep)
        raise ConfigError(f"{line.where}: {wanted} would be ignored: {name} depends on {needs}")
    if symbol.choice is not None:
        derived, members = string_of_choice(menu)[symbol.choice]
        raise ConfigError(
            f"{line.where}: {wanted}: the choice {derived.name} comes to {derived.str_value}; select one of "
            f"{', '.join(m.name for m in members.values())} with =y"
        )
    for low, high, condition in symbol.ranges:
        if kconfiglib.expr_value(condition):
            raise ConfigError(
                f"{line.where}: {wanted} is out of range; allowed is {low.str_value} to {high.str_value}"
            )
    raise ConfigError(f"{line.where}: {wanted} would be ignored: it comes to {symbol.str_value}")


def load(menu, path, judge=None):
    """Sets the menu to the file's values, the rest to its defaults. Returns the names that the file lacks.

    `judge(menu, found)`, where given, may raise for what scan() found in the file.
    """
    menu.unset_values()
    found = scan(menu, path)
    given = set(found)
    resolve_choices(menu, found)
    for name, (value, _) in found.items():
        symbol = menu.syms[name]
        if has_prompt(symbol):
            symbol.set_value(value)
    for name, (value, line) in found.items():
        check_value(menu, name, value, line)
    if judge:
        judge(menu, found)
    return missing(menu, given)


def missing(menu, given):
    """Names of the visible symbols that no line sets; a choice counts once, by its string's name."""
    absent = []
    for symbol in menu.unique_defined_syms:
        if symbol.choice is None and has_prompt(symbol) and symbol.visibility and symbol.name not in given:
            absent.append(symbol.name)
    for derived, pairs in choice_strings(menu).items():
        if not given & {derived.name, *(member.name for _, member in pairs)}:
            absent.append(derived.name)
    return absent


def write_if_changed(path, text):
    """Writes through a temporary name, and only if the text differs. True if it was written."""
    data = text.encode("utf-8")
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return False
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
    return True


def run(main):
    """Runs a script's main with what the user can mend turned into one line and exit code 2."""
    try:
        sys.exit(main())
    except ConfigError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(2)
