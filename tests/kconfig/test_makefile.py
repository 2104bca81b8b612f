"""The front door: what make says and passes on. Nothing is installed or compiled here."""

import os
import subprocess
import unittest

import support
from support import FolderTest


class MakeTest(FolderTest):
    def environment(self, **more):
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "KABLATE_", "GNUMAKE"))
            and name not in ("O", "V", "JOBS", "LIBTORCH")
        }
        return inherited | more

    def make(self, *arguments, **more):
        command = ["make", "-C", support.ROOT, "--no-print-directory", f"O={self.path('out')}", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment(**more), check=False
        )

    def arguments_of(self, *given, goal="run"):
        """What the program is called with, with a stand-in for it and the build left out."""
        self.write("out/build/kablate", '#!/bin/sh\nprintf "%s\\n" "$@"\n')
        os.chmod(self.path("out/build/kablate"), 0o755)
        self.write("out/.config", 'CONFIG_EXPERIMENT_NAME="an experiment"\n')
        answer = self.make("-o", "build", "-o", "data", goal, *given)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return answer.stdout.splitlines()


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
            "make verify",
            "make rerun",
            "make noise",
            "make calibrate",
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

    def test_values_survive_quoting(self):
        for value in (
            "/a b/c",
            "it's",
            'a"b"',
            "a$b",
            "$(HOME)",
            "a\\b",
            "a;b&c|d",
            "*",
            "é",
            "a=b",
            "#x",
            "a,b",
        ):
            with self.subTest(value):
                self.assertEqual(
                    self.arguments_of(f"DATA_PATH={value}"), ["run", "--set", f"DATA_PATH={value}"]
                )

    def test_environment_variables_are_no_overrides(self):
        self.write("out/build/kablate", '#!/bin/sh\nprintf "%s\\n" "$@"\n')
        os.chmod(self.path("out/build/kablate"), 0o755)
        self.assertEqual(
            self.make("-o", "build", "plan", DEVICE="cuda", THREADS="9").stdout.split(), ["plan"]
        )

    def test_report_takes_the_configured_experiment_or_run(self):
        self.assertEqual(self.arguments_of(goal="report"), ["report", "results/an experiment"])
        self.assertEqual(self.arguments_of("RUN=x y", goal="report"), ["report", "x y"])
        self.assertEqual(self.arguments_of("RESULTS=r", goal="report"), ["report", "r/an experiment"])
        self.assertEqual(
            self.arguments_of("RUN=x y", "SEEDS=1,2", "STEPS=0", goal="verify"),
            ["verify", "--steps", "0", "--seeds", "1,2", "x y"],
        )
        self.assertEqual(self.arguments_of(goal="verify"), ["verify", "results/an experiment"])

    def test_rerun_needs_a_run(self):
        self.assertEqual(self.arguments_of("RUN=a b", goal="rerun"), ["rerun", "a b"])
        answer = self.make("-o", "build", "-o", "data", "rerun")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("make rerun: give a trial's folder with RUN=DIR", answer.stderr)

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


class SetUp(MakeTest):
    """setup.sh with stand-ins for the machine's programs ahead on PATH."""

    def setup(self, stage="python", programs=(), **more):
        for name, text in dict(programs).items():
            self.write(f"bin/{name}", "#!/bin/sh\n" + text + "\n")
            os.chmod(self.path(f"bin/{name}"), 0o755)
        os.makedirs(self.path("out"), exist_ok=True)
        environment = self.environment(
            SRC=support.ROOT, OUT=self.path("out"), PATH=self.path("bin") + ":" + os.environ["PATH"], **more
        )
        command = [os.path.join(support.ROOT, "scripts", "setup.sh"), stage]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    MISSING = (
        "dpkg-query",
        "echo installed g++; echo installed cmake; echo not-installed ninja-build; exit 1",
    )

    def test_without_root_the_command_is_given(self):
        answer = self.setup(
            programs=[self.MISSING, ("id", "echo 1000"), ("sudo", "exit 1"), ("apt-get", "echo touched >&2")]
        )
        self.assertEqual(answer.returncode, 2)
        self.assertIn(
            "sudo apt-get install --no-install-recommends ninja-build make git python3 python3-venv",
            answer.stderr,
        )
        self.assertNotIn("touched", answer.stderr)
        self.assertNotIn("g++", answer.stdout + answer.stderr)

    def test_the_list_is_printed_before_anything_is_installed(self):
        apt = 'printf "%s " "$@" >> "$OUT/calls"; case "$*" in *install*) exit 100;; esac'
        for programs in ([("id", "echo 0")], [("id", "echo 1000"), ("sudo", 'shift; exec "$@"')]):
            answer = self.setup(programs=[self.MISSING, ("apt-get", apt), *programs])
            self.assertEqual(answer.returncode, 2)
            self.assertIn("These Debian packages are missing: ninja-build make git", answer.stdout)
            self.assertIn("apt-get could not install them", answer.stderr)
            self.assertIn("install -y --no-install-recommends ninja-build", self.read("out/calls"))

    def test_libtorch_must_be_one(self):
        answer = self.setup("torch", KABLATE_LIBTORCH=self.path("nothing"))
        self.assertEqual(answer.returncode, 2)
        self.assertIn("is no LibTorch", answer.stderr)
        self.write("libtorch/share/cmake/Torch/TorchConfig.cmake", "")
        self.assertEqual(self.setup("torch", KABLATE_LIBTORCH=self.path("libtorch")).returncode, 0)
        self.assertFalse(os.path.exists(self.path("out/.venv")))


if __name__ == "__main__":
    unittest.main()
