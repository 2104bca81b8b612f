"""The lints find what they are for, and leave good sources alone."""

import unittest

import support  # makes scripts/ known

import lint
import lint_names


class Includes(unittest.TestCase):
    def found(self, path, *lines):
        return lint.check_includes(path, "\n".join(lines))

    def test_downward_and_own_folder(self):
        self.assertEqual(
            self.found(
                "src/model/gpt.cpp",
                '#include "model/block.h"',
                '#include "shape/x.h"',
                "#include <torch/nn/module.h>",
                '#include "base/error.h"',
                "#include <vector>",
            ),
            [],
        )
        self.assertEqual(self.found("src/config/symbols.cpp", "#include <autoconf.h>"), [])

    def test_upward_and_siblings(self):
        self.assertIn(
            "src/model must not include train/loop.h",
            self.found("src/model/gpt.cpp", "", '#include "train/loop.h"')[0],
        )
        self.assertEqual(len(self.found("src/plan/plan.cpp", '#include "stats/paired.h"')), 1)
        self.assertEqual(len(self.found("src/model/gpt.cpp", '#include "optim/adamw.h"')), 1)

    def test_libtorch_in_the_core(self):
        for header in ("torch/torch.h", "ATen/ATen.h", "c10/util/Half.h"):
            self.assertEqual(len(self.found("src/stats/a.h", f"#include <{header}>")), 1, header)

    def test_the_generated_header_outside_config(self):
        self.assertEqual(len(self.found("src/base/a.cpp", '#include "autoconf.h"')), 1)

    def test_folder_without_a_layer(self):
        self.assertIn("no layer", self.found("src/misc/a.cpp")[0])

    def test_include_without_its_folder(self):
        self.assertEqual(len(self.found("src/model/gpt.cpp", '#include "block.h"')), 1)


class Names(unittest.TestCase):
    """Within a folder, which is compiled as one file."""

    HEADER = "namespace kablate {\nstd::string text_of(double value);\ninline constexpr int kMost = 3;\n" \
             "}  // namespace kablate\n"

    def source(self, *lines):
        return "\n".join(['#include "base/a.h"', "namespace kablate {", "namespace {", *lines,
                          "}  // namespace", "}  // namespace kablate", ""])

    def found(self, first, second, **options):
        files = [("src/base/a.h", self.HEADER), ("src/plan/a.cpp", first), ("src/plan/b.cpp", second)]
        return [(path, line) for path, line, _ in lint_names.duplicates(files, **options)]

    def test_an_overload_of_another_files_function(self):
        first = self.source("int total(int a) { return a; }")
        second = self.source("", "std::vector<double> total(const std::string& text) {", "  return {};", "}")
        self.assertEqual(self.found(first, second), [("src/plan/b.cpp", 5)])
        self.assertEqual(self.found(first, second, apart=["src/plan"]), [])

    def test_a_name_that_hides_a_headers(self):
        for line in ("constexpr int kLeast = 1, kMost = 2;", "std::string text_of(bool value) {",
                     "const std::map<int, int> kMost{{1, 2}};"):
            self.assertEqual(self.found(self.source(line), self.source()), [("src/plan/a.cpp", 4)], line)

    def test_declarations_of_every_form(self):
        first = self.source("int total(int a) { return a; }", "GPT gpt(int a) { return a; }")
        for lines in (["std::vector<double>", "total(const std::string& text) {", "}"],
                      ["[[noreturn]] void total() {", "}"], ["[[nodiscard]] int total() { return 1; }"],
                      ["GPT total(bool a) {", "}"], ["CLI::Validator total();"],
                      ["YAML::Node total() {", "}"],
                      ["template <typename T, typename U = std::vector<T>> void total(T a) {", "}"],
                      ["template <typename T>", "T total(T a) {", "}"]):
            with self.subTest(lines=lines):
                self.assertIn(("src/plan/b.cpp", 4 + lines[0].endswith("T>")),
                              self.found(first, self.source(*lines)))
        self.assertEqual(self.found(first, self.source("TEST_P(A, B) {", "  gpt(1);", "}")), [])

    def test_headers_of_every_form(self):
        names = ["std::vector<double>", "columns();  // of the table", "struct [[nodiscard]] Shape {", "};",
                 "constexpr const char *kFirst = \"a\",", "                     *kSecond = \"b\";"]
        self.HEADER = "\n".join(["namespace kablate {", *names, "}  // namespace kablate", ""])
        for line in ("int columns(int a) { return a; }", "struct Shape {", "constexpr int kSecond = 2;",
                     "constexpr int kThird = 3,\n              kSecond = 2;"):
            with self.subTest(line=line):
                self.assertEqual(self.found(self.source(line), self.source()), [("src/plan/a.cpp", 4)])

    def test_names_of_namespaces(self):
        """What is seen is that of the namespace itself and of those around it."""
        def page(text):
            return text.replace("namespace kablate", "namespace kablate::page")

        inner = page(self.source("int own(int a) { return a; }"))
        outer = self.source("int own(bool a) { return a; }")
        text = "namespace event {", "constexpr int kMost = 3;", "}", "int f() { return 1; }"
        self.assertEqual(self.found(outer, inner), [("src/plan/b.cpp", 4)])
        self.assertEqual(self.found(inner, outer), [])
        self.assertEqual(self.found(self.source(*text), self.source()), [])
        self.HEADER = page(self.HEADER)
        hiding = self.source("std::string text_of(bool value) {")
        self.assertEqual(self.found(hiding, self.source()), [])
        self.assertEqual(self.found(page(hiding), self.source()), [("src/plan/a.cpp", 4)])

    def test_text_is_no_source(self):
        raw = self.source('constexpr const char* kText = R"(', "int text_of(int a) {", ')";')
        self.assertEqual(self.found(raw, self.source()), [])

    def test_a_header_that_nobody_includes_and_names_within_functions(self):
        first = self.source("int f(int a) {", "  int total(3);", "  return total;", "}")
        second = self.source("constexpr int kMost = 1;", "int total(int a) { return a; }")
        self.assertEqual(self.found(*(text.replace("a.h", "c.h") for text in (first, second))), [])


class Tables(unittest.TestCase):
    def found(self, *lines):
        return lint.check_tables("docs/a.md", "\n".join(lines))

    def test_rows_as_wide_as_their_head(self):
        self.assertEqual(self.found("| a | b |", "|---|---|", "| `x | y` | \\| |", "", "| c |", "|---|"), [])
        self.assertEqual(self.found("```", "| a | b |", "| a |", "```"), [])

    def test_rows_of_another_width(self):
        self.assertEqual(
            self.found("| a | b |", "|---|", "| 1 | 2 |", "| 1 | 2 | 3 |"),
            [
                "docs/a.md:2: 1 cells in a table of 2 columns",
                "docs/a.md:4: 3 cells in a table of 2 columns",
            ],
        )


class Lengths(unittest.TestCase):
    def function(self, head, statements):
        return head + " {\n" + "  f();\n" * statements + "}\n"

    def longest(self, text):
        return max((length for _, length in lint.function_lengths(text)), default=0)

    def test_functions_are_measured_in_every_scope(self):
        for before, head in (
            ("", "int f()"),
            ("namespace a {\nclass B : public C {\n public:\n", "  void f() const"),
            ("namespace {\n", "B::B(int a) : a_(a), b_{a}"),
            ("", "auto f(int a) -> std::vector<int>"),
            ("template <typename T>\n", "void f(T t) noexcept"),
        ):
            with self.subTest(head):
                text = before + self.function(head, 70)
                self.assertIn(self.longest(text), (72, 73))

    def test_lambdas_belong_to_their_function(self):
        inner = "  auto g = [] {\n" + "    f();\n" * 30 + "  };\n"
        self.assertEqual(self.longest("int f() {\n" + inner * 2 + "}\n"), 66)

    def test_tables_classes_and_namespaces_are_no_functions(self):
        table = "const int table[] = {\n" + "    1,\n" * 100 + "};\n"
        fields = "struct S {\n" + "  int a = 0;\n" * 100 + "};\n"
        self.assertEqual(self.longest(f"namespace a {{\n{table}{fields}}}\n"), 0)

    def test_braces_in_text_dont_count(self):
        self.assertEqual(self.longest("int f() {\n  g(\"{{{\", '{');  // {\n  /* { */\n}\n"), 4)

    def test_limits(self):
        self.assertIn(
            "a function of 72 lines", lint.check_lengths("src/a.cpp", self.function("int f()", 70))[0]
        )
        marked = "// NOLINT(length): one line a symbol\n" + self.function("int f()", 70)
        self.assertEqual(lint.check_lengths("src/a.cpp", marked), [])
        self.assertIn("401 lines", lint.check_lengths("src/a.cpp", "\n" * 401)[0])
        self.assertIn("#pragma once", lint.check_lengths("src/a.h", "int a;\n")[0])
        self.assertIn("111 columns", lint.check_lengths("src/a.cpp", "// " + "x" * 108)[0])
        self.assertEqual(lint.check_lengths("src/a.cpp", "// " + "x" * 107), [])
        self.assertIn("200", lint.check_makefile("\n" * 200)[0])
        self.assertEqual(lint.check_makefile("\n" * 199), [])


class Kconfig(unittest.TestCase):
    HELP = "\thelp\n\t  What it does.\n\t  Allowed: 0 to 9.\n\t  Cost: nothing.\n"
    GOOD = 'config A\n\tint "A"\n\tdefault 1\n\trange 0 9\n' + HELP

    def found(self, text):
        return " ".join(lint.check_kconfig("Kconfig", text))

    def test_good_entries(self):
        self.assertEqual(self.found('menu "M"\n\n' + self.GOOD + "\nendmenu\n"), "")
        self.assertEqual(
            self.found(
                'choice\n\tprompt "C"\n\tdefault C_D\n\thelp\n\t  Cost: none.\n\nconfig C_D\n\tbool "D"\n\n'
                'endchoice\n\nconfig C\n\tstring\n\tdefault "d" if C_D\n'
            ),
            "",
        )

    def test_a_new_switch_is_off(self):
        switch = 'config %s\n\tbool "A"\n\tdefault y\n\thelp\n\t  Cost: none.\n'
        self.assertIn("Kconfig:3: NEW_GATE: a new switch is n by itself", self.found(switch % "NEW_GATE"))
        self.assertEqual(self.found(switch % "GPT2_BIAS"), "")
        conditional = switch.replace("default y", "default y if GPT2_BIAS")
        self.assertIn("a new switch is n", self.found(conditional % "NEW_GATE"))

    def test_bad_entries(self):
        for old, new, expected in (
            ("\trange 0 9\n", "", "every int has a range"),
            ("\tdefault 1", "    default 1", "one tab"),
            ("\t  What", "\t What", "two blanks"),
            ("What it does.", "x" * 63, "63 columns"),
            (self.HELP, "", "help is missing"),
            ("\t  Cost: nothing.\n", "\t  It costs nothing.\n", "names no cost"),
            ("\t  Cost: nothing.\n", "\t  Cost: nothing.\n" + "\t  More.\n" * 4, "help of 7 lines"),
            ("Allowed: 0 to 9", "From 0 to 9", "doesn't say what is allowed"),
            ("Allowed: 0 to 9", "Allowed: 0 to 99", "must begin with the range, '0 to 9'"),
            ("Allowed: 0 to 9", "Allowed: at most 9", "must begin with the range, '0 to 9'"),
            ("\tdefault 1\n\trange 0 9\n", "\trange 0 9\n\tdefault 1\n", "order"),
            ("default 1", "default n", "drop 'default n'"),
            ("default 1", "defualt 1", "'defualt'"),
        ):
            with self.subTest(expected):
                self.assertIn(old, self.GOOD)
                self.assertIn(expected, self.found(self.GOOD.replace(old, new)))

    def test_bounds_of_numbers_in_texts_are_named(self):
        head = 'config MASK_RATE\n\tstring "M"\n\tdefault "0.15"\n\thelp\n'
        entry = head + "\t  Cost: none.\n\t  Allowed: %s.\n"
        self.assertEqual(self.found(entry % "above 0 up to 1"), "")
        self.assertIn("lacks the bound 1 of src/config/binding.h", self.found(entry % "above 0 up to 10"))
        self.assertIn("lacks the bound 0 of", self.found(entry % "above 0.5 up to 1"))


class MenuLines(support.FolderTest):
    def test_a_choice_fits_into_the_menu_with_every_member(self):
        choice = (
            'choice\n\tprompt "C"\n\tdefault C_D\n\nconfig C_D\n\tbool "D"\n\nconfig C_E\n\tbool "%s"\n\n'
            'endchoice\n\nconfig C\n\tstring\n\tdefault "d" if C_D\n\tdefault "e" if C_E\n'
        )
        for width in 66, 67:
            self.write("Kconfig", choice % ("x" * width))
            found = lint.check_menu_lines(support.strict.open_menu(self.folder))
            self.assertEqual(len(found), width - 66)
        self.assertIn("Kconfig:8: C_E: in the menu 'C (xxx", found[0])


if __name__ == "__main__":
    unittest.main()
