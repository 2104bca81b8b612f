"""The mechanism of docs/adding-a-mechanism.md is added to a copy of the tree, and the copy is built: sound it
passes all gates, its plan is trained and it is knocked out; each fault of the page's table is caught by the
gate that stands there, with that message.

The code is the page's. One build holds all faults: HEAD_GATE_FAULT says which.
"""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import guide  # noqa: E402
import support  # noqa: E402

COPIED = ("CMakeLists.txt", "Kconfig", "bench", "cmake", "defconfigs", "scripts", "src")  # what a build reads
PATIENCE = 3000  # seconds for a build that takes four minutes on two idle cores


PLANTED = """\
#pragma once
#include <cstdlib>
#include <string>

inline bool planted(int number) {
  const char* given = std::getenv("HEAD_GATE_FAULT");
  return given != nullptr && std::to_string(number) == given;
}
"""


def plant_faults(copy, files, faults):
    """Lets HEAD_GATE_FAULT = "1", "2" … put the faults, in their order, in place of what is right."""
    others = {}  # text -> an expression that chooses between it and its faults
    for number, (text, other, _, _) in enumerate(faults, 1):
        others[text] = f"(planted({number}) ? ({other}) : {others.get(text, f'({text})')})"
    changed = {}
    for text, choice in others.items():
        found = [name for name in files if support.read_text(copy, name).count(text) == 1]
        if len(found) != 1:
            raise AssertionError(
                f"{guide.PAGE} shows a fault in place of {text!r}; of the files that it shows "
                f"{found or 'none'} have that once: mend the page")
        changed.setdefault(found[0], []).append((text, choice))
    for name, choices in changed.items():
        content = support.read_text(copy, name)
        for text, choice in choices:
            content = content.replace(text, choice)
        write(copy, name, content.replace("#include", '#include "base/planted.h"\n#include', 1))
    write(copy, "src/base/planted.h", PLANTED)


def write(copy, name, content):
    with open(os.path.join(copy, name), "w", encoding="utf-8") as file:
        file.write(content)


def sources(folder):
    """path -> what it includes of the program, of every source in the folder; paths start there."""
    headers = os.listdir(os.path.join(os.path.dirname(os.environ["KABLATE"]), "generated"))
    generated = "|".join(map(re.escape, headers))
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".h", ".cpp", ".inc")):
                path = os.path.relpath(os.path.join(parent, name), folder)
                text = support.read_text(folder, path)
                found[path] = {one or other for one, other in
                               re.findall(rf'^#include (?:"(.+)"|<({generated})>)', text, re.MULTILINE)}
    return found


def compiled_together():
    """path -> the sources of the program under test that are compiled as one file with it."""
    folder = os.path.join(os.path.dirname(os.environ["KABLATE"]), "CMakeFiles")
    groups = {}
    for unity in glob.glob(os.path.join(glob.escape(folder), "*.dir", "Unity", "*.cxx")):
        paths = re.findall(r'^#include "(.+)"', support.read_text(unity), re.MULTILINE)
        group = {os.path.relpath(path, os.path.join(ROOT, "src")) for path in paths}
        for path in group:
            groups.setdefault(path, set()).update(group)
    return groups


def drop_what_is_built(copy, files):
    """`files` are those that the mechanism has or changes. Removes the sources that compile to what the
    program under test is made of: neither they, nor what they include, nor what is compiled as one file with
    them has changed, and nothing that they include is generated. Its libraries have them."""
    old, new = sources(os.path.join(ROOT, "src")), sources(os.path.join(copy, "src"))
    changed = {name.removeprefix("src/") for name in files}
    fresh = {path for path in new if path not in old or path in changed}
    known = -1
    while len(fresh) != known:
        known = len(fresh)
        fresh |= {path for path, names in new.items()
                  if any(name in fresh or name not in new for name in names)}
    groups = compiled_together()
    for path in new:
        together = {path, *groups.get(path, ())}
        if path.endswith(".cpp") and not fresh & together and not path.startswith("cli/"):
            os.remove(os.path.join(copy, "src", path))


def call(*line, cwd):
    """Runs a part of the build; a failure shows its output's end."""
    ended = subprocess.run(line, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                           errors="replace", timeout=PATIENCE)
    if ended.returncode != 0:
        raise AssertionError(f"{' '.join(line)} ended with {ended.returncode}:\n{ended.stdout[-6000:]}")


def build(copy):
    """The copy's program, with the compiler, the LibTorch and the libraries of the one under test, without
    optimisation."""
    tested = os.path.dirname(os.environ["KABLATE"])
    cache = support.read_text(tested, "CMakeCache.txt")
    of_cache = dict(re.findall(r"^(\w+):\w+=(.*)$", cache, re.MULTILINE))
    generated = os.path.join(copy, "build", "generated")
    os.makedirs(generated)
    python = (sys.executable, "-B")
    call(*python, "scripts/genconfig.py", "--config", "defconfigs/quick", "--out", generated, cwd=copy)
    call(*python, "scripts/source_key.py", "--out", generated, cwd=copy)
    same = [f"-D{name}={of_cache[name]}"
            for name in ("KABLATE_LIBTORCH", "KABLATE_UPLOT", "CMAKE_CXX_COMPILER", "CMAKE_MAKE_PROGRAM")]
    names = ("libkablate_engine.a", "libkablate_core.a")
    libraries = [*names, *(shlex.quote(os.path.join(tested, name)) for name in names)]  # the copy's first
    same.append(f"-DCMAKE_CXX_STANDARD_LIBRARIES=-Wl,--start-group {' '.join(libraries)} -Wl,--end-group")
    call(of_cache["CMAKE_COMMAND"], "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
         "-DCMAKE_CXX_FLAGS_NONE=-DNDEBUG", *same,  # as LibTorch and those libraries
         f"-DKABLATE_GENERATED={generated}", f"-DPython3_EXECUTABLE={sys.executable}", cwd=copy)
    call(of_cache["CMAKE_MAKE_PROGRAM"], "-C", "build", "-j", str(os.cpu_count()), "kablate", cwd=copy)
    return os.path.join(copy, "build", "kablate")


class HeadGate(support.ProgramTest):
    symbols = {"ABLATION_PLAN": '"head-gate"', "RA_MLA_MLP_ATTN_GATE": "n", "RA_MLA_MLP_CROSS_TOKEN": "n",
               "RA_MLA_MLP_LATENT_RECIP": "n", "SEEDS": '"1-2"'}
    ARM, TWIN = 1, 4  # steps: the arm, and its dead twin

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="kablate mechanism ")
        cls.addClassCleanup(holder.cleanup)
        copy = os.path.join(holder.name, "copy")
        page = guide.read(ROOT, guide.PAGE)
        cls.faults = guide.faults(page)
        guide.copy_tree(copy, COPIED)
        files = guide.plant(copy, page)
        plant_faults(copy, files, cls.faults)
        drop_what_is_built(copy, files)
        cls.built = build(copy)

    def setUp(self):
        super().setUp()
        self.program = self.built

    def failures(self, fault=0, **symbols):
        """(step, gate) -> what it says, of those that are not passed."""
        ended = self.call("audit", "--json", environment={"HEAD_GATE_FAULT": str(fault)}, **symbols)
        self.assertIn(ended.returncode, (0, 1), ended.stderr)
        checks = json.loads(ended.stdout)["checks"]
        self.assertLessEqual({0, self.ARM, self.TWIN}, {check["step"] for check in checks})
        failed = {(check["step"], check["check"]): check["detail"] for check in checks if not check["passed"]}
        self.assertEqual(ended.returncode, 1 if failed else 0, ended.stderr)
        return failed

    def test_sound_it_passes_all_gates(self):
        every = {"RA_MLA_MLP_ATTN_GATE": "y", "RA_MLA_MLP_CROSS_TOKEN": "y", "RA_MLA_MLP_LATENT_RECIP": "y"}
        with ThreadPoolExecutor(2) as pool:
            for failed in pool.map(lambda symbols: self.failures(**symbols),
                                   ({}, {"ENABLE_RA_MLA": "n", "GPT2_DROPOUT": "0"}, every)):
                self.assertEqual(failed, {})

    def test_each_fault_of_the_page_is_found_by_its_gate(self):
        self.assertGreater(len(self.faults), 5)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(self.failures, range(1, len(self.faults) + 1)))
        for (text, other, gate, message), failed in zip(self.faults, found):
            with self.subTest(f"{other} for {text}"):
                self.assertEqual({step for step, _ in failed} - {self.ARM, self.TWIN}, set())
                step = self.TWIN if gate == "dead_twin" else self.ARM
                self.assertIn((step, gate), failed)
                pattern = ".*".join(re.escape(piece) for piece in message.strip("`").split("…"))
                self.assertRegex(failed[step, gate], pattern)

    def test_its_plan_is_trained_and_it_is_knocked_out(self):
        steps = json.loads(self.done("plan", "--json").stdout)["steps"]
        self.assertEqual([step["name"] for step in steps],
                         ["mla", "mla+hgate", "mla, params of 1", "mla, flops of 1",
                          "mla+hgate, dead twin of 1"])
        baseline, gated = steps[0]["parameters"], steps[self.ARM]["parameters"]
        self.assertEqual(gated - baseline, 2 * 16 * 2)  # layers x width x heads
        self.done("run")
        self.assertEqual(self.table()[self.TWIN]["identical_to"], "0")
        self.assertEqual(self.table()[self.ARM]["identical_to"], "")
        said = self.done("knockout", self.trials()[self.ARM, 1]).stdout
        self.assertRegex(said, r"(?m)^hgate +0 ")


if __name__ == "__main__":
    unittest.main()
