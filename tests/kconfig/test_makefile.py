"""The front door: what make says and passes on. Nothing is installed or compiled here."""

import os
import shutil
import subprocess
import unittest

import support
from support import MakeTest


class Help(MakeTest):
    def test_help_names_every_target_under_headings(self):
        text = self.make("help").stdout
        for word in (
            "Getting a table",
            "Configuring",
            "Building and checking",
            "menuconfig",
            "guiconfig",
            "oldconfig",
            "olddefconfig",
            "savedefconfig",
            "list-defconfigs",
            "defconfig-NAME",
            "make build",
            "make check",
            "make plan",
            "make report",
            "make watch",
            "make list",
            "make retry",
            "make verify",
            "make rerun",
            "make noise",
            "make calibrate",
            "make reproduce",
            "make tensorboard",
            "make wandb",
            "make trackio",
            "make install",
            "make data-bpe",
            "make data-fineweb-edu",
            "make data-openwebtext",
            "clean",
            "distclean",
            "V=1",
            "O=DIR",
            "STEPS=",
            "SEEDS=",
            "RESULTS=",
            "LIBTORCH=",
            "SYMBOL=VALUE",
        ):
            self.assertIn(word, text)

    def test_list_defconfigs_needs_nothing(self):
        names = self.make("list-defconfigs").stdout.split()
        self.assertIn("quick", names)
        self.assertNotIn("plans", names)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_unknown_defconfig_lists_the_known(self):
        for name in ("quikc", "plans", "a b"):
            answer = self.make(f"defconfig-{name}")
            self.assertEqual(answer.returncode, 2)
            self.assertIn("gpt2-ra-mla-full", answer.stderr)
        self.assertFalse(os.path.exists(self.path("out")))


class Variables(MakeTest):
    def test_overrides_reach_the_program(self):
        self.assertEqual(
            self.arguments_of("STEPS=0,2", "SEEDS=1-5", "RESULTS=a b", "GPT2_N_LAYER=3"),
            ["run", "--steps", "0,2", "--seeds", "1-5", "--results", "a b", "--set", "GPT2_N_LAYER=3"],
        )

    def test_switches_have_two_values(self):
        for given, allowed in (("TOGETHER=no", "y n"), ("V=2", "0 1"), ("V=0 1", "0 1")):
            answer = self.make("help", given)
            self.assertEqual(answer.returncode, 2)
            self.assertIn(f"{given}: allowed: {allowed}", answer.stderr)

    def test_values_survive_quoting(self):
        for value in (
            *("/a b/c", "it's", 'a"b"', "a$b", "$(HOME)", "a\\b", "a;b&c|d"),
            *("*", "é", "a=b", "#x", "a,b"),
        ):
            with self.subTest(value):
                self.assertEqual(
                    self.arguments_of(f"DATA_PATH={value}"), ["run", "--set", f"DATA_PATH={value}"]
                )

    def test_names_of_ours_in_the_environment_are_named_and_left_out(self):
        named = (
            "DEVICE",
            "GPT2_MAX_ITERS",
            "GTEST_FILTER",
            "KABLATE_SET_THREADS",
            "KABLATE_TORCH_INDX",
            "RESULTS",
            "SEEDS",
            "STEPS",
            "V",
        )
        self.arguments_of()
        answer = self.make(
            "-o", "build", "plan", O="/nowhere", KABLATE_TORCH_INDEX="x", **dict.fromkeys(named, "9")
        )
        self.assertEqual(answer.stdout.split(), ["plan"])
        self.assertIn(f"In the environment and not used: {' '.join(named)}. ", answer.stderr)
        self.assertEqual(self.make("list-defconfigs", KABLATE_TORCH_INDEX="x", CXX="g++").stderr, "")

    def test_variables_of_python_and_the_shell_change_nothing(self):
        """What BASH_ENV prints must not end in a folder's name, CDPATH not lead elsewhere."""
        self.write("elsewhere/defconfigs/wrong", "")
        loud = {
            "BASH_ENV": self.write("loud", "echo loud"),
            "ENV": self.path("loud"),
            "CDPATH": self.path("elsewhere"),
            "PYTHONSAFEPATH": "1",
            "PYTHONINSPECT": "1",
        }
        self.assertEqual(self.make("list-defconfigs", **loud).stdout, self.make("list-defconfigs").stdout)
        self.write("out/build/kablate", "#!/bin/sh\nenv; pwd\n")
        os.chmod(self.path("out/build/kablate"), 0o755)
        answer = self.make("-o", "build", "plan", **loud)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn(f"OUT={self.path('out')}\n", answer.stdout)
        for name in loud:
            self.assertNotIn(f"\n{name}=", "\n" + answer.stdout)

    def test_a_make_within_make_is_told_nothing(self):
        """What one make was given would be strange names in the environment of a test's own."""
        self.arguments_of()
        self.write("out/build/kablate", "#!/bin/sh\nenv\n")
        given = ("JOBS=1", "V=0", "TOGETHER=n", "STEPS=0", "SEEDS=1", "RESULTS=r", "GPT2_N_LAYER=3")
        answer = self.make("-o", "build", "-o", "data", "run", *given, "CXX=g++")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        passed = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
        for name, value in (one.split("=") for one in given):
            self.assertNotIn(name, passed)
            set_by = "KABLATE_SET_" if name.startswith("GPT2") else "KABLATE_"
            self.assertEqual(passed[set_by + name], value)
        self.assertNotIn("O", passed)
        self.assertEqual(passed["CXX"], "g++")

    def test_the_command_line_counts_whatever_the_environment_has_of_ours(self):
        self.arguments_of()
        self.write("out/build/kablate", "#!/bin/sh\nenv\n")
        given = {"KABLATE_STEPS": "9", "KABLATE_SEEDS": "9"}
        answer = self.make("-o", "build", "-o", "data", "run", "STEPS=0", **given)
        passed = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
        self.assertIn("not used: KABLATE_SEEDS KABLATE_STEPS. ", answer.stderr)
        self.assertEqual(passed["KABLATE_STEPS"], "0")
        self.assertEqual(passed["KABLATE_SEEDS"], "")

    def test_scripts_need_no_x_bit(self):
        copy = self.path("copy")
        shutil.copytree(
            support.ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "data", "results")
        )
        for name in os.listdir(os.path.join(copy, "scripts")):
            os.chmod(os.path.join(copy, "scripts", name), 0o644)
        self.arguments_of()
        answer = self.make("-C", copy, "-o", "build", "plan")
        self.assertEqual((answer.returncode, answer.stdout), (0, "plan\n"), answer.stderr)

    def test_a_tilde_that_the_shell_left_is_an_error(self):
        for given in ("O=~/x", "RESULTS=~", "DATA_PATH=~/a b", "RUN=~x"):
            answer = self.make("run" if "RUN" not in given else "report", given)
            self.assertEqual(answer.returncode, 2)
            self.assertIn(f"{given}: the shell left ~ as it is", answer.stderr)

    def test_report_takes_the_configured_experiment_or_run(self):
        self.assertEqual(self.arguments_of(goal="report"), ["report", "results/an experiment"])
        self.assertEqual(self.arguments_of("RUN=x y", goal="report"), ["report", "x y"])
        self.assertEqual(self.arguments_of("RESULTS=r", goal="report"), ["report", "r/an experiment"])
        self.assertEqual(
            self.arguments_of("RUN=x y", "SEEDS=1,2", "STEPS=0", goal="verify"),
            ["verify", "--steps", "0", "--seeds", "1,2", "x y"],
        )
        self.assertEqual(self.arguments_of(goal="verify"), ["verify", "results/an experiment"])

    def test_what_is_under_way_and_what_is_left(self):
        self.assertEqual(self.arguments_of("RUN=x", goal="watch"), ["report", "--watch", "x"])
        self.assertEqual(self.arguments_of("RESULTS=r", goal="list"), ["list", "--results", "r"])
        self.assertEqual(self.arguments_of("BUDGET=30m", "STEPS=0"),
                         ["run", "--steps", "0", "--budget", "30m"])
        self.assertEqual(self.arguments_of("SEEDS=1", goal="retry"), ["retry", "--seeds", "1"])
        self.assertEqual(self.make("plan", "BUDGET=30m").returncode, 2)

    def test_rerun_needs_a_run(self):
        self.assertEqual(self.arguments_of("RUN=a b", goal="rerun"), ["rerun", "a b"])
        answer = self.make("-o", "build", "-o", "data", "rerun")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("make rerun: give a trial's folder with RUN=DIR", answer.stderr)

    def test_where_the_data_lie_now(self):
        for goal in ("verify", "rerun", "knockout"):
            self.assertEqual(
                self.arguments_of("RUN=r", "DATA_PATH=a b", goal=goal), [goal, "--data-path", "a b", "r"]
            )
        for goal in ("verify", "rerun"):
            self.assertEqual(
                self.arguments_of("RUN=r", "INIT_FROM=a b", goal=goal), [goal, "--init-from", "a b", "r"]
            )
        refused = self.make("knockout", "INIT_FROM=x").stderr
        self.assertIn("INIT_FROM: has no effect on 'make knockout'", refused)

    def test_noise_takes_overrides_and_calibrate_has_its_own(self):
        self.assertEqual(
            self.arguments_of("FRESH=32", "GPT2_N_LAYER=3", "RESULTS=r", goal="noise"),
            ["noise", "--fresh", "32", "--results", "r", "--set", "GPT2_N_LAYER=3"],
        )
        expected = "noise --config defconfigs/calibration --fresh 400 --pairs 5 --planted-harm 20 --results r"
        self.assertEqual(self.arguments_of("RESULTS=r", goal="calibrate"), expected.split())

    def test_a_name_that_nothing_reads_is_an_error(self):
        for given in ("GPT2_N_LAYERS=3", "OPTIMIZER_ADAMW=y", "CONFIG_SEEDS=1", "steps=1"):
            answer = self.make("run", given)
            self.assertEqual(answer.returncode, 2)
            self.assertIn(given.split("=")[0] + ": neither a symbol", answer.stderr)

    def test_a_slip_is_told_what_it_may_have_meant(self):
        for given, meant in (
            ("GPT2_N_LAYERS=3", "GPT2_N_LAYER"),
            ("CONFIG_SEEDS=1", "SEEDS"),
            ("step=1", "STEPS"),
            ("RA_MLA_LATENT_DIN=8", "RA_MLA_LATENT_DIM"),
            ("RESULT=x", "RESULTS"),
        ):
            self.assertIn(f"; did you mean {meant}? 'make help'", self.make("run", given).stderr)
        for given in ("ZZZZZZZ=1", "FOO=1"):
            self.assertNotIn("did you mean", self.make("run", given).stderr)

    def test_another_projects_name_is_told_what_it_is_here(self):
        said = self.make("run", "BATCH_SIZE=3", "NUM_EPOCHS=1", "SEDS=1").stderr
        for part in ("here BATCH_SIZE is GPT2_BATCH_SIZE", "here NUM_EPOCHS is GPT2_MAX_ITERS, in", "SEEDS?"):
            self.assertIn(part, said)

    def test_two_variables_for_one_folder_are_an_error(self):
        for goal in ("report", "verify"):
            answer = self.make(goal, "RESULTS=a", "RUN=b")
            self.assertEqual(answer.returncode, 2)
            self.assertIn("RESULTS=a and RUN=b: RUN is the whole folder to read; leave one", answer.stderr)

    def test_an_override_without_effect_is_an_error(self):
        for given in ("SEEDS=1", "STEPS=0", "GPT2_N_LAYER=3"):
            answer = self.make("build", given)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("has no effect on 'make build'", answer.stderr)


class Clean(MakeTest):
    def test_clean_and_distclean_leave_results_alone(self):
        for name in (
            "build/x",
            ".venv/x",
            ".config",
            ".config.old",
            "data/shakespeare/train.txt",
            "results/run/DONE",
            "mine",
        ):
            self.write(f"out/{name}", "")
        self.make("clean")
        self.assertEqual(
            sorted(os.listdir(self.path("out"))),
            [".config", ".config.old", ".venv", "data", "mine", "results"],
        )
        self.make("distclean")
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["mine", "results"])


class FutureFiles(MakeTest):
    """ninja is never done with a file from the future; of CMake's own it gives up after 100 tries."""

    def build(self, late):
        for name in ("CMakeLists.txt", "cmake/a", "src/a", "tests/a", "bench/a"):
            self.write(f"copy/{name}", "")
        os.utime(self.path(f"copy/{late}"), (4e9, 4e9))
        self.write("out/.venv/bin/python", "#!/bin/sh\nexit 9\n")
        os.chmod(self.path("out/.venv/bin/python"), 0o755)
        script = os.path.join(support.ROOT, "scripts", "build.sh")
        environment = self.environment(SRC=self.path("copy"), OUT=self.path("out"))
        answer = subprocess.run(
            ["bash", script], capture_output=True, text=True, env=environment, check=False
        )
        self.assertIn(f"{self.path('copy')}/{late} is from the future (2096-", answer.stderr)
        self.assertIn(f"find '{self.path('copy')}' -newermt now -exec touch", answer.stderr)
        return answer.returncode

    def test_are_named_and_stop_a_build_that_would_not_end(self):
        self.assertEqual(self.build("CMakeLists.txt"), 2)
        self.assertEqual(self.build("src/a"), 9, "goes on to the next program")


if __name__ == "__main__":
    unittest.main()
