"""The configuration commands of the Makefile: configure.py --config FILE COMMAND.

COMMAND is menuconfig, guiconfig, oldconfig, olddefconfig, savedefconfig FILE, or defconfig FILE. FILE of
--config is the .config; every command reads it strictly and writes it only if it changes.
"""

import argparse
import locale
import os
import sys

import kconfiglib
import kconfig_strict as strict

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def written_by(write, path):
    """The text that one of Kconfiglib's writers makes, which can only write to files."""
    temporary = f"{path}.{os.getpid()}.text"
    try:
        write(temporary)
        with open(temporary, encoding="utf-8") as file:
            return file.read()
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def config_text(menu, path):
    return written_by(lambda temporary: menu.write_config(temporary, save_old=False), path)


def minimal_text(menu, path):
    return written_by(menu.write_min_config, path)


def save(menu, path):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    strict.write_if_changed(path, config_text(menu, path))


def say_missing(path, lacking):
    if lacking:
        print(f"{path}: {len(lacking)} symbols were new and got their defaults: {', '.join(lacking)}")


def complete(menu, path):
    """Reads a configuration, and writes it back with what it lacks."""
    say_missing(path, strict.load(menu, path))
    save(menu, path)


def ask_new(menu):
    """Asks for each symbol that the file lacks, as Kconfiglib does, and again after a value out of range."""
    import oldconfig

    asked_again = True
    while asked_again:
        oldconfig.conf_changed = False
        for node in menu.node_iter():
            oldconfig.oldconfig(node)
            item = node.item
            while isinstance(item, kconfiglib.Symbol) and item.user_value is not None and refused(item):
                low, high, _ = item.ranges[0]
                print(
                    f"{item.name}: must be a whole number from {low.str_value} to {high.str_value}",
                    file=sys.stderr,
                )
                item.unset_value()
                oldconfig.oldconfig(node)
        asked_again = oldconfig.conf_changed


def refused(symbol):
    if symbol.orig_type != kconfiglib.INT:
        return False
    return not strict.INTEGER.fullmatch(symbol.user_value) or symbol.user_value != symbol.str_value


def oldconfig_command(menu, path):
    strict.load(menu, path)
    try:
        ask_new(menu)
    except EOFError:
        raise strict.ConfigError(
            "\noldconfig: no answer; 'make olddefconfig' takes the defaults without asking"
        ) from None
    save(menu, path)


def use_known_locale():
    """The menu takes its locale from the environment; one that this system lacks would end it."""
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        asked = sorted(name for name in os.environ if name.startswith(("LC_", "LANG")))
        if os.environ.get("LC_ALL"):
            asked = ["LC_ALL"]
        named = ", ".join(f"{name}={os.environ[name]}" for name in asked)
        print(f"This system lacks the locale of {named}: the menu uses C.UTF-8.", file=sys.stderr)
        os.environ["LC_ALL"] = "C.UTF-8"


def show_help_from_the_start(front):
    """Kconfiglib's full-screen menu begins without the help of the selected line, until F is pressed."""
    begin = front._init

    def begin_with_help():
        begin()
        front._show_help = True
        front._set_style(front._help_win, "show-help")
        front._resize_main()

    front._init = begin_with_help


def menu_command(menu, path, module):
    """Runs Kconfiglib's menu, full-screen or graphical, and reads strictly what it wrote."""
    complete(menu, path)
    use_known_locale()
    os.environ["KCONFIG_CONFIG"] = path
    os.chdir(os.path.dirname(os.path.abspath(path)))
    try:
        if module == "guiconfig":
            import guiconfig as front
        else:
            import menuconfig as front

            show_help_from_the_start(front)
        front.menuconfig(strict.open_menu(SOURCE))
    except ImportError as error:
        raise strict.ConfigError(
            f"{module}: {error}; install Debian's python3-tk, or use 'make menuconfig'"
        ) from None
    except Exception as error:
        if type(error).__name__ not in ("error", "TclError"):  # curses.error, tkinter.TclError
            raise
        need = "a display" if module == "guiconfig" else "a terminal"
        raise strict.ConfigError(f"{module}: {error}; it needs {need}") from None
    complete(strict.open_menu(SOURCE), path)


def savedefconfig_command(menu, path, target):
    strict.load(menu, path)
    strict.write_if_changed(target, minimal_text(menu, target))
    print(f"Written: {target}")


def defconfig_command(menu, path, defconfig):
    strict.load(menu, defconfig)
    save(menu, path)
    print(f"{path}: the configuration is now {os.path.basename(defconfig)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("menuconfig", "guiconfig", "oldconfig", "olddefconfig", "savedefconfig", "defconfig"):
        command = commands.add_parser(name)
        if name in ("savedefconfig", "defconfig"):
            command.add_argument("file")
    options = parser.parse_args()
    menu = strict.open_menu(SOURCE)
    if options.command in ("menuconfig", "guiconfig"):
        menu_command(menu, options.config, options.command)
    elif options.command == "oldconfig":
        oldconfig_command(menu, options.config)
    elif options.command == "olddefconfig":
        complete(menu, options.config)
    elif options.command == "savedefconfig":
        savedefconfig_command(menu, options.config, options.file)
    else:
        defconfig_command(menu, options.config, options.file)


if __name__ == "__main__":
    strict.run(main)
