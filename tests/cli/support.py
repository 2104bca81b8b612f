"""What the tests of the program from outside share: a folder, a configuration, calls and what they leave."""

import csv
import glob
import hashlib
import json
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

# The columns of spec 9, in its order.
COLUMNS = ["step", "name", "seeds", "status", "parameters", "val_loss_mean", "val_loss_sd", "delta_mean",
           "delta_ci_low", "delta_ci_high", "ms_per_iter", "tokens_per_s", "peak_tensor_bytes",
           "decode_cache_bytes_per_token", "identical_to"]

# A model that trains in a second; whatever another machine could choose differently is given.
SMALL = {
    "EXPERIMENT_NAME": '"small"', "DATASET_TEXT": "y", "GPT2_N_LAYER": 2, "GPT2_N_HEAD": 2, "GPT2_N_EMBD": 16,
    "GPT2_BLOCK_SIZE": 16, "GPT2_VOCAB_SIZE": 30, "GPT2_DROPOUT": '"0.1"', "RA_MLA_LATENT_DIM": 8,
    "RA_MLA_MLP_GATE_DIM": 8, "GPT2_BATCH_SIZE": 2, "GPT2_GRADIENT_ACCUMULATION": 1, "GPT2_MAX_ITERS": 12,
    "GPT2_WARMUP_STEPS": 2, "GPT2_EVAL_INTERVAL": 5, "GPT2_EVAL_SAMPLES": 8, "GPT2_LOG_INTERVAL": 1,
    "SEEDS": '"1"', "DEVICE_CPU": "y", "THREADS": 1, "PARALLEL_TRIALS": 2,
}
# What they work on brings its configuration.
FOLDER_COMMANDS = ("report", "list", "verify", "rerun", "diff", "knockout", "judge", "import", "import-runs",
                   "completion", "tensorboard", "tracked", "pack", "merge")
PATIENCE = 120  # seconds for what takes a few on an idle machine


def words(count, seed=1):
    """Text of 21 distinct characters."""
    known = "the king and queen of a land sea wind moon stone bird light dark".split()
    draw = random.Random(seed)
    return " ".join(draw.choice(known) for _ in range(count)) + "\n"


def write_safetensors(path, tensors):
    """`tensors`: name -> (shape, list of numbers[, type]), float32 unless said."""
    header, data = {}, b""
    for name, (shape, values, *kind) in tensors.items():
        code = {"F32": "f", "F64": "d", "I64": "q"}[kind[0] if kind else "F32"]
        packed = struct.pack(f"<{len(values)}{code}", *values)
        header[name] = {"dtype": kind[0] if kind else "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """name -> (shape, list of numbers), float32 only; fails if the file is not whole."""
    with open(path, "rb") as file:
        content = file.read()
    size, = struct.unpack_from("<Q", content)
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    tensors, covered = {}, 0
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        assert entry["dtype"] == "F32" and end <= len(data), name
        tensors[name] = (entry["shape"], list(struct.unpack(f"<{(end - start) // 4}f", data[start:end])))
        covered += end - start
    assert covered == len(data), f"{path}: {len(data)} bytes of data, {covered} in tensors"
    return tensors


def read_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def read_text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def read_bytes(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def sha256(*path):
    return hashlib.sha256(read_bytes(*path)).hexdigest()


def finish_again(trial, **summary):
    """Makes DONE list the files that lie there (FORMAT.md), with these values of the summary changed."""
    if summary:
        changed = read_json(trial, "summary.json") | summary
        with open(os.path.join(trial, "summary.json"), "w", encoding="utf-8") as file:
            json.dump(changed, file)
    names = sorted(set(os.listdir(trial)) - {"DONE"})
    with open(os.path.join(trial, "DONE"), "w", encoding="utf-8") as file:
        file.write("# kablate trial 2\n" + "".join(f"{sha256(trial, name)}  {name}\n" for name in names))


def sealed(content):
    """The text of a sealed file (FORMAT.md)."""
    text = json.dumps({**content, "format": 2, "sha256": "0" * 64}, indent=2, sort_keys=True) + "\n"
    return text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest())


def flip(path, place=0.5, bit=1):
    """One bit of a file; `place` is from 0 to 1."""
    content = bytearray(read_bytes(path))
    content[int(len(content) * place)] ^= bit
    with open(path, "wb") as file:
        file.write(content)


def metrics(trial):
    """The rows of a trial; a line that is being written is left out."""
    try:
        lines = read_bytes(trial, "metrics.jsonl").split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def loss_log(trial):
    """The rows without what depends on the clock (FORMAT.md)."""
    clock = {"ms", "tokens_per_s", "mfu", "mfu_nanogpt", "tokens_per_s_rank", "communication_share"}
    return [{key: value for key, value in row.items() if key not in clock} for row in metrics(trial)]


class ProgramTest(unittest.TestCase):
    """A test with a folder whose path holds a blank, a text, and a configuration in `small.config`."""

    symbols = {}  # what a class changes in SMALL
    patience = PATIENCE  # with a call

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="kablate test ")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.program = os.environ["KABLATE"]
        self.write("text", words(1500))
        self.configure()

    def configure(self, **symbols):
        values = {**SMALL, "DATA_PATH": f'"{self.path("text")}"', **self.symbols, **symbols}
        lines = [f"CONFIG_{name}={value}" for name, value in values.items() if value != "n"]
        lines += [f"# CONFIG_{name} is not set" for name, value in values.items() if value == "n"]
        self.write("small.config", "\n".join(lines) + "\n")

    def path(self, *name):
        return os.path.join(self.folder, *name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    # --- Calls

    def arguments(self, command, *arguments, results="results", **symbols):
        """The command line, with the results folder, the configuration and `symbols` where it takes them."""
        line = [self.program, command, *arguments]
        if command in ("run", "retry", "plan", "noise"):
            line += ["--results", self.path(results)]
        of_folder = command in FOLDER_COMMANDS or command == "heads" and "--weights" not in arguments
        if not of_folder and "--config" not in arguments and "--run" not in arguments:
            line += ["--config", self.path("small.config")]
            for name, value in symbols.items():
                line += ["--set", f"{name}={value}"]
        return line

    def call(self, *arguments, environment=None, limit=None, **options):
        """Runs the program to its end; `limit` is the most bytes that it may write to a file."""
        def before():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.run(self.arguments(*arguments, **options), cwd=self.folder, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=self.patience, encoding="utf-8",
                              env={**os.environ, **(environment or {})},
                              preexec_fn=before if limit is not None else None)

    def done(self, *arguments, code=0, **options):
        """The same, and the exit code is the expected one."""
        ended = self.call(*arguments, **options)
        self.assertEqual(ended.returncode, code, f"{arguments}\n{ended.stdout}\n{ended.stderr}")
        return ended

    def start(self, *arguments, **options):
        """Runs the program beside the test; its messages go to messages()."""
        log = open(self.path(f"messages-{time.monotonic_ns()}"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(self.arguments(*arguments, **options), cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                   encoding="utf-8")
        process.messages = lambda: read_text(log.name)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()

    def wait_for(self, happened, process=None):
        """Waits until happened() is true and gives its value; None once `process` has ended without it."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            ended = process is not None and process.poll() is not None
            if value := happened():
                return value
            if ended:
                return None
            time.sleep(0.005)
        self.fail(f"waited {PATIENCE} s in vain")

    def assert_refused(self, ended, *fragments):
        """Exit code 2, nothing on standard output, and one line that holds all fragments."""
        self.assertEqual(ended.returncode, 2, ended.stdout + ended.stderr)
        self.assertEqual(ended.stdout, "")
        self.assertRegex(ended.stderr, r"\Akablate: [^\n]+\n\Z")
        self.assertTrue(ended.stderr.strip().isprintable(), repr(ended.stderr))
        self.assertLess(len(ended.stderr), 600)
        for fragment in fragments:
            self.assertIn(fragment, ended.stderr)

    def assert_all_refused(self, cases):
        """Cases: (arguments, fragments of the message). Two at once: most of the time is loading."""
        with ThreadPoolExecutor(2) as pool:
            ends = pool.map(lambda case: self.call(*case[0]), cases)
            for (arguments, *fragments), ended in zip(cases, ends):
                with self.subTest(arguments=arguments):
                    self.assert_refused(ended, *fragments)

    # --- What a run leaves

    def trials(self, results="results", experiment="small"):
        """(step, seed) -> folder; fails where two folders are of one step and seed."""
        found = {}
        for folder in glob.glob(os.path.join(glob.escape(self.path(results, experiment, "trials")), "*")):
            match = re.fullmatch(r"step(\d+)-.*\.seed(\d+)\.[0-9a-f]{12}", os.path.basename(folder))
            self.assertIsNotNone(match, folder)
            place = int(match[1]), int(match[2])
            self.assertNotIn(place, found)
            found[place] = folder
        return found

    def table(self, results="results", experiment="small"):
        """report.csv: step -> row."""
        with open(self.path(results, experiment, "report.csv"), encoding="utf-8", newline="") as file:
            return {int(row["step"]): row for row in csv.DictReader(file)}

    def assert_same_end(self, trial, undisturbed):
        """Both trials have ended with the same weights after the same losses, each iteration logged once."""
        summary, expected = read_json(trial, "summary.json"), read_json(undisturbed, "summary.json")
        self.assertEqual(summary["weights_sha256"], expected["weights_sha256"])
        self.assertEqual(loss_log(trial), loss_log(undisturbed))
        logged = [(row["kind"], row["iteration"], row.get("block")) for row in metrics(trial)]
        self.assertEqual(len(logged), len(set(logged)))
        self.assert_tidy(trial)

    def assert_tidy(self, trial):
        """A finished folder: what FORMAT.md lists, nothing else."""
        expected = {"config", "defconfig", "key.txt", "environment.json", "metrics.jsonl", "log.txt",
                    "weights.safetensors",
                    "weights.sha256", "tokenizer.json", "sample.txt", "summary.json", "DONE"}
        self.assertEqual(set(os.listdir(trial)), expected)


class TrainedOnce(ProgramTest):
    """A test works on a copy of what `run` with `run_arguments` made once for its class, and has an empty
    folder `scratch`."""

    run_arguments = ()

    @classmethod
    def setUpClass(cls):
        made = cls("train")
        made.setUp()
        cls.addClassCleanup(made.doCleanups)
        made.done("run", *cls.run_arguments)
        cls.made = made

    def train(self):
        """Stands for the test that setUpClass needs."""

    def setUp(self):
        super().setUp()
        made = vars(type(self)).get("made")
        if made is not None:
            shutil.copytree(made.path("results"), self.path("results"))
            os.makedirs(self.path("scratch"))
            self.begin()

    def begin(self):
        """What a class adds to its tests' set-up."""
