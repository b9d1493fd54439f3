/* Draws every chart of a page with the Vega of this folder, as wide as the page allows, and marks the concept that is
   searched for or clicked in one chart in all of them. No server, no network. */
(() => {
  "use strict";
  const here = document.currentScript.src.replace(/n2v-charts\.js.*$/, "");
  const NARROW = 520, AXIS = 76, GAP = 18, LARGEST_SQUARE = 560;
  const views = new Map(); // chart div -> what vegaEmbed returned
  let found = ""; // the concept marked on this page

  function loadVega() {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = here + "vega-bundle.js";
      script.onload = done;
      script.onerror = () => failed(new Error("vega-bundle.js could not be loaded"));
      document.head.append(script);
    });
  }

  /* The small charts of a facet: as many in a row as stay readable, together as wide as the page. */
  function fitFacet(chart, width) {
    const least = 0.75 * (chart.spec.width || 165);
    const room = width - AXIS + GAP;
    const columns = Math.max(1, Math.min(chart.columns || 1, Math.floor(room / (least + GAP))));
    chart.columns = columns;
    chart.spec.width = Math.floor(room / columns - GAP);
  }

  function fit(chart, width, how) {
    if (chart.vconcat) chart.vconcat.forEach((below) => fit(below, width, how));
    else if (chart.facet) fitFacet(chart, width);
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
    if (width < NARROW) {
      const row = { anchor: "start", direction: "vertical" };
      config.legend = { ...config.legend, columns: 3, columnPadding: 8, layout: { top: row } };
    }
    fit(chart, width, (chart.usermeta || {}).n2v);
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
