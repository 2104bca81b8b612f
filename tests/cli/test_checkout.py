"""Which checkout the program belongs to: a copy reads its own plans and its own state of git."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_json  # noqa: E402

PLAN = """name: here
baseline: 0
steps:
  0: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}
"""


class Copied(ProgramTest):
    def setUp(self):
        super().setUp()
        self.copy = self.path("a copy")
        os.makedirs(os.path.join(self.copy, "build"))
        self.program = shutil.copy2(self.program, os.path.join(self.copy, "build", "kablate"))

    def make_checkout(self):
        self.write_in("defconfigs/plans/here.yaml", PLAN)
        self.write_in("src/plan/plan_file.cpp", "")

    def write_in(self, name, content):
        os.makedirs(os.path.dirname(os.path.join(self.copy, name)), exist_ok=True)
        self.write(os.path.join("a copy", name), content)

    def git(self, *arguments, folder=None):
        line = ["git", "-C", folder or self.copy, "-c", "user.name=x", "-c", "user.email=x@x", *arguments]
        subprocess.run(line, check=True, capture_output=True)

    def recorded(self):
        """What a trained trial says of git, and what lies beside the plan."""
        self.done("run", RA_MLA_ABLATION_MODE="y", ABLATION_PLAN="here")
        trial, = self.trials().values()
        patches = [name for name in os.listdir(self.path("results", "small")) if name.endswith(".patch")]
        return read_json(trial, "environment.json")["git"], patches

    def test_a_checkout_around_the_build_is_the_programs(self):
        self.make_checkout()
        self.git("init", "-q")
        self.git("add", "defconfigs", "src")
        self.git("commit", "-qm", "one")
        self.write_in("src/plan/plan_file.cpp", "int changed;\n")
        git, patches = self.recorded()
        self.assertEqual(git["dirty"], True)
        self.assertEqual(len(git["commit"]), 40)
        self.assertEqual(patches, [f"changes-{git['changes']['sha256'][:12]}.patch"])
        with open(self.path("results", "small", patches[0]), encoding="utf-8") as file:
            self.assertIn("+int changed;", file.read())

    def test_a_repository_around_it_is_not(self):
        self.make_checkout()
        self.git("init", "-q", folder=self.folder)
        self.git("add", "text", folder=self.folder)
        self.git("commit", "-qm", "one", folder=self.folder)
        self.write("text", "changed" * 100)
        self.configure()
        git, patches = self.recorded()
        self.assertEqual(git["commit"], "unknown")
        self.assertEqual(git["changes"]["bytes"], 0)
        self.assertEqual(patches, [])

    def test_a_program_without_one_says_whose_plans_it_reads(self):
        ended = self.done("plan", RA_MLA_ABLATION_MODE="y", ABLATION_PLAN="ra-mla")
        self.assertIn("there is no checkout beside", ended.stderr)


if __name__ == "__main__":
    unittest.main()
