"""docs/tutorial.md: its commands run one after the other, at small sizes, and leave what the page says."""

import csv
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "tutorial.md")
BLOCK = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)```\n", re.DOTALL)
PROGRAM = os.path.abspath(os.environ["KABLATE"])
SMALLER = "GPT2_MAX_ITERS=4 GPT2_WARMUP_STEPS=1 GPT2_EVAL_INTERVAL=2 GPT2_EVAL_SAMPLES=2"
SEEDS = {"1-8": "1-2", "1-9": "1-3"}

# make, with results elsewhere: what was built is taken as it is, and the program reads the page's .config.
MAKE = """\
set -euo pipefail
cd {root}
make() {{
  local goal=all given=() arguments=()
  for word in "$@"; do
    case $word in *=*) given+=("$word") ;; *) goal=$word ;; esac
  done
  case $goal in all | plan | audit | noise) given+=({smaller}) arguments=(RESULTS={folder}/results) ;; esac
  command make --no-print-directory O={folder} -o build -o data -o tokens "$goal" \
    "${{given[@]}}" "${{arguments[@]}}"
}}
"""


def blocks():
    """(mark, language, text) of each fenced block of the page."""
    with open(PAGE, encoding="utf-8") as file:
        return BLOCK.findall(file.read())


class Tutorial(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="kablate-tutorial-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        os.mkdir(os.path.join(self.folder, "build"))
        venv = os.path.dirname(os.path.dirname(sys.executable))
        os.symlink(venv, os.path.join(self.folder, ".venv"))
        self.write_program()
        # The program looks for plans in its sources alone: a name that nobody else has.
        self.plan = f"tutorial-{os.getpid()}"

    def write_program(self):
        """A program that reads the .config of the folder, as one that was built there would have it."""
        program = os.path.join(self.folder, "build", "kablate")
        with open(program, "w", encoding="utf-8") as file:
            file.write(
                "#!/bin/sh\ncommand=$1\nshift\ncase $command in\n"
                f"  run | plan | audit | noise) set -- --config {self.folder}/.config \"$@\" ;;\nesac\n"
                f'exec {PROGRAM} "$command" "$@"\n'
            )
        os.chmod(program, 0o755)

    def here(self, text):
        """A block's text with the paths and the names of this test."""
        text = re.sub(r"\bresults/", f"{self.folder}/results/", text)
        text = re.sub(r"(?<![\w.])my\.txt", f"{self.folder}/my.txt", text)
        text = text.replace("ABLATION_PLAN=mine", f"ABLATION_PLAN={self.plan}")
        return re.sub(r"\bSEEDS=(1-\d)", lambda match: f"SEEDS={SEEDS[match[1]]}", text)

    def write_plan(self, path, text):
        self.assertEqual(path, "defconfigs/plans/mine.yaml")
        own = os.path.join(ROOT, "defconfigs", "plans", self.plan + ".yaml")
        self.addCleanup(os.remove, own)
        with open(own, "w", encoding="utf-8") as file:
            file.write(text)

    def test_every_command_of_the_page(self):
        script = MAKE.format(root=ROOT, folder=self.folder, smaller=SMALLER)
        commands = 0
        for mark, language, text in blocks():
            if mark.startswith("file: "):
                self.write_plan(mark.removeprefix("file: "), text)
            elif language == "sh" and mark != "not in the test":
                commands += text.count("make ")
                script += "set -x\n" + self.here(text) + "{ set +x; } 2> /dev/null\n"
        self.assertGreaterEqual(commands, 11)
        answer = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, env=self.environment(), check=False
        )
        self.assertEqual(answer.returncode, 0, answer.stdout[-4000:] + answer.stderr[-4000:])
        self.check_what_is_said(answer.stdout + answer.stderr)

    def environment(self):
        return {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "KABLATE", "GNUMAKE"))
        }

    def check_what_is_said(self, output):
        with open(os.path.join(self.folder, "results", "mine", "report.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["step"] for row in rows], ["0", "1", "2", "3", "4", "5"])
        self.assertEqual({row["seeds"] for row in rows}, {"3"})
        self.assertEqual(rows[5]["identical_to"], "0", "the dead twin is the baseline")
        text = " ".join(output.split())
        for said in (
            "added after a look at seeds 1, 2",
            "Noise floor: the baseline's loss has sd",
            "step 1 mha+cross, seed 1: equal: weights",
        ):
            self.assertIn(said, text)


if __name__ == "__main__":
    unittest.main()
