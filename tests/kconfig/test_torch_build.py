"""Which build of torch was installed, and whether it can be compiled against; tested without a CUDA wheel."""

import unittest

from support import FolderTest

import torch_build  # noqa: E402  (support makes scripts/ known)


class CudaVersion(FolderTest):
    def version(self, line):
        self.write(
            "torch/version.py",
            f"from typing import Optional\n__version__ = '2.13.0'\ndebug = False\n{line}\nhip = None\n",
        )
        return torch_build.cuda_version(self.folder)

    def test_cpu_builds(self):
        self.assertIsNone(self.version("cuda: Optional[str] = None"))
        self.assertIsNone(self.version("cuda = None"))

    def test_cuda_builds(self):
        self.assertEqual(self.version("cuda: Optional[str] = '13.0'"), "13.0")
        self.assertEqual(self.version('cuda = "12.8"'), "12.8")

    def test_runtime_packages(self):
        self.assertFalse(torch_build.has_cuda_runtime(self.folder))
        self.write("nvidia/cu13/lib/libcudart.so.13", "")
        self.assertTrue(torch_build.has_cuda_runtime(self.folder))

    def test_nvcc(self):
        self.write("toolkit/bin/nvcc", "")
        self.assertEqual(
            torch_build.find_nvcc({"CUDA_HOME": self.path("toolkit")}), self.path("toolkit/bin/nvcc")
        )


class Problem(unittest.TestCase):
    def test_what_can_be_compiled_against_has_none(self):
        self.assertIsNone(torch_build.problem(None, False, None))
        self.assertIsNone(torch_build.problem("13.0", True, "/usr/local/cuda/bin/nvcc"))

    def test_messages_say_what_lacks_and_what_to_do(self):
        both = torch_build.problem("13.0", False, None)
        for words in ("CUDA 13.0", "run-time packages", "nvcc", "KABLATE_TORCH_INDEX=", "LIBTORCH="):
            self.assertIn(words, both)
        self.assertNotIn("nvcc", torch_build.problem("13.0", False, "/nvcc"))
        self.assertNotIn("run-time", torch_build.problem("13.0", True, None))


if __name__ == "__main__":
    unittest.main()
