// The histogram of concepts, and all weights of a concept.

/** One column for each concept that filters detect, by category, most filters first. */
function histogram(layer) {
  const { detectors, category: kind } = layer.concepts;
  const found = detectors.map((n, c) => [c, n]).filter(([, n]) => n > 0);
  const most = Math.max(...found.map(([, n]) => n));
  const groups = DATA.categories.map(([category]) => {
    const own = found.filter(([c]) => kind[c] === category).sort((a, b) => b[1] - a[1]);
    if (!own.length) return null;
    const filters = own.reduce((sum, [, n]) => sum + n, 0);
    const heading = el(
      "h3",
      {},
      dot(category),
      category,
      el("small", {}, `${own.length} · ${count(filters, "filter")}`),
    );
    const columns = own.map(([c, n]) => column(layer, c, n, n / most));
    return el("div", { class: "group", color: category }, heading, el("div", { class: "columns" }, columns));
  });
  const words = `Unique detectors: ${count(found.length, "concept")}, each with its number of filters`;
  const body = found.length
    ? el("div", { class: "histogram", tabindex: "0", role: "group", "aria-label": words }, groups)
    : el("p", {}, `No filter has a dissection IoU above ${DATA.iou_threshold}.`);
  return el("section", {}, el("h2", {}, words), body);
}

function column(layer, c, n, share) {
  const bar = el("span", { class: "bar" });
  bar.style.height = `${Math.max(2, 84 * share)}px`;
  const name = layer.concepts.name[c],
    words = `${name}: ${count(n, "filter")}`;
  const link = { class: "column", href: to(layer, `concept-${layer.concepts.slug[c]}`), "aria-label": words, title: words };
  return el("a", link, el("span", { class: "stack" }, String(n), bar), el("span", { class: "name" }, name));
}

/** All w_k of a concept, largest first, as bars; a place can be pointed at and opened. */
function weightBars(layer, { all, largest }) {
  const levels = Int8Array.from(atob(all), (letter) => letter.charCodeAt(0));
  const order = [...levels.keys()].sort((a, b) => levels[b] - levels[a] || a - b);
  const bars = (chosen) => order.map((k, i) => (chosen(levels[k]) ? `M${i} 0h1v${-levels[k]}h-1z` : "")).join("");
  const chart = svg("svg", { viewBox: `0 -130 ${order.length} 260`, preserveAspectRatio: "none", role: "img" });
  const up = levels.filter((level) => level > 0).length;
  chart.setAttribute(
    "aria-label",
    `${order.length} weights, sorted: ${up} above zero; the list below names the largest`,
  );
  chart.append(
    svg("path", { class: "above", d: bars((level) => level > 0) }),
    svg("path", { class: "below", d: bars((level) => level < 0) }),
    svg("path", { class: "zero", d: `M0 0h${order.length}` }),
  );
  const hint = "Point at a bar to read it, click to open the filter.";
  const readout = el("p", { class: "note" }, hint);
  const at = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(order.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * order.length)));
  };
  chart.addEventListener("pointermove", (event) => {
    const place = at(event),
      k = order[place],
      w = (levels[k] / 127) * largest;
    readout.textContent = `${place + 1} of ${order.length}: filter ${k} (${nameOf(layer, k) ?? "no concept"}), w about ${sized(w, true)}`;
  });
  chart.addEventListener("pointerleave", () => (readout.textContent = hint));
  chart.addEventListener("click", (event) => (location.hash = to(layer, `filter-${order[at(event)]}`)));
  return el("div", { class: "weights" }, chart, readout);
}
