"""Set-up: what setup.sh asks for and installs, and what chroot.sh needs. Stand-ins answer for the machine's
programs; nothing is installed here."""

import glob
import os
import shutil
import subprocess
import unittest

import support
from support import MakeTest


class SetUpTest(MakeTest):
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


class SetUp(SetUpTest):
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
            self.assertIn("add-apt-repository universe", answer.stderr)
            self.assertIn("install -y --no-install-recommends ninja-build", self.read("out/calls"))

    def test_libtorch_must_be_one(self):
        answer = self.setup("torch", KABLATE_LIBTORCH=self.path("nothing"))
        self.assertEqual(answer.returncode, 2)
        self.assertIn("is no LibTorch", answer.stderr)
        self.write("libtorch/lib/libtorch_cpu.so", "")
        self.write("libtorch/include/ATen/ATen.h", "")
        self.assertEqual(self.setup("torch", KABLATE_LIBTORCH=self.path("libtorch")).returncode, 0)
        self.assertFalse(os.path.exists(self.path("out/.venv")))


class Chroot(SetUpTest):
    """chroot.sh asks for all that it needs before it makes anything; what it makes needs root and minutes."""

    def refused(self, *arguments, user=0, **more):
        self.write("bin/id", f"#!/bin/sh\necho {user}\n")
        self.write("bin/debootstrap", "#!/bin/sh\necho \"$@\" > \"$CHROOTS/called\"\nexit 1\n")
        for name in ("id", "debootstrap"):
            os.chmod(self.path(f"bin/{name}"), 0o755)
        environment = self.environment(
            **{
                "PATH": self.path("bin") + ":" + os.environ["PATH"],
                "CHROOTS": self.path("chroots"),
                "KEYRING": self.write("a key", ""),
                "MIRROR": "http://a.mirror/debian",
                **more,
            }
        )
        command = ["bash", os.path.join(support.ROOT, "scripts", "chroot.sh"), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        self.assertEqual(answer.returncode, 2, answer.stderr)
        return answer.stderr

    def test_what_is_missing_is_named(self):
        self.assertIn("Suite 'sarge': say bookworm", self.refused("sarge"))
        self.assertIn("Suite '': say bookworm", self.refused())
        self.assertIn("needs root", self.refused("trixie", user=1000))
        self.assertIn("/no/keys, which the packages of noble", self.refused("noble", KEYRING="/no/keys"))
        self.assertIn("CA=/no/ca", self.refused("trixie", CA="/no/ca"))
        self.assertIn("there is no folder /no/wheels", self.refused("trixie", BIND="/usr /no/wheels"))
        self.assertIn("write the folder's whole path", self.refused("trixie", BIND="wheels"))
        self.assertFalse(os.path.exists(self.path("chroots")))

    def test_packages_come_from_the_mirror_that_is_named(self):
        self.assertIn("debootstrap failed", self.refused("trixie"))
        called = self.read("chroots/called")
        self.assertIn(f"trixie {self.path('chroots')}/trixie.part http://a.mirror/debian", called)
        self.assertIn("--force-check-gpg", called)
        self.assertFalse(os.path.exists(self.path("chroots/trixie.base")), "the next call tries again")


class LibTorch(SetUpTest):
    """Which build setup.sh takes. A stand-in for .venv's Python answers for pip as FAKE_ variables say."""

    PYTHON = r"""#!/bin/sh
        script=$(basename "$1")
        [ "$script" != -m ] || exit 0
        echo "$@" | sed "s,$SRC/scripts/,," >> "$OUT/calls"
        case "$*" in
          *"index versions torch --index-url"*) echo "Available versions: 9.9.9, $FAKE_CPU_INDEX" ;;
          *"index versions"*) echo "torch ($FAKE_OWN_INDEX)" ;;
          *installed.py*) [ -n "$FAKE_WHOLE" ] ;;
          *"torch_build.py needs"*) printf "$FAKE_NEEDS" ;;
          *"torch_build.py describe"*) echo "LibTorch 0, a build" ;;
        esac"""

    def installs(self, gpu=False, **more):
        """(what pip was called with to install, what was printed); stages that say nothing of it left out"""
        self.write("out/.venv/bin/python", self.PYTHON)
        os.chmod(self.path("out/.venv/bin/python"), 0o755)
        os.makedirs(self.path("out/.venv/lib/python3.11/site-packages/torch"), exist_ok=True)
        open(self.path("out/calls"), "w").close()
        programs = [("nvidia-smi", "echo 'GPU 0: A'" if gpu else "exit 9")]
        answer = self.setup(
            "torch",
            programs,
            **{"FAKE_CPU_INDEX": "", "FAKE_OWN_INDEX": "", "FAKE_WHOLE": "", "FAKE_NEEDS": "", **more},
        )
        self.assertEqual((answer.returncode, answer.stderr), (0, ""), answer.stdout)
        self.assertIn("Installed: LibTorch 0, a build", answer.stdout)
        calls = [
            line for line in self.read("out/calls").splitlines() if line.startswith("pip_install.py install")
        ]
        return calls, answer.stdout

    with open(os.path.join(support.ROOT, "requirements-torch.txt"), encoding="utf-8") as file:
        VERSION = next(line for line in file if line.startswith("torch==")).strip().removeprefix("torch==")
    INSTALL = "pip_install.py install --quiet --no-deps --force-reinstall "
    CPU_INDEX = "https://download.pytorch.org/whl/cpu"

    @unittest.skipIf(glob.glob("/dev/nvidia[0-9]*"), "there is a GPU")
    def test_without_a_gpu_the_cpu_build_is_taken_where_it_is(self):
        cpu = self.VERSION + "+cpu"
        calls, said = self.installs(FAKE_CPU_INDEX=f"{cpu}, 1.0")
        self.assertEqual(calls, [f"{self.INSTALL}--index-url {self.CPU_INDEX} torch=={cpu}"])
        self.assertIn("the CPU build: there is no NVIDIA GPU", said)
        calls, _ = self.installs(FAKE_CPU_INDEX=cpu, FAKE_OWN_INDEX=cpu)
        self.assertEqual(calls, [f"{self.INSTALL}torch=={cpu}"], "the user's own index has it")

    @unittest.skipIf(glob.glob("/dev/nvidia[0-9]*"), "there is a GPU")
    def test_without_a_gpu_and_without_that_index_pypi_serves(self):
        calls, said = self.installs(FAKE_CPU_INDEX="1.0", FAKE_NEEDS="nvidia-a==1; x\\nnvidia-b==2\\n")
        self.assertEqual(calls[0], f"{self.INSTALL}torch=={self.VERSION}")
        self.assertEqual(
            calls[1], "pip_install.py install --quiet --no-warn-conflicts nvidia-a==1; x nvidia-b==2"
        )
        self.assertIn("may have the CUDA build alone", said)

    def test_with_a_gpu_the_cuda_build_is_taken(self):
        calls, said = self.installs(gpu=True, FAKE_CPU_INDEX=self.VERSION + "+cpu")
        self.assertEqual(calls, [f"{self.INSTALL}torch=={self.VERSION}"])
        self.assertIn("there is a GPU", said)

    def test_an_index_that_is_named_is_the_one(self):
        calls, said = self.installs(KABLATE_TORCH_INDEX="https://here", FAKE_WHOLE="y")
        self.assertEqual(calls, [f"{self.INSTALL}--index-url https://here torch=={self.VERSION}"])
        self.assertIn("as KABLATE_TORCH_INDEX says", said)

    def test_a_python_without_a_wheel_is_named_before_pip_is_called(self):
        self.write("out/.venv/bin/python", self.PYTHON)
        os.chmod(self.path("out/.venv/bin/python"), 0o755)
        for version, code in (("3.9", 2), ("3.12", 0), ("3.13", 0), ("3.15", 2)):
            shutil.rmtree(self.path("out/.venv/lib"), ignore_errors=True)
            os.makedirs(self.path(f"out/.venv/lib/python{version}/site-packages/torch"))
            self.write("out/calls", "")
            answer = self.setup("torch", FAKE_CPU_INDEX="", FAKE_OWN_INDEX="", FAKE_WHOLE="", FAKE_NEEDS="")
            self.assertEqual(answer.returncode, code, version + answer.stderr)
            if code:
                self.assertIn(f"has Python {version}; torch=={self.VERSION} is there for", answer.stderr)
                self.assertEqual(self.read("out/calls"), "")

    def test_what_is_there_and_whole_stays(self):
        self.assertEqual(self.installs(FAKE_WHOLE="y")[0], [])


if __name__ == "__main__":
    unittest.main()
