"""`completion`: what bash would offer, asked of the script's functions as bash calls them."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import PATIENCE, ProgramTest  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# compopt works within a completion only; what it is asked for is shown.
DRIVER = """COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
compopt() { asked+=" $2"; }
. "$1"
COMP_LINE=$2 COMP_POINT=${#2}
COMP_WORDS=("${@:3}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$function"
printf '%s\\n' "${COMPREPLY[@]}" "asked$asked"
"""


class Completion(ProgramTest):
    def setUp(self):
        super().setUp()
        self.script = self.write("completion", self.done("completion", "bash").stdout)

    def offered(self, line, folder=None):
        """The words that are offered at the end of `line`, and what else is asked of the shell."""
        words = [part for word in line.split(" ") for part in re.split("(=)", word) if part]
        if line.endswith((" ", "=")):
            words.append("")
        words[0] = {"kablate": self.program}.get(words[0], words[0])
        function = "_kablate_make" if words[0] == "make" else "_kablate"
        ended = subprocess.run(["bash", "-c", DRIVER, "bash", self.script, line, *words],
                               cwd=folder or ROOT, env={**os.environ, "function": function},
                               capture_output=True, encoding="utf-8")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), line)
        *offered, asked = ended.stdout.splitlines()
        return [word for word in offered if word], asked.split()[1:]

    def test_commands_and_options(self):
        self.assertEqual(self.offered("kablate ver")[0], ["verify"])
        commands = self.offered("kablate ")[0]
        self.assertIn("import-runs", commands)
        self.assertNotIn("trial", commands, "it is for the runner")
        self.assertEqual(self.offered("kablate report --f")[0], ["--format"])
        options = self.offered("kablate run --")[0]
        for option in ("--steps", "--set", "--plan", "--config", "--help"):
            self.assertIn(option, options)

    def test_what_stands_behind_an_option(self):
        formats = ["terminal", "markdown", "latex", "csv"]
        self.assertEqual(self.offered("kablate report --format ")[0], formats)
        self.assertEqual(self.offered("kablate report results/quick --format l")[0], ["latex"])
        self.assertEqual(self.offered("kablate completion z")[0], ["zsh"])
        self.assertEqual(self.offered("kablate run --config "), ([], ["default"]))
        self.assertEqual(self.offered("kablate run --results "), ([], ["dirnames"]))
        self.assertEqual(self.offered("kablate report "), ([], ["dirnames"]))
        self.assertEqual(self.offered("kablate noise --fresh "), ([], []))
        self.assertEqual(self.offered("kablate run --plan ra-mla-c")[0], ["ra-mla-controls"])
        self.assertEqual(self.offered("kablate run --plan ./")[1], ["default"])

    def test_symbols_and_their_values(self):
        self.assertEqual(self.offered("kablate run --set OPTIMI"), (["OPTIMIZER="], ["nospace"]))
        self.assertEqual(self.offered("kablate run --set OPTIMIZER=")[0], ["adamwspam", "adamw"])
        self.assertEqual(self.offered("kablate run --set GPT2_BIAS=")[0], ["y", "n"])
        self.assertEqual(self.offered("kablate run --set DATA_PATH=my"), ([], ["default"]))

    def test_steps_of_the_plan(self):
        steps = [str(i) for i in range(6)]
        self.assertEqual(self.offered("kablate run --plan ra-mla --steps ")[0], steps)
        self.assertEqual(self.offered("kablate run --plan ra-mla --steps 0,2-")[0],
                         ["0,2-" + i for i in steps])
        self.assertEqual(self.offered("kablate run --plan=ra-mla --steps=0,")[0], ["0," + i for i in steps])
        self.write("mine.yaml", "name: m\nbaseline: 0\neach: [GPT2_BIAS, QK_NORM]\ncontrols: [flops]\n")
        self.assertEqual(self.offered("kablate run --plan mine.yaml --steps ", self.folder)[0],
                         ["0", "1", "2", "3", "4"])
        self.assertEqual(self.offered("kablate run --plan=mine.yaml --steps=", self.folder)[0],
                         ["0", "1", "2", "3", "4"])
        for alias in ("k", "~/kablate/build/kablate"):
            self.assertEqual(self.offered(alias + " run --plan mine.yaml --steps ", self.folder)[0],
                             ["0", "1", "2", "3", "4"], "the program, not what it was called by")

    def test_make_in_a_checkout(self):
        self.assertIn("defconfig-quick", self.offered("make defconfig-q")[0])
        self.assertEqual(self.offered("make rep")[0], ["report", "reproduce"])
        self.assertEqual(self.offered("make GPT2_N_L"), (["GPT2_N_LAYER="], ["nospace"]))
        self.assertEqual(self.offered("make SEE")[0], ["SEEDS="])
        for word, target in (("ben", "bench"), ("inst", "install"), ("tensor", "tensorboard"),
                             ("check-r", "check-report")):
            self.assertIn(target, self.offered(f"make {word}")[0])
        self.assertEqual(self.offered("make PREF"), (["PREFIX="], ["nospace"]))
        self.assertEqual(self.offered("make install PREFIX=/us"), ([], ["dirnames"]))
        self.assertEqual(self.offered("make plan OPTIMIZER=adamw")[0], ["adamwspam", "adamw"])
        self.assertIn("ra-mla", self.offered("make ABLATION_PLAN=ra-m")[0])

    def test_make_elsewhere_is_not_ours(self):
        offered, asked = self.offered("make rep", self.folder)
        self.assertEqual((offered, asked), ([], ["default"]))

    def typed(self, shell, arguments, setup, lines):
        """Types each line and a tab into the shell, and waits for what it is to become."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.environ.update(TERM="dumb", PATH=os.path.dirname(self.program) + ":" + os.environ["PATH"])
            os.execvp(shell, [shell, *arguments])
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, terminal)

        def wait_for(text):
            seen, limit = "", time.monotonic() + PATIENCE
            while text not in seen and time.monotonic() < limit:
                if select.select([terminal], [], [], 1)[0]:
                    seen += os.read(terminal, 4096).decode(errors="replace")
            self.assertIn(text, seen)

        os.write(terminal, f'{setup}eval "$(kablate completion {shell})"; echo re""ady\n'.encode())
        wait_for("ready")
        for line, expected in lines:
            os.write(terminal, (line + "\t").encode())
            wait_for(expected)
            os.write(terminal, b"\x15")  # ^U: an empty line again

    def test_on_a_terminal(self):
        lines = [("kablate knocko", "kablate knockout"),
                 ("kablate report --format la", "kablate report --format latex"),
                 ("kablate run --set OPTIMIZER=adamws", "OPTIMIZER=adamwspam"),
                 ("make defconfig-qui", "make defconfig-quick")]
        self.typed("bash", ["--norc", "-i"], "", lines)
        if shutil.which("zsh"):
            self.typed("zsh", ["-f", "-i"], "autoload -U compinit && compinit -D; ", lines)

    def test_other_shells_are_refused(self):
        self.assert_refused(self.call("completion", "fish"), "fish", "bash", "zsh")


if __name__ == "__main__":
    unittest.main()
