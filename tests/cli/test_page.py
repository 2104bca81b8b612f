"""report.html of a real experiment, as a browser would parse it."""

import html.parser
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ProgramTest, read_text  # noqa: E402

VOID = {"meta", "line", "rect", "circle", "br", "link", "img", "input"}  # those of SVG end themselves


class Reader(html.parser.HTMLParser):
    """Checks that every element is ended where it must be; keeps ids, links, texts and data."""

    def __init__(self, test):
        super().__init__(convert_charrefs=True)
        self.test, self.open, self.ids, self.links, self.texts, self.data = test, [], [], [], [], {}
        self.elements, self.script = {}, None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.test.assertEqual(len(given), len(attributes), f"<{tag}> {attributes}: an attribute twice")
        self.elements[tag] = self.elements.get(tag, 0) + 1
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        for name in given:
            self.test.assertFalse(name.startswith("on") or name == "src", f"<{tag} {name}>")
        self.script = given.get("id", "") if tag == "script" else None
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements[tag] = self.elements.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        self.test.assertEqual(self.open[-1], tag, f"</{tag}> at {self.getpos()} ends {self.open[-3:]}")
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            if self.script:
                self.data[self.script] = self.data.get(self.script, "") + data
        else:
            self.texts.append(data)


class Page(ProgramTest):
    def test_of_a_ladder(self):
        plan = self.write("plan.yaml", "\n".join([
            'name: "<script>alert(1)</script>"', "baseline: 0", "steps:",
            "  0: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}",
            "  1: {set: {RA_MLA_MLP_ATTN_GATE: y, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}",
            "  2: {rerun_of: 1}", "controls: [parameters]", ""]))
        self.done("run", "--plan", plan, "--seeds", "1-2")
        gate = next(folder for (step, _), folder in self.trials().items() if step == 1)
        self.done("knockout", gate)
        self.done("report", self.path("results", "small"))
        text = read_text(self.path("results", "small", "report.html"))
        reader = Reader(self)
        reader.feed(text)
        reader.close()

        with self.subTest("well-formed"):
            self.assertEqual(reader.open, [])
            self.assertEqual(len(reader.ids), len(set(reader.ids)))
            for link in reader.links:
                self.assertIn(link.removeprefix("#"), reader.ids, link)
        with self.subTest("names are text"):
            self.assertIn("alert(1)", text)
            self.assertEqual(reader.elements["script"], 3)  # the data, uPlot, the page's own
        with self.subTest("what it has"):
            for chapter in ("answer", "changes", "table", "curves", "cost", "used", "gates", "differences",
                            "trials", "environment", "again"):
                self.assertIn(chapter, reader.ids)
            words = " ".join(reader.texts)
            for word in ("not enough seeds (2 of 8)", "RA_MLA_MLP_ATTN_GATE", "without gate", "make STEPS=0-",
                         "CONFIG_GPT2_N_EMBD=16", "causality"):
                self.assertIn(word, words)
        with self.subTest("curves"):
            arms = json.loads(reader.data["curve-data"])["arms"]
            self.assertEqual([arm["step"] for arm in arms][:2], [0, 1])
            self.assertEqual(arms[0]["x"], [5, 10, 12])
            self.assertEqual(len(arms[1]["change"]["mean"]), 3)
        self.assertLess(len(text.encode()), 500_000)


if __name__ == "__main__":
    unittest.main()
