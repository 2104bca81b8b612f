"""What a user sees while trials run: on a terminal of its own, and in a pipe."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
import unittest

from support import PATIENCE, ProgramTest

CODE = re.compile(r"\033\[(\d*)([A-Za-z])")


class Screen:
    """A terminal that breaks its lines anew when it is resized, as tmux does. It knows the codes that the
    program sends and no others."""

    def __init__(self, columns):
        self.columns = columns
        self.lines, self.line, self.column = [""], 0, 0  # whole lines, however many rows they take
        self.wrapped, self.shown, self.colours = [], [], 0

    def rows_of(self, text):
        return max(1, -(-len(text) // self.columns))

    def up(self, rows):
        while rows > 0:
            self.line -= 1
            assert self.line >= 0, "above the first line"
            rows -= self.rows_of(self.lines[self.line])
        assert rows == 0, f"into the middle of {self.lines[self.line]!r}"

    def put(self, text):
        at = 0
        while at < len(text):
            code = CODE.match(text, at)
            if code:
                self.obey(code[2], int(code[1] or 1))
            elif text[at] == "\r":
                self.column = 0
            elif text[at] == "\n":
                self.line += 1
                self.lines += [""] * (self.line + 1 - len(self.lines))
            else:
                row = self.lines[self.line]
                before = row[:self.column].ljust(self.column)
                self.lines[self.line] = before + text[at] + row[self.column + 1:]
                self.column += 1
            at = code.end() if code else at + 1

    def obey(self, letter, count):
        if letter == "A":
            self.up(count)
        elif letter == "J":
            self.shown.append(self.lines[self.line:-1])
            self.wrapped += [line for line in self.lines[self.line:] if len(line) >= self.columns]
            self.lines[self.line:] = [self.lines[self.line][:self.column]]
        elif letter == "m":
            self.colours += 1
        else:
            raise AssertionError(f"ESC [ {letter}")


class ProgressTest(ProgramTest):
    symbols = {"GPT2_MAX_ITERS": 900, "GPT2_EVAL_INTERVAL": 300, "GPT2_LOG_INTERVAL": 10, "SEEDS": '"1"'}

    def run_on_terminal(self, columns=80, then=None, **environment):
        """Runs two trials; gives the screen as it is left and the bytes. `then`: columns from 2 s on."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        variables = {name: value for name, value in os.environ.items()
                     if name not in ("NO_COLOR", "TMUX", "STY", "XTERM_VERSION")}
        process = subprocess.Popen(self.arguments("run", "--steps", "0,1"), cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
                                   encoding="utf-8",
                                   env={**variables, "TERM": "xterm-256color", **environment})
        self.addCleanup(self.end, process)
        os.close(theirs)
        tables = []
        reader = threading.Thread(target=lambda: tables.append(process.stdout.read()))
        reader.start()
        screen, sent, limit = Screen(columns), b"", time.monotonic() + PATIENCE
        began = time.monotonic()
        while time.monotonic() < limit:
            if then and time.monotonic() > began + 2:
                fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, then, 0, 0))
                screen.columns, then = then, None
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            sent += part
            screen.put(part.decode())
        os.close(ours)
        reader.join()
        self.assertEqual(process.wait(), 0, sent)
        self.assertIn("report.md", tables[0])
        return screen, sent.decode()

    def assert_clean_end(self, screen):
        """Events alone are left, each once, and the cursor stands at the start of a new line."""
        self.assertEqual((screen.line, screen.column, screen.lines[-1]), (len(screen.lines) - 1, 0, ""))
        events = [line for line in screen.lines if not line.startswith("kablate: ") and line]
        self.assertEqual(len(events), 4, screen.lines)
        self.assertEqual(sum(": started as process " in line for line in events), 2)
        self.assertEqual(sum(": validation loss " in line for line in events), 2)

    def test_lines_are_written_over_and_go_at_the_end(self):
        screen, sent = self.run_on_terminal()
        self.assert_clean_end(screen)
        self.assertEqual(screen.wrapped, [])
        full = [block for block in screen.shown if len(block) == 4]
        self.assertTrue(full, screen.shown)
        self.assertRegex(full[-1][1], r"^step 0 .*, seed 1 +#*\.* +\d+/900 +\d\.\d{4} +[\d.]+[kM]? +\S")
        self.assertRegex(full[-1][3], r"^\d of 2 trials done, about .* left in all$")
        self.assertGreater(screen.colours, 0)

    def test_a_narrow_terminal_and_one_that_gets_narrower(self):
        for columns, then in ((34, None), (120, 40)):
            with self.subTest(columns=columns, then=then):
                screen, _ = self.run_on_terminal(columns, then)
                self.assert_clean_end(screen)
                self.assertTrue(screen.shown)
                os.rename(self.path("results"), self.path(f"results {columns}"))

    def test_no_colour_where_it_is_not_wanted(self):
        screen, sent = self.run_on_terminal(NO_COLOR="1")
        self.assert_clean_end(screen)
        self.assertTrue(screen.shown)
        self.assertEqual(screen.colours, 0)

    def test_no_codes_on_a_dumb_terminal_or_in_a_pipe(self):
        _, sent = self.run_on_terminal(TERM="dumb")
        self.assertNotIn("\033", sent)
        self.assertIn("validation loss", sent)
        ended = self.done("run", "--steps", "0,1", results="piped", environment={"TERM": "xterm"})
        self.assertTrue(ended.stderr.replace("\n", "").isprintable(), ended.stderr)
        self.assertEqual(ended.stderr.count("validation loss"), 2)


if __name__ == "__main__":
    unittest.main()
