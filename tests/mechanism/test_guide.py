"""The code of docs/adding-a-mechanism.md fits the tree as it is, and passes the lints with it. Nothing is
built: what it does is test_add_mechanism.py's."""

import os
import tempfile
import unittest

import config_docs
import guide
import kconfig_strict as strict
import lint

LINTED = (".clang-format", "CMakeLists.txt", "Kconfig", "Makefile", "README.md", "bench", "defconfigs",
          "docs", "scripts", "src")


class Guide(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="kablate guide ")
        self.addCleanup(holder.cleanup)
        self.copy = os.path.join(holder.name, "copy")
        self.page = guide.read(guide.ROOT, guide.PAGE)

    def test_the_mechanism_passes_the_lints(self):
        guide.copy_tree(self.copy, LINTED)
        files = guide.plant(self.copy, self.page)
        with open(os.path.join(self.copy, config_docs.PATH), "w", encoding="utf-8") as file:
            file.write(config_docs.page(self.copy, strict.open_menu(self.copy)))
        found = [line for line in lint.check_all(self.copy) if line.split(":")[0] in files]
        self.assertEqual(found, [])

    def test_lines_that_the_tree_has_no_more_are_named(self):
        with self.assertRaisesRegex(guide.GuideError, r"(?s)src/a\.h has these lines 0 times.*int a;"):
            guide.changed("src/a.h", "struct Other {};\n", " int a;\n+int b;\n")

    def test_code_of_no_file_is_refused(self):
        with self.assertRaisesRegex(guide.GuideError, "no file is named"):
            guide.blocks("`src/a.h`:\n\n```cpp\nint a;\n```\n\nText.\n\n```cpp\nint b;\n```\n")


if __name__ == "__main__":
    unittest.main()
