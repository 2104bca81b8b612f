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

  // Of more arms than ALL some are drawn, FIRST at the beginning; the reader chooses which.
  const ALL = 16, FIRST = 8, many = data.arms.length > ALL;
  const state = { kind: "mean", from: 0, arm: data.arms.find((arm) => arm.trials)?.step };
  const places = new Map();  // step -> which look it has while it is drawn: no two have one, if there are enough
  const choose = (step, on) => {
    if (!on) return places.delete(step);
    const taken = new Set(places.values());
    let place = 0;
    while (taken.has(place)) place++;
    if (!places.has(step)) places.set(step, place);
  };
  const baseline = data.arms.find((arm) => arm.role === "baseline");
  const end = (arm) => arm.mean[arm.mean.length - 1];
  const far = (arm) => (baseline ? Math.abs(end(arm) - end(baseline)) : -end(arm));
  // The baseline and those that come first by `rank`, the lowest of it.
  const foremost = (rank) => {
    const others = data.arms.filter((arm) => arm !== baseline).sort((a, b) => rank(a) - rank(b));
    return [...(baseline ? [baseline] : []), ...others].slice(0, FIRST);
  };
  for (const arm of many ? foremost((one) => -far(one)) : data.arms) choose(arm.step, true);

  const curve_of = (arm) => (state.kind === "mean" ? arm : arm.change);
  const curves = () => {
    if (state.kind !== "trials")
      return data.arms.filter((arm) => places.has(arm.step) && curve_of(arm).x.length > 0)
        .map((arm) => ({ key: arm.step, name: `${arm.step} ${arm.name}`, look: look(places.get(arm.step)), curve: curve_of(arm) }));
    const { trials } = data.arms.find((arm) => arm.step === state.arm);
    return trials.seeds.map((seed, i) => ({ key: `seed ${seed}`, name: `seed ${seed}`, look: look(i),
      curve: { x: trials.x, mean: trials.y[i] } }));
  };

  const kept = (curve) => curve.x.map((x, i) => i).filter((i) => curve.x[i] >= state.from);
  const tables = (shown) => {
    if (shown.length === 0) return [[], []];
    const cut = ({ curve }) => {
      const pick = (values) => kept(curve).map((i) => values[i]);
      return [curve.x, curve.mean, curve.low, curve.high].filter(Boolean).map(pick);
    };
    return uPlot.join(shown.map(cut));
  };

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot = null;
  const hidden = new Set();
  const nearest = document.createElement("output");
  nearest.className = "nearest";

  // Names the curve next to the pointer and pales the others.
  const point_out = (shown, step) => (u) => {
    const { idx, top } = u.cursor;
    let best = null, least = 25;
    if (idx != null && top >= 0)
      shown.forEach((one, i) => {
        const value = u.data[step * i + 1][idx];
        if (value == null || !u.series[step * i + 1].show) return;
        const distance = Math.abs(u.valToPos(value, "y") - top);
        if (distance < least) [best, least] = [i, distance];
      });
    nearest.textContent = best === null ? "" : `${shown[best].name}: ${u.data[step * best + 1][idx].toFixed(4)} at ${u.data[0][idx]}`;
    if (best === u.pointed) return;
    u.pointed = best;
    u.setSeries(best === null ? null : step * best + 1, { focus: true });
  };

  const draw = (paper) => {
    const shown = curves(), bands = [], series = [{ label: "iteration" }];
    const single = state.kind === "trials", step = single ? 1 : 3;  // series a curve
    if (plot) plot.destroy();
    plot = null;
    nearest.textContent = "";
    const ink = paper ? "#1a1a1a" : style("--ink"), rule = paper ? "#d0d0d0" : style("--rule");
    const digits = (value) => (value == null ? "–" : value.toFixed(4));
    shown.forEach(({ key, name, curve, look: { colour, dash } }, i) => {
      const show = !hidden.has(key);
      series.push({ label: name, stroke: colour, width: single ? 1 : 2, dash: single ? [] : dash, spanGaps: true, show,
        value: (_, v) => digits(v), points: { show: kept(curve).length < 3 } });
      if (single) return;
      for (const end of ["low", "high"])
        series.push({ label: `${name} ${end}`, stroke: "transparent", width: 0, spanGaps: true, show, points: { show: false } });
      bands.push({ series: [3 * i + 3, 3 * i + 2], fill: colour + (shown.length > FIRST ? "12" : "26") });
    });
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 } };
    const options = {
      width: place.clientWidth, height: Math.max(260, Math.min(420, place.clientWidth * 0.6)),
      scales: { x: { time: false } }, series, bands, focus: { alpha: 0.25 },
      legend: { show: shown.length <= 32 },
      axes: [{ ...axis, label: "iteration" },
        { ...axis, size: 70, label: state.kind === "change" ? `change, ${data.unit}` : `${data.heading}, ${data.unit}` }],
      cursor: { drag: { x: true, y: true, uni: 30 }, ...(shown.length > 32 && { points: { show: false } }) },
      hooks: {
        setCursor: many || shown.length > FIRST ? [point_out(shown, step)] : [],
        setSeries: [(u, i, opts) => {  // the band goes with its curve
          if (i === null || opts.show === undefined || (i - 1) % step !== 0) return;
          const { key } = shown[(i - 1) / step];
          if (opts.show) hidden.delete(key); else hidden.add(key);
          for (let end = i + 1; end < i + step; end++) if (u.series[end].show !== opts.show) u.setSeries(end, { show: opts.show });
        }],
        init: [(u) => {  // ends of bands need no place in the legend
          u.root.querySelectorAll(".u-legend .u-series").forEach((row, i) => { if (i > 0 && (i - 1) % step !== 0) row.hidden = row.style.display = "none"; });
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
  const last = data.arms.reduce((most, arm) => Math.max(most, arm.x[arm.x.length - 1] ?? 0), 0);
  const kinds = [["loss", "mean", () => { state.kind = "mean"; }]];
  if (data.arms.some((arm) => arm.change.x.length > 0))
    kinds.push(["change to the reference", "change", () => { state.kind = "change"; }]);
  if (state.arm !== undefined) kinds.push(["each seed of", "trials", () => { state.kind = "trials"; }]);
  if (kinds.length > 1) choice("kind", kinds, 0);
  if (state.arm !== undefined) {
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Whose seeds");
    for (const arm of data.arms.filter(({ trials }) => trials)) select.add(new Option(`${arm.step} ${arm.name}`, arm.step));
    select.addEventListener("change", () => {
      state.arm = Number(select.value);
      tools.querySelector("[value=trials]").click();
      draw(false);
    });
    tools.append(select);
  }
  choice("part", [["all", "all", () => { state.from = 0; }], ["second half", "half", () => { state.from = last / 2; }],
    ["last quarter", "quarter", () => { state.from = last * 0.75; }]], 0);
  place.before(tools);
  place.before(nearest);

  // --- Which arms are drawn
  const chooser = () => {
    const box = document.createElement("details"), title = document.createElement("summary"), list = document.createElement("div");
    const bar = document.createElement("div"), find = document.createElement("input");
    box.id = "plot-arms";
    list.className = "choices";
    bar.className = "tools";
    const boxes = data.arms.map((arm) => {
      const label = document.createElement("label"), input = document.createElement("input"), swatch = document.createElement("i");
      input.type = "checkbox";
      input.value = arm.step;
      input.addEventListener("change", () => { choose(arm.step, input.checked); settle(); });
      label.append(input, swatch, `${arm.step} ${arm.name} (${end(arm).toFixed(4)})`);
      list.append(label);
      return { arm, label, input, swatch };
    });
    const settle = () => {
      for (const { arm, input, swatch } of boxes) {
        input.checked = places.has(arm.step);
        const { colour, dash } = look(places.get(arm.step) ?? 0);
        swatch.style.borderTop = input.checked ? `3px ${dash.length === 0 ? "solid" : dash[0] < 5 ? "dotted" : "dashed"} ${colour}` : "";
      }
      const looks = colours.length * dashes.length;
      title.textContent = `${places.size} of ${data.arms.length} arms are drawn: choose others` +
        (places.size > looks ? `; of more than ${looks} some look alike: point at a curve for its name` : "");
      draw(false);
    };
    const button = (name, arms) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = name;
      one.addEventListener("click", () => { places.clear(); for (const arm of arms()) choose(arm.step, true); settle(); });
      bar.append(one);
    };
    button(`${FIRST - 1} farthest from the baseline`, () => foremost((arm) => -far(arm)));
    button(`${FIRST - 1} lowest`, () => foremost(end));
    button(`${FIRST - 1} highest`, () => foremost((arm) => -end(arm)));
    button("all", () => data.arms);
    button("none", () => []);
    find.type = "search";
    find.placeholder = "part of a name";
    find.setAttribute("aria-label", "Find arms by a part of their name");
    find.addEventListener("input", () => {
      for (const { arm, label } of boxes) label.hidden = !`${arm.step} ${arm.name}`.toLowerCase().includes(find.value.toLowerCase());
    });
    bar.append(find);
    box.append(title, bar, list);
    nearest.before(box);
    settle();
  };

  if (many) chooser(); else draw(false);
  new ResizeObserver(() => {
    if (plot && Math.abs(plot.width - place.clientWidth) > 1) draw(false);
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw(false));
})();
