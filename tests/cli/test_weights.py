"""`init`, `logits` and `sample`: weights in, weights out, in the format that others read."""

import math
import os
import shutil
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (PATIENCE, ProgramTest, flip, read_bytes, read_json, read_safetensors,  # noqa: E402
                     read_text, write_safetensors)

EMBEDDING, HEAD, MASK = "transformer.wte.weight", "lm_head.weight", "transformer.h.0.attn.bias"
MHA = {"ENABLE_RA_MLA": "n", "RA_MLA_MLP_LATENT_RECIP": "n"}


class WeightsTest(ProgramTest):
    def init(self, name, *arguments, **symbols):
        self.done("init", "--out", self.path(name), *arguments, **symbols)
        return self.path(name)

    def logits(self, weights, tokens="0 1 2 3\n29 0 0 7\n", *arguments, **symbols):
        """(shape, values)"""
        self.write("ids", tokens)
        self.done("logits", "--weights", weights, "--tokens", self.path("ids"), "--out", self.path("logits"),
                  *arguments, **symbols)
        tensors = read_safetensors(self.path("logits"))
        self.assertEqual(list(tensors), ["logits"])
        return tensors["logits"]


class Init(WeightsTest):
    def test_same_seed_same_file(self):
        first = read_bytes(self.init("a", "--seed", "7"))
        self.assertEqual(first, read_bytes(self.init("b", "--seed", "7")))
        self.assertNotEqual(first, read_bytes(self.init("c", "--seed", "8")))
        self.assertEqual(read_bytes(self.init("d")), read_bytes(self.init("e", "--seed", "1")))

    def test_a_mechanism_changes_no_other_weight(self):
        everything = read_safetensors(self.init("all"))
        plain = read_safetensors(self.init("plain", RA_MLA_MLP_ATTN_GATE="n", RA_MLA_MLP_CROSS_TOKEN="n",
                                           RA_MLA_MLP_LATENT_RECIP="n"))
        self.assertEqual(plain, {name: everything[name] for name in plain})
        added = {name.rsplit("mlp.", 1)[1] for name in set(everything) - set(plain)}
        self.assertEqual(added, {"gate_proj.weight", "gate_to_heads.weight", "cross_proj.weight",
                                 "coupler.W"})

    def test_names_and_shapes(self):
        """Spec 5; the last block's gate is not there, since nothing would read it."""
        tensors = read_safetensors(self.init("mla", GPT2_BIAS="n"))
        shapes = {name: shape for name, (shape, _) in tensors.items()}
        block = {"ln_1.weight": [16], "ln_2.weight": [16], "attn.q_proj.weight": [16, 16],
                 "attn.k_down.weight": [8, 16], "attn.v_down.weight": [8, 16], "attn.q_to_latent": [2, 8, 8],
                 "attn.v_up": [2, 8, 8],
                 "attn.out_proj.weight": [16, 16], "mlp.c_fc.weight": [64, 16], "mlp.c_proj.weight": [16, 64],
                 "mlp.cross_proj.weight": [64, 64], "mlp.coupler.W": [64, 8]}
        gate = {"mlp.gate_proj.weight": [8, 64], "mlp.gate_to_heads.weight": [2, 8]}
        expected = {EMBEDDING: [30, 16], "transformer.wpe.weight": [16, 16], "transformer.ln_f.weight": [16]}
        expected |= {f"transformer.h.{i}.{name}": shape for i in (0, 1) for name, shape in block.items()}
        expected |= {f"transformer.h.0.{name}": shape for name, shape in gate.items()}
        self.assertEqual(shapes, expected)
        untied = read_safetensors(self.init("untied", GPT2_WEIGHT_TYING="n", **MHA))
        self.assertEqual(untied[HEAD][0], [30, 16])
        self.assertEqual(untied["transformer.h.1.attn.c_attn.weight"][0], [48, 16])
        self.assertEqual(untied["transformer.h.1.attn.c_attn.bias"][0], [48])


class Logits(WeightsTest):
    def test_shape_and_determinism(self):
        weights = self.init("weights")
        shape, values = self.logits(weights)
        self.assertEqual(shape, [2, 4, 30])
        self.assertTrue(all(map(math.isfinite, values)))
        self.assertGreater(max(values) - min(values), 0.01)
        self.assertEqual(self.logits(weights)[1], values)
        self.configure(DTYPE_BFLOAT16="y", THREADS=2)
        self.assertEqual(self.logits(weights), (shape, values), "logits are computed in float32")
        # A line does not depend on the lines beside it, nor a token on those behind it; blanks may be any.
        self.assertEqual(self.logits(weights, "\n  29 0\t0   7 \n\n"), ([1, 4, 30], values[120:]))
        for near, far in zip(self.logits(weights, "0 1 9 9\n")[1][:60], values[:60]):
            self.assertAlmostEqual(near, far, 6)
        self.assertEqual(self.logits(weights, "0\n")[0], [1, 1, 30])
        self.assertEqual(self.logits(weights, " ".join(["1"] * 16))[0], [1, 16, 30])

    def test_a_longer_context_than_trained_on_where_positions_are_not_learned(self):
        """Earlier tokens' logits are those of the shorter line: nothing sees what follows."""
        short, long = " ".join(["1 5"] * 8), " ".join(["1 5"] * 20)
        for positions in ({"POSITIONS": "none"}, {"POSITIONS": "rotary", **MHA}):
            weights = self.init("weights", **positions)
            values = self.logits(weights, short, **positions)[1]
            shape, longer = self.logits(weights, long, **positions)
            self.assertEqual(shape, [1, 40, 30])
            for a, b in zip(values, longer):
                self.assertAlmostEqual(a, b, 5)
        weights = self.init("weights")
        ended = self.call("logits", "--weights", weights, "--tokens", self.path("ids"), "--out",
                          self.path("none"))
        self.assert_refused(ended, "40 ids", "GPT2_BLOCK_SIZE = 16", "POSITIONS = learned")

    def test_weights_as_nanogpt_keeps_them(self):
        """A prefix from torch.compile, the mask, and the tied head are accepted and change nothing."""
        weights = self.init("weights", **MHA)
        expected = self.logits(weights, **MHA)
        tensors = read_safetensors(weights)
        mask = [float(column <= row) for row in range(16) for column in range(16)]
        foreign = {**tensors, MASK: ([1, 1, 16, 16], mask), HEAD: tensors[EMBEDDING]}
        write_safetensors(self.path("nanogpt"),
                          {f"_orig_mod.{name}": tensor for name, tensor in foreign.items()})
        self.assertEqual(self.logits(self.path("nanogpt"), **MHA), expected)

        shape, values = tensors[EMBEDDING]
        other = (shape, [values[0] + 1e-3, *values[1:]])
        write_safetensors(self.path("untied"), {**tensors, HEAD: other})
        call = ["logits", "--weights", self.path("untied"), "--tokens", self.path("ids"), "--out",
                self.path("none")]
        self.assert_refused(self.call(*call, **MHA), HEAD, EMBEDDING, "GPT2_WEIGHT_TYING")
        untied = self.logits(self.path("untied"), GPT2_WEIGHT_TYING="n", **MHA)
        self.assertNotEqual(untied, expected)
        moved = [(a != b) for a, b in zip(untied[1], expected[1])]
        self.assertTrue(any(moved[::30]) and not any(flag for i, flag in enumerate(moved) if i % 30),
                        "token 0's only")

    def test_no_kept_position_reads_padding(self):
        """Bit for bit, whatever stands there and wherever it stands."""
        keep = [[1, 1, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1]]
        one, other = "0 1 2 3\n29 4 0 7\n1 2 3 4\n", "0 1 2 9\n5 4 28 7\n1 2 3 4\n"
        self.write("keep", "".join(" ".join(map(str, line)) + "\n" for line in keep))
        both = {"OBJECTIVE": "masked_token", "ATTENTION_DIRECTION": "bidirectional"}
        for symbols in ({**MHA, **both}, both, {}):
            with self.subTest(**symbols):
                weights = self.init("weights", **symbols)
                first, second = (self.kept(weights, ids, keep, **symbols) for ids in (one, other))
                self.assertEqual(first, second)
                self.write("all", "1 1 1 1\n" * 3)
                for near, far in zip(self.logits(weights, one, "--keep", self.path("all"), **symbols)[1],
                                     self.logits(weights, one, **symbols)[1]):
                    self.assertAlmostEqual(near, far, 5)
                self.assertNotEqual(self.kept(weights, one, keep, "all", **symbols), first)

    def test_what_a_critic_says_stands_beside_them(self):
        """By hand: with only a bias it says that of every token."""
        both = {"OBJECTIVE": "masked_token", "ATTENTION_DIRECTION": "bidirectional", "CRITIC": "y"}
        weights = self.init("weights", **both)
        tensors = read_safetensors(weights)
        self.assertEqual(tensors["critic.weight"][0], [1, 16])
        self.assertEqual(tensors["critic.bias"], ([1], [0.0]))
        self.write("ids", "0 1 2 3\n29 0 0 7\n")

        def said():
            self.done("logits", "--weights", weights, "--tokens", self.path("ids"), "--out", self.path("out"),
                      **both)
            found = read_safetensors(self.path("out"))
            self.assertEqual([found["logits"][0], found["critic"][0]], [[2, 4, 30], [2, 4]])
            return found["critic"][1]

        self.assertEqual(len(set(said())), 8)
        write_safetensors(weights, {**tensors, "critic.weight": ([1, 16], [0.0] * 16),
                                    "critic.bias": ([1], [0.25])})
        self.assertEqual(said(), [0.25] * 8)

    def kept(self, weights, ids, keep, mask="keep", **symbols):
        """The logits [V] of each position that is 1 in `keep`."""
        shape, values = self.logits(weights, ids, "--keep", self.path(mask), **symbols)
        flags = [flag for line in keep for flag in line]
        self.assertEqual(shape, [len(keep), len(keep[0]), 30])
        return [values[30 * i:30 * (i + 1)] for i, flag in enumerate(flags) if flag]

    def test_keep_has_the_form_of_the_ids(self):
        weights = self.init("weights")
        self.write("ids", "0 1 2\n\n3 4 5\n")
        place = self.path("keep")
        call = ["logits", "--weights", weights, "--tokens", self.path("ids"), "--out", self.path("none"),
                "--keep"]
        for content, *fragments in [
                ("1 1 0\n", f"{place}:1: is the last of 1 lines", "2 sequences"),
                ("1 1 0\n\n1 0\n", f"{place}:3: 2 numbers", "3 ids"),
                ("1 1 0\n1 1 1\n1 1 1\n", f"{place}:3: a line too many", "has 2"),
                ("1 1 1\n0 0 0\n", f"{place}:2: a sequence without a 1"),
                ("1 1 1\n0 2 0\n", f'{place}:2: "2"', "1 (keep) and 0 (padding)"),
                ("\n", f"{place}: no numbers", "one sequence a line"),
                (b"\0", f"{place}: not a text file")]:
            with self.subTest(content=content):
                self.write("keep", content)
                self.assert_refused(self.call(*call, place), *fragments)
        self.assert_refused(self.call(*call, self.path("nothing")), "no such file")

    def test_as_many_ids_as_the_data_have(self):
        """GPT2_VOCAB_SIZE = 0 with the text's 21 characters; another number is another model."""
        weights = self.init("weights", GPT2_VOCAB_SIZE=0)
        self.assertEqual(read_bytes(weights), read_bytes(self.init("given", GPT2_VOCAB_SIZE=21)))
        self.assertEqual(self.logits(weights, "0 1 20\n", GPT2_VOCAB_SIZE=0),
                         self.logits(weights, "0 1 20\n", GPT2_VOCAB_SIZE=21))
        masked = {"OBJECTIVE": "masked_token", "ATTENTION_DIRECTION": "bidirectional"}
        self.assertEqual(read_bytes(self.init("masked", GPT2_VOCAB_SIZE=0, **masked)),
                         read_bytes(self.init("given", GPT2_VOCAB_SIZE=22, **masked)))
        other = self.write("other", read_text(self.path("text")).replace("k", "Q") * 3)
        for source in (["--data-path", other], []):
            self.assertEqual(
                *(self.done("eval", "--weights", weights, *source, GPT2_VOCAB_SIZE=size).stdout
                  for size in (0, 21)))
        self.write("other", "k" + read_text(self.path("text")).replace("k", "Q") * 3)
        self.assert_refused(self.call("eval", "--weights", weights, "--data-path", other, GPT2_VOCAB_SIZE=0),
                            "transformer.wte.weight", "[22, 16]", "[21, 16]")
        self.assertIn("the", self.done("sample", "--weights", weights, "--prompt", "the", "--tokens", "4",
                                       GPT2_VOCAB_SIZE=0).stdout)

    def test_double_precision_weights(self):
        tensors = read_safetensors(self.init("weights"))
        write_safetensors(self.path("double"), {name: (*tensor, "F64") for name, tensor in tensors.items()})
        self.assertEqual(self.logits(self.path("double")), self.logits(self.path("weights")))


class Sample(WeightsTest):
    def sample(self, *arguments, **symbols):
        return self.done("sample", "--tokens", "40", *arguments, **symbols).stdout

    def test_from_weights(self):
        source = ["--weights", self.init("weights"), "--prompt", "the king"]
        text = self.sample(*source)
        self.assertTrue(text.startswith("the king"))
        self.assertEqual(len(text), len("the king") + 40 + 1)
        self.assertLessEqual(set(text), set(read_text(self.path("text"))))
        self.assertEqual(self.sample(*source, "--seed", "1"), text)
        self.assertNotEqual(self.sample(*source, "--seed", "2"), text)
        greedy = self.sample(*source, "--top-k", "1")
        self.assertEqual(self.sample(*source, "--temperature", "1e-6", "--seed", "5"), greedy)
        self.assertNotEqual(greedy, text)

    def test_several_texts_top_p_and_stop(self):
        source = ["--weights", self.init("weights"), "--prompt", "the king", "--temperature", "3"]
        text = self.sample(*source)[:-1]
        self.assertEqual(self.sample(*source, "--top-p", "1", "--sequences", "1")[:-1], text)
        line = "\n---------------\n"
        three = self.sample(*source, "--sequences", "3")[:-1].split(line)
        self.assertEqual((len(three), len(set(three)), three[0]), (3, 3, text))
        self.assertEqual(self.sample(*source, "--sequences", "2")[:-1].split(line), three[:2])
        # The likeliest alone is what --top-k 1 draws.
        self.assertEqual(self.sample(*source, "--top-p", "1e-9"), self.sample(*source, "--top-k", "1"))
        self.assertNotEqual(self.sample(*source, "--top-p", "0.3"), text + "\n")
        drawn = text[len("the king"):]
        for stop in drawn[5], drawn[5:8], drawn[-3:]:
            ends = drawn.index(stop)
            self.assertEqual(self.sample(*source, "--stop", stop), "the king" + drawn[:ends] + "\n")
            first = self.sample(*source, "--stop", stop, "--sequences", "2").split(line)[0]
            self.assertEqual(first, "the king" + drawn[:ends])

    def test_bad_options(self):
        sample = ["sample", "--weights", self.init("weights"), "--tokens", "4"]
        cases = [([*sample, "--top-p", value], "--top-p", value, "> 0 and <= 1")
                 for value in ("0", "1.5", "-1", "nan", "half")]
        self.assert_all_refused(cases + [
            ([*sample, "--stop", ""], "--stop", "not empty"),
            ([*sample, "--stop", "Q"], "--stop", "U+0051", "21 characters"),
            ([*sample, "--stop", "a sea"], "--stop = a sea", "5 tokens", "--tokens = 4"),
            ([*sample, "--sequences", "0"], "--sequences", "whole number >= 1"),
        ])

    def test_every_character_is_printed(self):
        self.write("text", "a\0b\0\0c\n" * 200)
        source = ["--weights", self.init("weights")]
        for prompt in [], ["--prompt", "ab"]:
            ended = self.done("sample", *source, "--tokens", "200", *prompt)
            self.assertEqual(len(ended.stdout), 200 + len(prompt[1] if prompt else "\0") + 1)
            self.assertIn("\0", ended.stdout)

    def test_token_ids_are_those_of_the_data(self):
        os.mkdir(self.path("tokens"))
        ids = [3, 7, 8, 19]
        for name, stride in ("train.bin", 1), ("val.bin", 3):
            self.write(f"tokens/{name}", struct.pack("<400H", *(ids[i * stride % 4] for i in range(400))))
        data = {"DATASET": "bin", "DATA_PATH": self.path("tokens")}
        weights = self.init("weights")
        drawn = self.sample("--weights", weights, "--temperature", "9", **data).split()
        self.assertEqual((set(drawn), len(drawn)), ({"3", "7", "8", "19"}, 41))
        self.done("run", "--steps", "0", **data)
        shutil.rmtree(self.path("tokens"))
        drawn = self.sample("--run", self.trials()[0, 1], "--temperature", "9", "--prompt", "1 2").split()
        self.assertEqual((drawn[:2], set(drawn[2:])), (["1", "2"], {"3", "7", "8", "19"}))

    def test_text_comes_as_it_is_drawn(self):
        """A reader that has seen enough ends a text that would take hours."""
        process = self.start("sample", "--weights", self.init("weights"), "--tokens", "100000000",
                             "--prompt", "the")
        self.assertEqual(process.stdout.read(60)[:3], "the")
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 0, process.messages())

    def test_from_a_run(self):
        """A finished trial brings configuration, weights and alphabet; the text may be gone."""
        self.done("run", "--steps", "2", GPT2_N_LAYER=3)
        trial = self.trials()[2, 1]
        os.remove(self.path("text"))
        text = self.sample("--run", trial, "--prompt", "a sea ")
        self.assertTrue(text.startswith("a sea "))
        self.assertEqual(self.sample("--run", trial, "--prompt", "a sea "), text)
        sample = ["sample", "--run", trial]
        self.assert_refused(self.call(*sample, "--prompt", "a Sea"), "--prompt", "byte 2", "U+0053",
                            "21 characters")
        self.assert_refused(self.call(*sample, "--set", "GPT2_N_LAYER=2"), "GPT2_N_LAYER=2",
                            "its own configuration")
        self.assert_refused(self.call(*sample, "--weights", self.path("w")), "either --run", "or --weights")
        for name in ("weights.safetensors", "config", "tokenizer.json"):
            flip(os.path.join(trial, name))
            self.assert_refused(self.call(*sample), f"{name}: does not have the SHA-256")
            flip(os.path.join(trial, name))
        os.remove(os.path.join(trial, "weights.safetensors"))
        self.assert_refused(self.call(*sample), "weights.safetensors: is missing, although")
        os.remove(os.path.join(trial, "DONE"))
        self.assert_refused(self.call(*sample), trial, "not finished")
        self.assertEqual(read_json(trial, "tokenizer.json")["kind"], "characters")


if __name__ == "__main__":
    unittest.main()
