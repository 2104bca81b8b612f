"""kablate --version: what a bug report should say of the program."""

import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def call(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


class Version(unittest.TestCase):
    def test_each_line_is_what_was_built(self):
        answer = call(os.environ["KABLATE"], "--version")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        first, *lines = answer.stdout.splitlines()
        said = dict(line.split(maxsplit=1) for line in lines)
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"project\(kablate VERSION ([\d.]+)", file.read())[1]
        self.assertEqual(first, f"kablate {version}")
        self.assertEqual(list(said), ["commit", "sources", "compiler", "flags", "LibTorch", "kernels"])
        self.assertRegex(said["sources"], "^[0-9a-f]{64}$")
        self.assertRegex(said["LibTorch"], r"^\d+\.\d+")
        self.assertRegex(said["kernels"], "^(portable|avx2|avx512), on this CPU$")
        self.assertIn("-O", said["flags"])
        top = call("git", "rev-parse", "--show-toplevel")
        if top.returncode == 0 and os.path.samefile(top.stdout.strip(), ROOT):
            self.assertTrue(said["commit"].startswith(call("git", "rev-parse", "HEAD").stdout.strip()), said)


if __name__ == "__main__":
    unittest.main()
