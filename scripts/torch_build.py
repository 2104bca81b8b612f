"""Whether the torch in this Python can be compiled against: prints what to do and exits with 2 if not.

torch's wheels come as CPU and as CUDA builds under one version number. A CUDA build needs NVIDIA's run-time
packages beside it and a CUDA toolkit on the machine, which installing torch alone doesn't bring.
"""

import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path


def cuda_version(site_packages):
    """ "12.8", or None for a CPU build; from torch/version.py, which is read, not imported."""
    text = (Path(site_packages) / "torch" / "version.py").read_text(encoding="utf-8")
    match = re.search(r"^cuda\b[^=\n]*=\s*(?:'([^']*)'|\"([^\"]*)\")", text, re.MULTILINE)
    return (match[1] or match[2]) if match else None


def has_cuda_runtime(site_packages):
    return any((Path(site_packages) / "nvidia").glob("**/libcudart*"))


def find_nvcc(environment):
    """Path of the CUDA compiler, or None."""
    folders = [environment[name] for name in ("CUDA_HOME", "CUDA_PATH") if environment.get(name)] + [
        "/usr/local/cuda"
    ]
    for folder in folders:
        if (Path(folder) / "bin" / "nvcc").exists():
            return str(Path(folder) / "bin" / "nvcc")
    return shutil.which("nvcc", path=environment.get("PATH", ""))


def problem(cuda, has_runtime, nvcc):
    """What is wrong with this build of torch, and what to do; None if nothing is."""
    if cuda is None or (has_runtime and nvcc):
        return None
    lacks = []
    if not has_runtime:
        lacks.append(
            "NVIDIA's run-time packages (.venv/bin/python -m pip install the same torch, with dependencies)"
        )
    if not nvcc:
        lacks.append("a CUDA toolkit (nvcc; on PATH or in CUDA_HOME)")
    return (
        f"The torch that was installed is built for CUDA {cuda}. To compile against it, this lacks:\n"
        + "".join(f"  - {item}\n" for item in lacks)
        + "Install that, or take the CPU build:\n"
        "    KABLATE_TORCH_INDEX=https://download.pytorch.org/whl/cpu make\n"
        "or use a LibTorch that is already there: make LIBTORCH=/path"
    )


def main():
    site_packages = sysconfig.get_paths()["purelib"]
    cuda = cuda_version(site_packages)
    message = problem(cuda, cuda and has_cuda_runtime(site_packages), cuda and find_nvcc(os.environ))
    if message:
        print(message, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
