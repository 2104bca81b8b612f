"""pip without the settings that would put packages elsewhere: pip_install.py PIP_ARGUMENTS.

From the user's settings, in files and variables, this takes how packages are reached (indexes, proxy,
certificates) and nothing else: `user`, `target`, `prefix`, `constraint` and their like are meant for other
installations.
"""

import ast
import os
import subprocess
import sys

REACHING = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "proxy",
    "cert",
    "client-cert",
    "keyring-provider",
    "timeout",
    "default-timeout",
    "retries",
    "cache-dir",
    "no-cache-dir",
)


def kept(listing):
    """{variable: value} of what `pip config list` prints and REACHING names; a variable overrides a file."""
    found = {}
    for line in listing.splitlines():
        name, equals, text = line.partition("=")
        section, _, option = name.rpartition(".")
        option = option.lower().replace("_", "-")
        if not equals or option not in REACHING or section not in ("global", "install", ":env:"):
            continue
        variable = "PIP_" + option.upper().replace("-", "_")
        rank = ("global", "install", ":env:").index(section)
        if variable not in found or rank > found[variable][0]:
            found[variable] = (rank, str(ast.literal_eval(text)))
    return {variable: value for variable, (_, value) in found.items()}


def environment():
    """The environment for a pip that reads no settings but those in it."""
    # `pip config` has options of these names: a `user = true` in a file would leave the other files out.
    every_file = os.environ | {"PIP_USER": "0", "PIP_SITE": "0", "PIP_GLOBAL": "0"}
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, env=every_file, capture_output=True, text=True, check=False)
    if listing.returncode:
        print(listing.stderr.strip() or "pip config list failed", file=sys.stderr)
        sys.exit(2)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIP_") and name != "PYTHONUSERBASE"
    }
    return (
        inherited
        | kept(listing.stdout)
        | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
        }
    )


def main():
    command = [sys.executable, "-m", "pip", *sys.argv[1:]]
    os.execve(sys.executable, command, environment())


if __name__ == "__main__":
    main()
