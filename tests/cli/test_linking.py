"""Where the program finds what it calls: the C++ library's functions in the C++ library."""
import os
import re
import subprocess
import unittest

PROGRAM = os.path.abspath(os.environ["KABLATE"])
BINDING = re.compile(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `(\S+)'")


class Linking(unittest.TestCase):
    def test_the_c_plus_plus_library_is_its_own(self):
        """LibTorch's libraries export copies of std::filesystem, and the parts of two don't fit together."""
        done = subprocess.run([PROGRAM, "report", "no/such/folder"], capture_output=True, text=True,
                              env={**os.environ, "LD_DEBUG": "bindings"}, check=False)
        self.assertEqual(done.returncode, 2)
        found = [(library, symbol) for file, library, symbol in BINDING.findall(done.stderr)
                 if file == PROGRAM and "St10filesystem" in symbol]
        self.assertTrue(found)
        self.assertEqual({os.path.basename(library).split(".")[0] for library, _ in found}, {"libstdc++"})


if __name__ == "__main__":
    unittest.main()
