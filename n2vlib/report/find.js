// Where a page has several layers: what it holds, and the search for the filters that know a concept.

const SHOWN = { concepts: 12, filters: 8, texts: 40 };
const found = (text) => `#find=${encodeURIComponent(text)}`;

/** All layers, with the counts that the index has. */
function overview() {
  const headings = [
    ["layer", ""],
    ["network", ""],
    ["filters", "n"],
    ["detectors", "n"],
    ["unique detectors", "n"],
    ["sure names", "n more"],
  ];
  const known = (layer) => layer.filters.concept.filter((c, k) => c !== null && layer.filters.sure[k]).length;
  const numbers = (layer) => [layer.filters.iou.length, detectorsOf(layer), uniqueOf(layer), known(layer)];
  return [
    el("h2", { tabindex: "-1" }, "The layers"),
    table(headings, LAYERS, (layer) => [
      el("a", { href: to(layer, "filters") }, layer.layer),
      layer.network,
      ...numbers(layer).map((n) => n.toLocaleString("en")),
    ]),
  ];
}

const detectorsOf = ({ filters }) => filters.iou.filter((iou) => iou > DATA.iou_threshold).length;
const uniqueOf = ({ concepts }) => concepts.detectors.filter((n) => n > 0).length;

/** The search: what is typed becomes the address of the view of its results. */
function searchForm() {
  const input = el("input", { type: "search", placeholder: "wheel", oninput: () => search(input.value) });
  const form = { class: "find", role: "search", onsubmit: (event) => event.preventDefault() };
  return el("form", form, el("label", {}, "Which filters know", input));
}

function search(text) {
  if (location.hash.startsWith("#find=")) {
    history.replaceState(null, "", found(text));
    show();
  } else location.hash = found(text);
}

/** The places of the concepts whose name has all words of a text: the same name first, then names that begin with it. */
function named(text) {
  const wanted = text.toLowerCase().trim(),
    words = wanted.split(/\s+/);
  const order = (name) => (name === wanted ? 0 : name.startsWith(wanted) ? 1 : name.split(/[^\p{L}\d]+/u).includes(wanted) ? 2 : 3);
  return CONCEPTS.name
    .map((name, c) => [name.toLowerCase(), c])
    .filter(([name]) => wanted && words.every((word) => name.includes(word)))
    .map(([name, c]) => [order(name), -(knowing(c)[0]?.[2] ?? 0), c])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([, , c]) => c);
}

/** The filters of all layers that overlap most with a concept, [layer, filter, dissection IoU]. */
function knowing(c) {
  const all = LAYERS.flatMap((layer) => layer.concepts.best[c].map(([k, iou]) => [layer, k, iou]));
  return all.sort((a, b) => b[2] - a[2]);
}

function results(text) {
  const concepts = named(text),
    more = concepts.slice(SHOWN.concepts);
  const said = text.trim() ? `${count(concepts.length, "concept")} with “${text.trim()}” in the name.` : "Type the name of a concept, or a part of it.";
  return [
    el("p", { class: "said", role: "status" }, said),
    concepts.slice(0, SHOWN.concepts).map(filtersThatKnow),
    more.length ? el("p", {}, "More: ", more.map((c) => [el("a", { href: found(CONCEPTS.name[c]) }, CONCEPTS.name[c]), " "])) : null,
    inTexts(text, "In formulas", "formula of up to three concepts", formulaOf),
    inTexts(text, "In descriptions", "description", descriptionOf),
  ];
}

/** The filters of which something is said with all words of a text, those with the highest dissection IoU first. */
function inTexts(text, title, heading, saidOf) {
  const words = text.toLowerCase().trim().split(/\s+/);
  const has = (said) => words.every((word) => said.toLowerCase().includes(word));
  const all = LAYERS.flatMap((layer) => layer.filters.iou.map((iou, k) => ({ layer, k, iou, said: saidOf(layer, k) }))).filter(
    ({ said }) => text.trim() && said && has(said),
  );
  const rows = all.sort((a, b) => b.iou - a.iou).slice(0, SHOWN.texts);
  if (!rows.length) return null;
  const headings = [
    ["filter", ""],
    ["layer", "more"],
    [heading, ""],
  ];
  const cut = all.length > rows.length ? `, the first ${rows.length} of them` : "";
  return el(
    "section",
    {},
    el("h2", {}, title, el("small", {}, `${count(all.length, "filter")}${cut}`)),
    table(headings, rows, ({ layer, k, said }) => [filterLink(layer, k), layer.label, said]),
  );
}

/** A concept with its best filters of all layers, and their pictures. */
function filtersThatKnow(c) {
  const best = knowing(c).slice(0, SHOWN.filters),
    { name, category } = CONCEPTS;
  const n = LAYERS.reduce((sum, { concepts }) => sum + concepts.detectors[c], 0);
  const words = `${category[c]}; ${count(n, "detector")} in ${count(LAYERS.length, "layer")}`;
  const cards = best.map(([layer, k, iou]) => card(layer, k, iou));
  const said = `Filters with the highest IoU with ${name[c]}, whatever they are named after:`;
  return el(
    "section",
    {},
    el("h2", {}, best.length ? conceptOf(best[0][0], c) : name[c], el("small", {}, words)),
    el("p", { class: "note" }, best.length ? said : "No filter overlaps with it."),
    el("div", { class: "cards" }, cards),
  );
}
