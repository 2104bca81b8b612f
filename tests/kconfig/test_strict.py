"""Every way in which stock Kconfig drops, rewords or falls back on is an error with file and line."""

import os
import unittest

import support
from support import MenuTest, strict


class Accepted(MenuTest):
    def test_empty_file_gives_the_defaults(self):
        menu = self.load("")
        values = {name: menu.syms[name].str_value for name in ("SWITCH", "OFF", "DEPTH", "NAME", "COLOUR")}
        self.assertEqual(values, {"SWITCH": "y", "OFF": "n", "DEPTH": "4", "NAME": "a name", "COLOUR": "red"})

    def test_missing_symbols_are_named_and_a_choice_once(self):
        self.load("CONFIG_DEPTH=5\n")
        self.assertEqual(self.missing, ["SWITCH", "OFF", "NAME", "COLOUR"])

    def test_a_member_stands_for_its_choice(self):
        self.load('CONFIG_COLOUR_BLUE=y\nCONFIG_SWITCH=y\nCONFIG_OFF=n\nCONFIG_NAME=""\nCONFIG_DEPTH=0\n')
        self.assertEqual(self.missing, [])

    def test_bool_forms(self):
        self.assertEqual(self.value("CONFIG_OFF=y\n", "OFF"), "y")
        self.assertEqual(self.value("CONFIG_SWITCH=n\n", "SWITCH"), "n")
        self.assertEqual(self.value("# CONFIG_SWITCH is not set\n", "SWITCH"), "n")

    def test_strings_keep_escapes_blanks_and_unicode(self):
        self.assertEqual(self.value('CONFIG_NAME=" a \\"b\\" \\\\ é#=$x "\n', "NAME"), ' a "b" \\ é#=$x ')

    def test_choice_as_member_and_as_string(self):
        self.assertEqual(self.value("CONFIG_COLOUR_BLUE=y\n", "COLOUR"), "blue")
        self.assertEqual(self.value('CONFIG_COLOUR="blue"\n', "COLOUR"), "blue")
        self.assertEqual(self.value('CONFIG_COLOUR="blue"\nCONFIG_COLOUR_BLUE=y\n', "COLOUR"), "blue")

    def test_string_form_becomes_the_member(self):
        menu = self.load('CONFIG_COLOUR="green"\n')
        menu.write_min_config(self.path("minimal"))
        self.assertEqual(self.read("minimal"), "CONFIG_COLOUR_GREEN=y\n")

    def test_comments_blank_lines_and_trailing_blanks(self):
        self.assertEqual(
            self.value("\n# CONFIG_DEPTH=9\n#\n # a remark, not a rule\nCONFIG_DEPTH=7  \r\n", "DEPTH"), "7"
        )

    def test_what_kconfig_writes_reads_back_with_nothing_missing(self):
        menu = self.load('CONFIG_OFF=y\nCONFIG_COLOUR_GREEN=y\nCONFIG_NAME="q\\"uote"\n')
        menu.write_config(self.path("full"), save_old=False)
        again = self.load(self.read("full"))
        self.assertEqual(self.missing, [])
        self.assertEqual(
            [s.str_value for s in menu.unique_defined_syms], [s.str_value for s in again.unique_defined_syms]
        )

    def test_the_environment_changes_no_prefix(self):
        self.assertNotIn("CONFIG_", os.environ)

    def test_a_visible_dependent_symbol_can_be_set(self):
        self.assertEqual(self.value("CONFIG_HIDDEN_DEPTH=3\nCONFIG_OFF=y\n", "HIDDEN_DEPTH"), "3")


class RefusedLines(MenuTest):
    def test_blanks_around_equals(self):
        self.assert_refused("\nCONFIG_SWITCH = y\n", 2, "CONFIG_SWITCH=y")
        self.assert_refused("CONFIG_DEPTH= 5\n", 1, "blanks after '='", "CONFIG_DEPTH=5")
        self.assert_refused('CONFIG_NAME=\t"x"\n', 1, "blanks after '='")
        self.assert_refused("CONFIG_DEPTH =5\n", 1, "malformed", "CONFIG_DEPTH=5")
        self.assert_refused(" CONFIG_DEPTH=5\n", 1, "malformed", "CONFIG_DEPTH=5")

    def test_missing_prefix(self):
        self.assert_refused("DEPTH=5\n", 1, "CONFIG_DEPTH=5")

    def test_no_assignment_at_all(self):
        self.assert_refused("CONFIG_SWITCH\n", 1, "malformed", "CONFIG_NAME=VALUE")
        self.assert_refused("hello\n", 1, "malformed")

    def test_malformed_not_set(self):
        for line in (
            "# CONFIG_SWITCH is  not set",
            "#CONFIG_SWITCH is not set",
            "# CONFIG_SWITCH is not set.",
            "# CONFIG_SWITCH  is not set",
            " # CONFIG_SWITCH is not set",
            "# CONFIG_SWITCH not set",
            "# config_switch is not set",
            "# CONFIG_SWITCH is NOT set",
            "# SWITCH is not set",
            "# CONFIG_SWITCH is unset",
            "## CONFIG_SWITCH is not set",
            "# CONFIG_SWITCH is notset",
        ):
            with self.subTest(line):
                self.assert_refused(f"\n\n{line}\n", 3, "is not set")

    def test_misspelt_symbol(self):
        self.assert_refused("CONFIG_DEPHT=5\n", 1, "CONFIG_DEPHT", "did you mean DEPTH?")
        self.assert_refused("CONFIG_depth=5\n", 1, "did you mean DEPTH?")
        self.assert_refused("# CONFIG_SWICTH is not set\n", 1, "did you mean SWITCH?")
        self.assert_refused("CONFIG_ZZZZZZ=5\n", 1, "CONFIG_ZZZZZZ", "no symbol")

    def test_unknown_names_come_all_at_once_with_what_they_are_here(self):
        self.assert_refused("CONFIG_BATCH_SIZE=5\n", 1, "here it is GPT2_BATCH_SIZE")
        foreign = "CONFIG_SWITCH=y\nCONFIG_BATCH_SIZE=5\nCONFIG_NOTHING_NEAR=y # why\nCONFIG_DEPTH=x\n"
        parts = "3 names", "BATCH_SIZE (line 2, here GPT2_BATCH_SIZE)", "NOTHING_NEAR (line 3)"
        self.assert_refused(
            foreign + "# CONFIG_SWICTH is not set\n", 2, *parts, "SWICTH (line 5, here SWITCH)"
        )
        self.assert_refused("CONFIG_DEPTH=x\n" + foreign, 1, "not a whole number")

    def test_a_comment_behind_a_value(self):
        alone = "a comment stands on a line of its own"
        self.assert_refused("CONFIG_DEPTH=64  # comment\n", 1, "CONFIG_DEPTH=64  # comment", alone)
        self.assert_refused("CONFIG_SWITCH=y # on\n", 1, alone)
        self.assert_refused('CONFIG_NAME="a" # why\n', 1, alone)

    def test_set_twice(self):
        self.assert_refused("CONFIG_DEPTH=5\n\nCONFIG_DEPTH=5\n", 3, "set twice", "config:1")
        self.assert_refused("CONFIG_OFF=y\n# CONFIG_OFF is not set\n", 2, "set twice")

    def test_not_utf8(self):
        self.assert_refused(b'\nCONFIG_NAME="\xff"\n', 2, "not UTF-8")

    def test_control_characters(self):
        self.assert_refused(b'CONFIG_NAME="a\x00b"\n', 1, "control character")
        self.assert_refused("CONFIG_DEPTH=5\n\ufeff\n", 2, "control character")
        self.assert_refused("\ufeffCONFIG_DEPTH=5\n", 1, "byte-order mark")

    def test_unreadable_file(self):
        menu = strict.open_menu(os.path.join(support.HERE, "menu"))
        with self.assertRaisesRegex(strict.ConfigError, "nothing: can't be read: No such file"):
            strict.load(menu, self.path("nothing"))


class RefusedValues(MenuTest):
    def test_bool_that_is_neither_y_nor_n(self):
        for value in ("m", "yes", "1", "Y", "", "yy", '"y"'):
            with self.subTest(value):
                self.assert_refused(f"CONFIG_SWITCH={value}\n", 1, "CONFIG_SWITCH", "must be y or n")

    def test_int_that_is_no_whole_number(self):
        for value in ("x", "1.5", "1e3", "0x10", "", "1 2", "+5", "-0", "5#", '"5"', "٣"):
            with self.subTest(value):
                self.assert_refused(f"CONFIG_DEPTH={value}\n", 1, "CONFIG_DEPTH")

    def test_int_with_leading_zeros(self):
        self.assert_refused("CONFIG_DEPTH=012\n", 1, "leading zeros")
        self.assert_refused("CONFIG_DEPTH=00\n", 1, "leading zeros")

    def test_int_out_of_range(self):
        self.assert_refused("CONFIG_DEPTH=97\n", 1, "CONFIG_DEPTH=97", "0 to 96")
        self.assert_refused("CONFIG_DEPTH=-1\n", 1, "CONFIG_DEPTH=-1", "0 to 96")
        self.assert_refused("CONFIG_DEPTH=99999999999999999999999\n", 1, "0 to 96")

    def test_int_or_string_not_set(self):
        self.assert_refused("# CONFIG_DEPTH is not set\n", 1, "DEPTH", "whole number")
        self.assert_refused("# CONFIG_NAME is not set\n", 1, 'CONFIG_NAME=""')

    def test_string_without_quotes(self):
        self.assert_refused("CONFIG_NAME=abc\n", 1, "double quotes")
        self.assert_refused("CONFIG_NAME=\n", 1, "double quotes")
        self.assert_refused("CONFIG_NAME='abc'\n", 1, "double quotes")

    def test_text_after_the_closing_quote(self):
        self.assert_refused('CONFIG_NAME="1,2"junk\n', 1, "after the closing quote", "junk")
        self.assert_refused('CONFIG_NAME="a" # why\n', 1, "after the closing quote")

    def test_unterminated_string(self):
        self.assert_refused('CONFIG_NAME="abc\n', 1, "no closing quote")
        self.assert_refused('CONFIG_NAME="abc\\"\n', 1, "no closing quote")
        self.assert_refused('CONFIG_NAME="\n', 1, "no closing quote")

    def test_unknown_escape(self):
        self.assert_refused('CONFIG_NAME="a\\n"\n', 1, "backslash")

    def test_value_hidden_by_unmet_dependency(self):
        self.assert_refused("CONFIG_HIDDEN_DEPTH=3\n", 1, "would be ignored", "depends on OFF")
        self.assert_refused("CONFIG_HIDDEN_DEPTH=3\n# CONFIG_OFF is not set\n", 1, "depends on OFF")


class RefusedChoices(MenuTest):
    def test_unknown_value(self):
        self.assert_refused('CONFIG_COLOUR="mauve"\n', 1, "unknown value", "COLOUR", "red, green, blue")
        self.assert_refused('CONFIG_COLOUR=""\n', 1, "unknown value")

    def test_derived_string_contradicts_its_choice(self):
        self.assert_refused(
            'CONFIG_COLOUR_BLUE=y\nCONFIG_COLOUR="green"\n', 2, "the choice COLOUR", "COLOUR_BLUE", ":1"
        )
        self.assert_refused(
            'CONFIG_COLOUR="green"\n# CONFIG_COLOUR_GREEN is not set\n', 1, "the choice COLOUR"
        )

    def test_derived_string_edited_in_a_full_file(self):
        self.load("")
        menu = self.load("")
        menu.write_config(self.path("full"), save_old=False)
        edited = self.read("full").replace('CONFIG_COLOUR="red"', 'CONFIG_COLOUR="blue"')
        with self.assertRaisesRegex(strict.ConfigError, "contradicts the choice COLOUR"):
            self.load(edited)

    def test_two_members(self):
        self.assert_refused(
            "CONFIG_COLOUR_BLUE=y\nCONFIG_COLOUR_GREEN=y\n", 2, "COLOUR_GREEN", "second member", ":1"
        )

    def test_the_default_member_switched_off_and_no_other_on(self):
        self.assert_refused("# CONFIG_COLOUR_RED is not set\n", 1, "the choice COLOUR", "COLOUR_BLUE")

    def test_all_members_off(self):
        off = "".join(f"# CONFIG_COLOUR_{c} is not set\n" for c in ("GREEN", "RED", "BLUE"))
        self.assert_refused(off, 2, "the choice COLOUR")


class RefusedMenus(MenuTest):
    def open(self, text):
        self.write("Kconfig", text)
        return strict.open_menu(self.folder)

    def test_choice_without_its_string(self):
        menu = self.open('choice\n\tprompt "A"\nconfig A_B\n\tbool "B"\nendchoice\n')
        with self.assertRaisesRegex(strict.ConfigError, "lacks its string symbol"):
            strict.string_of_choice(menu)

    def test_choice_string_that_lacks_a_member(self):
        menu = self.open(
            'choice\n\tprompt "A"\nconfig A_B\n\tbool "B"\nconfig A_C\n\tbool "C"\nendchoice\n'
            'config A\n\tstring\n\tdefault "b" if A_B\n'
        )
        with self.assertRaisesRegex(strict.ConfigError, "for each member"):
            strict.choice_strings(menu)

    def test_types_that_are_not_read(self):
        with self.assertRaisesRegex(strict.ConfigError, "only bool, int and string"):
            self.open('config A\n\thex "A"\n\tdefault 0x1\n')

    def test_warnings_and_syntax_errors_of_the_menu(self):
        with self.assertRaises(strict.ConfigError):
            self.open('config A\n\tint "A"\n\tdefault x\n')
        with self.assertRaises(strict.ConfigError):
            self.open("confg A\n")


if __name__ == "__main__":
    unittest.main()
