"""What `make install` leaves in a folder: a program that trains by the plans and libraries beside it."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_json  # noqa: E402


class Installed(ProgramTest):
    def setUp(self):
        super().setUp()
        self.prefix = self.path("a prefix")
        build = os.path.dirname(os.path.abspath(self.program))
        subprocess.run(["cmake", "--install", build, "--prefix", self.prefix], check=True,
                       capture_output=True)
        self.program = os.path.join(self.prefix, "bin", "kablate")
        self.from_python = os.path.isdir(os.path.join(self.prefix, "lib"))

    def test_it_trains_by_what_lies_beside_it(self):
        """With a plan of its own, which no checkout has."""
        plans = os.path.join(self.prefix, "share", "kablate", "defconfigs", "plans")
        shutil.move(os.path.join(plans, "ra-mla.yaml"), os.path.join(plans, "moved.yaml"))
        ended = self.done("run", "--steps", "0,3", ABLATION_PLAN="moved")
        self.assertNotIn("checkout", ended.stderr)
        self.assertEqual(len(self.trials()), 2)
        for trial in self.trials().values():
            self.assertEqual(read_json(trial, "environment.json")["git"]["commit"], "unknown")
        self.done("report", self.path("results", "small"))

    def test_it_loads_libtorch_from_beside_it(self):
        if not self.from_python:
            self.skipTest("LibTorch is a CUDA build or the user's: it stays where it is")
        listing = subprocess.run(["ldd", self.program], capture_output=True, text=True, check=True).stdout
        own = os.path.join(self.prefix, "lib", "kablate")
        found = {line.split()[0]: line.split(" => ")[1] for line in listing.splitlines() if " => " in line}
        for name in "libtorch.so", "libtorch_cpu.so", "libc10.so":
            self.assertTrue(os.path.realpath(found[name].rpartition(" (")[0]).startswith(
                os.path.realpath(own)), found[name])
        self.assertNotIn("not found", listing)

    def test_a_submission_finds_libtorch_there(self):
        """The program that is copied into one lies beside nothing."""
        if not self.from_python:
            self.skipTest("LibTorch is a CUDA build or the user's: it stays where it is")
        libraries = os.path.join(self.prefix, "lib", "kablate")
        scripts = self.done("submit", "--dry-run", "--set", "SLURM_CPUS=1").stdout
        line = f"export LD_LIBRARY_PATH='{libraries}'${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        self.assertEqual(scripts.count(line), 2, scripts)
        copy = shutil.copy(self.program, self.path("kablate"))
        call = f"{line}\nexec '{copy}' --version"
        self.assertIn("LibTorch", subprocess.run(["bash", "-c", call], capture_output=True, text=True,
                                                 check=True).stdout)

    def test_configurations_and_docs_are_there(self):
        for name in ("share/kablate/defconfigs/quick", "share/kablate/defconfigs/plans/ra-mla.yaml",
                     "share/doc/kablate/README.md", "share/doc/kablate/docs/results.md",
                     "share/doc/kablate/src/record/FORMAT.md", "share/doc/kablate/src/report/FORMAT.md",
                     "share/doc/kablate/src/cluster/FORMAT.md", "share/doc/kablate/LICENSE"):
            self.assertTrue(os.path.isfile(os.path.join(self.prefix, name)), name)


if __name__ == "__main__":
    unittest.main()
