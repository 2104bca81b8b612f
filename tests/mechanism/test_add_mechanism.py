"""A mechanism is added to a copy of the tree, as "Adding a mechanism" of src/README.md says, the copy is
built, and its gates are run: sound it passes all of them and names its arm; reading the next token, acting
only while gradients are recorded, or with an output that nothing uses it is caught by a gate that knows
nothing of it.

Its own files lie in head_gate/, under the places that they get. One build holds all four: HEAD_GATE_FAULT
says which.
"""

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
import support  # noqa: E402

OWN = os.path.join(HERE, "head_gate")  # its files
COPIED = ("CMakeLists.txt", "Kconfig", "bench", "cmake", "defconfigs", "scripts", "src")  # what a build reads
PATIENCE = 3000  # seconds for a build that takes four minutes on two idle cores

# What a mechanism adds to files that are there: (file, a text that stands in it once, what follows it) or,
# with a fourth entry, (file, text, what stands for it, "replaced").
EDITS = [
    ("src/config/model_options.h", "  bool operator==(const CouplerConfig&) const = default;\n};\n", """
enum class HeadGateFault { kNone, kLeak, kTraining, kDead };

struct HeadGateConfig {
  bool enabled = false;
  double alpha = 0;
  HeadGateFault fault = HeadGateFault::kNone;
  bool operator==(const HeadGateConfig&) const = default;
};
"""),
    ("src/config/config.h", "  CouplerConfig coupler;\n", "  HeadGateConfig head_gate;\n"),
    ("src/config/binding.h", " coupler, objective, ", " coupler, head_gate, objective, ", "replaced"),
    ("src/config/binding.h", '  visit("RA_MLA_MLP_TYING_MODE", coupler.tying, kNumbers);\n', """
  visit("HEAD_GATE", head_gate.enabled, kNumbers);
  visit("HEAD_GATE_ALPHA", head_gate.alpha, kNumbers, Bounds{});
  visit("HEAD_GATE_FAULT", head_gate.fault, kNumbers);
"""),
    ("src/config/enum_names.h", 'KABLATE_ENUM_NAMES(DType, "float32", "bfloat16")\n',
     'KABLATE_ENUM_NAMES(HeadGateFault, "none", "leak", "training", "dead")\n'),
    ("src/config/mechanism.cpp", "namespace kablate {\n\n", "Mechanism head_gate_mechanism();\n"),
    ("src/config/mechanism.cpp", "reciprocal_attention_mechanism()};",
     "reciprocal_attention_mechanism(), head_gate_mechanism()};", "replaced"),
    ("src/shape/model_spec.h", "  std::optional<CouplerConfig> coupler;   // mechanism 3\n",
     "  std::optional<HeadGateConfig> head_gate;\n"),
    ("src/shape/model_spec.cpp", " s.coupler = where_on(c.coupler);\n",
     "  s.head_gate = where_on(c.head_gate);\n"),
    ("src/shape/part_shape.cpp", "namespace kablate {\n\n",
     "PartShape head_gate_shape(const LayerSpec& layer);\n"),
    ("src/shape/part_shape.cpp", " coupler_shape(s)};",
     " coupler_shape(s), head_gate_shape(s)};", "replaced"),
    ("src/model/block.h", '#include "model/feed_forward.h"\n', '#include "model/mechanism/head_gate.h"\n'),
    ("src/model/block.h", "  LayerSpec spec_;\n", "  std::optional<HeadGate> head_gate_;\n"),
    ("src/model/block.cpp", "  if (attention_ != nullptr) {\n",
     "    if (layer.head_gate) head_gate_.emplace(layer, parameters);\n"),
    ("src/model/block.cpp", "      attention = attend(in_BTE, below, decoding, pass);\n",
     "      if (head_gate_) attention.heads_BTHD = head_gate_->apply(attention.heads_BTHD, in_BTE, pass);\n"),
    ("src/model/mechanism/Kconfig", "\nendmenu\n", None, "replaced"),
]


def edit(copy, path, text, added, replaced=None):
    """One of EDITS in the tree `copy`."""
    if added is None:
        added = "\n" + support.read_text(OWN, "Kconfig.text") + "endmenu\n"
    content = support.read_text(copy, path)
    if content.count(text) != 1:
        raise AssertionError(
            f"{path} holds {text.strip()!r} {content.count(text)} times: the planted mechanism can't be put "
            f'there. Look at {path} and at "Adding a mechanism" in src/README.md, and mend EDITS in '
            "tests/mechanism/test_add_mechanism.py, and what the guide says if that has changed")
    with open(os.path.join(copy, path), "w", encoding="utf-8") as file:
        file.write(content.replace(text, added if replaced else text + added))


def plant(copy):
    """The tree with the mechanism in it."""
    os.makedirs(copy)
    for name in COPIED:
        source, target = os.path.join(ROOT, name), os.path.join(copy, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for name in "src", "defconfigs":
        shutil.copytree(os.path.join(OWN, name), os.path.join(copy, name), dirs_exist_ok=True)
    for change in EDITS:
        edit(copy, *change)


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


def drop_what_is_built(copy):
    """Removes the sources that compile to what the program under test is made of: neither they nor what they
    include has changed, and nothing that they include is generated. Its libraries have them."""
    old, new = sources(os.path.join(ROOT, "src")), sources(os.path.join(copy, "src"))
    edited = {change[0].removeprefix("src/") for change in EDITS}
    fresh = {path for path in new if path not in old or path in edited}
    known = -1
    while len(fresh) != known:
        known = len(fresh)
        fresh |= {path for path, names in new.items()
                  if any(name in fresh or name not in new for name in names)}
    for path in new:
        if path.endswith(".cpp") and path not in fresh and not path.startswith("cli/"):
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
    symbols = {"ABLATION_PLAN": '"head-gate"'}
    ON = {1, 2}  # its steps

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="kablate mechanism ")
        cls.addClassCleanup(holder.cleanup)
        copy = os.path.join(holder.name, "copy")
        plant(copy)
        drop_what_is_built(copy)
        cls.built = build(copy)

    def setUp(self):
        super().setUp()
        self.program = self.built

    def failures(self, fault):
        """step -> names of the gates that it does not pass."""
        ended = self.call("audit", "--json", HEAD_GATE_FAULT=fault)
        self.assertIn(ended.returncode, (0, 1), ended.stderr)
        checks = json.loads(ended.stdout)["checks"]
        self.assertEqual({check["step"] for check in checks}, {0, 1, 2})
        failed = {}
        for check in checks:
            if not check["passed"]:
                failed.setdefault(check["step"], set()).add(check["check"])
        self.assertEqual(ended.returncode, 1 if failed else 0, ended.stderr)
        return failed

    def test_its_arm_is_named_and_the_work_counted(self):
        steps = json.loads(self.done("plan", "--json").stdout)["steps"]
        self.assertEqual([step["name"] for step in steps], ["mla", "mla+hgate", "all+hgate"])
        baseline, gated = steps[0]["parameters"], steps[1]["parameters"]
        self.assertEqual(gated - baseline, 2 * 16 * 2)  # layers x width x heads

    def test_its_gates(self):
        with ThreadPoolExecutor(2) as pool:
            sound, leak, training, dead = pool.map(self.failures, ("none", "leak", "training", "dead"))
        self.assertEqual(sound, {})
        for fault, failed, gate in (("leak", leak, "causality"), ("training", training, "consistency"),
                                    ("dead", dead, "liveness")):
            with self.subTest(fault=fault):
                self.assertEqual(set(failed), self.ON)
                for step in self.ON:
                    self.assertIn(gate, failed[step])


class Planting(unittest.TestCase):
    """What is said where the tree has changed under the edits."""

    def test_a_text_that_is_gone_is_named_with_its_file(self):
        with tempfile.TemporaryDirectory() as copy:
            os.makedirs(os.path.join(copy, "src"))
            with open(os.path.join(copy, "src", "a.h"), "w", encoding="utf-8") as file:
                file.write("struct Other {};\n")
            expected = "src/a.h holds 'int a;' 0 times.*src/README.md.*EDITS"
            with self.assertRaisesRegex(AssertionError, expected):
                edit(copy, "src/a.h", "int a;\n", "int b;\n")


if __name__ == "__main__":
    unittest.main()
