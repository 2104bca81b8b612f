"""Where cmake/Nccl.cmake builds the module of NCCL, and against what; NVIDIA's packages are stand-ins."""

import os
import shutil
import subprocess
import unittest

import support
from support import FolderTest

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(stand_in CXX)
add_custom_target(kablate)
add_library(libtorch INTERFACE)
add_library(libtorch::torch_cuda SHARED IMPORTED)
set(packages "${CMAKE_CURRENT_SOURCE_DIR}/packages")
include("%s")
if(TARGET kablate_nccl)
  get_target_property(linked kablate_nccl LINK_LIBRARIES)
  get_target_property(headers kablate_nccl INCLUDE_DIRECTORIES)
  message(STATUS "linked ${linked}, headers ${headers}")
endif()
"""
PARTS = ("nccl/lib/libnccl.so.2", "nccl/include/nccl.h", "cu13/include/crt/host_config.h",
         "cu13/include/nv/target")


@unittest.skipIf(shutil.which("cmake") is None, "there is no cmake")
class NcclBuild(FolderTest):
    def configured(self, *arguments):
        """What is said of the module, as scripts/build.sh calls cmake."""
        self.write("CMakeLists.txt", PROJECT % os.path.join(support.ROOT, "cmake", "Nccl.cmake"))
        self.write("src/distributed/nccl/module.cpp", "")
        shutil.rmtree(self.path("build"), ignore_errors=True)
        call = ["cmake", "-S", self.folder, "-B", self.path("build"), *arguments]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout

    def test_it_is_linked_to_the_nccl_of_libtorch(self):
        for part in PARTS:
            self.write(f"packages/nvidia/{part}", "")
        said = self.configured("-DKABLATE_NCCL=y")
        packages = self.path("packages/nvidia")
        self.assertIn(f"linked libtorch;{packages}/nccl/lib/libnccl.so.2, ", said)
        self.assertIn(f"{packages}/nccl/include;{packages}/cu13/include", said)
        self.assertNotIn("linked", self.configured("-DKABLATE_NCCL=n"))

    def test_it_is_left_out_where_a_part_is_missing(self):
        for missing in PARTS:
            with self.subTest(missing):
                shutil.rmtree(self.path("packages"), ignore_errors=True)
                for part in PARTS:
                    if part != missing:
                        self.write(f"packages/nvidia/{part}", "")
                said = self.configured("-DKABLATE_NCCL=y")
                self.assertNotIn("linked", said)
                self.assertIn("Without NCCL", said)


if __name__ == "__main__":
    unittest.main()
