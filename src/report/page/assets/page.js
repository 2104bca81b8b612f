"use strict";
// What report.html does beyond showing itself: it draws the curves, saves figures, copies commands.
(() => {
  // --- Figures as files of their own
  for (const link of document.querySelectorAll("a.save")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const svg = document.getElementById(link.dataset.svg).cloneNode(true);
      svg.removeAttribute("style");
      const [, , width, height] = svg.getAttribute("viewBox").split(" ");
      svg.setAttribute("width", width);
      svg.setAttribute("height", height);
      const blob = new Blob(['<?xml version="1.0" encoding="UTF-8"?>\n', new XMLSerializer().serializeToString(svg)],
        { type: "image/svg+xml" });
      const address = URL.createObjectURL(blob);
      const saver = document.createElement("a");
      saver.href = address;
      saver.download = link.dataset.svg + ".svg";
      saver.click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
  }

  // --- Commands to copy
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // a browser that keeps the clipboard from pages of files
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  for (const button of document.querySelectorAll(".copy button")) {
    button.addEventListener("click", async () => {
      await copy(button.nextElementSibling.textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  }

  // --- Curves
  const element = document.getElementById("curve-data");
  const place = document.getElementById("plot");
  if (!element || !place) return;
  const data = JSON.parse(element.textContent);
  // Told apart by people who see fewer colours, on white and on black (Okabe and Ito's, some darkened).
  const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3b8fc4", "#7f7f7f", "#8c564b"];
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  const look = (i) => ({ colour: colours[i % colours.length], dash: dashes[Math.floor(i / colours.length) % dashes.length] });

  const state = { kind: "mean", from: 0 };
  const curves = () => data.arms.map((arm, i) => ({ arm, look: look(i), curve: state.kind === "mean" ? arm : arm.change }))
    .filter(({ curve }) => curve.x.length > 0);

  const kept = (curve) => curve.x.map((x, i) => i).filter((i) => curve.x[i] >= state.from);
  const tables = (shown) => {
    if (shown.length === 0) return [[], []];
    const cut = ({ curve }) => {
      const pick = (values) => kept(curve).map((i) => values[i]);
      return [pick(curve.x), pick(curve.mean), pick(curve.low), pick(curve.high)];
    };
    return uPlot.join(shown.map(cut));
  };

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot = null;
  const hidden = new Set();

  const draw = (paper) => {
    const shown = curves();
    if (plot) plot.destroy();
    plot = null;
    const ink = paper ? "#1a1a1a" : style("--ink"), rule = paper ? "#d0d0d0" : style("--rule");
    const series = [{ label: "iteration" }], bands = [];
    const digits = (value) => (value == null ? "–" : value.toFixed(4));
    shown.forEach(({ arm, curve, look: { colour, dash } }, i) => {
      const name = `${arm.step} ${arm.name}`, show = !hidden.has(arm.step);
      series.push({ label: name, stroke: colour, width: 2, dash, spanGaps: true, show, value: (_, v) => digits(v),
        points: { show: kept(curve).length < 3 } });
      for (const end of ["low", "high"])
        series.push({ label: `${name} ${end}`, stroke: "transparent", width: 0, spanGaps: true, show, points: { show: false } });
      bands.push({ series: [3 * i + 3, 3 * i + 2], fill: colour + "26" });
    });
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 } };
    const options = {
      width: place.clientWidth, height: Math.max(260, Math.min(420, place.clientWidth * 0.6)),
      scales: { x: { time: false } }, series, bands,
      axes: [{ ...axis, label: "iteration" },
        { ...axis, size: 70, label: state.kind === "mean" ? `${data.heading}, ${data.unit}` : `change, ${data.unit}` }],
      cursor: { drag: { x: true, y: true, uni: 30 } },
      hooks: {
        setSeries: [(u, i, opts) => {  // the band goes with its curve
          if (i === null || opts.show === undefined || (i - 1) % 3 !== 0) return;
          const step = shown[(i - 1) / 3].arm.step;
          if (opts.show) hidden.delete(step); else hidden.add(step);
          for (const end of [i + 1, i + 2]) if (u.series[end].show !== opts.show) u.setSeries(end, { show: opts.show });
        }],
        init: [(u) => {  // ends of bands need no place in the legend
          u.root.querySelectorAll(".u-legend .u-series").forEach((row, i) => { if (i > 0 && (i - 1) % 3 !== 0) row.hidden = row.style.display = "none"; });
        }],
      },
    };
    plot = new uPlot(options, tables(shown), place);
  };

  const tools = document.createElement("div");
  tools.className = "tools";
  const choice = (name, entries, chosen) => {
    const group = document.createElement("span");
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-label", name === "kind" ? "What is drawn" : "Which iterations");
    entries.forEach(([label, value, act], i) => {
      const wrap = document.createElement("label"), input = document.createElement("input");
      input.type = "radio";
      input.name = name;
      input.value = value;
      input.checked = i === chosen;
      input.addEventListener("change", () => { act(); draw(false); });
      wrap.append(input, " ", label, " ");
      group.append(wrap);
    });
    tools.append(group);
  };
  const last = Math.max(0, ...data.arms.flatMap((arm) => arm.x));
  if (data.arms.some((arm) => arm.change.x.length > 0))
    choice("kind", [["loss", "mean", () => { state.kind = "mean"; }], ["change to the reference", "change", () => { state.kind = "change"; }]], 0);
  choice("part", [["all", "all", () => { state.from = 0; }], ["second half", "half", () => { state.from = last / 2; }],
    ["last quarter", "quarter", () => { state.from = last * 0.75; }]], 0);
  place.before(tools);

  draw(false);
  new ResizeObserver(() => {
    if (plot && Math.abs(plot.width - place.clientWidth) > 1) draw(false);
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw(false));
})();
