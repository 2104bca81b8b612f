"""`plan`: what it says before a run, held against what the run then does."""

import hashlib
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, metrics, read_json, read_safetensors, read_text, sealed, words  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PUBLISHED = os.path.join(ROOT, "defconfigs", "gpt2-ra-mla-full")


class PlanTest(ProgramTest):
    timing = ("--no-measure",)  # up to ten seconds a plan, of what few tests look at

    def plan(self, *arguments, **symbols):
        return json.loads(self.done("plan", "--json", *self.timing, *arguments, **symbols).stdout)


class Notes(PlanTest):
    def test_on_the_text_are_of_plan_run_and_report(self):
        text = self.write("text with an end of Windows", words(1500) + "the end\r\n")
        said = "has 1 carriage returns"
        self.assertIn(said, " ".join(self.plan(DATA_PATH=text)["notes"]))
        ended = self.done("run", "--steps", "0", DATA_PATH=text)
        for part in (ended.stderr, self.done("report", self.path("results", "small")).stdout):
            self.assertIn(said, " ".join(part.split()))

    def test_name_a_noise_floor_that_is_damaged(self):
        os.makedirs(self.path("results", "small"))
        self.write(os.path.join("results", "small", "noise.json"), "{}")
        self.assertIn("the noise floor is not used: ", " ".join(self.plan()["notes"]))


class Published(PlanTest):
    """The defconfig of the published ladder (spec 7); it needs no data."""

    def steps(self, *arguments):
        plan = self.plan("--config", PUBLISHED, "--seeds", "1", *arguments)
        return {step["step"]: step for step in plan["steps"]}

    def test_counts(self):
        steps = self.steps("--set", "DATA_PATH=/nonexistent", "--set", "DATASET=text")
        self.assertEqual([steps[i]["parameters"] for i in range(6)],
                         [115001856, 117172992, 230419200, 235137792, 230419200, 235137792])
        self.assertEqual([steps[i]["name"] for i in range(4)], ["mla", "gate", "gate+cross", "all"])
        self.assertEqual([steps[i]["rerun_of"] for i in range(6)], [None, None, None, None, 2, 3])
        for step in steps.values():
            self.assertEqual(sum(step["parameters_by_part"].values()), step["parameters"])
        untied = self.steps("--steps", "3", "--set", "RA_MLA_MLP_TYING_MODE=untied",
                            "--set", "RA_MLA_MLP_LATENT_DIM=128")
        self.assertEqual(untied[3]["parameters"], 239643392)
        self.assertEqual(self.steps("--steps", "0", "--set", "ENABLE_RA_MLA=n")[0]["parameters"], 124475904)

    def test_decode_cache(self):
        """Spec 3, float32 in 12 blocks: 2L, with mechanism 2 also F, a token; G of each gate that is made."""
        steps = self.steps("--set", "RA_MLA_RA_ALPHA=0.5")
        per_token, fixed = "decode_cache_bytes_per_token", "decode_cache_bytes_fixed"
        self.assertEqual([steps[i][per_token] for i in range(4)],
                         [4 * 12 * n for n in (256, 256, 256 + 3072, 256 + 3072)])
        self.assertEqual([steps[i][fixed] - 4 * 12 * 64 * 768 for i in range(4)],
                         [4 * 11 * n for n in (0, 64, 64, 64)])
        half = self.steps("--steps", "0", "--set", "DTYPE=bfloat16", "--set", "RA_MLA_SHARED_KV=y")[0]
        self.assertEqual((half[per_token], half[fixed]), (2 * 12 * 128, 0))

    def test_text_says_the_same(self):
        text = self.done("plan", "--config", PUBLISHED, "--set", "RA_MLA_MLP_TYING_MODE=untied").stdout
        self.assertIn("6 steps x 3 seeds", text)
        self.assertIn("117,172,992", text)
        self.assertIn("step 0 reads nothing of: ", text)
        self.assertEqual(text.count("GPT2_MIN_LR"), 0)
        self.assertEqual(text.count("RA_MLA_RA_WINDOW"), 1, "what is said of every step is said once")
        self.assertRegex(text, r"(?m)^no step reads: .*RA_MLA_RA_WINDOW")
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
        self.assertIn("expected time: unknown", text)


class Decisions(PlanTest):
    timing = ()

    def actions(self, plan):
        return {(t["step"], t["seed"]): (t["action"], t["reason"]) for t in plan["trials"]}

    def test_why_and_for_how_long(self):
        before = self.plan("--steps", "0,2", GPT2_MAX_ITERS=14)
        self.assertEqual(self.actions(before), {(0, 1): ("run", ""), (2, 1): ("run", "")})
        self.assertGreater(before["expected_seconds"], 0, "ten iterations take no time here")
        self.assertFalse(os.path.exists(self.path("results")), "plan has written something")
        lost = self.plan(GPT2_MAX_ITERS=14, DATA_PATH=self.path("lost"))
        self.assertEqual(lost["expected_seconds"], "unknown", "nothing is timed without data")
        self.done("run", "--steps", "0", GPT2_MAX_ITERS=14)
        ms = float(self.table()[0]["ms_per_iter"])
        after = self.plan("--steps", "0,2", "--seeds", "1,2", GPT2_MAX_ITERS=14)
        self.assertEqual(self.actions(after),
                         {(0, 1): ("skip", "done"), (2, 1): ("run", ""), (0, 2): ("run", ""),
                          (2, 2): ("run", "")})
        expected = [step["expected_seconds_per_trial"] for step in after["steps"]]
        self.assertAlmostEqual(expected[0], 14 * ms / 1000)
        self.assertGreater(expected[1], 0)
        self.assertIn("by ten iterations timed now", self.done("plan", GPT2_MAX_ITERS=14).stdout)
        only = self.plan("--steps", "0", "--seeds", "1-5", GPT2_MAX_ITERS=14)
        self.assertAlmostEqual(only["expected_seconds"], 4 * 14 * ms / 1000 / 2)
        changed = self.actions(self.plan("--steps", "0", GPT2_MAX_ITERS=15))[0, 1]
        self.assertEqual(changed[0], "run")
        self.assertIn("GPT2_MAX_ITERS 14 -> 15", changed[1])
        blocked = self.actions(self.plan("--steps", "1", RA_MLA_MLP_GATE_POOL="sequence"))[1, 1]
        self.assertEqual(blocked[0], "blocked")
        self.assertIn("RA_MLA_MLP_GATE_POOL", blocked[1])

    def test_a_rerun_takes_its_twins_time(self):
        self.done("run", "--steps", "2", GPT2_MAX_ITERS=14)
        ms = float(self.table()[2]["ms_per_iter"])
        plan = self.plan("--steps", "2,4", GPT2_MAX_ITERS=14)
        for step in plan["steps"]:
            self.assertAlmostEqual(step["expected_seconds_per_trial"], 14 * ms / 1000)
        alone = self.plan("--steps", "4", GPT2_MAX_ITERS=14)["steps"][0]
        self.assertAlmostEqual(alone["expected_seconds_per_trial"], 14 * ms / 1000)
        fresh = self.plan("--steps", "2,4", GPT2_MAX_ITERS=15)["steps"]
        self.assertEqual(fresh[0]["expected_seconds_per_trial"], fresh[1]["expected_seconds_per_trial"])

    def test_measured_time(self):
        """--measure times what no run has recorded."""
        plan = self.plan("--measure", "--steps", "0")
        self.assertGreater(plan["steps"][0]["expected_seconds_per_trial"], 0)
        self.assertGreater(plan["expected_seconds"], 0)
        self.assertFalse(os.path.exists(self.path("results")))

    def test_no_measured_time(self):
        """--no-measure times nothing, however quick it were."""
        plan = self.plan("--no-measure", "--steps", "0")
        self.assertEqual(plan["steps"][0]["expected_seconds_per_trial"], "unknown")


class Controls(PlanTest):
    """The plan that stands in the project, of the small model."""

    symbols = {"ABLATION_PLAN": '"ra-mla-controls"', "GPT2_N_EMBD": 64, "GPT2_N_HEAD": 4,
               "GPT2_BLOCK_SIZE": 32}

    def test_match_their_arms(self):
        plan = self.plan()
        steps = {step["step"]: step for step in plan["steps"]}
        self.assertEqual(sorted(steps), list(range(13)))
        self.assertEqual([steps[i]["role"] for i in range(6)],
                         ["baseline", "arm", "arm", "arm", "rerun of 2", "rerun of 3"])
        self.assertEqual([(step["control"], step["control_of"]) for step in plan["steps"][6:]],
                         [("parameters", 1), ("parameters", 2), ("parameters", 3), ("flops", 1), ("flops", 2),
                          ("flops", 3), ("dead_twin", 3)])
        for number in range(6, 12):
            step, arm = steps[number], steps[steps[number]["control_of"]]
            key = "parameters" if step["control"] == "parameters" else "flops_per_iteration"
            self.assertEqual(step["role"], f"control of {arm['step']}")
            self.assertLess(abs(step[key] / arm[key] - 1), 0.005)
            match = step["match"]
            self.assertEqual((match["reached"], match["target"]), (step[key], arm[key]))
            self.assertAlmostEqual(match["deviation_percent"], 100 * (step[key] / arm[key] - 1))
            self.assertEqual(round(float(match["MLP_EXPANSION"]) * 64), match["mlp_width"])
        self.assertIsNone(steps[12]["match"])
        self.assertEqual(plan["notes"], [])
        text = self.done("plan").stdout
        self.assertIn("mla, params of 2", text)
        self.assertRegex(text, r"step 7: MLP_EXPANSION = [0-9.]+ \(width [0-9]+\), [0-9,]+ parameters, "
                               r"[+-]0\.[0-9]+ % of step 2's")

    def test_that_are_not_made_are_named(self):
        plan = self.plan(RA_MLA_MLP_GATE_DIM=1, GPT2_VOCAB_SIZE=5000)
        self.assertEqual([step["step"] for step in plan["steps"] if step["control_of"] == 1], [])
        self.assertEqual(len(plan["notes"]), 2)
        text = self.done("plan", RA_MLA_MLP_GATE_DIM=1, GPT2_VOCAB_SIZE=5000).stdout
        self.assertRegex(text, r"step 6, control parameters of step 1 \(gate\), is not made: ")

    def test_out_of_reach(self):
        self.assert_refused(self.call("plan", GPT2_N_EMBD=4, GPT2_BLOCK_SIZE=8, GPT2_VOCAB_SIZE=24,
                                      RA_MLA_LATENT_DIM=2, RA_MLA_MLP_GATE_DIM=3, MLP_EXPANSION="1"),
                            "ra-mla-controls.yaml:13", "step 6, control parameters of step 1 (gate)",
                            "the nearest is", "allowed: 0.5 %")

    def test_dead_twin_trains_as_the_baseline(self):
        """Every weight that both have and every loss, with dropout; the arm itself differs."""
        self.done("run", "--steps", "0,3,12", OPTIMIZER="adamwspam")
        trials = self.trials()
        weights = {step: read_safetensors(os.path.join(trials[step, 1], "weights.safetensors"))
                   for step in (0, 3, 12)}
        self.assertEqual(set(weights[12]), set(weights[3]))
        self.assertLess(set(weights[0]), set(weights[12]))
        for name, tensor in weights[0].items():
            self.assertEqual(tensor, weights[12][name], name)
        self.assertNotEqual(weights[0]["transformer.wte.weight"], weights[3]["transformer.wte.weight"])
        losses = {step: [(row["kind"], row["iteration"], row.get("loss"), row.get("val_loss"))
                         for row in metrics(trials[step, 1]) if row["kind"] != "mechanisms"]
                  for step in (0, 3, 12)}
        self.assertEqual(losses[0], losses[12])
        self.assertNotEqual(losses[0], losses[3])
        record = read_json(self.path("results", "small", "plan.json"))["steps"]
        self.assertEqual([(step["control"], step["control_of"]) for step in record],
                         [("", None), ("", None), ("dead_twin", 3)])


class Factorial(PlanTest):
    def test_cells(self):
        plan = self.plan(ABLATION_PLAN="factorial")
        self.assertEqual(plan["factors"], ["RA_MLA_MLP_ATTN_GATE", "RA_MLA_MLP_CROSS_TOKEN",
                                           "RA_MLA_MLP_LATENT_RECIP"])
        self.assertEqual([(step["name"], step["cell"], step["role"]) for step in plan["steps"]],
                         [("mla", 0, "baseline"), ("gate", 1, "arm"), ("cross", 2, "arm"),
                          ("gate+cross", 3, "arm"), ("recip", 4, "arm"), ("gate+recip", 5, "arm"),
                          ("cross+recip", 6, "arm"), ("all", 7, "arm"), ("mha", None, "arm"),
                          ("mla+ra", None, "arm")])
        self.assertEqual(plan["family_size"], 9)
        self.assertEqual(plan["seeds_to_claim"], 10)


class SmallestEffect(PlanTest):
    # d at 80 % power, two-sided paired t, alpha = .05/3, by SciPy integrating over the distribution of the
    # standard deviation: no non-central t in it.
    EXPECTED = {3: 5.667476062885682, 8: 1.4503430243953497, 10: 1.2234701271466275}

    def test_of_the_planned_seeds_and_of_8_and_10(self):
        plan = self.plan("--seeds", "1-3")
        self.assertEqual((plan["family_size"], plan["seeds_to_claim"]), (3, 8))
        found = {effect["seeds"]: effect for effect in plan["smallest_effects"]}
        for seeds, d in self.EXPECTED.items():
            self.assertAlmostEqual(found[seeds]["d"], d, delta=1e-9)
            self.assertIsNone(found[seeds]["nats"])
        self.assertEqual(plan["smallest_effect_d"], found[3]["d"])
        self.assertIsNone(plan["smallest_effect_nats"])
        text = self.done("plan", "--seeds", "1-3").stdout
        self.assertIn("alpha = 0.05/3", text)
        self.assertIn("`make noise`", text)
        self.assertIn("screening: 3 seeds; claim with 8", text)
        self.assertNotIn("screening", self.done("plan", "--seeds", "1-8").stdout)
        self.assertIn("screening: 1 seed; claim with 8", self.done("plan", "--seeds", "5").stdout)
        self.assertIsNone(self.plan("--seeds", "5")["smallest_effect_d"])
        self.assertEqual(self.plan("--steps", "0,3")["family_size"], 3, "the plan's arms, selected or not")
        alone = self.plan(RA_MLA_ABLATION_MODE="n")
        self.assertEqual((alone["family_size"], alone["smallest_effects"]), (0, []))
        with_controls = self.plan(ABLATION_PLAN="ra-mla-controls", GPT2_N_EMBD=64, GPT2_BLOCK_SIZE=32)
        self.assertEqual(with_controls["family_size"], 3, "controls and reruns are no arms")

    def noise(self, arm):
        self.write(os.path.join("results", "small", "noise.json"), sealed(
            {"arm": arm, "seeds": [1001, 1002, 1003], "val_losses": [2.0, 2.1, 2.2], "sd": 0.1,
             "sd_low": 0.05, "sd_high": 0.6, "comparisons": 0, "pairs": 2, "rejected": 0}))

    def test_in_nats(self):
        self.done("run", "--steps", "0")
        lines = read_text(self.trials()[0, 1], "key.txt").split("\n")
        arm = "".join(line + "\n" for line in lines if not line.startswith(("seed = ", "DATA_SEED = ")))
        self.noise(hashlib.sha256(arm.encode()).hexdigest())
        plan = self.plan("--seeds", "1-8")
        self.assertAlmostEqual(plan["smallest_effect_nats"], self.EXPECTED[8] * 0.1 * 2 ** 0.5, delta=1e-9)
        text = " ".join(self.done("plan", "--seeds", "1-8").stdout.split())  # lines are broken
        self.assertIn("(sd 0.1000 of 3 seeds)", text)
        other = self.plan("--seeds", "1-8", GPT2_MAX_ITERS=13)
        self.assertIsNone(other["smallest_effect_nats"])
        self.assertIn("of another baseline", self.done("plan", GPT2_MAX_ITERS=13).stdout)


class Memory(PlanTest):
    """The formula for tensor memory is within 15 % of what the allocator counts in the trial."""

    symbols = {"GPT2_N_LAYER": 3, "GPT2_N_HEAD": 4, "GPT2_N_EMBD": 64, "GPT2_BLOCK_SIZE": 64,
               "GPT2_BATCH_SIZE": 8,
               "GPT2_DROPOUT": '"0.0"', "RA_MLA_LATENT_DIM": 16, "RA_MLA_MLP_GATE_DIM": 16,
               "GPT2_EVAL_INTERVAL": 100,
               "GPT2_MAX_ITERS": 2}

    def test_is_what_is_measured(self):
        masked = {"OBJECTIVE": "masked_token", "ATTENTION_DIRECTION": "bidirectional"}
        text = words(4000).split()
        rows = "".join(" ".join(text[i:i + 12]) + "\n" for i in range(0, len(text), 12))
        compression = {"DATASET": "compression", "AUTOENCODER": "y", "SYNTHETIC_VOCAB_SIZE": 16}
        lines = {"DATASET": "lines", "DATA_PATH": self.write("lines", rows)}
        for steps, symbols in [
                ("0,3", {}),
                ("2", {"ENABLE_RA_MLA": "n", "OPTIMIZER": "adamw", "GPT2_N_LAYER": 2}),
                ("3", {"DTYPE": "bfloat16", "RA_MLA_MLP_TYING_MODE": "untied"}),
                ("0,3", {"GPT2_DROPOUT": "0.1", "GPT2_GRADIENT_ACCUMULATION": 2}),
                ("0,3", {"RECOMPUTE": "y"}),
                ("0,3", {"KERNELS": "portable"}),
                ("0,3", {"GPT2_ACTIVATION": "swiglu", "MLP_SHARE_LAYERS": 3}),
                ("0", {"GPT2_ACTIVATION": "swiglu", "KERNELS": "portable", "MLP_EXPANSION": "4,0,8"}),
                ("0,3", {"MLP_PER_HEAD": "y", "GPT2_ACTIVATION": "relu2", "DTYPE": "bfloat16"}),
                ("0,3", {"MLP_LEARNED_WIDTH": "y", "GPT2_ACTIVATION": "swiglu", "MLP_EXPANSION": "8"}),
                ("0", {"MLP_PER_HEAD": "y", "MLP_SHARE_HEADS": 4, "RECOMPUTE": "y"}),
                ("0", {"MLP_PER_HEAD": "y", "RECOMPUTE": "y", "MLP_EXPANSION": "16"}),
                ("0", {"MLP_EXPERTS": 4}),
                ("0,1", {"MLP_EXPERTS": 4, "MLP_EXPERTS_TOP": 2, "GPT2_ACTIVATION": "swiglu"}),
                ("0", {"MLP_EXPERTS": 3, "MLP_EXPERTS_TOP": 2, "DTYPE": "bfloat16", "GPT2_DROPOUT": "0.1"}),
                ("0", {"MLP_EXPERTS": 4, "MLP_EXPERTS_TOP": 2, "RECOMPUTE": "y", "MLP_EXPANSION": "8"}),
                ("2", {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE": "n", "RA_MLA_MLP_SPARSE_MODE": "rms"}),
                ("0,3", {"GPT2_VOCAB_SIZE": 12000, "GPT2_BATCH_SIZE": 32, "GPT2_GRADIENT_ACCUMULATION": 2}),
                ("0", {"GPT2_VOCAB_SIZE": 2000, "RA_MLA_RA_ALPHA": "0.5"}),
                ("0", {"ENABLE_RA_MLA": "n", "GPT2_N_KV_HEAD": 1, "POSITIONS": "rotary",
                       "NORM_KIND": "rmsnorm"}),
                ("0", {"ENABLE_RA_MLA": "n", "GPT2_N_KV_HEAD": 2, "QK_NORM": "y", "NORM_AFFINE": "n",
                       "DTYPE": "bfloat16", "POSITIONS": "rotary"}),
                ("0", {"ENABLE_RA_MLA": "n", "GPT2_N_KV_HEAD": 1, "NORM_KIND": "rmsnorm",
                       "KERNELS": "portable", "POSITIONS": "rotary"}),
                ("0", {"PRUNE": "moments", "PRUNE_END": 2, "PRUNE_INTERVAL": 1, "GPT2_BATCH_SIZE": 1,
                       "GPT2_BLOCK_SIZE": 8, "MLP_EXPANSION": "32"}),
                ("3", {"PRUNE": "magnitude", "PRUNE_END": 2, "PRUNE_INTERVAL": 2}),
                ("0,3", {**masked, "MASK_RATE": "0.4"}),
                ("0", {**masked, "MASK_RATE": "1", "CRITIC": "y", "DTYPE": "bfloat16"}),
                ("0,3", {**masked, "CRITIC": "y", "GPT2_VOCAB_SIZE": 4000}),
                ("0", {**masked, **lines, "MASK_RATE": "1"}),
                ("0", {"DATASET": "mqar", "SYNTHETIC_VOCAB_SIZE": 4000, "GPT2_VOCAB_SIZE": 0}),
                ("0,3", {"DATASET": "in_context_recall", "SYNTHETIC_VOCAB_SIZE": 16, "GPT2_BATCH_SIZE": 16}),
                ("0", {"DATASET": "repeats", "SYNTHETIC_VOCAB_SIZE": 900, "GPT2_VOCAB_SIZE": 900}),
                ("0,3", {**compression, "GPT2_BATCH_SIZE": 16}),
                ("0", {**compression, "DTYPE": "bfloat16", "MLP_EXPANSION": "1"}),
                ("0", lines)]:
            plan = self.plan("--steps", steps, **symbols)
            self.done("run", "--steps", steps, **symbols)
            table = self.table()
            for step in plan["steps"]:
                measured = int(table[step["step"]]["peak_tensor_bytes"])
                with self.subTest(step=step["step"], measured=measured, planned=step["peak_tensor_bytes"],
                                  **symbols):
                    self.assertAlmostEqual(step["peak_tensor_bytes"] / measured, 1, delta=0.15)
        written = read_json(self.path("results", "small", "plan.json"))["steps"][0]
        self.assertEqual(written["peak_tensor_bytes"], plan["steps"][0]["peak_tensor_bytes"])


if __name__ == "__main__":
    unittest.main()
