"""Loads a report.html in headless Chromium and says what is wrong: check_report.py PAGE --shots FOLDER.

At three widths, light and dark: no message on the console, no request but for the page itself, nothing wider
than the window, every figure drawn, the curves with a line an arm, and nothing that axe-core's rules find
against reading it by a screen reader or the keyboard, or against its contrast. Then what a reader does: the
other curves, the zoom, a figure saved as a file, the page printed. Screenshots, and the page as a screen
reader is given it (report.aria.txt), are for looking at. Exits with 1 if anything is wrong.
"""

import argparse
import os
import sys
import time
import xml.etree.ElementTree

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

WIDTHS = (360, 800, 1600)
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")

# What of the page is too wide, not drawn, or lacks its name.
FAULTS = """() => {
  const found = [], wide = document.scrollingElement.scrollWidth, room = document.documentElement.clientWidth;
  if (wide > room) {
    const worst = [...document.querySelectorAll("body *")].filter((e) =>
      e.getBoundingClientRect().right > room + 1 && !e.closest(".wide, pre, .unseen, .skip"));
    const named = worst.slice(0, 3).map((e) => e.outerHTML.slice(0, 80));
    found.push(`${wide} wide in ${room}: ${named.join(" | ")}`);
  }
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    if (box.width < 100 || box.height < 50) found.push(`figure ${svg.id}: ${box.width} x ${box.height}`);
    if (!svg.querySelector("title")?.textContent || !svg.querySelector("desc")?.textContent)
      found.push(`figure ${svg.id}: no title or description`);
  }
  const data = document.getElementById("curve-data");
  if (data) {
    const all = JSON.parse(data.textContent).arms;
    const kind = document.querySelector("[name=kind]:checked")?.value;
    const boxes = [...document.querySelectorAll("#plot-arms [type=checkbox]")];
    const chosen = new Set(boxes.filter((box) => box.checked).map((box) => Number(box.value)));
    const drawn = all.filter((arm) => (boxes.length === 0 || chosen.has(arm.step)) &&
      (kind !== "change" || arm.change.x.length > 0));
    const whose = Number(document.querySelector(".tools select")?.value);
    const arms = kind !== "trials" ? drawn.length : all.find((arm) => arm.step === whose).trials.seeds.length;
    const canvas = document.querySelector("#plot canvas");
    const rows = [...document.querySelectorAll("#plot .u-legend .u-series")];
    const lines = rows.filter((e) => !e.hidden).length - 1;
    if (lines !== arms && arms <= 32) found.push(`${lines} curves of ${arms} arms`);
    const pixels = canvas?.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    const colours = new Set();
    for (let i = 0; i < pixels.length; i += 4)
      if (pixels[i + 3] > 200) colours.add(pixels[i] * 65536 + pixels[i + 1] * 256 + pixels[i + 2]);
    if (colours.size < Math.min(arms, 8) + 1) found.push(`the plot has ${colours.size} colours`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids))
    if (ids.filter((other) => other === id).length > 1) found.push(`id ${id} stands twice`);
  return found;
}"""


class Checker:
    def __init__(self, browser, page_file, shots):
        self.browser, self.address, self.shots = browser, "file://" + os.path.abspath(page_file), shots
        self.faults = []

    def open(self, width, scheme):
        context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                           accept_downloads=True)
        page = context.new_page()
        where = f"{width} {scheme}"
        page.on("console", lambda message: self.faults.append(f"{where}: console: {message.text}"))
        page.on("pageerror", lambda error: self.faults.append(f"{where}: script: {error}"))
        page.on("request", lambda request: self.hear(where, request.url))
        began = time.monotonic()
        page.goto(self.address, wait_until="load")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return page, time.monotonic() - began

    def hear(self, where, url):
        if url.split("#")[0] != self.address and not url.startswith("blob:"):
            self.faults.append(f"{where}: asks for {url[:100]}")

    def look(self, width, scheme):
        page, seconds = self.open(width, scheme)
        self.faults += [f"{width} {scheme}: {fault}" for fault in page.evaluate(FAULTS)]
        for rule in Axe().run(page).response["violations"]:
            where = " | ".join(node["html"][:80] for node in rule["nodes"][:3])
            self.faults.append(f"{width} {scheme}: {rule['id']}: {rule['help']}: {where}")
        page.screenshot(path=os.path.join(self.shots, f"report-{width}-{scheme}.png"), full_page=True)
        page.context.close()
        print(f"{width} wide, {scheme}: open and drawn after {seconds:.2f} s")

    def use(self):
        page, _ = self.open(1000, "light")
        for name in ("change to the reference", "second half", "all", "each seed of", "loss"):
            if page.get_by_label(name, exact=True).count():
                page.get_by_label(name, exact=True).check()
                self.faults += [f"after '{name}': {fault}" for fault in page.evaluate(FAULTS)]
        if page.locator("#plot-arms").count():
            page.locator("#plot-arms summary").click()
            for name in ("7 lowest", "all", "7 highest"):
                page.locator("#plot-arms button", has_text=name).click()
                self.faults += [f"after '{name}': {fault}" for fault in page.evaluate(FAULTS)]
        for link in page.locator("a.save").all()[:3]:
            try:
                with page.expect_download(timeout=5000) as download:
                    link.click()
                root = xml.etree.ElementTree.parse(download.value.path()).getroot()
                if not root.tag.endswith("}svg") or not len(root):
                    self.faults.append(f"{download.value.suggested_filename}: no figure")
            except (Error, xml.etree.ElementTree.ParseError) as fault:
                self.faults.append(f"saving a figure: {fault}")
        for button in page.locator(".copy button").all()[:1]:
            button.click()
        with open(os.path.join(self.shots, "report.aria.txt"), "w", encoding="utf-8") as file:
            file.write(page.locator("body").aria_snapshot() + "\n")
        page.emulate_media(media="print")
        page.pdf(path=os.path.join(self.shots, "report.pdf"), format="A4")
        page.context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page")
    parser.add_argument("--shots", required=True, help="folder for the screenshots")
    options = parser.parse_args()
    if not os.path.isfile(options.page):
        print(f"{options.page}: there is no such page; 'make report' writes it", file=sys.stderr)
        return 2
    program = next((path for path in CHROMIUM if os.path.exists(path)), None)
    if program is None:
        print(f"Chromium is missing (looked for {', '.join(CHROMIUM)})", file=sys.stderr)
        return 2
    os.makedirs(options.shots, exist_ok=True)
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        checker = Checker(browser, options.page, options.shots)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                checker.look(width, scheme)
        checker.use()
        browser.close()
    for fault in checker.faults:
        print(f"{options.page}: {fault}", file=sys.stderr)
    count = len(checker.faults)
    print(f"Screenshots: {options.shots}. {count or 'No'} fault{'' if count == 1 else 's'}.")
    return 1 if checker.faults else 0


if __name__ == "__main__":
    sys.exit(main())
