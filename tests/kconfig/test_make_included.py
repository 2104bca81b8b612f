"""What make says and passes on for the targets of the files that the Makefile includes: curves in other
programs (scripts/trackers.mk), trials from several machines (scripts/trees.mk), installing
(scripts/install.mk) and a fresh system (scripts/checks.mk)."""

import os
import unittest

from support import ROOT, MakeTest


class Included(MakeTest):
    def test_curves_are_those_of_the_configured_experiment_or_run(self):
        self.assertEqual(self.arguments_of(goal="tensorboard"), ["tensorboard", "results/an experiment"])
        self.assertEqual(self.arguments_of("RUN=x y", goal="tensorboard"), ["tensorboard", "x y"])
        self.write("out/.venv-trackers/bin/python", '#!/bin/sh\nprintf "%s\\n" "$@"\n')
        os.chmod(self.path("out/.venv-trackers/bin/python"), 0o755)
        for goal in ("wandb", "trackio"):
            answer = self.make("-o", "build", "-o", "trackers", goal, "RUN=x y")
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertEqual(
                answer.stdout.splitlines(),
                ["scripts/track.py", goal, "--program", self.path("out/build/kablate"), "x y"],
            )

    def test_trees_are_packed_and_merged(self):
        self.assertEqual(self.arguments_of(goal="pack"), ["pack", "results/an experiment"])
        self.assertEqual(
            self.arguments_of("RUN=x y", "TO=a b.tar.gz", goal="pack"), ["pack", "--out", "a b.tar.gz", "x y"]
        )
        self.assertEqual(
            self.arguments_of("FROM='a b.tar.gz' -c  \"d'e\"", "TO=x y", goal="merge"),
            ["merge", "--out", "x y", "--", "a b.tar.gz", "-c", "d'e"],
        )
        for given in (["FROM=a b"], ["TO=x"], ["FROM=a 'b", "TO=x"]):
            self.assertEqual(self.make("-o", "build", "merge", *given).returncode, 2)
        self.assertIn("make merge: say what and where to", self.make("-o", "build", "merge").stderr)
        self.assertIn("FROM: has no effect on 'make pack', only on merge", self.make("pack", "FROM=x").stderr)
        for given in ("FROM=~/x y", "TO=~/x"):
            self.assertIn(f"{given}: the shell left ~ as it is", self.make("merge", given).stderr)

    def test_install_wants_a_folder_before_it_compiles(self):
        answer = self.make("install")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("make install: say where to with PREFIX=DIR", answer.stderr)
        self.assertIn("PREFIX: has no effect on 'make plan', only on install",
                      self.make("plan", "PREFIX=x").stderr)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_install_has_the_plays_whatever_the_configuration_trains_on(self):
        self.write("out/build/kablate", "")
        self.write("out/.config", 'CONFIG_DATASET="copy"\n')
        self.write("out/.venv/bin/python", '#!/bin/sh\necho called with "$@"\n')
        self.write("bin/cmake", "#!/bin/sh\n")
        for name in ("out/.venv/bin/python", "bin/cmake"):
            os.chmod(self.path(name), 0o755)
        answer = self.make("-o", "build", "-o", "config", "install", "PREFIX=x",
                           PATH=self.path("bin") + ":" + os.environ["PATH"])
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("called with " + os.path.join(ROOT, "scripts", "prepare_shakespeare.py"), answer.stdout)

    def test_a_fresh_system_is_named(self):
        answer = self.make("check-chroot", "SUITE=a suite")
        self.assertIn("Suite 'a suite': say bookworm", answer.stderr)
        self.assertIn("SUITE: has no effect on 'make plan', only on check-chroot",
                      self.make("plan", "SUITE=trixie").stderr)


if __name__ == "__main__":
    unittest.main()
