"""Which LibTorch a folder holds, and whether packages are whole; tested without any of them."""

import contextlib
import io
import os
import subprocess
import sys
import unittest
import unittest.mock

import support
from support import FolderTest

import pip_install  # noqa: E402  (support makes scripts/ known)
import torch_build  # noqa: E402


class Description(FolderTest):
    def described(self, line):
        self.write(
            "torch/version.py",
            f"from typing import Optional\n__version__ = '2.13.0'\ndebug = False\n{line}\nhip = None\n",
        )
        return torch_build.description(self.path("torch"))

    def test_of_the_python_package(self):
        self.assertEqual(self.described("cuda: Optional[str] = None"), "LibTorch 2.13.0, the CPU build")
        self.write("torch/lib/libtorch_cuda.so", "")
        self.assertEqual(
            self.described("cuda: Optional[str] = '13.0'"), "LibTorch 2.13.0, the CUDA 13.0 build"
        )
        self.assertEqual(self.described('cuda = "12.8"'), "LibTorch 2.13.0, the CUDA 12.8 build")

    def test_of_an_unpacked_archive(self):
        self.write("libtorch/build-version", "2.13.0+cpu\n")
        self.assertEqual(torch_build.description(self.path("libtorch")), "LibTorch 2.13.0+cpu, the CPU build")
        self.assertEqual(torch_build.description(self.folder), "LibTorch of unknown version, the CPU build")

    def test_nvidias_libraries(self):
        lines = (
            "Name: torch",
            "Requires-Dist: filelock",
            'Requires-Dist: cuda-toolkit[cudart]==13; python_version > "3"',
            "Requires-Dist: cuda-bindings<14",
            "Requires-Dist: nvidia-cudnn-cu13==9",
            "Requires-Dist: nvidia-extra; extra == 'x'",
            "",
            "Requires-Dist: nvidia-text==1",
        )
        self.write("torch-2.13.0.dist-info/METADATA", "\n".join(lines))
        self.assertEqual(
            torch_build.libraries(self.path("torch")),
            ['cuda-toolkit[cccl,crt,cudart]==13; python_version > "3"', "nvidia-cudnn-cu13==9"],
        )
        self.assertEqual(torch_build.libraries(self.path("elsewhere/torch")), [])


class Whole(FolderTest):
    def exit_code(self, requirement):
        script = os.path.join(support.ROOT, "scripts", "installed.py")
        return subprocess.run(
            [sys.executable, script, requirement], env={**os.environ, "PYTHONPATH": self.folder}, check=False
        ).returncode

    def test_every_listed_file_must_be_there_in_its_size(self):
        self.write("thing/a.py", "1234")
        self.write("thing-1.0+cpu.dist-info/METADATA", "Name: thing\nVersion: 1.0+cpu\n")
        self.write("thing-1.0+cpu.dist-info/RECORD", "thing/a.py,,4\nthing-1.0+cpu.dist-info/RECORD,,\n")
        for requirement, expected in (
            ("thing==1.0", 0),
            ("thing==1.0+cpu", 0),
            ("thing==1.0+cu130", 1),
            ("thing==1.1", 1),
            ("other==1.0", 1),
        ):
            self.assertEqual(self.exit_code(requirement), expected, requirement)
        self.write("thing/a.py", "123")
        self.assertEqual(self.exit_code("thing==1.0"), 1)
        os.remove(self.path("thing/a.py"))
        self.assertEqual(self.exit_code("thing==1.0"), 1)


class PipSettings(FolderTest):
    def test_only_how_packages_are_reached_is_kept(self):
        listing = "\n".join(
            (
                "global.index-url='https://a'",
                "install.index-url='https://b'",
                "global.user='true'",
                ":env:.find-links='/w /v'",
                "global.find-links='/z'",
                ":env:.target='/x'",
                "global.constraint='/c'",
                "freeze.timeout='9'",
                "global.cert='/é'",
            )
        )
        self.assertEqual(
            pip_install.kept(listing),
            {"PIP_INDEX_URL": "https://b", "PIP_FIND_LINKS": "/w /v", "PIP_CERT": "/é"},
        )

    def test_the_environment_of_pip_itself(self):
        settings = self.write("pip.conf", "[global]\nuser = true\nproxy = http://p\n[install]\nprefix = /q\n")
        harmful = {
            "PIP_CONFIG_FILE": settings,
            "PIP_TARGET": "/x",
            "PIP_CONSTRAINT": "/c",
            "PIP_RETRIES": "1",
        }
        with unittest.mock.patch.dict(os.environ, harmful):
            given = {
                name: value for name, value in pip_install.environment().items() if name.startswith("PIP_")
            }
        self.assertEqual(
            {name for name in given if name in ("PIP_USER", "PIP_PREFIX", "PIP_TARGET", "PIP_CONSTRAINT")},
            set(),
        )
        self.assertEqual((given["PIP_PROXY"], given["PIP_RETRIES"]), ("http://p", "1"))
        self.assertEqual(given["PIP_CONFIG_FILE"], os.devnull)

    def test_settings_that_pip_cannot_read_are_an_error(self):
        settings = self.write("pip.conf", "no section\n")
        said = io.StringIO()
        with unittest.mock.patch.dict(os.environ, PIP_CONFIG_FILE=settings), contextlib.redirect_stderr(said):
            with self.assertRaises(SystemExit) as ended:
                pip_install.environment()
        self.assertEqual(ended.exception.code, 2)
        self.assertIn(settings, said.getvalue())


if __name__ == "__main__":
    unittest.main()
