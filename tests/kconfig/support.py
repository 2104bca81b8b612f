"""What the tests in this folder share."""

import os
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import kconfig_strict as strict  # noqa: E402


def ids_of(content):
    """The little-endian 16-bit ids of a prepared file."""
    return list(struct.unpack(f"<{len(content) // 2}H", content))


class FolderTest(unittest.TestCase):
    """A test with an empty folder of its own, whose path holds a blank."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="kablate test ")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, name):
        return self.read_bytes(name).decode()

    def read_bytes(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()


class MakeTest(FolderTest):
    """A test of the front door: what make says and passes on."""

    def environment(self, **more):
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "KABLATE_", "GNUMAKE"))
        }
        return inherited | more

    def make(self, *arguments, **more):
        command = ["make", "-C", ROOT, "--no-print-directory", f"O={self.path('out')}", *arguments]
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


class MenuTest(FolderTest):
    """A test on the small menu in menu/Kconfig."""

    def load(self, content):
        menu = strict.open_menu(os.path.join(HERE, "menu"))
        self.missing = strict.load(menu, self.write("config", content))
        return menu

    def value(self, content, name):
        return self.load(content).syms[name].str_value

    def assert_refused(self, content, line, *fragments):
        """The content is an error at `line`, and the one-line message holds all fragments."""
        with self.assertRaises(strict.ConfigError) as caught:
            self.load(content)
        message = str(caught.exception)
        self.assertTrue(message.startswith(f"{self.path('config')}:{line}: "), message)
        self.assertEqual(message.count("\n"), 0, message)
        for fragment in fragments:
            self.assertIn(fragment, message)
