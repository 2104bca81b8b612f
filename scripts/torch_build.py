"""Which LibTorch a folder holds, and what it needs beside it.

torch_build.py describe FOLDER prints its version, and whether it is a CPU or a CUDA build; FOLDER is that of
the Python package torch or an unpacked LibTorch. torch_build.py needs FOLDER prints the packages with
NVIDIA's libraries that a CUDA build of the Python package is loaded with, one a line; a CPU build has none.
With CUDA's toolkit come the headers that NCCL's own includes, for ranks on GPUs.
"""

import re
import sys
from pathlib import Path

LIBRARIES = re.compile(r"(nvidia-|cuda-toolkit\b)")


def assigned(text, name):
    """The string that a line `name = '...'` of a Python file assigns, or None."""
    match = re.search(rf"^{name}\b[^=\n]*=\s*(?:'([^']*)'|\"([^\"]*)\")", text, re.MULTILINE)
    return (match[1] or match[2]) if match else None


def description(folder):
    """ "LibTorch 2.13.0, the CPU build"."""
    folder = Path(folder)
    version, cuda = None, None
    for place in (folder / "version.py", folder / "build-version"):
        if place.exists():
            text = place.read_text(encoding="utf-8")
            version = assigned(text, "__version__") if place.suffix else text.strip()
            cuda = assigned(text, "cuda")
            break
    if (folder / "lib" / "libtorch_cuda.so").exists():
        build = f"the CUDA {cuda} build" if cuda else "a CUDA build"
    else:
        build = "the CPU build"
    return f"LibTorch {version or 'of unknown version'}, {build}"


def libraries(folder):
    """The requirements of the Python package in `folder` that are NVIDIA's libraries."""
    places = sorted(Path(folder).parent.glob("torch-*.dist-info/METADATA"))
    if not places:
        return []
    lines = places[0].read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    wanted = [line.partition(":")[2].strip() for line in lines if line.startswith("Requires-Dist:")]
    found = [each for each in wanted if LIBRARIES.match(each) and "extra ==" not in each]
    return [re.sub(r"^cuda-toolkit\[", "cuda-toolkit[cccl,crt,", each) for each in found]


def main():
    command, folder = sys.argv[1:]
    print(description(folder) if command == "describe" else "\n".join(libraries(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
