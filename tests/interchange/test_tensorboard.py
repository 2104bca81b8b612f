"""What `kablate tensorboard` writes, read by TensorBoard's own readers: every value of metrics.jsonl once,
also of a trial that was killed and gone on with, and while a TensorBoard looks on. Skipped where tensorboard
is not installed; `make check-trackers` installs it."""

import glob
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from curves import (Curves, ProgramTest, TrainedOnce, expected, metrics, read_json, run_name,  # noqa: E402
                    training_seconds)

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.compat.proto.event_pb2 import Event
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

EVERYTHING = {"scalars": 0}  # 0: keep all


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


class Tensorboard(Curves):
    def write_events(self, *arguments):
        return self.done("tensorboard", self.experiment, *arguments)

    def runs(self):
        return {place: os.path.join(self.experiment, "tensorboard", run_name(trial))
                for place, trial in self.trials().items()}

    def reader(self, run):
        """The one that most scripts use."""
        reader = EventAccumulator(run, size_guidance=EVERYTHING)
        reader.Reload()
        return reader

    @staticmethod
    def curves(reader):
        return {name: [(event.step, event.value) for event in reader.Scalars(name)]
                for name in reader.Tags()["scalars"]}

    def assert_whole(self, reader, trial):
        """Every number of the log, as float32 has it, and nothing else."""
        wanted = {name: [(step, float32(value)) for step, value in curve]
                  for name, curve in expected(trial).items()}
        self.assertGreater(len(wanted["loss/train"]), 3)
        self.assertEqual(self.curves(reader), wanted)


class Ladder(Tensorboard, TrainedOnce):
    symbols = {"PRUNE_MAGNITUDE": "y", "PRUNE_BEGIN": 2, "PRUNE_END": 8, "PRUNE_INTERVAL": 2,
               "SEEDS": '"1-2"'}
    run_arguments = ("--steps", "0,3")

    def test_every_value_is_that_of_the_log(self):
        self.write_events()
        names = set()
        for place, trial in self.trials().items():
            self.assert_whole(self.reader(self.runs()[place]), trial)
            names |= set(expected(trial))
        for name in ("loss/train", "loss/val", "loss/train_eval", "grad_norm", "learning_rate", "sparsity",
                     "speed/ms", "optimizer/spikes", "gate_mean/block0", "context_relative_norm/block1"):
            self.assertIn(name, names)
        self.assertEqual(len(os.listdir(os.path.join(self.experiment, "tensorboard"))), 4)

    def test_times_are_those_of_the_training(self):
        self.write_events()
        for place, trial in self.trials().items():
            file, = glob.glob(os.path.join(glob.escape(self.runs()[place]), "*"))
            events = [Event.FromString(text) for text in RawEventFileLoader(file).Load()]
            times = [event.wall_time for event in events]
            self.assertEqual(events[0].file_version, "brain.Event:2")
            self.assertEqual(times, sorted(times))
            self.assertAlmostEqual(times[-1] - times[0], training_seconds(trial), places=5)

    def test_the_configuration_is_a_text(self):
        self.write_events()
        for (step, seed), run in self.runs().items():
            multiplexer = EventMultiplexer().AddRun(run, "run")
            multiplexer.Reload()
            self.assertEqual(list(multiplexer.PluginRunToTagToContent("text")["run"]), ["configuration"])
            event, = multiplexer.Tensors("run", "configuration")
            text = event.tensor_proto.string_val[0].decode()
            self.assertIn(f"| seed | {seed} |", text)
            self.assertIn("| role | baseline |" if step == 0 else "| role | arm |", text)
            self.assertIn('CONFIG_EXPERIMENT_NAME="small"', text)
            self.assertEqual("| RA_MLA_MLP_ATTN_GATE | y | n |" in text, step == 0, text)

    def test_other_folders_and_repetition(self):
        out = self.path("scratch", "a b")
        self.assertIn(f"--logdir '{out}'", self.write_events("--out", out).stdout)
        before = {path: read_bytes(path) for path in glob.glob(os.path.join(glob.escape(out), "*", "*"))}
        self.assertEqual(len(before), 4)
        self.assertIn(" 0 of 4 runs", self.write_events("--out", out).stdout)
        self.assertEqual({path: read_bytes(path) for path in before}, before)
        self.assertFalse(os.path.exists(os.path.join(self.experiment, "tensorboard")))

    def test_what_is_no_experiment_is_refused(self):
        trial = self.trials()[0, 1]
        self.assert_all_refused([
            (("tensorboard", trial), trial, "is a trial's folder"),
            (("tensorboard", self.path("nowhere")), "there is no such folder"),
            (("tensorboard", self.experiment, "--watch", "0"), "--watch", ">= 1"),
            (("tensorboard", self.experiment, "--out", self.path("text")), self.path("text")),
        ])


class Labels(Tensorboard, TrainedOnce):
    symbols = {"DATASET_TEXT": "n", "DATASET_MQAR": "y", "SYNTHETIC_VOCAB_SIZE": 20, "SYNTHETIC_TRAIN": 60,
               "SYNTHETIC_TEST": 30, "MQAR_PAIRS": 3, "MLP_EXPERTS": 2, "MLP_BALANCE_WEIGHT": '"0.01"'}
    run_arguments = ("--steps", "0")

    def test_terms_beside_the_loss(self):
        self.write_events()
        trial = self.trials()[0, 1]
        self.assert_whole(self.reader(self.runs()[0, 1]), trial)
        self.assertLessEqual({"accuracy/val", "macro_accuracy/train_eval", "expert_balance/train",
                              "expert_balance/val", "expert_load_1/block0"}, set(expected(trial)))


class Interrupted(Tensorboard, ProgramTest):
    symbols = Curves.long

    def test_each_iteration_stands_there_once(self):
        trial = self.kill_in_the_middle()
        self.write_events()
        run, before = self.runs()[0, 1], len(metrics(trial))
        first, = os.listdir(run)
        watching = self.reader(run)
        self.assert_whole(watching, trial)
        self.done("run", "--steps", "0")  # what was logged behind the last checkpoint is made again
        self.assertEqual(read_json(trial, "summary.json")["interruptions"], 1)
        self.assertGreater(len(metrics(trial)), before)
        self.write_events()
        sizes = {name: os.path.getsize(os.path.join(run, name)) for name in sorted(os.listdir(run))}
        self.assertEqual(list(sizes)[0], first)
        self.assertEqual(list(map(bool, sizes.values())), [False, True])
        self.assert_whole(self.reader(run), trial)
        watching.Reload()
        self.assert_whole(watching, trial)

    def test_a_watch_goes_on_to_the_end(self):
        run = self.start("run", "--steps", "0")
        self.wait_for(lambda: any(map(metrics, self.trials().values())), run)
        watch = self.start("tensorboard", self.experiment, "--watch", "1")
        output, _ = watch.communicate(timeout=100)
        self.assertEqual(watch.returncode, 0, output + watch.messages())
        run.communicate(timeout=100)
        self.assert_whole(self.reader(self.runs()[0, 1]), self.trials()[0, 1])


if __name__ == "__main__":
    unittest.main()
