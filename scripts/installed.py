"""Whether packages are installed whole: installed.py NAME==VERSION... exits with 0 if they are, else with 1.

pip takes a package for installed by its name, also after an interrupted installation and with files deleted.
Here every file that the package lists must be there, in its size. A version without a local label ("+cpu")
fits any.
"""

import importlib.metadata
import os
import sys


def fits(installed, wanted):
    return installed == wanted or "+" not in wanted and installed.partition("+")[0] == wanted


def whole(requirement):
    name, _, version = requirement.partition("==")
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if not fits(package.version, version) or not package.files:
        return False
    for file in package.files:
        try:
            size = os.stat(file.locate()).st_size
        except OSError:
            return False
        if file.size is not None and size != file.size and file.suffix != ".pyc":
            return False
    return True


def main():
    return 0 if all(whole(requirement) for requirement in sys.argv[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
