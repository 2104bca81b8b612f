"""The sources' key: tokens count, comments and white space don't."""

import unittest

from support import FolderTest

import source_key  # noqa: E402  (support makes scripts/ known)


class Tokens(unittest.TestCase):
    def same(self, first, second):
        self.assertEqual(source_key.tokens(first), source_key.tokens(second))

    def different(self, first, second):
        self.assertNotEqual(source_key.tokens(first), source_key.tokens(second))

    def test_comments_and_white_space_dont_count(self):
        self.same("int a = 1;  // one\nint b;", "int /* two\nlines */ a=1;\n\n\tint b ;\r\n")
        self.same("a = b / c;", "a = b /* x */ / c;")
        self.same("#define A 1\nint a;", "# define  A  1 // x\n\nint a;")
        self.same("call(a,\n  b)", "call(a, b)")
        self.same("long \\\nword", "long word")

    def test_values_names_and_operators_count(self):
        self.different("a = 1;", "a = 2;")
        self.different("a = 1e-3;", "a = 1e-4;")
        self.different("a = 1'000;", "a = 1'0000;")
        self.different("f(a);", "f(b);")
        self.different("a + +b", "a ++b")
        self.different("a b", "ab")
        self.different("x = 'a';", "x = 'b';")
        self.different("#define F(x) x", "#define F (x) x")
        self.different("#define A 1\n+2;", "#define A 1 +2;\n")

    def test_text_in_literals_counts(self):
        self.different('"a  b"', '"a b"')
        self.different('"http://a"', '"http://b"')
        self.different('R"(a // b)"', 'R"(a // c)"')
        self.different('R"x(a)" b)x"', 'R"x(a)" c)x"')
        self.same('R"x(a)" b)x" // c', 'R"x(a)" b)x"')
        self.different('"\\"/*a*/"', '"\\"/*b*/"')
        self.same("'\"'; // a", "'\"';")
        self.same("1'000'000; // it's", "1'000'000;")


class Key(FolderTest):
    def key(self):
        return source_key.key(self.folder)

    def test_only_the_sources_that_change_numbers_count(self):
        self.write("base/a.h", "int a;")
        self.write("model/kernel/b.cpp", "int b;")
        before = self.key()
        self.write("report/c.cpp", "int c;")
        self.write("model/Kconfig", "config X")
        self.write("base/a.h", "// now with a comment\nint  a ;")
        self.assertEqual(self.key(), before)
        self.write("model/kernel/b.cpp", "int b = 1;")
        self.assertNotEqual(self.key(), before)

    def test_how_threads_and_libraries_are_set_counts(self):
        self.write("measure/machine.cpp", "make_deterministic();")
        before = self.key()
        self.write("measure/machine.cpp", "// make_deterministic();")
        self.assertNotEqual(self.key(), before)

    def test_names_and_boundaries_of_files_count(self):
        self.write("base/a.h", "int a; int b;")
        self.write("base/b.h", "")
        before = self.key()
        self.write("base/a.h", "int a;")
        self.write("base/b.h", "int b;")
        self.assertNotEqual(self.key(), before)


if __name__ == "__main__":
    unittest.main()
