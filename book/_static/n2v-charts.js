/* Draws every chart of a page with the Vega of this folder, as wide as the page allows, and marks the concept that is
   searched for or clicked in one chart in all of them. No server, no network. */
(() => {
  "use strict";
  const here = document.currentScript.src.replace(/n2v-charts\.js.*$/, "");
  const NARROW = 520, AXIS = 76, GAP = 18, LARGEST_SQUARE = 560, LETTER = 6.6;
  const views = new Map(); // chart div -> what vegaEmbed returned
  let found = ""; // the concept marked on this page

  function loadVega() {
    if (window.vegaEmbed) return Promise.resolve(); // a page alone has it inside
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = here + "vega-bundle.js";
      script.onload = done;
      script.onerror = () => failed(new Error("vega-bundle.js could not be loaded"));
      document.head.append(script);
    });
  }

  /* How many small charts a facet has; 0 where its data do not say. */
  function panels(chart) {
    const name = (chart.facet.field || "").replace(/\\/g, "");
    const rows = (chart.datasets || {})[(chart.data || chart.spec.data || {}).name] || [];
    return new Set(rows.map((row) => row[name]).filter((value) => value !== undefined)).size;
  }

  /* The rows that a part of a chart draws. */
  const rowsOf = (chart, data) => (chart.datasets || {})[(data || {}).name] || [];

  /* Every axis of names beside a part and its layers, with the names. */
  function namesBeside(chart, part, inherited) {
    const data = part.data || inherited, y = (part.encoding || {}).y;
    const named = y && ["nominal", "ordinal"].includes(y.type) && y.axis !== null;
    const field = named ? (y.field || "").replace(/\\/g, "") : "";
    const own = named ? [{ y, names: [...new Set(rowsOf(chart, data).map((row) => String(row[field])))] }] : [];
    return own.concat(...(part.layer || []).map((one) => namesBeside(chart, one, data)));
  }

  const longest = (names) => Math.max(0, ...names.map((name) => name.length));

  /* Pixels that the names or numbers beside a part take; on a phone at most two fifths of the page. */
  function roomBeside(chart, part, page, narrow) {
    const names = namesBeside(chart, part, chart.data).map((beside) => longest(beside.names));
    return Math.max(AXIS, 24 + Math.min(narrow ? 0.4 * page : 260, LETTER * Math.max(0, ...names)));
  }

  /* The small charts of a facet: as many in a row as stay readable, together as wide as the page; a few more or one
     fewer where that fills every row. Where a row is not full, every panel has its own axis. */
  function fitFacet(chart, width, narrow) {
    const least = 0.7 * (chart.spec.width || 165);
    const room = width - roomBeside(chart, chart.spec, width, narrow) + GAP;
    const most = Math.max(1, Math.floor(room / (least + GAP)));
    const count = panels(chart), wanted = Math.min(chart.columns || 1, most, count || most);
    const near = wanted > 1 ? [wanted, wanted - 1, wanted + 1, wanted + 2] : [];
    const columns = near.find((n) => n > 1 && n <= most && count % n === 0) || wanted;
    chart.columns = columns;
    chart.spec.width = Math.floor(room / columns - GAP);
    if (count % columns) chart.resolve = { ...chart.resolve, axis: { ...(chart.resolve || {}).axis, x: "independent" } };
  }

  /* A sentence in lines of at most so many letters. */
  function lines(text, letters) {
    const out = [""];
    for (const word of text.split(" "))
      if (out.at(-1) && out.at(-1).length + word.length >= letters) out.push(word);
      else out[out.length - 1] = `${out.at(-1)} ${word}`.trim();
    return out.length > 1 ? out : text;
  }

  /* A name in lines of at most so many letters, broken at its spaces and hyphens. */
  function folded(name, letters) {
    const out = [""];
    for (const word of name.match(/[^ -]*[ -]?/g))
      if (out.at(-1) && out.at(-1).length + word.trimEnd().length > letters) out.push(word);
      else out[out.length - 1] += word;
    return out.map((line) => line.trimEnd());
  }

  /* On a phone long names beside a chart are folded, and their rows made high enough. */
  function foldNames(chart, part, page) {
    const most = Math.floor(0.4 * page), letters = Math.floor(most / LETTER);
    let deepest = 1;
    for (const { y, names } of namesBeside(chart, part, chart.data)) {
      const long = names.filter((name) => name.length > letters).map((name) => [name, folded(name, letters)]);
      if (!long.length) continue;
      const lookup = `(${JSON.stringify(Object.fromEntries(long))})[datum.label]`;
      const lifted = { condition: { test: `isArray(${lookup})`, value: -LETTER }, value: 0 }; // two lines about the row
      y.axis = { ...y.axis, labelExpr: `${lookup} || datum.label`, labelOffset: lifted, labelLimit: most + 20 };
      deepest = Math.max(deepest, ...long.map(([, parts]) => parts.length));
    }
    const step = (part.height || {}).step;
    if (deepest > 1 && step) part.height = { step: Math.max(step, 13 * deepest + 6) };
  }

  /* Charts below or beside each other are not fitted by Vega-Lite: the room for their axes is taken off here. */
  function fitParts(chart, width, narrow) {
    if (narrow && chart.hconcat) {
      chart.vconcat = chart.hconcat;
      delete chart.hconcat;
    }
    const parts = chart.vconcat || chart.hconcat, share = chart.hconcat ? Math.floor(width / parts.length) - GAP : width;
    for (const part of parts) part.width = Math.floor(share - roomBeside(chart, part, width, narrow));
  }

  /* Most pixels that a part and its layers allow for the names beside it. */
  const widestNames = ({ encoding, layer = [] }) =>
    Math.max((((encoding || {}).y || {}).axis || {}).labelLimit || 0, ...layer.map(widestNames));

  /* Titles of axes in as many lines as their side of the plot needs; on a phone, names beside it take less than half.
     Layers share an axis, and Vega-Lite puts titles of theirs that differ behind each other: all are broken alike. */
  function fitAxes(part, page, plot, narrow) {
    const wide = part.width || plot.wide, high = typeof part.height === "number" ? part.height : plot.high;
    const { x, y } = part.encoding || {}, most = Math.floor(0.4 * page);
    const names = Math.max(plot.names, widestNames(part));
    if (narrow && y && y.axis && y.axis.labelLimit > most && !y.axis.labelExpr) y.axis.labelLimit = most;
    const room = wide === page ? page - Math.max(AXIS, Math.min(names, most)) : wide;
    if (x && typeof x.title === "string") x.title = lines(x.title, Math.floor(room / LETTER));
    if (y && typeof y.title === "string") y.title = lines(y.title, Math.floor(Math.max(high, 90) / LETTER));
    const inside = [...(part.layer || []), ...(part.vconcat || []), ...(part.facet ? [part.spec] : [])];
    inside.forEach((one) => fitAxes(one, page, { wide, high, names }, narrow));
  }

  /* Keys of a legend below each other in as many columns as the longest of them leaves. */
  function legendColumns(chart, width) {
    const names = [];
    JSON.stringify(chart, (key, value) => {
      if (["datasets", "x", "y", "xOffset", "yOffset"].includes(key)) return undefined;
      if (value && value.scale && Array.isArray(value.scale.domain) && value.legend !== null)
        names.push(value.scale.domain.map(String));
      return value;
    });
    const length = (name) => LETTER * name.length + 40;
    const longest = Math.max(0, ...names.flat().map(length));
    const row = Math.max(0, ...names.map((some) => some.reduce((sum, name) => sum + length(name), 0)));
    return row > width ? Math.max(1, Math.floor(width / longest)) : 0;
  }

  function fit(chart, width, how, narrow) {
    if (chart.vconcat || chart.hconcat) fitParts(chart, width, narrow);
    else if (chart.facet) fitFacet(chart, width, narrow);
    else if (how === "square") {
      chart.width = chart.height = Math.min(width, LARGEST_SQUARE);
      chart.autosize = { type: "fit", contains: "padding" };
    } else if (how === "wide") {
      chart.width = width;
      chart.autosize = { type: "fit-x", contains: "padding" };
    }
  }

  function fitted(spec, width) {
    const chart = structuredClone(spec);
    delete chart.$schema; // it names the version that JupyterLab draws; ours is newer
    const config = (chart.config = chart.config || {});
    const narrow = width < NARROW, columns = legendColumns(chart, width);
    if (narrow) config.legend = { ...config.legend, columnPadding: 8, layout: { top: { anchor: "start", direction: "vertical" } } };
    if (columns) config.legend = { ...config.legend, columns, labelLimit: width - 40 };
    fit(chart, width, (chart.usermeta || {}).n2v, narrow);
    const parts = [chart, ...(chart.vconcat || []), ...(chart.facet ? [chart.spec] : [])];
    if (narrow) parts.forEach((part) => foldNames(chart, part, width));
    fitAxes(chart, width, { wide: width, high: 400, names: 0 }, narrow);
    return chart;
  }

  const hasSearch = (view) => "find" in view.getState({ signals: (name) => name === "find" }).signals;

  function mark(text) {
    found = text;
    for (const { view } of views.values())
      if (hasSearch(view) && view.signal("find") !== text) view.signal("find", text).runAsync();
  }

  /* A click on a point marks its concept everywhere (in quotes: exactly this name); again, or beside it: nothing. */
  function listen(view) {
    if (!hasSearch(view)) return;
    view.addSignalListener("find", (_, text) => text !== found && mark(text));
    view.addEventListener("click", (_, item) => {
      const name = item && item.datum && item.datum.name;
      const aside = !item || item.mark.marktype === "group";
      if (name) mark(found === `"${name}"` ? "" : `"${name}"`);
      else if (aside && found) mark("");
    });
  }

  async function draw(box, spec) {
    const width = Math.floor(box.clientWidth) || 600; // 600 inside a closed <details>; drawn again when it opens
    const before = views.get(box);
    box.dataset.width = box.clientWidth;
    try {
      const options = { mode: "vega-lite", actions: false, renderer: "svg", defaultStyle: false, logLevel: 1 };
      options.tooltip = { disableDefaultStyle: true };
      const drawn = await window.vegaEmbed(box, fitted(spec, width), options);
      if (before) before.finalize();
      views.set(box, drawn);
      listen(drawn.view);
      if (found && hasSearch(drawn.view)) await drawn.view.signal("find", found).runAsync();
      box.dataset.drawn = "true";
    } catch (error) {
      box.dataset.drawn = "false";
      box.dataset.error = String(error);
      console.error("chart not drawn: " + error);
    }
  }

  function redrawWhenWidthChanges(boxes) {
    let later;
    const changed = () => {
      for (const [box, spec] of boxes)
        if (box.clientWidth && Math.abs(box.clientWidth - Number(box.dataset.width)) > 4) draw(box, spec);
    };
    const watch = new ResizeObserver(() => {
      clearTimeout(later);
      later = setTimeout(changed, 150);
    });
    for (const box of boxes.keys()) watch.observe(box);
  }

  async function start() {
    const boxes = new Map();
    for (const node of document.querySelectorAll("script.n2v-spec"))
      boxes.set(node.previousElementSibling, JSON.parse(node.textContent));
    if (!boxes.size) return;
    try {
      await loadVega();
    } catch (error) {
      for (const box of boxes.keys()) Object.assign(box.dataset, { drawn: "false", error: String(error) });
      return;
    }
    for (const [box, spec] of boxes) await draw(box, spec);
    redrawWhenWidthChanges(boxes);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
