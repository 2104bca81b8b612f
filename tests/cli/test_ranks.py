"""Trials of several ranks: the same numbers again, those of one rank but for rounding, what is lost with one.

Skipped without Open MPI or a program built with it; what takes network namespaces also without root.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, loss_log, metrics, read_json, read_text  # noqa: E402

LOST_SECONDS = 30  # at the most, until a lost rank has ended its trial
ALONE = ("run", "--steps", "3")


def ranks_of(run):
    """Rank -> process id of those that mpirun started below `run`."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().split(b"\0")
        except OSError:
            continue
        rank = environment.get(b"OMPI_COMM_WORLD_RANK")
        if rank and environment.get(b"KABLATE_TEST_RUN") == str(run.mark).encode() and b"trial" in command:
            found[int(rank)] = int(pid)
    return found


class RanksTest(ProgramTest):
    symbols = {"GPT2_GRADIENT_ACCUMULATION": 4, "GPT2_MAX_ITERS": 60, "GPT2_EVAL_INTERVAL": 10,
               "GPT2_EVAL_SAMPLES": 4, "RANKS": 2}

    @classmethod
    def setUpClass(cls):
        module = os.path.join(os.path.dirname(os.environ["KABLATE"]), "libkablate_mpi.so")
        if shutil.which("mpirun") is None or not os.path.exists(module):
            raise unittest.SkipTest("no Open MPI, or a program that was built without it")

    def start(self, *arguments, **options):
        mark = str(time.monotonic_ns())
        os.environ["KABLATE_TEST_RUN"] = mark
        try:
            process = super().start(*arguments, **options)
        finally:
            del os.environ["KABLATE_TEST_RUN"]
        process.mark = mark
        return process

    def wait_for_row(self, run, iteration):
        def reached():
            trial = self.trials().get((3, 1))
            return trial is not None and any(row["iteration"] >= iteration for row in metrics(trial))
        self.assertTrue(self.wait_for(reached, run), run.messages())

    def end_of(self, run, code):
        output, _ = run.communicate(timeout=60)
        self.assertEqual(run.returncode, code, output + run.messages())
        return run.messages()

    def calm(self):
        """The folder of the same trial without a disturbance."""
        self.done(*ALONE, results="calm")
        return self.trials("calm")[3, 1]


class Numbers(RanksTest):
    def test_are_those_of_one_rank_but_for_rounding_and_repeat_to_the_bit(self):
        self.done(*ALONE, results="two")
        self.done(*ALONE, results="again")
        self.done(*ALONE, results="one", RANKS=1)
        self.done(*ALONE, results="four", RANKS=4)
        two, again, one, four = (self.trials(results)[3, 1] for results in ("two", "again", "one", "four"))
        self.assert_same_end(again, two)
        summary = read_json(two, "summary.json")
        self.assertEqual(summary["ranks"], 2)
        self.assertGreater(summary["communication_share"], 0)
        self.assertLess(summary["communication_share"], 1)
        self.assertIsNone(read_json(one, "summary.json")["communication_share"])
        self.assertIn("\nranks = 2\n", read_text(two, "key.txt"))
        self.assertEqual(len(read_json(two, "environment.json")["hosts"]), 2)
        for row, alone in zip(loss_log(two), loss_log(one), strict=True):
            if row["kind"] == "train" and row["iteration"] <= 10:
                self.assertLessEqual(abs(row["loss"] / alone["loss"] - 1), 1e-5, row)
                self.assertEqual(row["tokens"], alone["tokens"])
        for row in metrics(two):
            self.assertEqual("communication_share" in row, row["kind"] == "train")
        # As many ranks as pieces add up in the order of one.
        self.assert_same_end(four, one)

    def test_of_another_number_are_another_trial(self):
        self.done(*ALONE, GPT2_MAX_ITERS=4)
        again = self.done(*ALONE, GPT2_MAX_ITERS=4, RANKS=4)
        self.assertIn("ranks 2 -> 4", again.stderr)

    def test_go_on_from_another_number_where_asked_to_and_say_so(self):
        run = self.start(*ALONE, GPT2_MAX_ITERS=200)
        self.wait_for_row(run, 15)
        run.send_signal(signal.SIGINT)
        self.end_of(run, 3)
        begun = self.trials()[3, 1]
        saved = max(int(name) for name in os.listdir(os.path.join(begun, "checkpoint")))
        self.done(*ALONE, "--from-other-ranks", GPT2_MAX_ITERS=200, RANKS=4)
        shutil.rmtree(begun)
        trial = self.trials()[3, 1]
        self.assertIn(f"going on from iteration {saved} of {begun}", read_text(trial, "log.txt"))
        summary = read_json(trial, "summary.json")
        self.assertEqual((summary["ranks"], summary["interruptions"]), (4, 1))
        self.assertIn("+", summary["arithmetic"])
        self.assertEqual([row["iteration"] for row in metrics(trial) if row["kind"] == "train"],
                         list(range(200)))
        self.assert_tidy(trial)

    def test_that_can_not_share_a_batch_are_refused(self):
        self.assert_refused(self.call("run", RANKS=3), "GPT2_GRADIENT_ACCUMULATION = 4", "RANKS = 3")

    def test_without_mpirun_are_refused(self):
        self.assert_refused(self.call("run", environment={"PATH": "/nowhere"}), "RANKS = 2", "mpirun",
                            "openmpi-bin")

    def test_are_verified(self):
        self.done(*ALONE, GPT2_MAX_ITERS=8)
        self.done("verify", self.path("results", "small"))


class SharedMoments(RanksTest):
    """SHARD_MOMENTS changes no bit: of a model that becomes another, stopped and gone on with either way."""
    symbols = {**RanksTest.symbols, "GPT2_MAX_ITERS": 200, "MLP_SHARE_LAYERS": 2, "MLP_UNSHARE_AT": 12}

    def test_stop_and_go_on_to_the_same_bits(self):
        calm = self.calm()
        for before, after in ("y", "y"), ("y", "n"), ("n", "y"):
            run = self.start(*ALONE, SHARD_MOMENTS=before)
            self.wait_for_row(run, 20)
            run.send_signal(signal.SIGINT)
            self.end_of(run, 3)
            self.done(*ALONE, SHARD_MOMENTS=after)
            trial = self.trials()[3, 1]
            self.assertEqual(read_json(trial, "summary.json")["interruptions"], 1)
            self.assert_same_end(trial, calm)
            shutil.rmtree(trial)


    def test_take_less_memory(self):
        """Of a model whose values take more than its moments: half of these, and what `plan` says."""
        sizes = {"GPT2_BATCH_SIZE": 8, "GPT2_BLOCK_SIZE": 32, "GPT2_N_EMBD": 32, "GPT2_MAX_ITERS": 4,
                 "MLP_SHARE_LAYERS": 1, "MLP_UNSHARE_AT": 0, "GPT2_GRADIENT_ACCUMULATION": 2}
        peaks = {}
        for shared in "y", "n":
            plan = json.loads(self.done("plan", "--json", "--no-measure", "--steps", "3",
                                        SHARD_MOMENTS=shared, **sizes).stdout)["steps"][0]
            self.done(*ALONE, results=shared, SHARD_MOMENTS=shared, **sizes)
            summary = read_json(self.trials(shared)[3, 1], "summary.json")
            peaks[shared] = summary["peak_tensor_bytes"]
            self.assertAlmostEqual(plan["peak_tensor_bytes"] / peaks[shared], 1, delta=0.1)
        half = 4 * summary["parameters"]
        self.assertAlmostEqual((peaks["n"] - peaks["y"]) / half, 1, delta=0.1)


class Disturbed(RanksTest):
    symbols = {**RanksTest.symbols, "GPT2_MAX_ITERS": 400}

    def test_a_storm_of_signals_stops_all_at_one_iteration(self):
        seed = int(os.environ.get("KABLATE_TEST_SEED", 0)) or random.SystemRandom().randrange(1, 10**6)
        print(f"KABLATE_TEST_SEED={seed}", file=sys.stderr)
        draw = random.Random(seed)
        calm = self.calm()
        run = self.start(*ALONE)
        self.wait_for_row(run, 15)
        ranks = ranks_of(run)
        self.assertEqual(set(ranks), {0, 1})
        run.send_signal(signal.SIGINT)
        for _ in range(300):
            number = draw.choice([signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM])
            try:
                os.kill(ranks[draw.randrange(2)], number)
            except ProcessLookupError:
                break
        self.end_of(run, 3)
        iteration = max(int(name) for name in os.listdir(os.path.join(self.trials()[3, 1], "checkpoint")))
        self.assertGreater(iteration, 15)
        self.done(*ALONE)
        self.assert_same_end(self.trials()[3, 1], calm)
        self.assertEqual(read_json(self.trials()[3, 1], "summary.json")["interruptions"], 1)

    def test_a_killed_rank_ends_the_trial_which_goes_on(self):
        calm = self.calm()
        for killed in (1, 0):
            run = self.start(*ALONE)
            self.wait_for_row(run, 25 if killed else 60)
            since = time.monotonic()
            os.kill(ranks_of(run)[killed], signal.SIGKILL)
            said = self.end_of(run, 1)
            self.assertLess(time.monotonic() - since, LOST_SECONDS)
            failure = read_json(self.trials()[3, 1], "failure.json")
            for text in (failure["reason"], said):
                self.assertIn(f"rank {killed}", text)
                self.assertIn("signal 9", text)
            self.assertEqual(ranks_of(run), {})
        self.done(*ALONE)
        self.assert_same_end(self.trials()[3, 1], calm)

    def test_a_rank_that_stands_still_ends_the_trial(self):
        run = self.start(*ALONE)
        self.wait_for_row(run, 15)
        since = time.monotonic()
        os.kill(ranks_of(run)[1], signal.SIGSTOP)
        self.end_of(run, 1)
        self.assertLess(time.monotonic() - since, LOST_SECONDS)
        self.assertRegex(read_json(self.trials()[3, 1], "failure.json")["reason"],
                         r"rank 1 of 2 \(on .*\) gave no sign of life for \d+ s")
        self.assertEqual(ranks_of(run), {})

    def test_a_killed_runner_takes_its_ranks_with_it(self):
        run = self.start(*ALONE)
        self.wait_for_row(run, 15)
        run.kill()
        run.wait()
        self.wait_for(lambda: not ranks_of(run))
        self.assertTrue(os.listdir(os.path.join(self.trials()[3, 1], "checkpoint")))

    @unittest.skipUnless(os.geteuid() == 0, "a small disk takes root")
    def test_a_full_disk_is_one_message(self):
        """Of the first rank, which alone writes; the others end with it."""
        os.mkdir(self.path("results"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "none", self.path("results")]).returncode:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.path("results")])
        run = self.start(*ALONE)
        self.wait_for_row(run, 15)
        filler = self.path("results", "filler")
        with self.assertRaises(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        said = self.end_of(run, 1)
        self.assertRegex(said, "step 3 all, seed 1: failed: .*No space left on device")
        os.remove(filler)
        self.done(*ALONE)
        self.assert_same_end(self.trials()[3, 1], self.calm())


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("ip"), "network namespaces take root and iproute2")
class TwoHosts(RanksTest):
    """Each rank in a network namespace of its own, joined by a cable that can be pulled."""

    symbols = {**RanksTest.symbols, "GPT2_MAX_ITERS": 400}

    def ip(self, *words, check=True):
        return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)

    def setUp(self):
        super().setUp()
        self.spaces = [f"kablate-{os.getpid()}-{end}" for end in "ab"]
        if self.ip("netns", "add", self.spaces[0], check=False).returncode:
            self.skipTest("no network namespace can be made here")
        self.addCleanup(lambda: [self.ip("netns", "del", space, check=False) for space in self.spaces])
        self.ip("netns", "add", self.spaces[1])
        cable = [f"kbl{os.getpid() % 100000}{end}" for end in "ab"]
        if self.ip("link", "add", cable[0], "netns", self.spaces[0], "type", "veth", "peer", "name", cable[1],
                   "netns", self.spaces[1], check=False).returncode:
            self.skipTest("no two network namespaces can be joined here")
        self.cable = cable
        for place, (space, link) in enumerate(zip(self.spaces, cable, strict=True)):
            self.ip("-n", space, "address", "add", f"10.77.0.{place + 1}/24", "dev", link)
            for name in (link, "lo"):
                self.ip("-n", space, "link", "set", name, "up")
        # What Open MPI calls in place of ssh: HOST COMMAND. It takes a blank in its path for an end.
        holder = tempfile.TemporaryDirectory(prefix="kablate-test-")
        self.addCleanup(holder.cleanup)
        agent = os.path.join(holder.name, "agent")
        with open(agent, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nshift\nexec ip netns exec {self.spaces[1]} /bin/sh -c "$*"\n')
        os.chmod(agent, 0o755)
        self.write("hosts", "10.77.0.1 slots=1\n10.77.0.2 slots=1\n")
        # Through the cable alone: both are one machine, whose ranks would share memory.
        self.variables = {
            "OMPI_MCA_plm_rsh_agent": agent, "OMPI_MCA_orte_default_hostfile": self.path("hosts"),
            "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl_tcp_if_include": "10.77.0.0/24",
            "OMPI_MCA_oob_tcp_if_include": "10.77.0.0/24", "OMPI_MCA_plm": "rsh",
        }

    def arguments(self, *arguments, **options):
        words = super().arguments(*arguments, **options)
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return ["ip", "netns", "exec", self.spaces[0], "env", *variables, *words]

    def test_train_the_same_bits_as_one_and_a_pulled_cable_ends_the_trial(self):
        self.variables, over_the_cable = {}, self.variables
        calm = self.calm()
        self.variables = over_the_cable
        run = self.start(*ALONE)
        self.wait_for_row(run, 40)
        since = time.monotonic()
        self.ip("-n", self.spaces[0], "link", "set", self.cable[0], "down")
        said = self.end_of(run, 1)
        self.assertLess(time.monotonic() - since, LOST_SECONDS)
        self.assertIn("the connection to 10.77.0.2, where ranks run, was lost", said)
        self.wait_for(lambda: not ranks_of(run))
        self.ip("-n", self.spaces[0], "link", "set", self.cable[0], "up")
        self.done(*ALONE)
        self.assert_same_end(self.trials()[3, 1], calm)


if __name__ == "__main__":
    unittest.main()
